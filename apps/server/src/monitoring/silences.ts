/** Alerts are held back only inside announced maintenance: a silence ends with its window, and with its withdrawal. */
import { isAnnounced, type SlaService } from '@yinxin/sla'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Sla, StoredWindow } from '#src/sla/sla.ts'
import { refuse } from './errors.ts'
import { isRule, ruleOf } from './rules.ts'
import type { MonitoringTables } from './tables.ts'

export interface NewSilence {
  maintenanceId: string
  /** Null for every rule. */
  rule: string | null
  from: Date
  to: Date
  reason: string
  by: string
}

const tables = (tx: Tx) => tx.$extendTables<MonitoringTables>()

export function createSilences({ db, clock, sla }: { db: Db; clock: Clock; sla: Pick<Sla, 'store'> }) {
  async function windowsAround(from: Date, to: Date): Promise<StoredWindow[]> {
    const [fromMinute, toMinute] = [Math.floor(from.getTime() / 60_000), Math.ceil(to.getTime() / 60_000)]
    return (await sla.store.windows({ from: fromMinute, to: Math.max(toMinute, fromMinute + 1) })).filter(
      isAnnounced,
    )
  }

  return {
    /** @throws Refusal `silence_unreadable`, `silence_outside_maintenance` */
    async add(silence: NewSilence): Promise<{ id: string }> {
      const { maintenanceId, rule, from, to, reason, by } = silence
      const isReadable =
        reason !== '' && by !== '' && from.getTime() < to.getTime() && (rule === null || isRule(rule))
      if (!isReadable) throw refuse('silence_unreadable')
      const window = (await windowsAround(from, to)).find(({ id }) => id === maintenanceId)
      const isInside =
        window !== undefined && from.getTime() >= window.from * 60_000 && to.getTime() <= window.to * 60_000
      if (!isInside) throw refuse('silence_outside_maintenance')
      const id = newId()
      await db.work((tx) =>
        tables(tx)
          .insertInto('monitoring_silence')
          .values({
            id,
            maintenance_id: maintenanceId,
            rule,
            from_at: from,
            to_at: to,
            reason,
            made_by: by,
            made_at: clock.now(),
            ended_at: null,
          })
          .execute(),
      )
      return { id }
    },

    /** @throws Refusal `silence_not_found` */
    async end(id: string): Promise<void> {
      const at = clock.now()
      const { numUpdatedRows } = await db.work((tx) =>
        tables(tx)
          .updateTable('monitoring_silence')
          .set({ ended_at: at })
          .where('id', '=', id)
          .where('ended_at', 'is', null)
          .where('to_at', '>', at)
          .executeTakeFirst(),
      )
      if (numUpdatedRows === 0n) throw refuse('silence_not_found')
    },

    async list() {
      return await db.work((tx) =>
        tables(tx)
          .selectFrom('monitoring_silence')
          .selectAll()
          .orderBy('made_at', 'desc')
          .limit(200)
          .execute(),
      )
    },

    /**
     * Whether an alert is held back at this moment. Damage to data is never silenced, and an alert of a service only
     * by maintenance of that service.
     */
    async holds(tx: Tx, alert: { rule: string; service: SlaService | null }, at: Date): Promise<boolean> {
      if (isRule(alert.rule) && ruleOf(alert.rule).integrity === true) return false
      const standing = await tables(tx)
        .selectFrom('monitoring_silence')
        .select(['rule', 'maintenance_id'])
        .where('from_at', '<=', at)
        .where('to_at', '>', at)
        .where('ended_at', 'is', null)
        .execute()
      const matching = standing.filter(({ rule }) => rule === null || rule === alert.rule)
      if (matching.length === 0) return false
      const minute = Math.floor(at.getTime() / 60_000)
      const windows = await windowsAround(at, at)
      return windows.some(
        ({ id, from, to, services }) =>
          minute >= from &&
          minute < to &&
          matching.some(({ maintenance_id }) => maintenance_id === id) &&
          (alert.service === null || services.includes(alert.service)),
      )
    },
  }
}
