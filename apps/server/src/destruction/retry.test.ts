import fc from 'fast-check'
import { expect, it } from 'vitest'
import { failureOf } from './retry.ts'

const now = new Date('2026-11-24T12:00:00Z')
const waitMs = (attempts: number, chance: number) =>
  (failureOf({ attempts }, 'internal', now, chance).next_try_at?.getTime() ?? 0) - now.getTime()

it('waits twice as long after every failure, up to an hour', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 7, 1000].map((attempts) => waitMs(attempts, 1) / 60_000)).toEqual([
    1, 2, 4, 8, 16, 32, 60, 60, 60,
  ])
})

it('spreads those that fail together over half of the time, and never waits less', () => {
  const chances = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(fc.nat({ max: 100 }), chances, (attempts, chance) => {
      const whole = waitMs(attempts, 1)
      const wait = waitMs(attempts, chance)
      expect(wait).toBeGreaterThanOrEqual(whole / 2)
      expect(wait).toBeLessThanOrEqual(whole)
    }),
  )
  expect(waitMs(3, 0.2)).not.toBe(waitMs(3, 0.8))
})

it('counts, and keeps the last reason', () => {
  expect(failureOf({ attempts: 4 }, 'storage_unreachable', now, 0)).toMatchObject({
    attempts: 5,
    problem: 'storage_unreachable',
  })
})
