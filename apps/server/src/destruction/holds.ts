/**
 * Legal holds: what a court, a regulator or a dispute keeps from being destroyed. A hold is in force from the first
 * operator's word on, since what is destroyed does not come back; a second one confirms it, and releasing it takes two
 * as well. The database refuses by itself to destroy what is held.
 */
import type { Audit } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Operator } from '#src/operator-door.ts'
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
  by: Operator
}

/** A release that nobody confirmed meanwhile has to be asked for again. */
const RELEASE_MS = 7 * 86_400_000

export type Holds = ReturnType<typeof createHolds>

export function createHolds({ db, clock, audit }: { db: Db; clock: Clock; audit: Pick<Audit, 'record'> }) {
  /** The company whose contract it is sees in its record what was done about it. */
  async function record(tx: Tx, hold: HoldRow, by: Operator, action: string): Promise<void> {
    const { row } = await readTask(tx, hold.task_id)
    await audit.record(tx, {
      tenantId: row.tenant_id,
      caller: { kind: 'operator', operatorId: by.id },
      action,
      subjectKind: 'sign-task',
      subjectId: hold.task_id,
      data: { holdId: hold.id, basis: hold.basis },
    })
  }

  async function change(
    id: string,
    by: Operator,
    work: (hold: HoldRow, now: Date) => { action: string; changed: Partial<HoldRow> },
  ): Promise<HoldRow> {
    return await db.work(async (tx) => {
      const hold = await lockHold(tx, id)
      if (hold === undefined || hold.released_at !== null) throw refuse('legal_hold_not_found')
      const { action, changed } = work(hold, clock.now())
      await updateHold(tx, id, changed)
      await record(tx, hold, by, action)
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
        const now = clock.now()
        const hold: HoldRow = {
          id: newId(now.getTime()),
          task_id: taskId,
          basis,
          reference,
          placed_by: by.name,
          placed_by_id: by.id,
          placed_at: now,
          confirmed_by: null,
          confirmed_by_id: null,
          confirmed_at: null,
          release_asked_by: null,
          release_asked_by_id: null,
          release_asked_at: null,
          released_by: null,
          released_by_id: null,
          released_at: null,
        }
        await record(tx, hold, by, 'legal-hold.placed')
        await insertHold(tx, hold)
        return hold
      })
    },

    confirm: (id: string, by: Operator): Promise<HoldRow> =>
      change(id, by, (hold, now) => {
        if (hold.placed_by_id === by.id || hold.placed_by === by.name)
          throw refuse('legal_hold_second_person')
        return {
          action: 'legal-hold.confirmed',
          changed: { confirmed_by: by.name, confirmed_by_id: by.id, confirmed_at: now },
        }
      }),

    /** The first call asks, the second by another operator within seven days releases. */
    release: (id: string, by: Operator): Promise<HoldRow> =>
      change(id, by, (hold, now) => {
        const isOpen =
          hold.release_asked_by_id !== null &&
          hold.release_asked_at !== null &&
          hold.release_asked_at.getTime() + RELEASE_MS > now.getTime()
        if (!isOpen)
          return {
            action: 'legal-hold.release-asked',
            changed: { release_asked_by: by.name, release_asked_by_id: by.id, release_asked_at: now },
          }
        if (hold.release_asked_by_id === by.id) throw refuse('legal_hold_second_person')
        return {
          action: 'legal-hold.released',
          changed: { released_by: by.name, released_by_id: by.id, released_at: now },
        }
      }),

    list: (taskId?: string): Promise<HoldRow[]> =>
      db.work((tx) => (taskId === undefined ? activeHolds(tx) : holdsOf(tx, taskId))),
  }
}
