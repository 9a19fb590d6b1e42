import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  DurabilityError,
  durability,
  monthlyFailure,
  monthlyLossTargets,
  widestScatter,
  windowFailure,
} from './durability.ts'
import { simulateDurability } from './durability-simulation.ts'

describe('the formula of clause 3.1', () => {
  it('gives 11.04 nines at 1.5 % a year, one hour, w = 50, three replicas', () => {
    const inputs = { u: monthlyFailure(0.015), uPrime: windowFailure(0.015, 1), w: 50, n: 3 }
    expect(inputs.u).toBeCloseTo(1.25e-3, 12)
    expect(inputs.uPrime).toBeCloseTo(1.7123e-6, 9)
    const { loss, nines } = durability(inputs)
    expect(loss).toBeCloseTo(9.16e-12, 14)
    expect(nines).toBeCloseTo(11.04, 2)
    expect(durability({ ...inputs, uPrime: windowFailure(0.015, 24) }).nines).toBeCloseTo(8.3, 1)
    expect(durability({ ...inputs, n: 6 }).nines).toBeGreaterThan(23)
  })

  // Yearly failure rate; then, per window, the widest w for 1e-11 and for 1e-10 a month.
  it.each([
    [
      0.01,
      [
        [0.25, 383, 1214],
        [0.5, 191, 607],
        [1, 96, 303],
        [2, 48, 151],
        [4, 24, 75],
        [8, 12, 37],
        [24, 4, 12],
      ],
    ],
    [
      0.015,
      [
        [0.25, 208, 660],
        [0.5, 104, 330],
        [1, 52, 165],
        [2, 26, 82],
        [4, 13, 41],
        [8, 6, 20],
        [24, 2, 6],
      ],
    ],
    [
      0.02,
      [
        [0.25, 135, 429],
        [0.5, 67, 214],
        [1, 33, 107],
        [2, 17, 53],
        [4, 8, 26],
        [8, 4, 13],
        [24, 1, 4],
      ],
    ],
    [
      0.04,
      [
        [0.25, 48, 151],
        [0.5, 24, 75],
        [1, 12, 37],
        [2, 6, 19],
        [4, 3, 9],
        [8, 1, 4],
        [24, null, 1],
      ],
    ],
  ] as const)(
    'allows the known scatter widths and no more at a yearly failure rate of %d',
    (afr, columns) => {
      for (const [hours, design, contract] of columns) {
        const inputs = { u: monthlyFailure(afr), uPrime: windowFailure(afr, hours), n: 3 }
        // The table was rounded here and there: ours may be one less, never more.
        for (const [target, known] of [
          [monthlyLossTargets.design, design],
          [monthlyLossTargets.contract, contract],
        ] as const) {
          const widest = widestScatter(inputs, target)
          if (known === null) expect(widest).toBeNull()
          else expect([known, known - 1]).toContain(widest ?? 0)
          if (widest === null) continue
          expect(durability({ ...inputs, w: widest }).loss).toBeLessThanOrEqual(target)
          expect(durability({ ...inputs, w: widest + 1 }).loss).toBeGreaterThan(target)
        }
      }
    },
  )

  it('does not round away what is tiny', () => {
    const tiny = durability({ u: 1e-3, uPrime: 1e-18, w: 2, n: 3 })
    expect(tiny.loss).toBeCloseTo(4e-39, 50)
    expect(durability({ u: 1e-3, uPrime: 1e-18, w: 2, n: 40 })).toMatchObject({
      loss: 0,
      nines: expect.closeTo(693.26, 1),
    })
    expect(durability({ u: 0, uPrime: 0.1, w: 2, n: 3 })).toEqual({ loss: 0, nines: null })
    expect(durability({ u: 0.5, uPrime: 0.1, w: 0, n: 1 }).loss).toBe(0.5)
    expect(durability({ u: 1, uPrime: 1, w: 3, n: 3 })).toEqual({ loss: 1, nines: 0 })
  })

  it('never gets better with more to share or worse with more replicas', () => {
    const inputs = fc.record({
      u: fc.double({ min: 1e-9, max: 1, noNaN: true }),
      uPrime: fc.double({ min: 1e-12, max: 1, noNaN: true }),
      w: fc.integer({ min: 1, max: 10_000 }),
      n: fc.integer({ min: 1, max: 12 }),
    })
    fc.assert(
      fc.property(inputs, (given) => {
        const { loss } = durability(given)
        expect(durability({ ...given, w: given.w + 1 }).loss).toBeGreaterThanOrEqual(loss)
        expect(durability({ ...given, n: given.n + 1 }).loss).toBeLessThanOrEqual(loss)
      }),
    )
  })

  it('refuses what is no probability and no count', () => {
    const good = { u: 0.1, uPrime: 0.1, w: 2, n: 3 }
    for (const bad of [{ u: 1.1 }, { u: Number.NaN }, { uPrime: -0.1 }, { w: 1.5 }, { w: -1 }, { n: 0 }]) {
      expect(() => durability({ ...good, ...bad })).toThrow(DurabilityError)
    }
  })
})

describe('the Monte-Carlo check', () => {
  const experiment = { disks: 60, replicas: 3, failuresPerHour: 1 / 2_000, repairHours: 20, periodHours: 730 }

  it('meets the exact value for copysets, where the formula is tight', () => {
    const result = simulateDurability({ ...experiment, periods: 60_000, placement: 'copysets', seed: 7 })
    expect(result.w).toBe(2)
    expect(result.formula).toBeCloseTo(1.2e-4, 6)
    expect(result.exactPerObject).toBeCloseTo(1.095e-4, 7)
    // About 130 losses are expected: three standard deviations are a quarter.
    expect(result.perObjectLoss / result.exactPerObject).toBeGreaterThan(0.7)
    expect(result.perObjectLoss / result.exactPerObject).toBeLessThan(1.3)
  })

  it('shows the formula as a safe upper bound that grows with w, while the loss per object does not', () => {
    const results = [60, 400, 3_000].map((placement) =>
      simulateDurability({ ...experiment, periods: 4_000, placement, seed: 11 }),
    )
    for (const { perDiskLoss, formula, perObjectLoss } of results) {
      expect(perDiskLoss).toBeLessThan(formula)
      expect(perObjectLoss).toBeGreaterThan(0.5e-4)
      expect(perObjectLoss).toBeLessThan(2e-4)
    }
    expect(results.map(({ w }) => Math.round(w)).every((w, i, all) => i === 0 || w > all[i - 1]!)).toBe(true)
    expect(results[2]!.w).toBeGreaterThan(58)
  })

  it('repeats itself with the same seed', () => {
    const once = { ...experiment, periods: 500, placement: 400, seed: 3 }
    expect(simulateDurability(once)).toEqual(simulateDurability(once))
    expect(simulateDurability(once)).not.toEqual(simulateDurability({ ...once, seed: 4 }))
  })
})
