import { durabilityReport } from '@yinxin/sla'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Db, openDb } from '#src/db/db.ts'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { createMeasuring, failedDevices, mergeSites } from './measuring.ts'
import { monthOf, nextMonth, periodOf } from './reports.ts'
import { insertSample, type Sample } from './store.ts'

const hour = 3_600_000
let database: TestDatabase
let db: Db
beforeAll(async () => {
  database = await createTestDatabase()
  db = openDb({ url: database.url })
})
afterAll(async () => {
  await db.close()
  await database.drop()
})

const domains = ['a', 'b', 'c', 'd', 'e', 'f'].map((deviceId, index) => ({
  name: `${index < 3 ? 'primary' : 'recovery'}-${(index % 3) + 1}`,
  site: index < 3 ? ('primary' as const) : ('recovery' as const),
  state: 'ready' as const,
  deviceId,
}))

function sample(at: Date, over: Partial<Sample> = {}): Sample {
  return {
    at,
    since: new Date(at.getTime() - hour),
    objects: 10,
    objectHours: 10,
    oneSiteHours: 0,
    unverifiedHours: 20,
    sites: [
      { site: 'primary', devices: ['a', 'b', 'c'], w: 2, n: 3 },
      { site: 'recovery', devices: ['d', 'e', 'f'], w: 2, n: 3 },
    ],
    deviceHours: 6,
    keyCopies: ['g', 'h', 'i', 'j'].map((device) => ({ name: device, site: 'primary', device })),
    ...over,
  }
}

const measuring = () =>
  createMeasuring({
    db,
    storage: { places: async () => domains, waiting: async () => ({ repairs: 0, removals: 0 }) },
    measures: {
      holdings: async () => ({ heldWholePeriod: 10, held: 10, lost: 0 }),
      repairs: async () => ({ count: 0, p99Hours: null, maxHours: null }),
      comparedAt: async (_domains, _from, to) => new Date(to.getTime() - hour),
      quarantines: async () => [],
    },
    scrubPeriodMs: 24 * hour,
    declared: { sitesApart: true, rootKeyCopies: 5 },
    storageKind: 'folders',
  })

it('a month of looks at two sound sites meets the promise; one bad look is in its figures, one missed day too', async () => {
  const period = periodOf('2030-03')
  const looks: Sample[] = []
  for (let at = period.from.getTime(); at <= period.to.getTime(); at += hour) looks.push(sample(new Date(at)))
  await db.work(async (tx) => {
    for (const look of looks) await insertSample(tx, look)
  })
  const measured = await measuring()(period, true)
  expect(measured).toMatchObject({
    wholeMonth: true,
    samples: 744,
    detectHours: 1,
    unverifiedHours: 24,
    sitesApart: 'declared',
    rootKeyCopies: { copies: 5, declared: true },
  })
  expect(measured.devices.deviceMonths).toBeCloseTo((745 * 6) / 730)
  // The report is public: which devices are the same is told, what they are called is not.
  expect(measured.sites.map(({ devices }) => devices)).toEqual([
    ['d1', 'd2', 'd3'],
    ['d4', 'd5', 'd6'],
  ])
  expect(durabilityReport(measured)).toMatchObject({ verdict: 'met', reasons: [] })

  const next = periodOf('2030-04')
  const at = (hours: number) => new Date(next.from.getTime() + hours * hour)
  await db.work(async (tx) => {
    await insertSample(tx, sample(at(1)))
    // For an hour some object had two replicas, and a key copy was behind.
    const [first, second] = sample(at(2)).sites
    await insertSample(
      tx,
      sample(at(2), {
        sites: [{ ...first!, n: 2 }, second!],
        keyCopies: sample(at(2)).keyCopies!.slice(0, 1),
      }),
    )
    await insertSample(tx, sample(at(26), { since: at(2), unverifiedHours: 30 }))
  })
  const bad = await measuring()({ ...next, to: at(27) }, true)
  expect(bad.sites[0]?.n).toBe(2)
  expect(bad.keyCopies).toHaveLength(1)
  expect([bad.detectHours, bad.unverifiedHours]).toEqual([24, 30])
  const report = durabilityReport(bad)
  expect(report.verdict).toBe('not_met')
  expect(report.reasons.map(({ code }) => code)).toEqual(['devices_too_few', 'key_copies_too_few'])
})

it('a period in which nobody looked proves nothing, and its month is not whole before the first look', async () => {
  const measured = await measuring()(periodOf('2029-01'), true)
  expect([measured.samples, measured.wholeMonth, measured.sites]).toEqual([0, false, []])
  expect(durabilityReport(measured).reasons.map(({ code }) => code)).toContain('not_measured')
})

it('a look at an empty platform counts only while it is empty', () => {
  const empty = sample(new Date(), {
    objects: 0,
    sites: [{ site: 'primary', devices: ['x'], w: 0, n: 1 }],
  })
  expect(mergeSites([empty, sample(new Date())])[0]).toMatchObject({ n: 3, devices: ['a', 'b', 'c'] })
  expect(mergeSites([sample(new Date(), { objects: 0 }), empty])).toEqual(empty.sites)
})

it('domains of one device that fail on one day are one failure', () => {
  const shared = domains.map((domain) => ({ ...domain, deviceId: 'one' }))
  const failed = ['primary-1', 'primary-2', 'gone'].map((domain) => ({
    domain,
    since: new Date('2030-01-01T05:00:00Z'),
  }))
  expect(failedDevices(failed, shared)).toBe(2)
  expect(failedDevices(failed, domains)).toBe(3)
  expect(failedDevices([...failed, { domain: 'primary-1', since: new Date('2030-01-02') }], shared)).toBe(3)
})

it('months are those of China', () => {
  expect(monthOf(new Date('2030-01-31T15:59:59Z'))).toBe('2030-01')
  expect(monthOf(new Date('2030-01-31T16:00:00Z'))).toBe('2030-02')
  expect(periodOf('2030-02').from.toISOString()).toBe('2030-01-31T16:00:00.000Z')
  expect([nextMonth('2030-11'), nextMonth('2030-12')]).toEqual(['2030-12', '2031-01'])
})
