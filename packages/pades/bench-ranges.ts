// Signs, extends, verifies and validates one large file by ranges, and prints by how much the peak of resident memory
// exceeds what was in use before. In a process of its own, because a peak never falls.
//   node packages/pades/bench-ranges.ts FOLDER MEGABYTES
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { extendDelta, type PdfSource, signDelta, validatePdf, verifyPdf } from './src/pades.ts'
import { samplePdf } from './test-files.ts'
import { writeLarge } from './test-large.ts'
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
