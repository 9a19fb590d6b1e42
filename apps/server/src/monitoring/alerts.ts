/**
 * The life of an alert: pending, firing, acknowledged or escalated, resolved. Every step and whom it tells commit
 * together; what is told once stands in the table once, so that no retry tells it again.
 */
import { createHash } from 'node:crypto'
import type { SlaService } from '@yinxin/sla'
import type { Tx } from '#src/db/db.ts'
import { newId, newToken } from '#src/ids.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import { type Audience, audienceOf } from './audience.ts'
import type { Verdict } from './conditions.ts'
import { type Condition, isRule, keyOf, ruleOf } from './rules.ts'
import type { AlertEvent, AlertRow, MonitoringTables, Severity } from './tables.ts'

/** True for so long after it ended, an alert that comes back is the same one: it flapped. */
export const clearMs = 5 * 60_000

/** Nobody answered: after so long the next level is told (promises §5.3). P3 waits for the digest. */
const escalateMs: Record<Severity, readonly number[]> = {
  P1: [5 * 60_000, 10 * 60_000],
  P2: [30 * 60_000, 60 * 60_000],
  P3: [],
}

export type AlertChange = 'opened' | 'acknowledged' | 'escalated' | 'resolved'
export type AlertListener = (tx: Tx, change: AlertChange, alert: AlertRow) => Promise<void>

export interface AlertsDeps {
  kms: Pick<Kms, 'sealSecret'>
  jobs: Pick<Jobs, 'enqueue'>
  log: Log
  /** Who hears of it, at this moment. */
  audience: (tx: Tx, at: Date) => Promise<Audience>
  /** Whether a silence holds the rule back. */
  silenced: (tx: Tx, alert: { rule: string; service: SlaService | null }, at: Date) => Promise<boolean>
  /** When the next digest goes out. */
  digestAt: (at: Date) => Date
}

export type Alerts = ReturnType<typeof createAlerts>

export const ackLabel = (alertId: string) => `alert-ack:${alertId}`
export const ackHash = (token: string) => createHash('sha256').update(token).digest()

const tables = (tx: Tx) => tx.$extendTables<MonitoringTables>()

