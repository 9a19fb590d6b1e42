import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { badStretch, belowNinetyNine, burning, unseen, type WatchedMinute } from './alarms.ts'
import { minuteState } from './availability.ts'

/** `g` good, `b` bad of ten, `f` one bad request, `m` maintenance, `.` nothing known. */
const shapes: Record<string, Omit<WatchedMinute, 'minute'>> = {
  g: { valid: 10, ok: 10, maintenance: false, source: 'traffic' },
  n: { valid: 10, ok: 9, maintenance: false, source: 'traffic' },
  b: { valid: 10, ok: 8, maintenance: false, source: 'traffic' },
  f: { valid: 4, ok: 0, maintenance: false, source: 'probe' },
  m: { valid: 10, ok: 0, maintenance: true, source: 'traffic' },
  '.': { valid: 0, ok: 0, maintenance: false, source: 'nothing' },
}
const rows = (text: string): WatchedMinute[] =>
  [...text].map((letter, minute) => ({ minute, ...(shapes[letter] as Omit<WatchedMinute, 'minute'>) }))

describe('two bad minutes', () => {
  it.each([
    ['gggg', null],
    ['gggb', null],
    ['ggbb', { from: 2, minutes: 2, valid: 20, ok: 16 }],
    ['gbbb', { from: 1, minutes: 3, valid: 30, ok: 24 }],
    ['bbgb', null],
    ['bbg', null],
    // Nine of ten is available.
    ['gbn', null],
    ['gbmb', { from: 1, minutes: 2, valid: 20, ok: 16 }],
    ['gbbm', { from: 1, minutes: 2, valid: 20, ok: 16 }],
    ['mmm', null],
    // One minute with fewer than five requests is enough.
    ['ggf', { from: 2, minutes: 1, valid: 4, ok: 0 }],
    ['gfb', { from: 1, minutes: 2, valid: 14, ok: 8 }],
    // What nobody saw neither breaks nor adds.
    ['gb.b', { from: 1, minutes: 2, valid: 20, ok: 16 }],
    ['gbb.', { from: 1, minutes: 2, valid: 20, ok: 16 }],
    ['....', null],
    ['', null],
  ])('%s', (text, expected) => expect(badStretch(rows(text))).toEqual(expected))

  it('is silent whenever the last judged minute was good, and speaks whenever the last two were bad', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...Object.keys(shapes)), { maxLength: 30 }), (letters) => {
        const all = rows(letters.join(''))
        const judged = all.filter(({ maintenance, source }) => !maintenance && source !== 'nothing')
        const [last, before] = [judged.at(-1), judged.at(-2)]
        const found = badStretch(all)
        if (last === undefined || minuteState(last) === 'good') expect(found).toBeNull()
        else if (before !== undefined && minuteState(before) === 'bad') expect(found).not.toBeNull()
      }),
    )
  })
})

it.each([
  ['g..', null],
  ['g...', 3],
  ['....g', null],
  ['..m..', null],
  ['m....', 4],
])('minutes that nobody saw: %s', (text, expected) => expect(unseen(rows(text))).toBe(expected))

describe('burn rates', () => {
  const steady = (minutes: number, valid: number, failedOf: (age: number) => number) =>
    Array.from({ length: minutes }, (_, minute) => ({
      minute,
      valid,
      ok: valid - failedOf(minutes - minute),
      maintenance: false,
    }))
  const names = (all: ReturnType<typeof steady>) => burning(all, all.length).map(({ window }) => window.name)

  it('pages at 0.72 % over an hour and five minutes, and not just below', () => {
    expect(names(steady(60, 10_000, () => 72))).toContain('fast')
    expect(names(steady(60, 10_000, () => 71))).not.toContain('fast')
  })
  it('pages at 0.30 % over six hours and thirty minutes', () => {
    expect(names(steady(360, 10_000, () => 30))).toContain('slow')
    expect(names(steady(360, 10_000, () => 29))).not.toContain('slow')
  })
  it('writes a ticket at 0.05 % over three days and six hours', () => {
    expect(names(steady(4320, 10_000, () => 5))).toEqual(['steady'])
    expect(names(steady(4320, 10_000, () => 4))).toEqual([])
  })
  it('ends when the short window is clean, however bad the hour was', () => {
    expect(names(steady(60, 1000, (age) => (age <= 5 ? 0 : 500)))).not.toContain('fast')
  })
  it('does not speak of a burst that the hour does not feel', () => {
    expect(names(steady(60, 10_000, (age) => (age <= 5 ? 100 : 0)))).not.toContain('fast')
  })
  it('leaves out maintenance, and services with too little traffic', () => {
    expect(names(steady(60, 3, () => 3))).toEqual([])
    const planned = steady(60, 1000, () => 1000).map((row) => ({ ...row, maintenance: true }))
    expect(burning(planned, 60)).toEqual([])
  })
})

it('tells of signing below 99 % in fifteen minutes', () => {
  const acts = (valid: number, ok: number) => [{ minute: 50, valid, ok, maintenance: false }]
  expect(belowNinetyNine(acts(100, 99), 60)).toBeNull()
  expect(belowNinetyNine(acts(100, 98), 60)).toEqual({ valid: 100, ok: 98 })
  expect(belowNinetyNine(acts(19, 0), 60)).toBeNull()
  expect(belowNinetyNine(acts(100, 0), 66)).toBeNull()
})
