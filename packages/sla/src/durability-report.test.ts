import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { type DurabilityMeasurements, durabilityReport, estimateAfr } from './sla.ts'

/** Two real sites of three disks each, verified daily, keys on four devices, five copies of the root key. */
const sound: DurabilityMeasurements = {
  month: '2026-10',
  from: '2026-09-30T16:00:00.000Z',
  to: '2026-10-31T16:00:00.000Z',
  wholeMonth: true,
  samples: 744,
  devices: { failures: 0, deviceMonths: 6 },
  repairs: { count: 0, p99Hours: null, maxHours: null, waiting: 0 },
  detectHours: 1,
  unverifiedHours: 24,
  sites: [
    { site: 'primary', devices: ['a', 'b', 'c'], w: 2, n: 3 },
    { site: 'recovery', devices: ['d', 'e', 'f'], w: 2, n: 3 },
  ],
  sitesApart: 'seen',
  exposure: { objectHours: 1e9, oneSiteHours: 0.1 },
  keyCopies: ['g', 'h', 'i', 'j'].map((device) => ({ name: device, site: 'primary', device })),
  rootKeyCopies: { copies: 5, declared: true },
  objects: { heldWholePeriod: 1000, held: 1200, lost: 0, comparedAt: '2026-10-31T02:40:00.000Z' },
}
const but = (change: Partial<DurabilityMeasurements>) => durabilityReport({ ...sound, ...change })
const codes = (change: Partial<DurabilityMeasurements>) => but(change).reasons.map(({ code }) => code)

it('a sound installation meets both lines; its terms follow from the formula by hand', () => {
  const { figures, design, contract, verdict, reasons } = durabilityReport(sound)
  const u = 0.02 / 12
  expect(figures.u).toBeCloseTo(u, 12)
  // Detection and repair take two hours, silent damage half a day more.
  expect(figures.windowHours).toBe(2)
  expect(figures.latentWindowHours).toBe(14)
  const another = (hours: number) => 1 - Math.exp((-0.02 * hours * 2) / 8760)
  expect(figures.disk / (u * another(2) ** 2)).toBeCloseTo(1, 6)
  expect(figures.latent / (u * another(14) ** 2)).toBeCloseTo(1, 6)
  expect(figures.site).toBeCloseTo((1e-3 / 12) * 1e-10, 20)
  expect(figures.rootKey / u ** 5).toBeCloseTo(1, 9)
  expect(figures.model).toBe(figures.disk + figures.latent + figures.site + figures.key + figures.rootKey)
  expect(figures.nines).toBeGreaterThan(11)
  expect([verdict, design.met, contract.met, reasons]).toEqual(['met', true, true, []])
})

it('replicas on one device count as one: far from the promise, and the report says what would meet it', () => {
  const report = but({
    sites: [
      { site: 'primary', devices: ['a'], w: 0, n: 1 },
      { site: 'recovery', devices: ['a'], w: 0, n: 1 },
    ],
    sitesApart: 'unknown',
    keyCopies: [
      { name: 'primary', site: 'primary', device: 'a' },
      { name: 'copy', site: 'recovery', device: 'a' },
    ],
    rootKeyCopies: { copies: 1, declared: false },
  })
  expect(report.verdict).toBe('not_met')
  expect(report.figures.bySite[0]).toMatchObject({ n: 1, w: 0, loss: 0.02 / 12 })
  expect(report.figures.nines).toBeLessThan(3)
  expect(report.reasons.map(({ code }) => code)).toEqual([
    'devices_too_few',
    'devices_too_few',
    'sites_together',
    'key_copies_too_few',
    'root_key_copies_too_few',
  ])
  expect(report.reasons[0]!.en).toContain('3 different disks')
  expect(report.reasons[3]!.en).toContain('3 separate devices')
  expect(report.reasons[4]!.en).toContain('5 places')
})

it('between the two lines: the contract line is met, the design line is not, and that is no pass', () => {
  const report = but({ unverifiedHours: 60 })
  expect(report.figures.latent).toBeGreaterThan(1e-11)
  expect([report.design.met, report.contract.met, report.verdict]).toEqual([false, true, 'not_met'])
  expect(report.reasons.map(({ code }) => code)).toEqual(['verified_too_seldom'])
})

it('terms that are below the line one by one and above it together name the heaviest', () => {
  const report = but({ rootKeyCopies: { copies: 4, declared: true } })
  expect(report.figures.rootKey).toBeLessThan(1e-11)
  expect(report.figures.model).toBeGreaterThan(1e-11)
  expect(report.reasons.map(({ code }) => code)).toEqual(['together_too_much'])
  expect(report.reasons[0]!.en).toContain('the root key')
})

