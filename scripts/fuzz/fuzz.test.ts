import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyPdf } from '@yinxin/pades'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { appendUpdate } from '../../packages/pades/test-files.ts'
import { createTestPki } from '../../packages/pades/test-pki.ts'
import { caseOf } from './cases.ts'
import { fuzzPades } from './run.ts'
import { randomOf } from './mutate.ts'
import { appendRevision } from './revisions.ts'
import { hashOf, makeSamples, type Sample, type Samples } from './samples.ts'
import { FalseAccept, FalseAlarm, makeChecks } from './targets.ts'

const at = new Date(Date.now() - 3_600_000)
const folder = mkdtempSync(join(tmpdir(), 'yinxin-fuzz-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let samples: Samples
beforeAll(async () => {
  samples = await makeSamples(at)
})

const ownOf = (target: Sample['target']) => {
  const found = samples.list.find((one) => one.target === target && one.own)
  if (!found) throw new Error(`no sample of ${target}`)
  return found
}

describe('fuzzing the engine', () => {
  it('finds no crash, no hang and no false accept in twenty seconds', async () => {
    const seed = 20_261_124
    const { cases, findings } = await fuzzPades({ seed, forMs: 20_000, folder })
    expect({ seed, findings }).toEqual({ seed, findings: [] })
    expect(cases).toBeGreaterThan(500)
  }, 120_000)

  it('keeps an input that hangs, with its seed, and goes on after it', async () => {
    const worker = new URL('./hanging-worker.ts', import.meta.url)
    const { findings } = await fuzzPades({ seed: 7, forMs: 1500, folder, deadlineMs: 300, worker })
    expect(findings.length).toBeGreaterThan(1)
    const [first] = findings
    if (!first) throw new Error('nothing was kept')
    expect(first).toMatchObject({ seed: 7, index: 0, kind: 'hang' })
    expect(readFileSync(first.file).length).toBeGreaterThan(0)
    expect(JSON.parse(readFileSync(`${first.file}.json`, 'utf8'))).toMatchObject({ seed: 7, index: 0 })
    expect(readFileSync(`${first.file}.original`).length).toBeGreaterThan(0)
  })
})

describe('a case', () => {
  it('is the same for the same seed and number, leaves its sample alone, and mostly differs from it', () => {
    const hashes = () => samples.list.map(({ bytes }) => hashOf(bytes))
    const before = hashes()
    let changed = 0
    for (let index = 0; index < 300; index++) {
      const { sample, bytes } = caseOf(samples, 11, index)
      expect(caseOf(samples, 11, index).bytes).toEqual(bytes)
      if (Buffer.compare(sample.bytes, bytes) !== 0) changed++
    }
    expect(hashes()).toEqual(before)
    expect(changed).toBeGreaterThan(250)
  })

  it('reaches every kind of input', () => {
    const targets = new Set(
      Array.from({ length: 200 }, (_, index) => caseOf(samples, 3, index).sample.target),
    )
    expect([...targets].sort()).toEqual(
      ['certificate', 'cms', 'crl', 'csr', 'est', 'ocsp', 'pdf', 'revision', 'timestamp'].sort(),
    )
  })
})

describe('the checks', () => {
  it('let the unchanged samples pass', () => {
    const checks = makeChecks(samples, new Date())
    for (const sample of samples.list) checks[sample.target](sample.bytes, sample)
  })

  it.each(['pdf', 'cms', 'timestamp', 'crl', 'ocsp', 'csr', 'est'] as const)(
    'call an accepted %s that nobody made a false accept',
    (target) => {
      // For checks that know of other samples only, a real signature is one that nobody made.
      const same = target === 'est' ? ['est', 'csr', 'certificate'] : [target]
      const strangers = {
        ...samples,
        list: samples.list.filter((one) => !same.includes(one.target)),
        signed: new Set<string>(),
      }
      const sample = ownOf(target)
      expect(() => makeChecks(strangers, new Date())[target](sample.bytes, sample)).toThrow(FalseAccept)
    },
  )

  it('call an accepted certificate that nobody issued a false accept', () => {
    const sample = ownOf('certificate')
    const strangers = { ...samples, list: samples.list.filter((one) => one.target !== 'certificate') }
    expect(() => makeChecks(strangers, new Date()).certificate(sample.bytes, sample)).toThrow(FalseAccept)
    const [foreign] = createTestPki(at).p256.certificates
    if (foreign) makeChecks(strangers, new Date()).certificate(foreign, sample)
  })

  it.each(['other', 'annotations', 'form'] as const)(
    'call it a false accept when a revision with a change up to "%s" is said to have none',
    (expectation) => {
      const sample = ownOf('revision')
      const revised = { expectation, changes: ['something was changed'] }
      expect(() => makeChecks(samples, new Date()).revision(sample.bytes, sample, revised)).toThrow(
        FalseAccept,
      )
    },
  )

  it('call it a false alarm when a revision that changed nothing is said to change something', () => {
    const sample = ownOf('revision')
    const bytes = appendUpdate(sample.bytes, { 4: '<</Length 0>>\nstream\n\nendstream' })
    const revised = { expectation: 'same', changes: ['nothing was changed'] } as const
    expect(() => makeChecks(samples, new Date()).revision(bytes, sample, revised)).toThrow(FalseAlarm)
  })

  it('know the root that SM2 samples lead to', () => {
    const sample = samples.list.find(({ target, root }) => target === 'certificate' && root)
    if (!sample?.root) throw new Error('no SM2 certificate')
    const strangers = {
      ...samples,
      list: samples.list.filter((one) => one.target !== 'certificate' || one === sample),
    }
    const unknown = {
      ...strangers,
      list: strangers.list.map((one) =>
        one === sample ? { ...one, target: 'crl' as const, bytes: ownOf('crl').bytes } : one,
      ),
    }
    expect(() => makeChecks(unknown, new Date()).certificate(sample.bytes, sample)).toThrow(FalseAccept)
  })

  it('see a changed byte in a signed range', () => {
    const sample = ownOf('pdf')
    const other = { ...sample, bytes: sample.bytes.slice() }
    other.bytes[20] = (other.bytes[20] ?? 0) ^ 1
    // The file is good; it is the sample that differs from it, which the check cannot tell apart.
    expect(() => makeChecks(samples, new Date()).pdf(sample.bytes, other)).toThrow(/signed byte changed/)
  })
})

describe('a revision', () => {
  it('of every kind is appended correctly: nothing of the file before is touched, and readers find it whole', () => {
    const files = samples.list.filter(({ target }) => target === 'revision')
    const seen = new Set<string>()
    for (let index = 0; index < 500; index++) {
      const random = randomOf(17, index)
      const { bytes } = random.pick(files)
      const revised = appendRevision(bytes, random)
      if (!revised) continue
      seen.add(revised.change)
      expect(Buffer.compare(revised.bytes.subarray(0, bytes.length), bytes)).toBe(0)
      expect(verifyPdf(revised.bytes).repaired).toBe(false)
    }
    expect(seen.size).toBe(17)
  })
})
