/**
 * Mutated PDFs, CMS containers, certificates, timestamps and revocation lists: no crash, no hang, nothing forged accepted.
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
