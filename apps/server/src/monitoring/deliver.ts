/**
 * Brings queued deliveries out: claimed in one transaction, sent outside of it, settled in another. What was claimed by
 * a process that died is sent again only where the receiver knows a repetition by its id.
 */
import { sql } from 'kysely'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import { ackLabel } from './alerts.ts'
import { ChannelFailure, type FailureKind } from './channel-failure.ts'
import type { Channel } from './channels.ts'
import { type ChannelStates, robotName } from './channel-states.ts'
import { restMs } from './dingtalk.ts'
import type { AlertRow, ChannelName, DeliveryRow, MessageRow, MonitoringTables } from './tables.ts'
import { type ToldAlert, word } from './wording.ts'

export interface DeliverDeps {
  db: Db
  clock: Clock
  log: Log
  jobs: Pick<Jobs, 'enqueue'>
  kms: Pick<Kms, 'openSecret'>
  channels: ReadonlyMap<ChannelName, Channel>
  states: ChannelStates
  baseUrl: string
}

/** A robot speaks of one group of alerts once in this time; what comes meanwhile is told together. */
const groupMs = 30_000
/** Whoever claimed a message longer ago than this is dead: every channel gives up sooner. */
const claimMs = 60_000
const attemptsMax = 8
const pauseMs = (attempt: number) => Math.min(5_000 * 3 ** (attempt - 1), 30 * 60_000)

const tables = (tx: Tx) => tx.$extendTables<MonitoringTables>()

interface Claimed {
  message: MessageRow
  channel: Channel
  deliveries: DeliveryRow[]
  alerts: Map<string, AlertRow>
}

export type Deliver = ReturnType<typeof createDeliver>

