import fc from 'fast-check'
import { expect, it } from 'vitest'
import { fenOf, yuan } from './claim.ts'

it('writes and reads amounts exactly', () => {
  expect(yuan(123_456_789)).toBe('¥1,234,567.89')
  expect(yuan(5)).toBe('¥0.05')
  expect([fenOf('0.1'), fenOf('1,234.5'), fenOf(' 12 ')]).toEqual([10, 123_450, 1200])
  for (const bad of ['', '0', '0.00', '-1', '1.234', '1e5', '一元']) expect(fenOf(bad)).toBeNull()
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10 ** 15 - 1 }), (fen) => {
      expect(fenOf(yuan(fen).slice(1))).toBe(fen)
    }),
  )
})
