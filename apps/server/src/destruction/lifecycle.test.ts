import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Basis,
  type Command,
  decide,
  type DestructionState,
  isCancellable,
  isEnded,
  isUnderShredder,
  type Request,
} from './lifecycle.ts'

const at = (ms: number) => new Date(1_800_000_000_000 + ms)
const basis = fc.constantFrom<Basis>('own', 'term-end', 'consent')
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.constantFrom<Command>(
    { kind: 'seek-consent' },
    { kind: 'approve' },
    { kind: 'refuse' },
    { kind: 'cancel' },
    { kind: 'proceed' },
    { kind: 'shredded' },
    { kind: 'verified' },
    { kind: 'epoch-over' },
  ),
  fc.boolean().map((held): Command => ({ kind: 'judge-hold', held })),
  fc.integer({ min: -50, max: 100 }).map((ms): Command => ({ kind: 'cool-off', until: at(ms) })),
)

/** Plays commands with a clock that only goes forward, and tells every state that was reached. */
function play(of: Basis, commands: readonly [Command, number][]) {
  let request: Request = { state: 'REQUESTED', basis: of, dueAt: null }
  let nowMs = 0
  const path: { state: DestructionState; by: Command; nowMs: number; dueAt: Date | null }[] = []
  for (const [one, stepMs] of commands) {
    nowMs += stepMs
    const decision = decide(request, one, at(nowMs))
    if ('refusal' in decision) continue
    path.push({ state: decision.state, by: one, nowMs, dueAt: decision.dueAt })
    request = { ...request, ...decision }
  }
  return { request, path }
}

const story = fc.array(fc.tuple(command, fc.integer({ min: 0, max: 30 })), { maxLength: 60 })

describe('the life of a destruction', () => {
  it('reaches the shredder only approved, cooled off and free of holds, in this order', () => {
    fc.assert(
      fc.property(basis, story, (of, commands) => {
        const { path } = play(of, commands)
        const states = path.map((one) => one.state)
        const shredding = states.indexOf('SHREDDING')
        if (shredding < 0) return
        const wanted: DestructionState[] = [
          ...(of === 'consent' ? (['CONSENT_PENDING'] as const) : []),
          'APPROVED',
          'COOLING_OFF',
          'HOLD_CHECK',
          'SHREDDING',
        ]
        expect(states.slice(0, shredding + 1)).toEqual(wanted)
        expect(path[shredding]?.by).toEqual({ kind: 'judge-hold', held: false })
        const due = path.find((one) => one.state === 'COOLING_OFF')?.dueAt
        const begun = path.find((one) => one.state === 'HOLD_CHECK')
        expect(begun && at(begun.nowMs) >= (due ?? at(Infinity))).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })

  it('never leaves an end, and cannot be cancelled once content has begun to go', () => {
    fc.assert(
      fc.property(basis, story, command, (of, commands, last) => {
        const { request } = play(of, commands)
        const decision = decide(request, last, at(10_000))
        if (isEnded(request.state)) expect(decision).toHaveProperty('refusal')
        if (isUnderShredder(request.state))
          expect(decide(request, { kind: 'cancel' }, at(10_000))).toEqual({
            refusal: 'destruction_not_cancellable',
          })
        if (isCancellable(request.state))
          expect(decide(request, { kind: 'cancel' }, at(10_000))).toMatchObject({ state: 'CANCELLED' })
      }),
      { numRuns: 2000 },
    )
  })

  it('needs everybody’s consent where consent is the basis, and one refusal ends it', () => {
    expect(decide({ state: 'REQUESTED', basis: 'consent', dueAt: null }, { kind: 'approve' }, at(0))).toEqual(
      {
        refusal: 'destruction_not_possible_now',
      },
    )
    expect(
      decide({ state: 'CONSENT_PENDING', basis: 'consent', dueAt: null }, { kind: 'refuse' }, at(0)),
    ).toMatchObject({ state: 'REJECTED' })
  })

  it('is final only after it was provisional, and provisional only after it was verified', () => {
    fc.assert(
      fc.property(basis, story, (of, commands) => {
        const states = play(of, commands).path.map((one) => one.state)
        const order: DestructionState[] = [
          'SHREDDING',
          'VERIFYING',
          'DESTROYED_PROVISIONAL',
          'DESTROYED_FINAL',
        ]
        const seen = states.filter((state) => order.includes(state))
        expect(seen).toEqual(order.slice(0, seen.length))
      }),
      { numRuns: 2000 },
    )
  })

  it('stands still until its time has come, to the millisecond', () => {
    const cooling: Request = { state: 'COOLING_OFF', basis: 'own', dueAt: at(100) }
    expect(decide(cooling, { kind: 'proceed' }, at(99))).toEqual({ refusal: 'destruction_too_early' })
    expect(decide(cooling, { kind: 'proceed' }, at(100))).toMatchObject({ state: 'HOLD_CHECK' })
  })
})
