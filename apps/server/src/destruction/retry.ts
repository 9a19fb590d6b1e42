/** When a step that failed is tried again: ever later up to an hour, and not all at the same moment. */
import type { DestructionRow } from './store.ts'

const FIRST_MS = 60_000
const LONGEST_MS = 3_600_000

/** What a failure leaves in the row. `chance` is a number from 0 up to 1. */
export function failureOf(
  { attempts }: Pick<DestructionRow, 'attempts'>,
  problem: string,
  now: Date,
  chance: number,
): Pick<DestructionRow, 'attempts' | 'problem' | 'next_try_at'> {
  const delayMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempts, 30))
  // Half of it is certain, half is chance: many that failed of one cause must not come back together.
  const waitMs = delayMs / 2 + (delayMs / 2) * chance
  return { attempts: attempts + 1, problem, next_try_at: new Date(now.getTime() + waitMs) }
}

/** What success leaves. */
export const NO_FAILURE = { attempts: 0, problem: null, next_try_at: null } as const
