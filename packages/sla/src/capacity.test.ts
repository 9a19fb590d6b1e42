import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type CapacityKind,
  type CapacitySample,
  type CapacityState,
  coolDownMs,
  decideCapacity,
  timingOf,
} from './capacity.ts'

const minuteMs = 60_000
const state = (change: Partial<CapacityState> = {}): CapacityState => ({
  kind: 'workers',
  size: 2,
  largest: 16,
  last: undefined,
  ...change,
})
/** One sample for each minute from 100 on. */
const cpu = (used: readonly number[], kind: CapacityKind = 'workers', measure = 'cpu'): CapacitySample[] =>
  used.map((value, index) => ({ minute: 100 + index, kind, measure, used: value, limit: 100 }))
const at = (minute: number) => minute * minuteMs

describe('capacity', () => {
  it('doubles when three of the last five minutes reach 60 %, and says since when', () => {
    expect(decideCapacity(state(), cpu([60, 10, 60, 10, 60]), at(105))).toEqual({
      do: 'grow',
      step: {
        kind: 'workers',
        from: 2,
        to: 4,
        reason: { measure: 'cpu', percent: 60 },
        detectedAtMs: at(105),
      },
    })
  })

  it.each([
    ['two minutes', [90, 90, 10, 10, 10]],
    ['three minutes below', [59, 59, 59]],
  ])('does not grow after %s', (_, used) => {
    expect(decideCapacity(state(), cpu(used), at(105))).toEqual({ do: 'nothing', why: 'enough' })
  })

  it('waits for the end of a minute, and forgets those before the window', () => {
    const three = cpu([60, 60, 60])
    expect(decideCapacity(state(), three, at(103) - 1)).toMatchObject({ do: 'nothing' })
    expect(decideCapacity(state(), three, at(103))).toMatchObject({
      do: 'grow',
      step: { detectedAtMs: at(103) },
    })
    expect(decideCapacity(state(), three, at(105))).toMatchObject({ do: 'grow' })
    expect(decideCapacity(state(), three, at(106))).toMatchObject({ do: 'nothing', why: 'enough' })
    expect(decideCapacity(state(), three, at(108))).toEqual({ do: 'nothing', why: 'unknown' })
  })

  it('adds measures up by none: each meets the rule alone, and the fullest is the reason', () => {
    const mixed = [...cpu([70, 70, 10, 10, 10]), ...cpu([10, 10, 70, 10, 10], 'workers', 'memory')]
    expect(decideCapacity(state(), mixed, at(105))).toMatchObject({ do: 'nothing' })
    const both = [...cpu([61, 61, 61]), ...cpu([80, 80, 95], 'workers', 'memory')]
    expect(decideCapacity(state(), both, at(103))).toMatchObject({
      step: { reason: { measure: 'memory', percent: 95 } },
    })
  })

  it('of bandwidth grows by one after three minutes in a row', () => {
    const bandwidth = state({ kind: 'bandwidth', size: 3 })
    expect(decideCapacity(bandwidth, cpu([60, 60, 60], 'bandwidth', 'bytes'), at(103))).toMatchObject({
      do: 'grow',
      step: { from: 3, to: 4 },
    })
    expect(decideCapacity(bandwidth, cpu([60, 60, 59, 60], 'bandwidth', 'bytes'), at(104))).toMatchObject({
      do: 'nothing',
    })
  })

  it('takes one step at a time, five minutes apart, judged by minutes of the new size only', () => {
    const full = cpu(Array.from({ length: 30 }, () => 99))
    const after = (outcome: 'applied' | 'verified' | 'failed', verifiedAtMs: number | null) =>
      state({ last: { outcome, decidedAtMs: at(103), verifiedAtMs } })
    expect(decideCapacity(after('applied', null), full, at(120))).toEqual({ do: 'nothing', why: 'under_way' })
    const verified = after('verified', at(104) + 1)
    expect(decideCapacity(verified, full, at(104) + coolDownMs)).toEqual({
      do: 'nothing',
      why: 'cooling_down',
    })
    expect(decideCapacity(verified, full, at(104) + 1 + coolDownMs)).toMatchObject({ do: 'grow' })
    // Nothing but minutes of the old size.
    expect(decideCapacity(verified, full.slice(0, 5), at(109) + 1)).toEqual({ do: 'nothing', why: 'unknown' })
  })

  it('gives what is left of a doubling, and refuses with a name when nothing is', () => {
    const full = cpu([99, 99, 99])
    expect(decideCapacity(state({ size: 6, largest: 8 }), full, at(103))).toMatchObject({
      do: 'grow',
      step: { from: 6, to: 8 },
    })
    expect(decideCapacity(state({ size: 8, largest: 8 }), full, at(103))).toMatchObject({
      do: 'refuse',
      step: { from: 8, to: 16 },
    })
  })

  it('never shrinks and never passes its largest size, whatever is measured', () => {
    const sample = fc.record({
      minute: fc.integer({ min: 95, max: 110 }),
      kind: fc.constantFrom<CapacityKind>('workers', 'database', 'bandwidth'),
      measure: fc.constantFrom('cpu', 'memory'),
      used: fc.nat(300),
      limit: fc.nat(200),
    })
    fc.assert(
      fc.property(
        fc.array(sample, { maxLength: 60 }),
        fc.constantFrom<CapacityKind>('workers', 'database', 'bandwidth'),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: at(95), max: at(112) }),
        (samples, kind, size, largest, nowMs) => {
          const decision = decideCapacity({ kind, size, largest, last: undefined }, samples, nowMs)
          // Said once more, without the code: minutes of one measure that are full.
          const wanted = kind === 'bandwidth' ? 3 : 5
          const now = Math.floor(nowMs / minuteMs)
          const meets = ['cpu', 'memory'].some((measure) => {
            let full = 0
            for (let minute = now - wanted; minute < now; minute += 1) {
              const last = samples.findLast(
                (one) =>
                  one.kind === kind && one.measure === measure && one.minute === minute && one.limit > 0,
              )
              if (last && last.used / last.limit >= 0.6) full += 1
            }
            return full >= 3
          })
          expect(decision.do !== 'nothing').toBe(meets)
          if (decision.do !== 'grow') return
          expect(decision.step.to).toBeGreaterThan(size)
          expect(decision.step.to).toBeLessThanOrEqual(largest)
          expect(decision.step.detectedAtMs).toBeLessThanOrEqual(nowMs)
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('the thirty minutes', () => {
  it('run from detection to the moment when the new size is at work', () => {
    const timing = (tookMs: number, isDone: boolean) =>
      timingOf({ detectedAtMs: 0, verifiedAtMs: isDone ? tookMs : null }, isDone ? tookMs + 1e9 : tookMs)
    expect(timing(30 * minuteMs, true)).toBe('in_time')
    expect(timing(30 * minuteMs + 1, true)).toBe('late')
    expect([14.99, 15, 24.99, 25, 30, 30.01].map((minutes) => timing(minutes * minuteMs, false))).toEqual([
      'in_time',
      'slow',
      'slow',
      'urgent',
      'urgent',
      'late',
    ])
  })
})
