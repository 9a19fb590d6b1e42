import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  allowedDownMinutes,
  explainMinute,
  type MinuteCount,
  MinutesError,
  minuteState,
  monthVerdict,
} from './availability.ts'
import { monthMinutes } from './calendar.ts'

const november = monthMinutes('2026-11', 'Asia/Shanghai')
const base = november.from + 1_000

/** g good, b bad, m maintenance, . missing */
function timeline(text: string, from = base): MinuteCount[] {
  return [...text].flatMap((letter, index): MinuteCount[] => {
    const minute = from + index
    if (letter === '.') return []
    if (letter === 'm') return [{ minute, valid: 3, ok: 0, maintenance: true }]
    return [{ minute, valid: 10, ok: letter === 'g' ? 10 : 0, maintenance: false }]
  })
}

const down = (text: string) => monthVerdict(timeline(text), november).downMinutes

describe('golden cases of clause 3.8', () => {
  it('four bad minutes are no downtime', () => expect(down('gbbbbg')).toBe(0))
  it('five bad minutes are five minutes of downtime', () => expect(down('gbbbbbg')).toBe(5))
  it('a good minute breaks a run', () => expect(down('gbbbbgbbbbg')).toBe(0))
  it('maintenance neither counts nor breaks a run', () => {
    const verdict = monthVerdict(timeline(`gbbb${'m'.repeat(10)}bbg`), november)
    expect(verdict).toMatchObject({ downMinutes: 5, maintenanceMinutes: 10 })
    expect(verdict.runs).toEqual([{ from: base + 1, to: base + 16, minutes: 5 }])
  })
  it('nine of ten is available, and less is not', () => {
    expect(minuteState({ valid: 10, ok: 9, maintenance: false })).toBe('good')
    expect(minuteState({ valid: 1000, ok: 899, maintenance: false })).toBe('bad')
    expect(minuteState({ valid: 11, ok: 9, maintenance: false })).toBe('bad')
  })
  it('no traffic and no good probe counts against us', () => {
    const silent = Array.from({ length: 5 }, (_, i) => ({
      minute: base + 1 + i,
      valid: 0,
      ok: 0,
      maintenance: false,
    }))
    expect(
      monthVerdict([...timeline('g'), ...silent, ...timeline('g', base + 6)], november).downMinutes,
    ).toBe(5)
    expect(down('g.....g')).toBe(5)
    expect(down('g....g')).toBe(0)
  })
  it('outside of the rows nothing bad is assumed', () => {
    expect(monthVerdict([], november)).toEqual({
      totalMinutes: 43_200,
      maintenanceMinutes: 0,
      downMinutes: 0,
      availability: 1,
      pass: true,
      runs: [],
    })
    expect(down('bbbb')).toBe(0)
  })
  it('a run over the end of a month counts in both months, whole', () => {
    const rows = timeline('gbbbbbbbg', november.to - 4)
    const december = monthMinutes('2026-12', 'Asia/Shanghai')
    expect(monthVerdict(rows, november)).toMatchObject({ downMinutes: 3 })
    expect(monthVerdict(rows, december)).toMatchObject({ downMinutes: 4 })
    const run = { from: november.to - 3, to: november.to + 4, minutes: 7 }
    expect(monthVerdict(rows, november).runs).toEqual([run])
    expect(monthVerdict(rows, december).runs).toEqual([run])
  })
  it('a run that has only maintenance inside the month is not its run', () => {
    const rows = timeline(`gbbbbb${'m'.repeat(4)}g`, november.from - 6)
    expect(monthVerdict(rows, november)).toMatchObject({ downMinutes: 0, maintenanceMinutes: 4, runs: [] })
  })
  it('21 whole minutes are allowed in months of 30 and 31 days, 20 in a February of 28', () => {
    expect(allowedDownMinutes(30 * 1440)).toBe(21)
    expect(allowedDownMinutes(31 * 1440)).toBe(21)
    expect(allowedDownMinutes(28 * 1440)).toBe(20)
    expect(allowedDownMinutes(29 * 1440)).toBe(20)
    for (const [month, most] of [
      ['2026-11', 21],
      ['2026-12', 21],
      ['2026-02', 20],
      ['2028-02', 20],
    ] as const) {
      const range = monthMinutes(month, 'Asia/Shanghai')
      const verdict = (minutes: number) =>
        monthVerdict(timeline(`g${'b'.repeat(minutes)}g`, range.from + 5), range)
      expect(verdict(most).pass).toBe(true)
      expect(verdict(most + 1).pass).toBe(false)
    }
  })
  it('a month that was all maintenance has no availability and breaks nothing', () => {
    const rows = timeline('m'.repeat(november.to - november.from), november.from)
    expect(monthVerdict(rows, november)).toMatchObject({
      maintenanceMinutes: 43_200,
      availability: null,
      pass: true,
    })
  })
})

