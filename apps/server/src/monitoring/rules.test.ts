import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type SlaService, slaServices, type WatchedMinute } from '@yinxin/sla'
import { expect, it } from 'vitest'
import { judge, type Look } from './conditions.ts'
import { family } from './metrics.ts'
import { type RuleName, rules } from './rules.ts'

const root = join(import.meta.dirname, '../../../..')
const prometheus = join(root, 'deploy/prometheus')
const run = promisify(execFile)
const now = new Date('2026-11-24T02:00:04Z')
const minute = Math.floor(now.getTime() / 60_000)

async function promtool(...args: string[]): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await run('promtool', args, { cwd: prometheus })
    return `${stdout}${stderr}`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    if (process.env.CI === 'true') throw new Error('promtool is missing', { cause: error })
    console.warn('skipped: promtool is not installed')
    return undefined
  }
}

it('promtool accepts the rule files and their cases', async (ctx) => {
  const checked = await promtool('check', 'rules', 'yinxin.rules.yml')
  if (checked === undefined) return ctx.skip()
  expect(checked).toMatch(/SUCCESS: \d+ rules found/)
  expect(await promtool('test', 'rules', 'yinxin.rules.test.yml')).toContain('SUCCESS')
})

it('every rule has its runbook, and no alert of Prometheus is without one', async () => {
  const books = (await readdir(join(root, 'docs/runbooks'))).map((name) => name.replace('.md', ''))
  expect(books.toSorted()).toEqual(Object.keys(rules).toSorted())
  const text = await readFile(join(prometheus, 'yinxin.rules.yml'), 'utf8')
  const linked = [...text.matchAll(/runbook: docs\/runbooks\/([\w-]+)\.md/g)].map(([, name]) => name)
  expect(linked).toHaveLength([...text.matchAll(/- alert:/g)].length)
  for (const name of linked) expect(books).toContain(name)
})

const calm = (): Look => ({
  now,
  minutes: new Map(
    slaServices.map((service): [SlaService, WatchedMinute[]] => [
      service,
      Array.from({ length: 20 }, (_, i) => ({
        minute: minute - 20 + i,
        valid: 10,
        ok: 10,
        maintenance: false,
        source: 'traffic' as const,
      })),
    ]),
  ),
  probed: true,
  downMinutes: new Map(),
  gathered: {
    values: {
      storage: { domains: [], writable: {}, repairs: 0, removals: 0, freeBytes: [] },
      databaseCopies: [],
      keyStore: true,
      certificates: [],
      backups: [],
      queue: [],
      pools: [],
    },
    failed: [],
  },
  channels: [],
  rosterGaps: [],
})

it('says nothing when nothing is wrong', () => expect(judge(calm()).conditions).toEqual([]))

const copy = {
  cluster: 'main',
  name: 'r1',
  site: 'recovery',
  role: 'standby',
  lagBytes: 0,
  flushLagBytes: 0,
  replayedAt: null,
  sync: true,
  deviceId: null,
} as const
const storage = { domains: [], writable: {}, repairs: 0, removals: 0, freeBytes: [] }
const dayMs = 86_400_000

it.each<[RuleName, Partial<Look['gathered']['values']>, string?]>([
  ['database-copy', { databaseCopies: [{ ...copy, state: 'down' }] }],
  ['backup-old', { backups: [{ cluster: 'main', newestAt: null, everyMs: dayMs }] }],
  [
    'backup-old',
    { backups: [{ cluster: 'main', newestAt: new Date(now.getTime() - 1.51 * dayMs), everyMs: dayMs }] },
  ],
  ['storage-readonly', { storage: { ...storage, writable: { draft: true, signed: false } } }],
  [
    'storage-quarantine',
    { storage: { ...storage, domains: [{ name: 'p1', site: 'primary', state: 'quarantined' }] } },
  ],
  ['storage-repairs', { storage: { ...storage, repairs: 1 } }],
  ['disk-full', { storage: { ...storage, freeBytes: [{ domain: 'p1', bytes: 1e9 }] } }],
  [
    'certificate-expiring',
    { certificates: [{ name: 'tsa', notAfter: new Date(now.getTime() + 29 * dayMs) }] },
  ],
  [
    'certificate-expiring',
    { certificates: [{ name: 'tsa', notAfter: new Date(now.getTime() + 6 * dayMs) }] },
    'P1',
  ],
  ['queue-stuck', { queue: [{ kind: 'k', waiting: 1, running: 0, givenUp: 0, oldestS: 301 }] }],
  ['jobs-given-up', { queue: [{ kind: 'k', waiting: 0, running: 0, givenUp: 1, oldestS: 0 }] }],
  ['pool-exhausted', { pools: [{ database: 'main', role: 'r', max: 2, total: 2, idle: 0, waiting: 1 }] }],
])('%s is found, and alone', (rule, values, severity) => {
  const look = calm()
  const { conditions } = judge({
    ...look,
    gathered: { values: { ...look.gathered.values, ...values }, failed: [] },
  })
  expect(conditions.map((one) => one.rule)).toEqual([rule])
  expect(conditions[0]?.severity).toBe(severity)
})

