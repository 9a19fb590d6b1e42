import { expect, it } from 'vitest'
import { monthMinutes } from './calendar.ts'

const utc = (text: string) => Date.parse(text) / 60_000

it('a month in Shanghai begins at 16:00 UTC of the day before', () => {
  expect(monthMinutes('2026-11', 'Asia/Shanghai')).toEqual({
    from: utc('2026-10-31T16:00Z'),
    to: utc('2026-11-30T16:00Z'),
  })
})

it('a month in which clocks change is an hour shorter or longer', () => {
  const length = (month: string) => {
    const { from, to } = monthMinutes(month, 'Europe/Berlin')
    return to - from
  }
  expect(length('2026-03')).toBe(31 * 1440 - 60)
  expect(length('2026-10')).toBe(31 * 1440 + 60)
  expect(length('2028-02')).toBe(29 * 1440)
})

it('zones at the far ends of the day, and a month whose first midnight does not exist', () => {
  expect(monthMinutes('2026-01', 'Pacific/Kiritimati').from).toBe(utc('2025-12-31T10:00Z'))
  expect(monthMinutes('2026-01', 'Etc/GMT+12').from).toBe(utc('2026-01-01T12:00Z'))
  // Clocks in Asunción went from 23:59 on 30 September straight to 01:00 on 1 October 2017.
  expect(monthMinutes('2017-10', 'America/Asuncion').from).toBe(utc('2017-10-01T04:00Z'))
})

it('refuses what is no month and no zone', () => {
  expect(() => monthMinutes('2026-13', 'UTC')).toThrow('YYYY-MM')
  expect(() => monthMinutes('2026-1', 'UTC')).toThrow('YYYY-MM')
  expect(() => monthMinutes('2026-11', 'Asia/Peking')).toThrow('no time zone')
})