it('refuses rows that contradict themselves', () => {
  const row = timeline('g')[0]!
  expect(() => monthVerdict([row, row], november)).toThrow(MinutesError)
  expect(() => monthVerdict([{ ...row, ok: 11 }], november)).toThrow('0 ≤ ok ≤ valid')
  expect(() => monthVerdict([{ ...row, minute: 1.5 }], november)).toThrow(MinutesError)
})

it('explains why a minute counted', () => {
  const rows = timeline('gbbbmbb.gbgm')
  const at = (index: number) => explainMinute(rows, base + index)
  expect(at(0)).toEqual({ state: 'good', missing: false, counted: 'up', run: null })
  expect(at(2)).toEqual({
    state: 'bad',
    missing: false,
    counted: 'down',
    run: { from: base + 1, to: base + 8, minutes: 6 },
  })
  expect(at(7)).toMatchObject({ state: 'bad', missing: true, counted: 'down' })
  expect(at(9)).toMatchObject({ state: 'bad', counted: 'up', run: { minutes: 1 } })
  expect(at(11)).toMatchObject({ state: 'maintenance', counted: 'excluded' })
  expect(at(500)).toMatchObject({ state: 'unknown', counted: 'up' })
})

/** Written again, minute by minute and without any cleverness. */
function naive(rows: readonly MinuteCount[], month: { from: number; to: number }) {
  const byMinute = new Map(rows.map((row) => [row.minute, row]))
  const minutes = [...byMinute.keys()]
  const first = minutes.length === 0 ? 0 : minutes.reduce((a, b) => Math.min(a, b))
  const last = minutes.length === 0 ? -1 : minutes.reduce((a, b) => Math.max(a, b))
  const states: { minute: number; letter: 'g' | 'b' }[] = []
  let maintenanceMinutes = 0
  for (let minute = first; minute <= last; minute += 1) {
    const row = byMinute.get(minute)
    if (row?.maintenance) {
      if (minute >= month.from && minute < month.to) maintenanceMinutes += 1
    } else if (row === undefined || row.valid === 0) states.push({ minute, letter: 'b' })
    else states.push({ minute, letter: row.ok / row.valid >= 0.9 ? 'g' : 'b' })
  }
  const letters = states.map(({ letter }) => letter).join('')
  const runs = [...letters.matchAll(/b{5,}/g)].map((match) =>
    states.slice(match.index, match.index + match[0].length),
  )
  const inside = (run: typeof states) => run.filter(({ minute }) => minute >= month.from && minute < month.to)
  const touching = runs.filter((run) => inside(run).length > 0)
  const downMinutes = touching.reduce((sum, run) => sum + inside(run).length, 0)
  const measured = month.to - month.from - maintenanceMinutes
  const availability = measured === 0 ? null : (measured - downMinutes) / measured
  return {
    totalMinutes: month.to - month.from,
    maintenanceMinutes,
    downMinutes,
    availability,
    pass: downMinutes <= Math.min(measured / 2_000, 21.6),
    runs: touching.map((run) => ({ from: run[0]!.minute, to: run.at(-1)!.minute + 1, minutes: run.length })),
  }
}

const letter = fc.constantFrom('g', 'g', 'g', 'b', 'b', 'b', 'b', 'm', '.', '9')
const rowsFrom = (letters: string[], from: number): MinuteCount[] =>
  letters.flatMap((one, index) =>
    one === '9'
      ? [{ minute: from + index, valid: 100, ok: 90, maintenance: false }]
      : timeline(one, from + index),
  )

describe('a second, naive implementation agrees', () => {
  it('on windows around the edges of a month', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(
        fc.array(letter, { maxLength: 40 }),
        fc.integer({ min: -30, max: 5 }),
        fc.boolean(),
        (letters, shift, end) => {
          const rows = rowsFrom(letters, (end ? november.to : november.from) + shift)
          expect(monthVerdict(rows, november)).toEqual(naive(rows, november))
        },
      ),
      { numRuns: 100_000 },
    )
  })

  it('on whole random months', { timeout: 240_000 }, () => {
    const stretch = fc.record({ letter, minutes: fc.integer({ min: 1, max: 900 }) })
    fc.assert(
      fc.property(
        fc.array(stretch, { minLength: 1, maxLength: 150 }),
        fc.integer({ min: 2024, max: 2030 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: -3_000, max: 3_000 }),
        (stretches, year, monthNumber, shift) => {
          const month = monthMinutes(`${year}-${String(monthNumber).padStart(2, '0')}`, 'Asia/Shanghai')
          const rows: MinuteCount[] = []
          let at = month.from + shift
          while (at < month.to + shift) {
            for (const { letter: one, minutes } of stretches) {
              // Short bad stretches matter as much as long ones.
              const length = one === 'b' || one === '.' ? (minutes % 9) + 1 : minutes
              rows.push(...rowsFrom(Array(length).fill(one), at))
              at += length
            }
          }
          expect(monthVerdict(rows, month)).toEqual(naive(rows, month))
        },
      ),
      { numRuns: 1_000 },
    )
  })
})
