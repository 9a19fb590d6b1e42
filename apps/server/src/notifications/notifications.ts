import { z } from 'zod'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { Refusal } from '#src/errors.ts'
import { newId } from '#src/ids.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import type { Carrier } from './carriers.ts'
import { GatewayFailure } from './signed-call.ts'
import {
  forgetAbout,
  forgetBefore,
  insertNotification,
  markFailed,
  markSent,
  noteAttempt,
  outboxRows,
  queuedNotification,
} from './store.ts'
import { type Lang, type Message, type TemplateName, type TemplateParams, wordMessage } from './templates.ts'

export {
  createMailCarrier,
  createOutboxCarrier,
  createSmsCarrier,
  guardCarrier,
  isCarrierDown,
  type Carrier,
} from './carriers.ts'
export { callGateway, type GatewayAccess, GatewayFailure, gatewaySignature } from './signed-call.ts'
export { type Lang, type TemplateName, type TemplateParams, wordMessage } from './templates.ts'

export interface SendRequest<Name extends TemplateName> {
  channel: 'mail' | 'sms'
  /** A mail address or a mobile number as the accounts room normalises them. */
  to: string
  template: Name
  params: TemplateParams[Name]
  lang: Lang
  /** In whose affairs; must be the acting subject when sent from a request's transaction. */
  tenantId?: string
  /** What it is for, e.g. `login`, `sign`, `invite`: kept in clear, unlike the content. */
  purpose: string
  /** The contract it is about, so that it is forgotten with it; a uuid. */
  about?: string
}

export interface StoredMessage {
  id: string
  channel: 'mail' | 'sms'
  to: string
  subject: string | null
  body: string
  code: string | null
  link: string | null
  at: string
}

export interface Notifications {
  /** Queues a message in the caller's transaction: it goes out if, and only if, the change commits. */
  send<Name extends TemplateName>(tx: Tx, request: SendRequest<Name>): Promise<string>
  /** Messages of the local outbox, newest first. Opens its own transaction. For sandboxes alone. */
  outbox(filter: { to?: string; after?: Date }): Promise<StoredMessage[]>
  /** Forgets contents and addresses of all messages about a contract, sent or not (worker role). */
  forget(tx: Tx, taskId: string): Promise<number>
  /** Names of carriers that only pretend, for the environment band. */
  simulators(): string[]
  /** Forgets contents that were kept long enough, and log-in messages as a whole; to be scheduled. */
  prune(): Promise<void>
  close(): void
}

export interface NotificationsDeps {
  db: Db
  clock: Clock
  log: Log
  jobs: Jobs
  kms: Kms
  carriers: Record<'mail' | 'sms', Carrier>
  /** How long the content of a message is kept. */
  keptDays: number
}

const MAX_ATTEMPTS = 8
/** While the circuit to a carrier is open, messages wait without using up their attempts. */
const STEP_BACK_MS = 15_000
const DAY_MS = 86_400_000

export function createNotifications({
  db,
  clock,
  log,
  jobs,
  kms,
  carriers,
  keptDays,
}: NotificationsDeps): Notifications {
  // 1. The state change and its message commit together; 2. a job delivers; 3. the row tells how it went.
  jobs.define('notifications.deliver', z.object({ notificationId: z.uuid() }), async ({ notificationId }) => {
    await deliver(notificationId)
  })

  async function deliver(id: string): Promise<void> {
    const row = await db.work((tx) => queuedNotification(tx, id))
    if (row?.content_sealed == null) return
    const content = await openContent(id, row.content_sealed)
    const carrier = carriers[row.channel]
    try {
      const { reference } = await carrier.deliver({
        ...content,
        id,
        to: row.address,
        lang: row.lang,
        template: row.template as TemplateName,
      })
      // A code that left the house is kept nowhere; the outbox keeps it, being the house's only door.
      const scrub = !carrier.simulated && content.code !== null
      await db.work((tx) =>
        markSent(tx, id, {
          carrier: carrier.name,
          simulated: carrier.simulated,
          reference,
          at: clock.now(),
          scrub,
        }),
      )
    } catch (error) {
      if (error instanceof Refusal && error.kind === 'unavailable') {
        const runAt = new Date(clock.now().getTime() + STEP_BACK_MS)
        return await db.work((tx) => enqueue(tx, id, runAt))
      }
      await settleFailure(id, row.attempts + 1, carrier, error)
    }
  }

  function enqueue(tx: Tx, id: string, runAt?: Date): Promise<void> {
    const when = runAt === undefined ? {} : { runAt }
    return jobs.enqueue(
      tx,
      'notifications.deliver',
      { notificationId: id },
      { maxAttempts: MAX_ATTEMPTS, ...when },
    )
  }

  async function settleFailure(id: string, attempt: number, carrier: Carrier, error: unknown): Promise<void> {
    // Only a carrier's own words are stored: an unknown error may quote the message.
    const problem = error instanceof GatewayFailure ? error.message : 'the message could not be handed over'
    const isFinal = attempt >= MAX_ATTEMPTS || (error instanceof GatewayFailure && !error.transient)
    if (isFinal) {
      await db.work((tx) => markFailed(tx, id, { carrier: carrier.name, attempts: attempt, problem }))
      log.error({ notificationId: id, carrier: carrier.name, problem }, 'a message could not be delivered')
      return
    }
    await db.work((tx) => noteAttempt(tx, id, { carrier: carrier.name, attempts: attempt, problem }))
    // The queue tries again, each time later.
    throw new Error(`notification ${id}: ${problem}`)
  }

  async function openContent(id: string, sealed: Uint8Array): Promise<Message> {
    return JSON.parse(Buffer.from(kms.openSecret(contentLabel(id), sealed)).toString('utf8')) as Message
  }

  return {
    async send(tx, request) {
      const id = newId()
      const message = wordMessage(request.channel, request.lang, request.template, request.params)
      await insertNotification(tx, {
        id,
        tenant_id: request.tenantId ?? null,
        channel: request.channel,
        address: request.to,
        template: request.template,
        lang: request.lang,
        purpose: request.purpose,
        about_task: request.about ?? null,
        content_sealed: kms.sealSecret(contentLabel(id), Buffer.from(JSON.stringify(message), 'utf8')),
        created_at: clock.now(),
      })
      await enqueue(tx, id)
      return id
    },

    async outbox(filter) {
      const rows = await db.work((tx) => outboxRows(tx, filter))
      return Promise.all(
        rows.map(async (row) => {
          const content = await openContent(row.id, row.content_sealed)
          return {
            id: row.id,
            channel: row.channel,
            to: row.address,
            subject: row.channel === 'mail' ? content.subject : null,
            body: content.body,
            code: content.code,
            link: content.link,
            at: row.created_at.toISOString(),
          }
        }),
      )
    },

    forget: forgetAbout,

    simulators: () => (['sms', 'mail'] as const).filter((channel) => carriers[channel].simulated),

    prune: () => db.work((tx) => forgetBefore(tx, new Date(clock.now().getTime() - keptDays * DAY_MS))),

    close() {
      for (const carrier of Object.values(carriers)) carrier.close?.()
    },
  }
}

function contentLabel(id: string): string {
  return `notification:${id}`
}
