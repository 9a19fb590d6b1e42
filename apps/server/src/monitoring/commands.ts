/** What operators do about alerts, the roster and silences, through their own door. */
import type { OperatorCall } from '#src/operator-door.ts'
import { refuse } from './errors.ts'
import type { Monitoring } from './monitoring.ts'
import type { AlertRow, OnCallRole } from './tables.ts'

type Options = Record<string, unknown>
type Call = Pick<OperatorCall, 'operator'>

const text = (given: unknown) => (typeof given === 'string' ? given.trim() : '')
/** Whoever gave the command with a key of their own is named by it, whatever the command says. */
const named = (options: Options, call?: Call) => call?.operator?.name ?? text(options.by)
const textOrNull = (given: unknown) => text(given) || null
const isUuid = (given: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(given)

/** NaN for what is no time; the doors refuse it. */
function time(given: unknown): Date {
  return new Date(
    typeof given === 'string' && /^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:\d{2})$/.test(given)
      ? given
      : Number.NaN,
  )
}

const roles: readonly OnCallRole[] = ['primary', 'secondary', 'manager']

export function alertShown({ ack_hash: _hash, ack_sealed: _sealed, ...alert }: AlertRow) {
  return {
    id: alert.id,
    key: alert.key,
    rule: alert.rule,
    severity: alert.severity,
    state: alert.state,
    service: alert.service,
    subject: alert.subject,
    zh: alert.detail_zh,
    en: alert.detail_en,
    openedAt: alert.opened_at,
    resolvedAt: alert.resolved_at,
    silenced: alert.notified_at === null,
    level: alert.level,
    flaps: alert.flaps,
    acknowledgedAt: alert.acknowledged_at,
    acknowledgedBy: alert.acknowledged_by,
  }
}

export function createMonitoringCommands(monitoring: Monitoring) {
  return {
    'alerts-list': async (options: Options) => ({
      alerts: (options.all === true ? await monitoring.history(200) : await monitoring.open()).map(
        alertShown,
      ),
    }),
    'alerts-ack': async (options: Options, call?: Call) => {
      const id = text(options.id)
      if (!isUuid(id) || named(options, call) === '') throw refuse('alert_not_found')
      const alert = await monitoring.acknowledge({ id }, named(options, call))
      if (alert === undefined) throw refuse('alert_not_found')
      return alertShown(alert)
    },
    'alerts-receipts': async (options: Options) => {
      const id = text(options.id)
      if (!isUuid(id)) throw refuse('alert_not_found')
      return { receipts: await monitoring.receipts(id) }
    },
    'alerts-channels': async () => ({ channels: await monitoring.channels() }),
    'alerts-rules': async () => ({ rules: monitoring.rules() }),
    'alerts-metrics': async () => ({ text: await monitoring.metrics.text() }),
    'alerts-test': async () => {
      const answers = await monitoring.test()
      if (answers.length === 0) throw refuse('no_alert_channel')
      return { answers }
    },
    'oncall-list': async (options: Options) => {
      const from = options.from === undefined ? new Date(0) : time(options.from)
      const to = options.to === undefined ? new Date(8.64e15 / 2) : time(options.to)
      if (!(from < to)) throw refuse('shift_unreadable')
      return { shifts: await monitoring.onCall.list(from, to), ...(await monitoring.gaps()) }
    },
    'oncall-add': async (options: Options, call?: Call) => {
      const role = roles.find((one) => one === (text(options.role) || 'primary'))
      if (role === undefined) throw refuse('shift_unreadable')
      return await monitoring.onCall.add({
        person: text(options.person),
        role,
        mobile: textOrNull(options.mobile),
        mail: textOrNull(options.mail),
        lang: options.lang === 'en' ? 'en' : 'zh',
        from: time(options.from),
        to: time(options.to),
        by: named(options, call),
      })
    },
    'oncall-remove': async (options: Options, call?: Call) => {
      const id = text(options.id)
      if (!isUuid(id)) throw refuse('shift_not_found')
      await monitoring.onCall.remove(id, named(options, call))
      return { removed: true }
    },
    'silence-list': async () => ({ silences: await monitoring.silences.list() }),
    'silence-add': async (options: Options, call?: Call) => {
      const maintenanceId = text(options.maintenance)
      if (!isUuid(maintenanceId)) throw refuse('silence_unreadable')
      return await monitoring.silences.add({
        maintenanceId,
        rule: textOrNull(options.rule),
        from: time(options.from),
        to: time(options.to),
        reason: text(options.reason),
        by: named(options, call),
      })
    },
    'silence-end': async (options: Options) => {
      const id = text(options.id)
      if (!isUuid(id)) throw refuse('silence_not_found')
      await monitoring.silences.end(id)
      return { ended: true }
    },
  }
}
