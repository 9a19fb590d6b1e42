/**
 * Legal holds: what a court, a regulator or a dispute keeps from being destroyed. A hold is in force from the first
 * person's word on; a second one confirms it, and releasing it takes two as well. The database refuses by itself
 * to destroy what is held.
 */
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import { readTask } from '#src/sign-tasks/sign-tasks.ts'
import { refuse } from './errors.ts'
import { isUnderShredder } from './lifecycle.ts'
import {
  activeHolds,
  type HoldRow,
  holdsOf,
  insertHold,
  lockContract,
  lockHold,
  requestsOf,
  updateHold,
} from './store.ts'

export interface NewHold {
  taskId: string
  basis: HoldRow['basis']
  /** Number of the order or letter. Not its content. */
  reference: string
  by: string
}

export type Holds = ReturnType<typeof createHolds>

export function createHolds({ db, clock }: { db: Db; clock: Clock }) {
  async function change(id: string, work: (hold: HoldRow, now: Date) => Partial<HoldRow>): Promise<HoldRow> {
    return await db.work(async (tx) => {
      const hold = await lockHold(tx, id)
      if (hold === undefined || hold.released_at !== null) throw refuse('legal_hold_not_found')
      const changed = work(hold, clock.now())
      await updateHold(tx, id, changed)
      return { ...hold, ...changed }
    })
  }

  return {
    /**
     * @throws Refusal `legal_hold_too_late` once content has begun to go; `legal_hold_not_now` while a party's access
     * goes, because only its end tells whether that party was the last
     */
    async place({ taskId, basis, reference, by }: NewHold): Promise<HoldRow> {
      return await db.work(async (tx) => {
        // Whoever is about to shred waits here, or we wait for it.
        await lockContract(tx, taskId)
        const requests = await requestsOf(tx, taskId)
        if (requests.some((one) => one.extent === 'contract' && isUnderShredder(one.state)))
          throw refuse('legal_hold_too_late')
        if (requests.some((one) => one.state === 'SHREDDING')) throw refuse('legal_hold_not_now')
        await readTask(tx, taskId)
        const now = clock.now()
        const hold: HoldRow = {
          id: newId(now.getTime()),
          task_id: taskId,
          basis,
          reference,
          placed_by: by,
          placed_at: now,
          confirmed_by: null,
          confirmed_at: null,
          release_asked_by: null,
          release_asked_at: null,
          released_by: null,
          released_at: null,
        }
        await insertHold(tx, hold)
        return hold
      })
    },

    confirm: (id: string, by: string): Promise<HoldRow> =>
      change(id, (hold, now) => {
        if (hold.placed_by === by) throw refuse('legal_hold_second_person')
        return { confirmed_by: by, confirmed_at: now }
      }),

    /** The first call asks, the second by somebody else releases. */
    release: (id: string, by: string): Promise<HoldRow> =>
      change(id, (hold, now) => {
        if (hold.release_asked_by === null) return { release_asked_by: by, release_asked_at: now }
        if (hold.release_asked_by === by) throw refuse('legal_hold_second_person')
        return { released_by: by, released_at: now }
      }),

    list: (taskId?: string): Promise<HoldRow[]> =>
      db.work((tx) => (taskId === undefined ? activeHolds(tx) : holdsOf(tx, taskId))),
  }
}
