/** Who is on call: shifts around the clock, and the gaps between them. */
import { rosterGaps, type Shift } from '@yinxin/sla'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { OnCall } from './audience.ts'
import { refuse } from './errors.ts'
import type { MonitoringTables, OnCallRole } from './tables.ts'

export interface NewShift {
  person: string
  role: OnCallRole
  mobile: string | null
  mail: string | null
  lang: 'zh' | 'en'
  from: Date
  to: Date
  by: string
}

/** As far ahead the primary's roster must be whole. */
const aheadMs = 7 * 86_400_000

const tables = (tx: Tx) => tx.$extendTables<MonitoringTables>()

export type OnCallRoster = ReturnType<typeof createOnCall>

export function createOnCall({ db, clock, demanded }: { db: Db; clock: Clock; demanded: boolean }) {
  async function between(tx: Tx, from: Date, to: Date) {
    return await tables(tx)
      .selectFrom('monitoring_shift')
      .selectAll()
      .where('removed_at', 'is', null)
      .where('from_at', '<', to)
      .where('to_at', '>', from)
      .orderBy('from_at')
      .orderBy('id')
      .execute()
  }

  return {
    /** @throws Refusal `shift_unreadable` */
    async add(shift: NewShift): Promise<{ id: string }> {
      const { person, role, mobile, mail, lang, from, to, by } = shift
      const isReadable =
        person !== '' && by !== '' && (mobile !== null || mail !== null) && from.getTime() < to.getTime()
      if (!isReadable) throw refuse('shift_unreadable')
      const id = newId()
      await db.work((tx) =>
        tables(tx)
          .insertInto('monitoring_shift')
          .values({
            id,
            person,
            role,
            mobile,
            mail,
            lang,
            from_at: from,
            to_at: to,
            added_by: by,
            added_at: clock.now(),
            removed_at: null,
            removed_by: null,
          })
          .execute(),
      )
      return { id }
    },

    /** @throws Refusal `shift_not_found` */
    async remove(id: string, by: string): Promise<void> {
      const { numUpdatedRows } = await db.work((tx) =>
        tables(tx)
          .updateTable('monitoring_shift')
          .set({ removed_at: clock.now(), removed_by: by })
          .where('id', '=', id)
          .where('removed_at', 'is', null)
          .executeTakeFirst(),
      )
      if (numUpdatedRows === 0n) throw refuse('shift_not_found')
    },

    async list(from: Date, to: Date) {
      return await db.work((tx) => between(tx, from, to))
    },

    async now(tx: Tx, at: Date): Promise<OnCall[]> {
      return (await between(tx, at, new Date(at.getTime() + 1))).map(
        ({ person, role, mobile, mail, lang }) => ({
          person,
          role,
          mobile,
          mail,
          lang,
        }),
      )
    },

    /** When no primary is on call within the next week; null when there is no roster and none is demanded. */
    async gaps(tx: Tx, at: Date): Promise<Shift[] | null> {
      const to = new Date(at.getTime() + aheadMs)
      const shifts = (await between(tx, at, to)).filter(({ role }) => role === 'primary')
      if (shifts.length === 0 && !demanded) {
        const ever = await tables(tx).selectFrom('monitoring_shift').select('id').limit(1).executeTakeFirst()
        if (ever === undefined) return null
      }
      return rosterGaps(
        shifts.map(({ from_at, to_at }) => ({ fromMs: from_at.getTime(), toMs: to_at.getTime() })),
        { fromMs: at.getTime(), toMs: to.getTime() },
      )
    },
  }
}
