/**
 * The platform looks after itself (SLA 3.10): once a minute it judges the minutes of the meter and what every room
 * measures, and tells whoever is on call, until somebody answers.
 */
import type { SlaService } from '@yinxin/sla'
import { sql } from 'kysely'
import { z } from 'zod'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import type { Carrier } from '#src/notifications/notifications.ts'
import { monthNameOf, type Sla } from '#src/sla/sla.ts'
import { type AlertListener, createAlerts } from './alerts.ts'
import type { Audience } from './audience.ts'
import { createChannelStates } from './channel-states.ts'
import { type AlertSettings, createChannels } from './channels.ts'
import { judge } from './conditions.ts'
import { createDeliver } from './deliver.ts'
import { gather, type MeasureSources } from './measures.ts'
import { createMetrics, type RequestCounters } from './metrics.ts'
import { createOnCall } from './on-call.ts'
import { rules, ruleOf } from './rules.ts'
import { createSilences } from './silences.ts'
import type { AlertRow, MonitoringTables } from './tables.ts'
import { createWatchdog } from './watchdog.ts'
import { createWatchedMinutes } from './watched-minutes.ts'

export type { AlertChange, AlertListener } from './alerts.ts'
export type { AlertSettings } from './channels.ts'
export { createMonitoringCommands } from './commands.ts'
export type { MeasureSources, PoolState } from './measures.ts'
export { createRequestCounters, type RequestCounters } from './metrics.ts'
export { isRule, ruleOf, type RuleName, rules } from './rules.ts'
export type { AlertRow, Severity } from './tables.ts'

export interface MonitoringDeps {
  db: Db
  clock: Clock
  log: Log
  jobs: Jobs
  kms: Pick<Kms, 'sealSecret' | 'openSecret'>
  sla: Pick<Sla, 'store' | 'month'>
  carriers: Record<'mail' | 'sms', Carrier>
  settings: AlertSettings
  sources: MeasureSources
  requests: RequestCounters
  /** Whether probes of the operator are set up: then a minute that nobody saw is a fault. */
  probed: boolean
  /** A roster must exist, as in production. */
  rosterDemanded: boolean
  baseUrl: string
  dataDir: string
}

export type Monitoring = ReturnType<typeof createMonitoring>

/** After the minute has ended and the meter has brought it home. */
const afterMinuteMs = 4_000
/** The figures of a month are asked for only so often. */
const monthEveryMs = 10 * 60_000
const digestHour = 9
const chinaMs = 8 * 3_600_000

/** Nine in the morning in China, today or tomorrow. */
export function nextDigest(at: Date): Date {
  const local = at.getTime() + chinaMs
  const today = local - (local % 86_400_000) + digestHour * 3_600_000
  return new Date((today > local ? today : today + 86_400_000) - chinaMs)
}

const tables = (tx: Tx) => tx.$extendTables<MonitoringTables>()

