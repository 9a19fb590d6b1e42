import { expect, it } from 'vitest'
import { failureRate } from './failure-rate.ts'

it('exactly five of ten thousand still pass', () => {
  expect(failureRate(10_000, 5).pass).toBe(true)
  expect(failureRate(10_000, 6).pass).toBe(false)
  expect(failureRate(0, 0)).toMatchObject({ rate: null, pass: true, upperBound: 1, proven: false })
})

it('no failure proves the promise only from 5,990 operations on', () => {
  expect(failureRate(5_989, 0).proven).toBe(false)
  expect(failureRate(5_990, 0).proven).toBe(true)
})

it('bounds agree with the closed form for no failure and with tables for some', () => {
  expect(failureRate(1_000, 0).upperBound).toBeCloseTo(1 - 0.05 ** (1 / 1_000), 12)
  // One-sided 95 %: 10 trials with 2 failures, 0.5069; 100 trials with 5, 0.1023.
  expect(failureRate(10, 2).upperBound).toBeCloseTo(0.5069, 4)
  expect(failureRate(100, 5).upperBound).toBeCloseTo(0.1023, 4)
  expect(failureRate(5_000_000, 2_500).upperBound).toBeGreaterThan(0.0005)
  expect(failureRate(7, 7).upperBound).toBe(1)
})