export function createAlerts(deps: AlertsDeps) {
  const listeners: AlertListener[] = []

  async function tell(tx: Tx, change: AlertChange, alert: AlertRow): Promise<void> {
    for (const listener of listeners) await listener(tx, change, alert)
  }

  /** Queues what goes out about an alert at a level. */
  async function notify(tx: Tx, alert: AlertRow, event: AlertEvent, level: number, at: Date): Promise<void> {
    const places = audienceOf(await deps.audience(tx, at), alert, event, level)
    // A machine without channels still says it, where somebody may read it.
    deps.log.error(
      { alert: alert.key, severity: alert.severity, event, level, places: places.length },
      alert.detail_en,
    )
    if (places.length === 0) return
    const dueAt = alert.severity === 'P3' ? deps.digestAt(at) : at
    await tables(tx)
      .insertInto('monitoring_delivery')
      .values(
        places.map((place) => ({
          ...place,
          id: newId(),
          alert_id: alert.id,
          event,
          level,
          due_at: dueAt,
          message_id: null,
          created_at: at,
        })),
      )
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    await deps.jobs.enqueue(tx, 'monitoring.deliver', {}, { key: 'monitoring.deliver', runAt: dueAt })
  }

  async function change(tx: Tx, alert: AlertRow, values: Partial<AlertRow>): Promise<AlertRow> {
    await tables(tx).updateTable('monitoring_alert').set(values).where('id', '=', alert.id).execute()
    return { ...alert, ...values }
  }

  const nextEscalation = (severity: Severity, level: number, at: Date): Date | null => {
    const waitMs = escalateMs[severity][level]
    return waitMs === undefined ? null : new Date(at.getTime() + waitMs)
  }

  async function insert(tx: Tx, condition: Condition, at: Date): Promise<AlertRow> {
    const id = newId()
    const token = newToken(24)
    const row: AlertRow = {
      id,
      key: keyOf(condition),
      rule: condition.rule,
      severity: condition.severity ?? ruleOf(condition.rule).severity,
      service: condition.service,
      subject: condition.subject,
      state: 'pending',
      detail_zh: condition.zh,
      detail_en: condition.en,
      began_at: at,
      opened_at: null,
      last_seen_at: at,
      clear_since: null,
      resolved_at: null,
      flaps: 0,
      notified_at: null,
      level: 0,
      escalate_at: null,
      acknowledged_at: null,
      acknowledged_by: null,
      ack_hash: ackHash(token),
      ack_sealed: deps.kms.sealSecret(ackLabel(id), Buffer.from(token)),
    }
    await tables(tx).insertInto('monitoring_alert').values(row).execute()
    return row
  }

  /** Tells of a firing alert unless a silence holds it back. */
  async function announce(tx: Tx, alert: AlertRow, at: Date): Promise<void> {
    if (await deps.silenced(tx, alert, at)) return
    const told = await change(tx, alert, {
      notified_at: at,
      escalate_at: nextEscalation(alert.severity, 0, at),
    })
    await notify(tx, told, 'firing', 0, at)
  }

  async function see(tx: Tx, known: AlertRow | undefined, condition: Condition, at: Date): Promise<void> {
    const alert = known ?? (await insert(tx, condition, at))
    const rule = ruleOf(condition.rule)
    if (alert.state === 'pending') {
      if (at.getTime() - alert.began_at.getTime() < rule.forMinutes * 60_000) return
      const open = await change(tx, alert, {
        state: 'firing',
        opened_at: at,
        last_seen_at: at,
        detail_zh: condition.zh,
        detail_en: condition.en,
      })
      await tell(tx, 'opened', open)
      await announce(tx, open, at)
      return
    }
    const severity = condition.severity ?? rule.severity
    const isGraver = severity < alert.severity
    const seen = await change(tx, alert, {
      last_seen_at: at,
      detail_zh: condition.zh,
      detail_en: condition.en,
      ...(alert.clear_since === null ? {} : { clear_since: null, flaps: alert.flaps + 1 }),
      // What got graver is told again, at the next level, and whoever acknowledged it knew of less.
      ...(isGraver ? { severity, acknowledged_at: null, acknowledged_by: null, escalate_at: at } : {}),
    })
    if (seen.notified_at === null) await announce(tx, seen, at)
  }

  async function miss(tx: Tx, alert: AlertRow, at: Date): Promise<void> {
    if (alert.state === 'pending') {
      await tables(tx)
        .deleteFrom('monitoring_alert')
        .where('id', '=', alert.id)
        .where('state', '=', 'pending')
        .execute()
      return
    }
    const since = alert.clear_since ?? at
    if (at.getTime() - since.getTime() < clearMs) {
      if (alert.clear_since === null) await change(tx, alert, { clear_since: at })
      return
    }
    const over = await change(tx, alert, { state: 'resolved', resolved_at: since, escalate_at: null })
    await tell(tx, 'resolved', over)
    // Whoever was told that it began is told that it is over; a digest says both.
    if (over.notified_at !== null && over.severity !== 'P3')
      await notify(tx, over, 'resolved', over.level, at)
  }

  async function escalateDue(tx: Tx, at: Date): Promise<void> {
    const due = await tables(tx)
      .selectFrom('monitoring_alert')
      .selectAll()
      .where('state', '=', 'firing')
      .where('acknowledged_at', 'is', null)
      .where('escalate_at', '<=', at)
      .execute()
    for (const alert of due) {
      if (alert.clear_since !== null || alert.level >= 2) continue
      const level = alert.level + 1
      const risen = await change(tx, alert, { level, escalate_at: nextEscalation(alert.severity, level, at) })
      await tell(tx, 'escalated', risen)
      await notify(tx, risen, 'escalated', level, at)
    }
  }

  async function openAlerts(tx: Tx): Promise<AlertRow[]> {
    return await tables(tx)
      .selectFrom('monitoring_alert')
      .selectAll()
      .where('state', '!=', 'resolved')
      .execute()
  }

  return {
    /** Called inside the transaction of each change. */
    listen(listener: AlertListener): void {
      listeners.push(listener)
    },

    openAlerts,

    async byToken(tx: Tx, token: string): Promise<AlertRow | undefined> {
      return await tables(tx)
        .selectFrom('monitoring_alert')
        .selectAll()
        .where('ack_hash', '=', ackHash(token))
        .executeTakeFirst()
    },

    /** Takes one look at everything: opens, keeps, resolves, escalates. */
    async apply(tx: Tx, { conditions, blind }: Verdict, at: Date): Promise<void> {
      const known = new Map((await openAlerts(tx)).map((alert) => [alert.key, alert]))
      const seen = new Set<string>()
      for (const condition of conditions) {
        const key = keyOf(condition)
        if (seen.has(key)) continue
        seen.add(key)
        await see(tx, known.get(key), condition, at)
      }
      for (const alert of known.values()) {
        // What cannot be judged now is not over.
        if (seen.has(alert.key) || (isRule(alert.rule) && blind.has(alert.rule))) continue
        await miss(tx, alert, at)
      }
      await escalateDue(tx, at)
    },

    /** One condition at once, outside of the minutes; an open alert of it is only seen again. */
    async raise(tx: Tx, condition: Condition, at: Date): Promise<void> {
      const key = keyOf(condition)
      await see(
        tx,
        (await openAlerts(tx)).find((alert) => alert.key === key),
        condition,
        at,
      )
    },

    /** What was told of without the database, entered once that answers again. It resolves as any other. */
    async enter(tx: Tx, condition: Condition, since: Date, at: Date): Promise<void> {
      const key = keyOf(condition)
      if ((await openAlerts(tx)).some((alert) => alert.key === key)) return
      const alert = await change(tx, await insert(tx, condition, since), {
        state: 'firing',
        opened_at: since,
        last_seen_at: at,
        notified_at: since,
      })
      await tell(tx, 'opened', alert)
    },

    /** Somebody takes care: nobody else is woken. @returns undefined when there is nothing open of that name */
    async acknowledge(
      tx: Tx,
      which: { id: string } | { token: string },
      by: string,
      at: Date,
    ): Promise<AlertRow | undefined> {
      const query = tables(tx)
        .selectFrom('monitoring_alert')
        .selectAll()
        .where('state', '!=', 'pending')
        .forUpdate()
      const alert = await ('id' in which
        ? query.where('id', '=', which.id)
        : query.where('ack_hash', '=', ackHash(which.token))
      ).executeTakeFirst()
      if (alert === undefined || alert.state === 'resolved' || alert.acknowledged_at !== null) return alert
      const known = await change(tx, alert, { acknowledged_at: at, acknowledged_by: by, escalate_at: null })
      await tell(tx, 'acknowledged', known)
      return known
    },
  }
}