it('is silent at the edges', () => {
  const look = calm()
  const values = {
    ...look.gathered.values,
    databaseCopies: [{ ...copy, state: 'catching-up' as const }],
    backups: [{ cluster: 'main', newestAt: new Date(now.getTime() - 1.5 * dayMs), everyMs: dayMs }],
    storage: { ...storage, freeBytes: [{ domain: 'p1', bytes: 2 * 1024 ** 3 }] },
    certificates: [{ name: 'tsa', notAfter: new Date(now.getTime() + 30 * dayMs) }],
    queue: [{ kind: 'k', waiting: 9, running: 9, givenUp: 0, oldestS: 300 }],
    pools: [{ database: 'main' as const, role: 'r', max: 2, total: 2, idle: 0, waiting: 0 }],
  }
  expect(judge({ ...look, gathered: { values, failed: [] } }).conditions).toEqual([])
})

it('tells a key store that does not answer from any other measure, and judges nothing it cannot see', () => {
  const look = calm()
  const failed = [
    { name: 'keyStore' as const, problem: 'gone' },
    { name: 'storage' as const, problem: 'gone' },
  ]
  const { conditions, blind } = judge({ ...look, downMinutes: null, gathered: { values: {}, failed } })
  expect(conditions.map(({ rule, subject }) => [rule, subject])).toEqual([
    ['key-store', null],
    ['measure-failing', 'storage'],
  ])
  expect(blind).toEqual(
    new Set(['storage-readonly', 'storage-quarantine', 'storage-repairs', 'disk-full', 'budget-half']),
  )
})

it('finds what the minutes show: nobody looking, signing that fails, half of the budget', () => {
  const look = calm()
  const of = (row: Partial<WatchedMinute>) =>
    Array.from({ length: 20 }, (_, i) => ({
      minute: minute - 20 + i,
      valid: 10,
      ok: 10,
      maintenance: false,
      source: 'traffic' as const,
      ...row,
    }))
  const minutes = new Map(look.minutes)
  minutes.set('upload', of({ valid: 0, ok: 0, source: 'nothing' }))
  minutes.set('signing', of({ valid: 20, ok: 19 }))
  const { conditions } = judge({ ...look, minutes, downMinutes: new Map([['backend', 11]]) })
  expect(conditions.map(({ rule }) => rule).toSorted()).toEqual(
    ['budget-half', 'burn-fast', 'burn-slow', 'burn-steady', 'minutes-unseen', 'signing-failing'].toSorted(),
  )
  const quiet = judge({
    ...look,
    minutes: new Map([['upload', of({ valid: 0, ok: 0, source: 'nothing' })]]),
    probed: false,
  })
  expect(quiet.conditions.find(({ rule }) => rule === 'minutes-unseen')?.severity).toBe('P3')
})

it('writes labels as the text format wants them', () => {
  expect(family('a_b', 'gauge', 'x\ny', [[{ name: 'a"b\\c\nd' }, 1.5]])).toBe(
    '# HELP a_b x\\ny\n# TYPE a_b gauge\na_b{name="a\\"b\\\\c\\nd"} 1.5\n',
  )
  expect(family('a_b', 'gauge', 'x', [])).toBe('')
})
