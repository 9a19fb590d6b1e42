/**
 * Mutated PDFs, CMS containers, certificates, timestamps, revocation lists, OCSP answers, certificate requests and EST
 * messages, SM2 among them, and well-formed later revisions of signed files: no crash, no case that computes for more than
 * two seconds, nothing forged accepted, no change called none, and nothing unchanged called a change.
 *
 *   npm run fuzz -- pades [--minutes N] [--seed S]
 *
 * Inputs that go wrong are kept in `.cache/fuzz` beside what they were made from. The corpus is taken from
 * YINXIN_CORPUS or from beside the repository; without it only files of our own are mutated.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fuzzPades } from './fuzz/run.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string' } },
})
const minutes = Number(values.minutes)
const seed = values.seed === undefined ? Date.now() % 0x7fffffff : Number(values.seed)
if (positionals.join() !== 'pades' || !(minutes > 0) || !Number.isSafeInteger(seed)) {
  console.error('usage: npm run fuzz -- pades [--minutes N] [--seed S]')
  process.exit(2)
}
console.log(`seed ${seed}`)
const folder = join(import.meta.dirname, '../.cache/fuzz')
const { cases, findings } = await fuzzPades({ seed, forMs: minutes * 60_000, folder })
for (const { kind, target, sample, index, message, file } of findings)
  console.error(`${kind} in case ${index} (${target}, from ${sample}), kept as ${file}\n${message}\n`)
console.log(`${cases} cases, ${findings.length} findings`)
process.exitCode = findings.length > 0 ? 1 : 0
