/** Callbacks: queued with the change they tell of, signed afresh on each try, retried, logged, replayable. */
import { performance } from 'node:perf_hooks'
import { z } from 'zod'
import { type Accounts, type Caller, requireAdmin } from '#src/accounts/accounts.ts'
import type { Breaker } from '#src/breakers/breakers.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { Refusal } from '#src/errors.ts'
import { newId } from '#src/ids.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Log } from '#src/log.ts'
import type { Outbox } from '#src/outbox/outbox.ts'
import { callbackRequest } from './callback-request.ts'
import { refuse } from './errors.ts'
import { subscribeNativeEvents } from './native-events.ts'
import { callOutside, readHead } from './outside-call.ts'
import { createPlaces } from './places.ts'
import * as store from './store.ts'
import type { CallbackStatus, CallbackStyle } from './tables.ts'

export { fascSignature } from './fasc-signature.ts'
export { callOutside, type OutsideAnswer, outsideLookup, requireOutside } from './outside-call.ts'
export type { CallbackStatus, CallbackStyle } from './tables.ts'

export interface NewCallback {
  tenantId: string
  appId: string
  url: string
  /** Whose address that is; `app` when not said. A task's own address stays when the app's changes. */
  urlOf?: 'app' | 'task'
  style: CallbackStyle
  event: string
  payload: Record<string, unknown>
  /** Names the fact: queuing it again for the same app does nothing. */
  dedupKey: string
}

export interface CallbackView {
  id: string
  appId: string
  url: string
  style: CallbackStyle
  event: string
  payload: Record<string, unknown>
  status: CallbackStatus
  attempts: number
  nextAt: Date | null
  createdAt: Date
  deliveredAt: Date | null
}

export interface AttemptView {
  at: Date
  durationMs: number
  /** Of the answer; null when none came. */
  status: number | null
  problem: string | null
  responseHead: string | null
}

export interface WebhooksDeps {
  db: Db
  clock: Clock
  log: Log
  jobs: Jobs
  outbox: Outbox
  accounts: Pick<Accounts, 'appByAppId' | 'apps'>
  mode: 'development' | 'sandbox' | 'production'
  /** Pauses before the second, third … attempt. */
  retryMs: readonly number[]
  /** The circuit to a receiver, by host and port. */
  receiverBreaker: (host: string) => Breaker
  /** Background jobs at a time in this process; callbacks leave some of them to others. */
  concurrency: number
}

/** Methods open their own transaction unless they take `tx`. */
export interface Webhooks {
  /** Queues a callback in the caller's transaction (worker role); null when it had been queued before. */
  queue(tx: Tx, callback: NewCallback): Promise<string | null>
  /** Empties the payloads of all callbacks about a contract (worker role). */
  forget(tx: Tx, tenantId: string, taskId: string): Promise<number>
  /** Remembers how a program wants to be told (worker role). */
  useStyle(tx: Tx, app: { appId: string; tenantId: string }, style: CallbackStyle): Promise<void>
  /** Styles of a company's apps that chose one; the others are told in `standard`. */
  styles(tx: Tx, tenantId: string): Promise<Map<string, CallbackStyle>>
  /** Whether calls for an app may go to loopback and internal networks: in no production, and for sandbox apps alone. */
  allowsPrivate(environment: 'sandbox' | 'production'): boolean
  /** Newest first. An app sees its own callbacks, an administrator those of the company. */
  list(
    caller: Caller,
    filter: { appId?: string; status?: CallbackStatus; beforeId?: string; limit: number },
  ): Promise<CallbackView[]>
  get(caller: Caller, id: string): Promise<CallbackView & { log: AttemptView[] }>
  /** Sends it again, now, to the address the app has at present; the retries begin anew. */
  replay(caller: Caller, id: string): Promise<CallbackView>
  /** A numbered page of an app's own callbacks, oldest first. */
  search(
    caller: Caller & { kind: 'app' },
    search: {
      style: CallbackStyle
      eventPrefix: string
      from: Date
      to: Date
      offset: number
      limit: number
    },
  ): Promise<{ items: CallbackView[]; total: number }>
}

/** Of an answer, this much is kept: enough to see what went wrong. */
const HEAD_BYTES = 2048
const HEAD_KEPT = 500

/** Away is a receiver that gives no answer; what it answers, and which address a customer named, is no outage. */
export function isUnreachable(error: unknown): boolean {
  return !(error instanceof Refusal) || error.code === 'outside_unreachable'
}

