import type { Clock } from '#src/clock.ts'
import type { Tx } from '#src/db/db.ts'
import { refuse } from './errors.ts'
import { type Command, decide } from './lifecycle.ts'
import { recordOf, type ShredRecord } from './record.ts'
import { NO_FAILURE } from './retry.ts'
import { type DestructionRow, lockRequest, updateRequest } from './store.ts'

type Change = Partial<Omit<DestructionRow, 'record'>> & { record?: ShredRecord }

/** Applies a command to a request in the open transaction. @throws the refusal of the life cycle */
export type Apply = (tx: Tx, row: DestructionRow, command: Command, more?: Change) => Promise<DestructionRow>

export function createTransitions(clock: Clock): { apply: Apply } {
  return {
    async apply(tx, row, command, more = {}) {
      const now = clock.now()
      const current = (await lockRequest(tx, row.id)) ?? row
      const decision = decide(
        { state: current.state, basis: current.basis, dueAt: current.due_at },
        command,
        now,
      )
      if ('refusal' in decision) throw refuse(decision.refusal)
      const record = more.record ?? recordOf(current)
      const change = {
        ...NO_FAILURE,
        ...more,
        state: decision.state,
        due_at: decision.dueAt,
        ...(command.kind === 'approve' ? { approved_at: now } : {}),
        record: { ...record, history: [...record.history, { state: decision.state, at: now.toISOString() }] },
      }
      await updateRequest(tx, row.id, change, now)
      return { ...current, ...change, updated_at: now }
    },
  }
}