it('each lack has its reason', () => {
  expect(codes({ objects: { ...sound.objects, lost: 1 } })).toEqual(['objects_lost'])
  expect(codes({ samples: 0 })).toEqual(['not_measured'])
  expect(codes({ objects: { ...sound.objects, comparedAt: null } })).toEqual(['not_compared'])
  expect(codes({ exposure: { objectHours: 1e6, oneSiteHours: 100 } })).toEqual(['one_site_too_long'])
  expect(codes({ repairs: { count: 3, p99Hours: 30, maxHours: 40, waiting: 0 } })).toContain(
    'repair_too_slow',
  )
  expect(codes({ keyCopies: null })).toEqual(['key_copies_unseen'])
  expect(codes({ sites: [{ ...sound.sites[0]!, n: 0 }, sound.sites[1]!] })).toContain('devices_too_few')
  expect(codes({ sites: [] }).length).toBeGreaterThan(0)
})

it('a lost object is a failure whatever the model says, and is counted against whole months alone', () => {
  const report = but({ objects: { ...sound.objects, lost: 2 } })
  expect(report.figures.actual).toBe(2 / 1000)
  expect([report.design.met, report.contract.met]).toEqual([false, false])
  expect(but({ objects: { ...sound.objects, heldWholePeriod: 0 } }).figures.actual).toBeNull()
})

it('the 99th percentile of repairs is believed from a hundred on; before, the slowest and never under an hour', () => {
  const window = (count: number, p99Hours: number, maxHours: number) =>
    but({ repairs: { count, p99Hours, maxHours, waiting: 0 } }).figures.windowHours
  expect(window(99, 0.1, 0.2)).toBe(2)
  expect(window(99, 0.1, 3)).toBe(4)
  expect(window(100, 0.1, 3)).toBeCloseTo(1.1)
})

it('sites that nothing shows to be apart are one: every object is lost with it', () => {
  expect(but({ sitesApart: 'unknown' }).figures.site).toBeCloseTo(1e-3 / 12, 12)
  expect(but({ sitesApart: 'declared' }).figures.site).toBeLessThan(1e-13)
})

it('failure rates: the prior until the count says more, in either direction', () => {
  expect(estimateAfr({ failures: 0, deviceMonths: 0 })).toMatchObject({
    afr: 0.02,
    basis: 'assumed',
    upper: null,
  })
  // Rule of three: 150 device-years without a failure put the upper bound just below 2 %.
  expect(estimateAfr({ failures: 0, deviceMonths: 149 * 12 }).basis).toBe('assumed')
  const long = estimateAfr({ failures: 0, deviceMonths: 150 * 12 })
  expect(long.basis).toBe('measured')
  expect(long.afr).toBeCloseTo(-Math.log(0.05) / 150, 10)
  // One failure of six disks in a month refutes the prior.
  const bad = estimateAfr({ failures: 1, deviceMonths: 6 })
  expect(bad.basis).toBe('measured')
  expect(bad.afr).toBeCloseTo(4.7439 / 0.5, 2)
  // Ten in 500 device-years agree with it: the published interval of a Poisson count of ten is 5.43 to 16.96.
  const agreeing = estimateAfr({ failures: 10, deviceMonths: 6000 })
  expect(agreeing).toMatchObject({ afr: 0.02, basis: 'assumed', measured: 0.02 })
  expect(agreeing.lower * 500).toBeCloseTo(5.425, 2)
  expect(agreeing.upper! * 500).toBeCloseTo(16.962, 2)
  expect(() => estimateAfr({ failures: -1, deviceMonths: 1 })).toThrow(RangeError)
})

it('the worked example of the operations page is what the functions say', () => {
  const page = readFileSync(new URL('../../../docs/operations/durability.md', import.meta.url), 'utf8')
  const { figures } = but({ sitesApart: 'declared', exposure: { objectHours: 1e8, oneSiteHours: 0.01 } })
  const written = Object.fromEntries(
    [...page.matchAll(/^\| `(\w+)` \|.*\| ([\d.e-]+) \|$/gm)].map(([, name, value]) => [name, Number(value)]),
  )
  expect(Object.keys(written).length).toBeGreaterThan(8)
  for (const [name, value] of Object.entries(written))
    expect(value, name).toBe(Number((figures[name as 'disk'] as number).toPrecision(4)))
})