/** At the same time, to one app. */
const CALLS_PER_APP = 2
/** How long a callback steps back when its receiver is busy. */
const STEP_BACK_MS = 1000
/** How long it waits while its receiver is left alone. */
const CIRCUIT_STEP_BACK_MS = 10_000

const deliverPayload = z.object({ eventId: z.uuid(), round: z.number().int().min(0) })

export function createWebhooks(deps: WebhooksDeps): Webhooks {
  const { db, clock, log, jobs, accounts } = deps
  const places = createPlaces({ perKey: CALLS_PER_APP, total: Math.max(1, Math.floor(deps.concurrency / 2)) })

  jobs.define('webhooks.deliver', deliverPayload, ({ eventId, round }) => deliver(eventId, round))

  const circuitOf = (event: store.EventRow) => deps.receiverBreaker(URL.parse(event.url)?.host ?? event.url)

  async function deliver(eventId: string, round: number): Promise<void> {
    const event = await db.work((tx) => store.findEvent(tx, eventId))
    if (event === undefined) throw new Error(`the callback ${eventId} is not there`)
    const stepBack = (ms: number) => {
      const later = new Date(clock.now().getTime() + ms)
      return db.work((tx) => enqueue(tx, eventId, round, later), event.tenant_id)
    }
    // A receiver that is away costs its callbacks no round: they wait until one of them got through.
    const circuit = circuitOf(event)
    if (!circuit.admits()) return await stepBack(CIRCUIT_STEP_BACK_MS)
    const leave = places.take(event.app_id)
    if (leave === null) return await stepBack(STEP_BACK_MS)
    try {
      await send(event, round)
    } finally {
      leave()
    }
  }

  /** 1. call, 2. write down what came of it and, if need be, when it is tried again. */
  async function send(event: store.EventRow, round: number): Promise<void> {
    const app = await accounts.appByAppId(event.app_id)
    const startedMs = performance.now()
    const at = clock.now()
    const outcome =
      app === null
        ? { status: null, problem: 'the app is not active', head: null, isAccepted: false }
        : await attempt(event, app, at)
    const durationMs = Math.round(performance.now() - startedMs)
    const pauseMs = app === null ? undefined : deps.retryMs[round]
    await db.work(async (tx) => {
      await store.insertAttempt(tx, {
        id: newId(at.getTime()),
        event_id: event.id,
        tenant_id: event.tenant_id,
        at,
        duration_ms: durationMs,
        status: outcome.status,
        problem: outcome.problem,
        response_head: outcome.head,
      })
      if (outcome.isAccepted) {
        await store.updateEvent(tx, event.id, {
          status: 'delivered',
          next_at: null,
          delivered_at: clock.now(),
        })
      } else if (pauseMs === undefined) {
        await store.updateEvent(tx, event.id, { status: 'failed', next_at: null })
      } else {
        const nextAt = new Date(clock.now().getTime() + pauseMs)
        await store.updateEvent(tx, event.id, { status: 'waiting', next_at: nextAt })
        await enqueue(tx, event.id, round + 1, nextAt)
      }
    }, event.tenant_id)
    if (!outcome.isAccepted) {
      log.warn(
        {
          callbackId: event.id,
          appId: event.app_id,
          round,
          status: outcome.status,
          problem: outcome.problem,
        },
        'callback not accepted',
      )
    }
  }

  async function attempt(
    event: store.EventRow,
    app: { secret: string; environment: 'sandbox' | 'production' },
    now: Date,
  ): Promise<{ status: number | null; problem: string | null; head: string | null; isAccepted: boolean }> {
    const request = callbackRequest(
      {
        id: event.id,
        appId: event.app_id,
        style: event.style,
        event: event.event,
        payload: event.payload,
      },
      app.secret,
      now,
      newId(now.getTime()).replaceAll('-', ''),
    )
    try {
      const { answer, head } = await circuitOf(event).run(async () => {
        const answer = await callOutside({
          method: 'POST',
          url: event.url,
          headers: request.headers,
          body: request.body,
          timeoutMs: request.timeoutMs,
          allowPrivate: allowsPrivate(app.environment),
        })
        return { answer, head: await readHead(answer, HEAD_BYTES) }
      })
      const isAccepted = request.isAccepted(answer.status, head)
      // Text columns hold no NUL.
      const kept = head.replaceAll('\u0000', '').slice(0, HEAD_KEPT)
      return {
        status: answer.status,
        problem: isAccepted ? null : 'not acknowledged',
        head: kept,
        isAccepted,
      }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return {
        status: null,
        problem: String(error.params.problem ?? error.code),
        head: null,
        isAccepted: false,
      }
    }
  }

  function enqueue(tx: Tx, eventId: string, round: number, runAt?: Date): Promise<void> {
    // One waiting delivery per callback: a replay takes the place of a retry.
    return jobs.enqueue(
      tx,
      'webhooks.deliver',
      { eventId, round },
      { key: `webhook:${eventId}`, ...(runAt === undefined ? {} : { runAt }) },
    )
  }

  function allowsPrivate(environment: 'sandbox' | 'production'): boolean {
    return deps.mode !== 'production' && environment === 'sandbox'
  }

  const webhooks: Webhooks = {
    forget: store.forgetEvents,

    async queue(tx, callback) {
      const id = newId(clock.now().getTime())
      const isNew = await store.insertEvent(tx, {
        id,
        tenant_id: callback.tenantId,
        app_id: callback.appId,
        url: callback.url,
        url_of: callback.urlOf ?? 'app',
        style: callback.style,
        event: callback.event,
        payload: callback.payload,
        dedup_key: callback.dedupKey,
        status: 'waiting',
        attempts: 0,
        next_at: clock.now(),
        created_at: clock.now(),
        delivered_at: null,
      })
      if (!isNew) return null
      await enqueue(tx, id, 0)
      return id
    },

    useStyle: (tx, app, style) =>
      store.putStyle(tx, { app_id: app.appId, tenant_id: app.tenantId, style, updated_at: clock.now() }),

    styles: store.readStyles,

    allowsPrivate,

    async list(caller, filter) {
      const seen = scopeOf(caller)
      const rows = await db.as(caller.subjectId, (tx) => store.listEvents(tx, { ...filter, ...seen }))
      return rows.map(toView)
    },

    async get(caller, id) {
      const seen = scopeOf(caller)
      return await db.as(caller.subjectId, async (tx) => {
        const event = await ownEvent(tx, id, seen)
        const attempts = await store.listAttempts(tx, id)
        return { ...toView(event), log: attempts.map(toAttempt) }
      })
    },

    async replay(caller, id) {
      const seen = scopeOf(caller)
      const found = await db.as(caller.subjectId, (tx) => ownEvent(tx, id, seen))
      const app = await accounts.appByAppId(found.app_id)
      return await db.as(caller.subjectId, async (tx) => {
        const change = {
          status: 'waiting' as const,
          next_at: clock.now(),
          // The address may have been mended since.
          ...(app?.callbackUrl != null && found.url_of === 'app' ? { url: app.callbackUrl } : {}),
        }
        await store.updateEvent(tx, id, change)
        await enqueue(tx, id, 0)
        return toView({ ...found, ...change })
      })
    },

    async search(caller, search) {
      const { rows, total } = await db.as(caller.subjectId, (tx) =>
        store.searchEvents(tx, { ...search, appId: caller.appId }),
      )
      return { items: rows.map(toView), total }
    },
  }

  subscribeNativeEvents({ ...deps, webhooks })
  return webhooks
}

/** Which callbacks a caller may see: an app its own, an administrator all of the company. */
function scopeOf(caller: Caller): { appId?: string } {
  if (caller.kind === 'app') return { appId: caller.appId }
  requireAdmin(caller)
  return {}
}

async function ownEvent(tx: Tx, id: string, scope: { appId?: string }): Promise<store.EventRow> {
  const event = await store.findEvent(tx, id)
  if (event === undefined || (scope.appId !== undefined && scope.appId !== event.app_id)) {
    throw refuse('callback_not_found')
  }
  return event
}

function toView(row: store.EventRow): CallbackView {
  return {
    id: row.id,
    appId: row.app_id,
    url: row.url,
    style: row.style,
    event: row.event,
    payload: row.payload as Record<string, unknown>,
    status: row.status,
    attempts: row.attempts,
    nextAt: row.next_at,
    createdAt: row.created_at,
    deliveredAt: row.delivered_at,
  }
}

function toAttempt(row: store.AttemptRow): AttemptView {
  return {
    at: row.at,
    durationMs: row.duration_ms,
    status: row.status,
    problem: row.problem,
    responseHead: row.response_head,
  }
}