export function createDeliver(deps: DeliverDeps) {
  const { db, clock, channels, states } = deps

  /** Claims the next message of a channel; undefined when nothing may go now. */
  async function claim(channel: Channel): Promise<Claimed | undefined> {
    return await db.work(async (tx) => {
      // The pace of a robot is kept over all processes.
      await sql`select pg_advisory_xact_lock(8420150, hashtext(${channel.name}))`.execute(tx)
      const at = clock.now()
      await abandon(tx, channel, at)
      const message = (await claimWaiting(tx, channel, at)) ?? (await claimQueued(tx, channel, at))
      if (message === undefined) return undefined
      const deliveries = await tables(tx)
        .selectFrom('monitoring_delivery')
        .selectAll()
        .where('message_id', '=', message.id)
        .orderBy('created_at')
        .orderBy('id')
        .execute()
      const alerts = await tables(tx)
        .selectFrom('monitoring_alert')
        .selectAll()
        .where(
          'id',
          'in',
          deliveries.map((one) => one.alert_id),
        )
        .execute()
      return { message, channel, deliveries, alerts: new Map(alerts.map((alert) => [alert.id, alert])) }
    })
  }

  /** What a dead process was sending. */
  async function abandon(tx: Tx, channel: Channel, at: Date): Promise<void> {
    const left = await tables(tx)
      .updateTable('monitoring_message')
      .set(
        channel.repeatable
          ? { state: 'waiting', next_at: at, problem: 'its sender died' }
          : { state: 'uncertain', problem: 'its sender died; it may have arrived and is not sent again' },
      )
      .where('channel', '=', channel.name)
      .where('state', '=', 'sending')
      .where('claimed_at', '<', new Date(at.getTime() - claimMs))
      .returning('id')
      .execute()
    if (left.length > 0)
      deps.log.warn({ channel: channel.name, messages: left.length }, 'alerts of a sender that died')
  }

  async function claimWaiting(tx: Tx, channel: Channel, at: Date): Promise<MessageRow | undefined> {
    const found = await tables(tx)
      .selectFrom('monitoring_message')
      .selectAll()
      .where('channel', '=', channel.name)
      .where('state', '=', 'waiting')
      .where('next_at', '<=', at)
      .orderBy('next_at')
      .limit(1)
      .executeTakeFirst()
    if (found === undefined) return undefined
    const target =
      channel.robots === 0 ? found.target : await freeRobot(tx, channel, at, Number(found.target) + 1)
    if (target === undefined) return undefined
    return await tables(tx)
      .updateTable('monitoring_message')
      .set({ state: 'sending', claimed_at: at, target })
      .where('id', '=', found.id)
      .returningAll()
      .executeTakeFirst()
  }

  async function claimQueued(tx: Tx, channel: Channel, at: Date): Promise<MessageRow | undefined> {
    const { rows } = await sql<DeliveryRow & { severity: string; about: string }>`
      select d.*, a.severity, coalesce(a.service, a.rule) as about
      from monitoring_delivery d join monitoring_alert a on a.id = d.alert_id
      where d.channel = ${channel.name} and d.message_id is null and d.due_at <= ${at}
      order by a.severity, d.due_at, d.id limit 500`.execute(tx)
    const groupOf = (row: (typeof rows)[number]) =>
      channel.robots > 0
        ? `${row.about} ${row.severity}`
        : row.severity === 'P3'
          ? `digest ${row.recipient}`
          : `${row.recipient} ${row.id}`
    for (const key of new Set(rows.map(groupOf))) {
      const group = rows.filter((row) => groupOf(row) === key)
      const [first] = group
      if (first === undefined || (channel.robots > 0 && (await spokeLately(tx, channel, key, at)))) continue
      const target = channel.robots === 0 ? first.recipient : await freeRobot(tx, channel, at, 0)
      if (target === undefined) return undefined
      const message: MessageRow = {
        id: newId(),
        channel: channel.name,
        target,
        group_key: key,
        state: 'sending',
        attempts: 0,
        claimed_at: at,
        next_at: null,
        sent_at: null,
        receipt: null,
        problem: null,
      }
      await tables(tx).insertInto('monitoring_message').values(message).execute()
      await tables(tx)
        .updateTable('monitoring_delivery')
        .set({ message_id: message.id })
        .where(
          'id',
          'in',
          group.map((row) => row.id),
        )
        .execute()
      return message
    }
    return undefined
  }

  async function spokeLately(tx: Tx, channel: Channel, key: string, at: Date): Promise<boolean> {
    const found = await tables(tx)
      .selectFrom('monitoring_message')
      .select('id')
      .where('channel', '=', channel.name)
      .where('group_key', '=', key)
      .where('claimed_at', '>', new Date(at.getTime() - groupMs))
      .limit(1)
      .executeTakeFirst()
    return found !== undefined
  }

  /** The first robot, from one on, that neither rests nor has spoken too often within a minute. */
  async function freeRobot(tx: Tx, channel: Channel, at: Date, from: number): Promise<string | undefined> {
    for (let step = 0; step < channel.robots; step += 1) {
      const target = String((from + step) % channel.robots)
      const state = await states.of(tx, robotName(target))
      if (state?.blocked_until && state.blocked_until > at) continue
      const { spoken } = await tables(tx)
        .selectFrom('monitoring_message')
        .select((eb) => eb.fn.countAll<number>().as('spoken'))
        .where('channel', '=', channel.name)
        .where('target', '=', target)
        .where('claimed_at', '>', new Date(at.getTime() - 60_000))
        .executeTakeFirstOrThrow()
      if (spoken < (channel.perMinute ?? Number.POSITIVE_INFINITY)) return target
    }
    return undefined
  }

  async function send({ message, channel, deliveries, alerts }: Claimed): Promise<void> {
    const told = deliveries.flatMap(({ alert_id, event, level }): ToldAlert[] => {
      const alert = alerts.get(alert_id)
      if (alert === undefined) return []
      const token = Buffer.from(deps.kms.openSecret(ackLabel(alert.id), alert.ack_sealed)).toString('utf8')
      return [{ alert, event, level, ackUrl: `${deps.baseUrl}/api/v1/alert-acks/${token}` }]
    })
    const lang = deliveries[0]?.lang ?? 'zh'
    try {
      const receipt = await channel.send({
        id: message.id,
        target: message.target,
        worded: word(told, lang, deps.baseUrl),
        mentions: [...new Set(deliveries.flatMap((one) => one.mentions))],
        lang,
      })
      await db.work(async (tx) => {
        const at = clock.now()
        await settle(tx, message, {
          state: 'sent',
          sent_at: at,
          receipt,
          problem: null,
          attempts: message.attempts + 1,
        })
        await states.worked(tx, channel.name, at)
      })
    } catch (error) {
      const failure = error instanceof ChannelFailure ? error : undefined
      // An unknown error may quote what was sent; its text is kept out of the table.
      if (failure === undefined)
        deps.log.error({ err: error, channel: channel.name }, 'an alert could not be sent')
      await failed(
        message,
        channel,
        failure?.kind ?? 'again',
        failure?.message ?? 'the message could not be sent',
      )
    }
  }

  async function failed(
    message: MessageRow,
    channel: Channel,
    kind: FailureKind,
    problem: string,
  ): Promise<void> {
    const attempts = message.attempts + 1
    deps.log.warn(
      { channel: channel.name, messageId: message.id, attempts, problem },
      'an alert was not taken',
    )
    await db.work(async (tx) => {
      const at = clock.now()
      if (channel.robots > 0 && (kind === 'rest' || kind === 'never'))
        await states.block(tx, robotName(message.target), new Date(at.getTime() + restMs), problem)
      // Another robot may do what this one cannot.
      const isOver =
        kind === 'uncertain' ||
        attempts >= attemptsMax ||
        (kind === 'never' && attempts >= Math.max(1, channel.robots))
      if (isOver) {
        await settle(tx, message, { state: kind === 'uncertain' ? 'uncertain' : 'failed', attempts, problem })
      } else {
        const waitMs = kind === 'rest' || (kind === 'never' && channel.robots > 1) ? 0 : pauseMs(attempts)
        await settle(tx, message, {
          state: 'waiting',
          attempts,
          problem,
          next_at: new Date(at.getTime() + waitMs),
        })
      }
      // Too many messages are no fault of the channel as long as another robot takes them.
      if (kind !== 'rest') await states.failed(tx, channel.name, problem, at, { final: isOver })
    })
  }

  async function settle(tx: Tx, message: MessageRow, values: Partial<MessageRow>): Promise<void> {
    await tables(tx).updateTable('monitoring_message').set(values).where('id', '=', message.id).execute()
  }

  /** When the next message may go, for whoever waits for it. */
  async function queueNext(): Promise<void> {
    await db.work(async (tx) => {
      const { rows } = await sql<{ next: Date | null }>`
        select least(
          (select min(due_at) from monitoring_delivery where message_id is null
            and channel = any(${[...channels.keys()]})),
          (select min(next_at) from monitoring_message where state = 'waiting')) as next`.execute(tx)
      const next = rows[0]?.next
      if (next == null) return
      const soonest = new Date(clock.now().getTime() + 5_000)
      const runAt = next > soonest ? next : soonest
      await deps.jobs.enqueue(tx, 'monitoring.deliver', {}, { key: 'monitoring.deliver', runAt })
    })
  }

  return {
    /** Sends what may go now. Channels do not wait for each other. @returns how many messages went or failed */
    async run(): Promise<number> {
      const counts = await Promise.all(
        [...channels.values()].map(async (channel) => {
          let count = 0
          for (let one = await claim(channel); one !== undefined; one = await claim(channel)) {
            await send(one)
            count += 1
          }
          return count
        }),
      )
      await queueNext()
      return counts.reduce((sum, count) => sum + count, 0)
    },
  }
}
