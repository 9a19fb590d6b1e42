// Signs, extends, verifies and validates one large file by ranges, and prints by how much the peak of resident memory
// exceeds what was in use before. In a process of its own, because a peak never falls.
//   node packages/pades/bench-ranges.ts FOLDER MEGABYTES
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { extendDelta, type PdfSource, signDelta, validatePdf, verifyPdf } from './src/pades.ts'
import { samplePdf } from './test-files.ts'
import { createTestPki } from './test-pki.ts'

const [folder = '.', megabytes = '200'] = process.argv.slice(2)
const at = new Date('2026-11-24T10:00:00Z')
const pki = createTestPki(at)
const signing = { ...pki.p256, placements: [], signingTime: at, timestamp: pki.timestamp }
const extending = {
  level: 'B-LTA',
  validationData: () => ({ crls: [pki.crl(at)] }),
  timestamp: pki.timestamp,
} as const
const judging = { trust: [pki.root], at }

const handle = openSync(join(folder, 'large.pdf'), 'w+')
writeLarge(handle, Number(megabytes))
const room = new Uint8Array(1 << 20)
const source = (): PdfSource => ({
  length: fstatSync(handle).size,
  read(offset, length) {
    return room.subarray(0, readSync(handle, room, 0, length, offset))
  },
})
const append = (delta: Uint8Array) => writeSync(handle, delta, 0, delta.length, fstatSync(handle).size)

// What the code itself takes, once, on a file of no size.
const small = samplePdf()
const whole = Buffer.concat([small, await signDelta(small, signing)])
validatePdf(Buffer.concat([whole, await extendDelta(whole, extending)]), judging)

const before = process.memoryUsage().rss
const timesMs: Record<string, number> = {}
const timed = async <T>(name: string, act: () => T | Promise<T>): Promise<T> => {
  const from = performance.now()
  const result = await act()
  timesMs[name] = Math.round(performance.now() - from)
  return result
}
append(await timed('sign', () => signDelta(source(), signing)))
append(await timed('extend', () => extendDelta(source(), extending)))
const { ok } = await timed('verify', () => verifyPdf(source(), { trust: judging.trust }))
const { signatures, indication } = await timed('validate', () => validatePdf(source(), judging))
const status = readFileSync('/proc/self/status', 'utf8')
const growthBytes = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024 - before
console.log(JSON.stringify({ ok, level: signatures[0]?.level, indication, growthBytes, timesMs }))
closeSync(handle)

/** A page of text and pictures of a mebibyte each, most of them holes of the file system. */
function writeLarge(file: number, count: number): void {
  const offsets: number[] = []
  let position = 0
  const write = (text: string) => {
    position += writeSync(file, text, position, 'latin1')
  }
  write('%PDF-1.7\n')
  const objects = [
    '<</Type/Catalog/Pages 2 0 R>>',
    '<</Type/Pages/Kids[3 0 R]/Count 1>>',
    '<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Resources<<>>>>',
  ]
  objects.forEach((body, i) => {
    offsets.push(position)
    write(`${i + 1} 0 obj\n${body}\nendobj\n`)
  })
  const size = 1 << 20
  for (let i = 0; i < count; i++) {
    offsets.push(position)
    write(
      `${i + 4} 0 obj\n<</Type/XObject/Subtype/Image/Width 1024/Height 1024/BitsPerComponent 8/ColorSpace/DeviceGray/Length ${size}>>\nstream\n`,
    )
    position += size
    ftruncateSync(file, position)
    write('\nendstream\nendobj\n')
  }
  const start = position
  const rows = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('')
  write(`xref\n0 ${offsets.length + 1}\n0000000000 65535 f \n${rows}`)
  write(`trailer\n<</Size ${offsets.length + 1}/Root 1 0 R>>\nstartxref\n${start}\n%%EOF\n`)
}
