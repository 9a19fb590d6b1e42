/** The proof over a recording of two uploads, small and large, by the whole platform; and over lines written by hand. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { encodeRecordHeader } from '../../../apps/server/src/storage/journal-record.ts'
import { type Call, readCalls, target } from './calls.ts'
import { createDiskHistory } from './disk-history.ts'
import { type ProofPlan, prove } from './proof.ts'

const recorded = (name: string) => readFileSync(join(import.meta.dirname, 'recorded', name), 'latin1')
const plan = JSON.parse(recorded('uploads.json')) as ProofPlan
const calls = readCalls(recorded('uploads.strace'))
const isSync = ({ name }: Call) => name === 'fsync' || name === 'fdatasync'
const without = (...left: Call[]) => calls.filter((call) => !left.includes(call))
const findingsOf = (changed: readonly Call[], over: Partial<ProofPlan> = {}) =>
  prove(changed, { ...plan, ...over }).findings

describe('a recording of two uploads', () => {
  test('proves them', () => {
    const proof = prove(calls, plan)
    expect(proof).toMatchObject({ replicas: 12, commits: 2, commitsInBothSites: 2, answers: 2, findings: [] })
    expect(
      proof.objects.map(({ kind, storageClass, domains }) => [kind, storageClass, domains.length]),
    ).toEqual([
      ['small', 'draft', 6],
      ['large', 'draft', 6],
    ])
  })

  const inStorage = calls.filter((call) => isSync(call) && !target(call).includes('/pg_wal/'))
  const paths = new Set(inStorage.map(target))

  test('loses its proof with any one of its syncs of files and folders', () => {
    // 6 segments, 6 files, and the folders that hold them, and those that hold these.
    expect(paths.size).toBeGreaterThan(30)
    for (const path of paths) {
      const same = inStorage.filter((call) => target(call) === path)
      expect(findingsOf(without(...same)), path).not.toEqual([])
      // One alone may be missing only where the same was synced again in time.
      const unnoticed = same.filter((call) => findingsOf(without(call)).length === 0)
      if (same.length === 1) expect(unnoticed, path).toEqual([])
    }
    const alone = inStorage.filter((call) => findingsOf(without(call)).length > 0)
    expect(alone.length).toBeGreaterThan(24)
  })

  test.each([
    ['that end only after the acknowledgement', (call: Call): Call => ({ ...call, end: call.end + 1e6 })],
    ['that began before what they are for', (call: Call): Call => ({ ...call, begin: 0 })],
    ['that failed', (call: Call): Call => ({ ...call, result: -1 })],
  ])('takes no syncs %s', (_, spoil) => {
    for (const path of paths) {
      const changed = calls.map((call) => (isSync(call) && target(call) === path ? spoil(call) : call))
      expect(findingsOf(changed), path).not.toEqual([])
    }
  })

  test.each(['primary', 'recovery'])('loses the proof of its commits with the log of the %s site', (site) => {
    const main = plan.clusters[0]
    const data = site === 'primary' ? main?.data : main?.copies[0]
    const log = calls.filter((call) => isSync(call) && target(call).startsWith(`${data}/pg_wal/`))
    expect(log.length).toBeGreaterThan(0)
    expect(findingsOf(without(...log))).toEqual(
      Array(2).fill({
        of: expect.stringMatching(/^commit of object /),
        missing: expect.stringContaining(`${data}`),
      }),
    )
  })

  test('misses a write as much as a sync', () => {
    const writes = calls.filter(({ name, args }) => name.startsWith('pwrite') && args.includes('/storage/'))
    expect(writes.length).toBeGreaterThanOrEqual(12)
    for (const write of writes) {
      expect(findingsOf(without(write)), write.args.slice(0, 100)).not.toEqual([])
      const short = { ...write, result: write.result - 1 }
      expect(findingsOf(calls.map((call) => (call === write ? short : call)))).not.toEqual([])
    }
    for (const link of calls.filter(({ name }) => name === 'link'))
      expect(findingsOf(without(link))).not.toEqual([])
  })

  test('counts sites, not folders', () => {
    const domains = plan.domains.map((one) => ({ ...one, site: 'recovery' as const }))
    expect(findingsOf(calls, { domains })).toEqual(
      Array(2).fill({
        of: expect.stringMatching(/^object /),
        missing: expect.stringContaining('a quorum of 2 + 0 for draft'),
      }),
    )
  })

  test('takes no answer from before its commit, and none that was not given', () => {
    const isAnswer = ({ name, args }: Call) => name.startsWith('write') && args.includes('HTTP/1.1 2')
    expect(calls.filter(isAnswer)).toHaveLength(2)
    const early = calls.map((call) => (isAnswer(call) ? { ...call, begin: 0, end: 0 } : call))
    expect(findingsOf(early)).toEqual(
      Array(2).fill({
        of: expect.stringMatching(/^answer /),
        missing: expect.stringMatching(/^the commit of an object of /),
      }),
    )
    expect(findingsOf(calls.filter((call) => !isAnswer(call)))).toHaveLength(2)
  })

  test('refuses a log that strace cut where it is needed', () => {
    const cut = recorded('uploads.strace').replace(/(sendto\(.*"C\\0\\0\\0\\vCOM)[^"]*"/, '$1"...')
    expect(cut).not.toBe(recorded('uploads.strace'))
    expect(() => prove(readCalls(cut), plan)).toThrow('it needs a longer -s')
  })
})

describe('a removal', () => {
  const id = '0192f0c1-7e5a-7c3d-8000-0123456789ab'
  const folder = '/srv/storage/primary/a'
  const segment = `${folder}/journal/s.seg`
  const object = `${folder}/objects/ab/${id}`
  const last = 1_000

  test('of a record is proven by zeros, a sync, the mark, and a sync', () => {
    // A header over the body "abc", as strace prints it.
    const lines = [
      `7 pwritev(3<${segment}>, [{iov_base="YXSEG001", iov_len=8}, {iov_base="${headerText(id)}", iov_len=64}, {iov_base="abc", iov_len=3}], 3, 0) = 75`,
      `7 fsync(3<${segment}>) = 0`,
      String.raw`7 pwrite64(4<${segment}>, "\0\0\0", 3, 72) = 3`,
      `7 fsync(4<${segment}>) = 0`,
      `7 pwrite64(4<${segment}>, "X", 1, 11) = 1`,
      `7 fsync(4<${segment}>) = 0`,
    ]
    const place = { objectId: id, holder: 'journal/s.seg', position: 8, sizeBytes: 3 }
    const missing = (kept: string[]) =>
      createDiskHistory(readCalls(kept.join('\n'))).missingOfRemoval(folder, place, last)
    expect(missing(lines)).toBeUndefined()
    const dropped = [2, 3, 4, 5].map((n) => missing(lines.toSpliced(n, 1)))
    expect(dropped).toEqual([
      `zeros over the record at 8 of ${segment}`,
      `fsync of ${segment} between the zeros and the mark`,
      `the mark of erasure at 8 of ${segment}`,
      `fsync of ${segment} after the mark of erasure`,
    ])
    // The mark before the zeros would call a body gone that a crash keeps.
    const swapped = [...lines.slice(0, 2), ...lines.slice(4), ...lines.slice(2, 4)]
    expect(missing(swapped)).toBe(`fsync of ${segment} between the zeros and the mark`)
    // Other bytes than zeros hide nothing.
    const random = lines.with(2, lines[2]?.replace(String.raw`\0\0\0`, String.raw`\0\1\0`) ?? '')
    expect(missing(random)).toBe(`zeros over the record at 8 of ${segment}`)
  })

  test('of a file is proven by the loss of its name and the sync of its folder', () => {
    const lines = [`7 unlink("${object}") = 0`, `7 fsync(3<${folder}/objects/ab>) = 0`]
    const place = { objectId: id, holder: `objects/ab/${id}`, position: 0, sizeBytes: 3 }
    const missing = (kept: string[]) =>
      createDiskHistory(readCalls(kept.join('\n'))).missingOfRemoval(folder, place, last)
    expect(missing(lines)).toBeUndefined()
    expect(missing(lines.slice(1))).toBe(`unlink of ${object}`)
    expect(missing(lines.slice(0, 1))).toBe(`fsync of ${folder}/objects/ab after ${object} went`)
    expect(missing(lines.toReversed())).toBe(`fsync of ${folder}/objects/ab after ${object} went`)
  })
})

/** The header of a record, every byte as three octal digits. */
function headerText(objectId: string): string {
  const body = Buffer.from('abc')
  const header = encodeRecordHeader(objectId, body, createHash('sha256').update(body).digest('hex'))
  return Array.from(header, (byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')
}