export function createMonitoring(deps: MonitoringDeps) {
  const { db, clock, log, jobs, kms, sla, settings, baseUrl } = deps
  const channels = createChannels(deps)
  const onCall = createOnCall({ db, clock, demanded: deps.rosterDemanded })
  const silences = createSilences(deps)
  const minutes = createWatchedMinutes(deps)
  const watchdog = createWatchdog({ ...deps, channels, heartbeatUrl: settings.heartbeatUrl })
  const metrics = createMetrics({ db, clock, sla, sources: deps.sources, requests: deps.requests, minutes })

  async function audience(tx: Tx, at: Date): Promise<Audience> {
    const { mail, sms } = settings
    return { channels: new Set(channels.keys()), fixed: { mail, sms }, onCall: await onCall.now(tx, at) }
  }

  const alerts = createAlerts({
    kms,
    jobs,
    log,
    audience,
    silenced: silences.holds,
    digestAt: nextDigest,
  })
  const states = createChannelStates(async (tx, name, problem, at) => {
    await alerts.raise(
      tx,
      name === 'heartbeat'
        ? {
            rule: 'heartbeat-failing',
            service: null,
            subject: null,
            zh: `心跳未送达：${problem}`,
            en: `The heartbeat did not arrive: ${problem}`,
          }
        : {
            rule: 'channel-failing',
            service: null,
            subject: name,
            zh: `告警通道 ${name} 发送失败：${problem}`,
            en: `The alert channel ${name} fails: ${problem}`,
          },
      at,
    )
  })
  const deliver = createDeliver({ db, clock, log, jobs, kms, channels, states, baseUrl })
  jobs.define('monitoring.deliver', z.looseObject({}), async () => void (await deliver.run()))

  let month: { atMs: number; down: Map<SlaService, number> } | undefined
  async function downMinutes(now: Date): Promise<ReadonlyMap<SlaService, number> | null> {
    if (month !== undefined && now.getTime() - month.atMs < monthEveryMs) return month.down
    try {
      const { services } = await sla.month(monthNameOf(Math.floor(now.getTime() / 60_000)))
      month = {
        atMs: now.getTime(),
        down: new Map(services.map(({ service, verdict }) => [service, verdict.downMinutes])),
      }
      return month.down
    } catch (error) {
      // Nothing was measured yet, or it cannot be read now; the budget alone goes unjudged.
      log.debug({ err: error }, 'the month of the service level cannot be read')
      return null
    }
  }

  /** Judges the minute that ended last, once over all processes. @returns false when another did it */
  async function evaluate(): Promise<boolean> {
    const now = clock.now()
    const minute = Math.floor(now.getTime() / 60_000) - 1
    const isJudged = await db.ask((tx) =>
      tables(tx)
        .selectFrom('monitoring_evaluation')
        .select('minute')
        .where('minute', '>=', minute)
        .executeTakeFirst(),
    )
    if (isJudged !== undefined) return false
    const [seen, gathered, down, outage] = await Promise.all([
      minutes.until(minute + 1),
      gather(deps.sources),
      downMinutes(now),
      watchdog.outage(),
    ])
    const done = await db.work(async (tx) => {
      await sql`insert into monitoring_evaluation (minute, at) values (${minute - 1}, ${now}) on conflict do nothing`.execute(
        tx,
      )
      const mine = await tables(tx)
        .updateTable('monitoring_evaluation')
        .set({ minute, at: now })
        .where('minute', '<', minute)
        .executeTakeFirst()
      if (mine.numUpdatedRows === 0n) return false
      if (outage !== null) {
        const text = outage.toISOString()
        await alerts.enter(
          tx,
          {
            rule: 'database-unreachable',
            service: null,
            subject: null,
            zh: `数据库自 ${text} 起没有应答，现已恢复。`,
            en: `The database did not answer since ${text}; it does again.`,
          },
          outage,
          now,
        )
      }
      const verdict = judge({
        now,
        minutes: seen,
        probed: deps.probed,
        downMinutes: down,
        gathered,
        channels: (await states.all(tx))
          .filter(({ name }) => !name.includes(':'))
          .map(({ name, failing_since, problem }) => ({ name, failingSince: failing_since, problem })),
        rosterGaps: await onCall.gaps(tx, now),
      })
      await alerts.apply(tx, verdict, now)
      watchdog.remember(await audience(tx, now))
      return true
    })
    if (done && outage !== null) await watchdog.forget()
    return done
  }

  async function heartbeat(): Promise<void> {
    if (settings.heartbeatUrl === undefined) return
    const problem = await watchdog.beat()
    await db.work(async (tx) => {
      const at = clock.now()
      if (problem === null) await states.worked(tx, 'heartbeat', at)
      else await states.failed(tx, 'heartbeat', problem, at, { final: false })
    })
  }

  /** One look: judge, tell, and say to the outside that somebody is looking. */
  async function look(): Promise<void> {
    try {
      await evaluate()
      await deliver.run()
      await heartbeat()
    } catch (error) {
      await watchdog.failed(error).catch((cause: unknown) => log.fatal({ err: cause }, 'the watchdog failed'))
    }
  }

  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()
  let stopped = false
  function schedule(): void {
    if (stopped) return
    const nowMs = clock.now().getTime()
    const waitMs = 60_000 - (nowMs % 60_000) + afterMinuteMs
    timer = setTimeout(() => {
      running = look().finally(schedule)
    }, waitMs)
    timer.unref()
  }

  return {
    onCall,
    silences,
    metrics,
    evaluate,
    deliver: deliver.run,
    look,
    /** Called inside the transaction of each change of an alert. */
    listen: (listener: AlertListener) => alerts.listen(listener),

    /** Looks once a minute from now on, in every process: one alone judges each minute, all the others stand by. */
    start(): void {
      schedule()
    },
    async stop(): Promise<void> {
      stopped = true
      clearTimeout(timer)
      await running
    },

    async open(): Promise<AlertRow[]> {
      return (await db.work((tx) => alerts.openAlerts(tx))).filter(({ state }) => state === 'firing')
    },

    /** Newest first, the resolved ones too. */
    async history(limit: number): Promise<AlertRow[]> {
      return await db.work((tx) =>
        tables(tx)
          .selectFrom('monitoring_alert')
          .selectAll()
          .where('state', '!=', 'pending')
          .orderBy('opened_at', 'desc')
          .limit(limit)
          .execute(),
      )
    },

    /** What went out about an alert, where to, and what the channel said. */
    async receipts(alertId: string) {
      const { rows } = await db.work((tx) =>
        sql<{
          event: string
          level: number
          channel: string
          recipient: string
          state: string
          sentAt: Date | null
          receipt: string | null
          problem: string | null
        }>`
          select d.event, d.level, d.channel, d.recipient, coalesce(m.state, 'queued') as state, m.sent_at as "sentAt",
            m.receipt, m.problem
          from monitoring_delivery d left join monitoring_message m on m.id = d.message_id
          where d.alert_id = ${alertId} order by d.created_at, d.id`.execute(tx),
      )
      return rows
    },

    async byToken(token: string): Promise<AlertRow | undefined> {
      return await db.work((tx) => alerts.byToken(tx, token))
    },

    async acknowledge(which: { id: string } | { token: string }, by: string): Promise<AlertRow | undefined> {
      return await db.work((tx) => alerts.acknowledge(tx, which, by, clock.now()))
    },

    /** When nobody is on call within the next week. */
    async gaps(): Promise<{ gaps: { from: Date; to: Date }[] }> {
      const found = await db.work((tx) => onCall.gaps(tx, clock.now()))
      return {
        gaps: (found ?? []).map(({ fromMs, toMs }) => ({ from: new Date(fromMs), to: new Date(toMs) })),
      }
    },

    async channels() {
      const known = await db.work((tx) => states.all(tx))
      return (['dingtalk', 'sms', 'mail', 'webhook'] as const).map((name) => {
        const state = known.find((one) => one.name === name)
        return {
          name,
          configured: channels.has(name),
          failingSince: state?.failing_since ?? null,
          problem: state?.problem ?? null,
          okAt: state?.ok_at ?? null,
        }
      })
    },

    /** Sends a word over every channel to those on call now; what each answered. */
    async test(): Promise<{ channel: string; recipient: string; answer: string; ok: boolean }[]> {
      return await watchdog.test(await db.work((tx) => audience(tx, clock.now())))
    },

    rules: () => Object.keys(rules).map((name) => ({ name, ...ruleOf(name as keyof typeof rules) })),
  }
}
