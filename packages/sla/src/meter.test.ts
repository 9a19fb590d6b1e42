import { describe, expect, it } from 'vitest'
import {
  closesAtMs,
  isLate,
  latencyLimitMs,
  type MaintenanceWindow,
  minuteRows,
  monthMinutes,
  monthVerdict,
  requestOutcome,
  settledBefore,
  type Tally,
} from './sla.ts'

const ended = { status: 200, latencyMs: 10, limitMs: 5_000, broken: false, tagged: false }

describe('a request', () => {
  it('is ok when answered in time, exactly at the limit too', () => {
    expect(requestOutcome(ended)).toBe('ok')
    expect(requestOutcome({ ...ended, latencyMs: 5_000 })).toBe('ok')
    expect(requestOutcome({ ...ended, latencyMs: 5_001 })).toBe('slow')
  })

  it('does not count when its caller is wrong, over quota, gone in time, a probe or a load test', () => {
    for (const status of [400, 401, 403, 404, 409, 413, 422, 429])
      expect(requestOutcome({ ...ended, status, latencyMs: 60_000 })).toBe('excluded')
    expect(requestOutcome({ ...ended, status: null })).toBe('excluded')
    expect(requestOutcome({ ...ended, status: 500, tagged: true })).toBe('excluded')
  })

  it('fails by 5xx, by an answer cut off, and when the caller gave up only after the limit', () => {
    for (const status of [500, 502, 503, 504]) expect(requestOutcome({ ...ended, status })).toBe('error')
    expect(requestOutcome({ ...ended, broken: true })).toBe('broken')
    expect(requestOutcome({ ...ended, status: null, latencyMs: 5_001 })).toBe('slow')
  })

  it('has the limit of its service, an upload a second more per megabyte', () => {
    expect(latencyLimitMs('frontend')).toBe(5_000)
    expect(latencyLimitMs('backend')).toBe(5_000)
    expect(latencyLimitMs('signing')).toBe(10_000)
    expect(latencyLimitMs('certificate')).toBe(15_000)
    expect(latencyLimitMs('upload')).toBe(30_000)
    expect(latencyLimitMs('upload', 100_000_000)).toBe(130_000)
  })
})

const month = monthMinutes('2026-11', 'Asia/Shanghai')
const at = month.from + 1_000
const good: Tally = { valid: 4, ok: 4 }
const bad: Tally = { valid: 4, ok: 0 }
const everyMinute = (tally: Tally, except: Record<number, Tally | undefined> = {}) => {
  const all = new Map<number, Tally>()
  for (let minute = month.from; minute < month.to; minute += 1) {
    const one = minute in except ? except[minute] : tally
    if (one !== undefined) all.set(minute, one)
  }
  return all
}
const none = new Map<number, Tally>()
const span = (from: number, count: number, tally: Tally | undefined) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [from + i, tally]))

describe('the rows of a month', () => {
  it('take traffic first, probes where there is none, and say 0 of 0 where nothing is known', () => {
    const traffic = new Map([
      [at, { valid: 10, ok: 9 }],
      [at + 1, { valid: 0, ok: 0 }],
    ])
    const probes = new Map([
      [at, bad],
      [at + 1, good],
    ])
    const rows = minuteRows({ from: at, to: at + 3 }, { traffic, probes, windows: [] })
    expect(rows.map(({ valid, ok, source }) => [valid, ok, source])).toEqual([
      [10, 9, 'traffic'],
      [4, 4, 'probe'],
      [0, 0, 'nothing'],
    ])
  })

  it('no traffic and five failing probes are five minutes down; four are none', () => {
    const down = (count: number) =>
      monthVerdict(
        minuteRows(month, { traffic: none, probes: everyMinute(good, span(at, count, bad)), windows: [] }),
        month,
      ).downMinutes
    expect([down(4), down(5)]).toEqual([0, 5])
  })

  it('a gap of process and probes counts against us', () => {
    const rows = minuteRows(month, {
      traffic: everyMinute(good, span(at, 7, undefined)),
      probes: none,
      windows: [],
    })
    expect(monthVerdict(rows, month)).toMatchObject({ downMinutes: 7, pass: true })
  })

  const work = (noticeHours: number): MaintenanceWindow => ({
    from: at,
    to: at + 30,
    announcedAtMs: at * 60_000 - noticeHours * 3_600_000,
  })

  it('maintenance counts when announced 24 hours before, not a millisecond less', () => {
    const traffic = everyMinute(good, span(at, 30, bad))
    const verdict = (window: MaintenanceWindow) =>
      monthVerdict(minuteRows(month, { traffic, probes: none, windows: [window] }), month)
    expect(verdict(work(24))).toMatchObject({ maintenanceMinutes: 30, downMinutes: 0 })
    const late = { ...work(24), announcedAtMs: work(24).announcedAtMs + 1 }
    expect(verdict(late)).toMatchObject({ maintenanceMinutes: 0, downMinutes: 30, pass: false })
  })

  it('an overrun counts, from its fifth minute as every outage', () => {
    const verdict = (overrun: number) =>
      monthVerdict(
        minuteRows(month, {
          traffic: everyMinute(good, span(at, 30 + overrun, bad)),
          probes: none,
          windows: [work(48)],
        }),
        month,
      )
    expect(verdict(4)).toMatchObject({ maintenanceMinutes: 30, downMinutes: 0 })
    expect(verdict(6)).toMatchObject({ maintenanceMinutes: 30, downMinutes: 6 })
  })

  it('a correction replaces what was counted', () => {
    const corrections = new Map(Object.entries(span(at, 6, good)).map(([m, t]) => [Number(m), t as Tally]))
    const measured = { traffic: everyMinute(good, span(at, 6, undefined)), probes: none, windows: [] }
    const down = (rows: ReturnType<typeof minuteRows>) => monthVerdict(rows, month).downMinutes
    expect(down(minuteRows(month, measured))).toBe(6)
    expect(down(minuteRows(month, { ...measured, corrections }))).toBe(0)
  })
})

describe('time', () => {
  it('data is late after ten minutes, and a minute settles then', () => {
    const end = (at + 1) * 60_000
    expect(isLate(at, end + 600_000)).toBe(false)
    expect(isLate(at, end + 600_001)).toBe(true)
    expect(settledBefore(end + 599_999)).toBe(at)
    expect(settledBefore(end + 600_000)).toBe(at + 1)
  })

  it('a month closes three days after its end', () => {
    expect(new Date(closesAtMs(month)).toISOString()).toBe('2026-12-03T16:00:00.000Z')
  })
})
