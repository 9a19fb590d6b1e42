import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Command, decide, evolve, isAwaited, type TaskFact, type TaskState } from './lifecycle.ts'

const START = new Date('2026-01-01T00:00:00.000Z')
const HOUR_MS = 3_600_000

function draft(over: Partial<TaskState> = {}): TaskState {
  return {
    status: 'draft',
    ordered: true,
    deadline: null,
    documentCount: 1,
    urgedAt: [],
    actors: [
      { id: 'a', role: 'sign', order: 1, status: 'waiting' },
      { id: 'b', role: 'sign', order: 2, status: 'waiting' },
      { id: 'c', role: 'cc', order: 1, status: 'waiting' },
    ],
    ...over,
  }
}

function run(state: TaskState, command: Command, now = START): { state: TaskState; facts: TaskFact[] } {
  const decision = decide(state, command, now)
  if ('refusal' in decision) throw new Error(decision.refusal)
  return { state: decision.facts.reduce((at, fact) => evolve(at, fact, now), state), facts: decision.facts }
}

describe('the life of a task', () => {
  it('goes through the order, tells the copies at the end, and finishes once', () => {
    let { state, facts } = run(draft(), { kind: 'start' })
    expect(facts).toEqual([{ kind: 'started' }, { kind: 'actor-ready', actorId: 'a' }])
    expect(decide(state, { kind: 'sign', actorId: 'b' }, START)).toEqual({ refusal: 'not_your_turn' })
    ;({ state, facts } = run(state, { kind: 'sign', actorId: 'a' }))
    expect(facts).toEqual([
      { kind: 'actor-signed', actorId: 'a' },
      { kind: 'actor-ready', actorId: 'b' },
    ])
    ;({ state, facts } = run(state, { kind: 'sign', actorId: 'b' }))
    expect(facts.map((fact) => fact.kind)).toEqual(['actor-signed', 'actor-notified', 'finished'])
    expect(decide(state, { kind: 'sign', actorId: 'b' }, START)).toEqual({ refusal: 'already_signed' })
    expect(decide(state, { kind: 'cancel', reason: 'x' }, START)).toEqual({ refusal: 'task_not_signing' })
  })

  it('signs nothing after the deadline, expires only then, and not a moment before', () => {
    const deadline = new Date(START.getTime() + HOUR_MS)
    const { state } = run(draft({ deadline }), { kind: 'start' })
    const late = new Date(deadline.getTime() + 1)
    expect(decide(state, { kind: 'expire' }, deadline)).toEqual({ refusal: 'deadline_not_reached' })
    expect(decide(state, { kind: 'sign', actorId: 'a' }, late)).toEqual({ refusal: 'deadline_passed' })
    expect(run(state, { kind: 'expire' }, late).state.status).toBe('expired')
    expect(decide(draft({ deadline }), { kind: 'start' }, late)).toEqual({ refusal: 'deadline_passed' })
  })

  it('urges twice a day with two hours between', () => {
    let { state } = run(draft(), { kind: 'start' })
    ;({ state } = run(state, { kind: 'urge' }))
    const at = (hours: number) => new Date(START.getTime() + hours * HOUR_MS)
    expect(decide(state, { kind: 'urge' }, at(1.9))).toEqual({ refusal: 'urged_too_often' })
    ;({ state } = run(state, { kind: 'urge' }, at(2)))
    expect(decide(state, { kind: 'urge' }, at(5))).toEqual({ refusal: 'urged_too_often' })
    expect(run(state, { kind: 'urge' }, at(24)).facts[0]).toEqual({ kind: 'urged', actorIds: ['a'] })
  })

  it('lets one act at a time sign for an actor, and refuses a rejection meanwhile', () => {
    let { state } = run(draft(), { kind: 'start' })
    ;({ state } = run(state, { kind: 'begin-signing', actorId: 'a' }))
    expect(decide(state, { kind: 'begin-signing', actorId: 'a' }, START)).toEqual({
      refusal: 'signing_in_progress',
    })
    expect(decide(state, { kind: 'reject', actorId: 'a', reason: 'no' }, START)).toEqual({
      refusal: 'signing_in_progress',
    })
    ;({ state } = run(state, { kind: 'abandon-signing', actorId: 'a' }))
    expect(run(state, { kind: 'reject', actorId: 'a', reason: 'no' }).state.status).toBe('rejected')
  })

  it('holds its invariants under any sequence of commands', () => {
    const actor = fc.record({
      role: fc.constantFrom('sign' as const, 'cc' as const),
      order: fc.integer({ min: 1, max: 3 }),
    })
    const ids = ['p0', 'p1', 'p2', 'p3', 'p4', 'stranger']
    const actorId = fc.constantFrom(...ids)
    const command: fc.Arbitrary<Command> = fc.oneof(
      fc.constant<Command>({ kind: 'start' }),
      fc.record({
        kind: fc.constantFrom('view' as const, 'begin-signing' as const, 'abandon-signing' as const),
        actorId,
      }),
      { weight: 4, arbitrary: actorId.map((id): Command => ({ kind: 'sign', actorId: id })) },
      actorId.map((id): Command => ({ kind: 'reject', actorId: id, reason: 'r' })),
      fc.constant<Command>({ kind: 'cancel', reason: 'c' }),
      fc.constant<Command>({ kind: 'urge' }),
      fc.constant<Command>({ kind: 'expire' }),
    )
    fc.assert(
      fc.property(
        fc.array(actor, { minLength: 0, maxLength: 5 }),
        fc.boolean(),
        fc.option(fc.integer({ min: 0, max: 72 })),
        fc.array(fc.tuple(command, fc.integer({ min: 0, max: 12 })), { maxLength: 40 }),
        (actors, ordered, deadlineHours, steps) => {
          let state = draft({
            ordered,
            deadline: deadlineHours === null ? null : new Date(START.getTime() + deadlineHours * HOUR_MS),
            actors: actors.map((one, index) => ({ ...one, id: `p${index}`, status: 'waiting' })),
          })
          let nowMs = START.getTime()
          let ends = 0
          for (const [next, hours] of steps) {
            nowMs += hours * HOUR_MS
            const now = new Date(nowMs)
            const before = state
            const decision = decide(state, next, now)
            if ('refusal' in decision) continue
            state = decision.facts.reduce((at, fact) => evolve(at, fact, now), state)
            const over = ['finished', 'rejected', 'canceled', 'expired']
            // An end is final.
            if (over.includes(before.status)) expect(decision.facts).toEqual([])
            if (!over.includes(before.status) && over.includes(state.status)) ends += 1
            // Nothing is signed late, out of order, or by somebody who was not asked.
            if (decision.facts.some((fact) => fact.kind === 'actor-signed') && next.kind === 'sign') {
              const mine = before.actors.find((one) => one.id === next.actorId)
              expect(mine?.role).toBe('sign')
              expect(mine && isAwaited(mine.status)).toBe(true)
              if (before.deadline !== null) expect(nowMs).toBeLessThanOrEqual(before.deadline.getTime())
              if (ordered) {
                for (const other of before.actors) {
                  if (other.role === 'sign' && other.order < (mine?.order ?? 0))
                    expect(other.status).toBe('signed')
                }
              }
            }
          }
          const signers = state.actors.filter((one) => one.role === 'sign')
          if (state.status === 'finished') {
            expect(signers.every((one) => one.status === 'signed')).toBe(true)
            expect(state.actors.every((one) => one.role === 'sign' || one.status === 'notified')).toBe(true)
          }
          // While signing, somebody can always go on.
          if (state.status === 'signing') expect(signers.some((one) => isAwaited(one.status))).toBe(true)
          if (state.status === 'draft')
            expect(state.actors.every((one) => one.status === 'waiting')).toBe(true)
          expect(ends).toBeLessThanOrEqual(1)
        },
      ),
      { numRuns: 500 },
    )
  })
})
