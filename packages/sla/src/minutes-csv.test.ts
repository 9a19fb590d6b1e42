import fc from 'fast-check'
import { expect, it } from 'vitest'
import { MinutesCsvError, parseMinutesCsv, writeMinutesCsv } from './minutes-csv.ts'

const header = 'minute,valid,ok,maintenance\n'

it('what is written is read again', () => {
  const row = fc.record({
    minute: fc.integer({ min: 28_000_000, max: 31_000_000 }),
    valid: fc.integer({ min: 0, max: 1_000_000 }),
    maintenance: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.uniqueArray(row, { selector: ({ minute }) => minute }), (rows) => {
      const counts = rows.map((one) => ({ ...one, ok: Math.floor(one.valid / 2) }))
      expect(parseMinutesCsv(writeMinutesCsv(counts))).toEqual(counts.sort((a, b) => a.minute - b.minute))
    }),
  )
})

it('reads minutes with and without seconds, a byte order mark, CRLF and empty last lines', () => {
  const text =
    '\uFEFFminute,valid,ok,maintenance\r\n2026-11-01T00:00Z,10,9,0\r\n2026-11-01T00:01:00.000Z,0,0,1\r\n\r\n'
  expect(parseMinutesCsv(text)).toEqual([
    { minute: Date.parse('2026-11-01T00:00Z') / 60_000, valid: 10, ok: 9, maintenance: false },
    { minute: Date.parse('2026-11-01T00:01Z') / 60_000, valid: 0, ok: 0, maintenance: true },
  ])
})

it.each([
  ['another header', 'a,b\n', 1],
  ['nothing at all', '', 1],
  ['too few values', `${header}2026-11-01T00:00Z,1,1`, 2],
  ['seconds', `${header}2026-11-01T00:00:30Z,1,1,0`, 2],
  ['another zone', `${header}2026-11-01T00:00+08:00,1,1,0`, 2],
  ['a day that does not exist', `${header}2026-11-31T00:00Z,1,1,0`, 2],
  ['more ok than valid', `${header}2026-11-01T00:00Z,1,2,0`, 2],
  ['a negative count', `${header}2026-11-01T00:00Z,1,-1,0`, 2],
  ['a fraction', `${header}2026-11-01T00:00Z,1.5,1,0`, 2],
  ['another word for maintenance', `${header}2026-11-01T00:00Z,1,1,yes`, 2],
  ['an empty line between', `${header}\n2026-11-01T00:00Z,1,1,0`, 2],
  ['a minute twice', `${header}2026-11-01T00:00Z,1,1,0\n2026-11-01T00:00Z,1,1,0`, 3],
])('refuses %s and names the line', (_, text, line) => {
  let caught: unknown
  try {
    parseMinutesCsv(text)
  } catch (error) {
    caught = error
  }
  expect(caught).toBeInstanceOf(MinutesCsvError)
  expect((caught as MinutesCsvError).line).toBe(line)
})
