// Signs one file by ranges and prints by how many bytes its peak of resident memory exceeds what was in use before; run by bench.ts in
// a process of its own, because a peak never falls.
//   node packages/pades/bench-memory.ts FILE.pdf
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { type PdfSource, signDelta } from './src/pades.ts'
import { samplePdf } from './test-files.ts'
import { createTestPki } from './test-pki.ts'

const at = new Date('2026-11-24T10:00:00Z')
const pki = createTestPki(at)
const options = { ...pki.p256, placements: [], signingTime: at }
// What the first signature of any size costs, code and keys, is not the file's.
await signDelta(samplePdf(), options)

const handle = openSync(process.argv[2] as string, 'r+')
const { size } = fstatSync(handle)
const room = new Uint8Array(1 << 20)
const source: PdfSource = {
  length: size,
  read(offset, length) {
    return room.subarray(0, readSync(handle, room, 0, length, offset))
  },
}
// Against what is in use now, not against the peak of the start: that one could hide the growth.
const before = process.memoryUsage().rss
const delta = await signDelta(source, options)
writeSync(handle, delta, 0, delta.length, size)
console.log(peak() - before)
closeSync(handle)

/** What getrusage calls the peak includes the parent's at the fork on Linux; the kernel's own mark does not. */
function peak(): number {
  const status = '/proc/self/status'
  if (!existsSync(status)) return process.resourceUsage().maxRSS * 1024
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(status, 'utf8'))?.[1]) * 1024
}
