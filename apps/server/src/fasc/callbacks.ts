/** What happens to a task, told in the events of this protocol; and the list of what was told. */
import { z } from 'zod'
import type { Accounts } from '#src/accounts/accounts.ts'
import type { Tx } from '#src/db/db.ts'
import type { Fact, Outbox } from '#src/outbox/outbox.ts'
import { readTask, type Task, type TaskStatus } from '#src/sign-tasks/sign-tasks.ts'
import type { Webhooks } from '#src/webhooks/webhooks.ts'
import { endpoint, type Endpoints } from './endpoint.ts'
import { toOpenId } from './open-ids.ts'
import { milliseconds, page, pageAnswer, pageOf, text } from './shapes.ts'
import { findTask } from './store.ts'
import { statusText } from './task-views.ts'

interface EventTold {
  event: string
  payload: Record<string, unknown>
}

/** The state in which a fact leaves its task; told instead of the present one, which may be later. */
const STATUS_AFTER: Record<string, TaskStatus> = {
  'sign-task.started': 'signing',
  'sign-task.viewed': 'signing',
  'sign-task.signed': 'signing',
  'sign-task.sign-failed': 'signing',
  'sign-task.actor-rejected': 'rejected',
  'sign-task.finished': 'finished',
  'sign-task.canceled': 'canceled',
  'sign-task.expired': 'expired',
}

export function subscribeFascCallbacks(deps: {
  outbox: Pick<Outbox, 'subscribe'>
  accounts: Pick<Accounts, 'apps'>
  webhooks: Pick<Webhooks, 'queue' | 'styles'>
}): void {
  deps.outbox.subscribe(Object.keys(STATUS_AFTER), 'fasc.callbacks', async (fact, tx) => {
    const receivers = await receiversOf(fact, tx)
    if (receivers.length === 0) return
    const told = eventsOf(fact, await readTask(tx, fact.subjectKey))
    for (const receiver of receivers) {
      for (const { event, payload } of told) {
        await deps.webhooks.queue(tx, {
          tenantId: fact.tenantId,
          appId: receiver.appId,
          url: receiver.url,
          urlOf: receiver.urlOf,
          style: 'fasc',
          event,
          payload,
          dedupKey: `${fact.id}:${event}`,
        })
      }
    }
  })

  /** The app that made the task; of a task made elsewhere every app of the company that speaks this protocol. */
  async function receiversOf(
    fact: Fact,
    tx: Tx,
  ): Promise<{ appId: string; url: string; urlOf: 'app' | 'task' }[]> {
    const apps = await deps.accounts.apps.ofCorp(tx, fact.tenantId)
    // Of any task, only apps of the company that initiated it are told.
    if (apps.length === 0) return []
    const made = await findTask(tx, fact.subjectKey)
    const styles = await deps.webhooks.styles(tx, fact.tenantId)
    return apps.flatMap((app) => {
      const isFor = made === undefined ? styles.get(app.appId) === 'fasc' : made.app_id === app.appId
      const own = made?.callback_url ?? null
      const url = own ?? app.callbackUrl
      if (!isFor || url === null) return []
      return [{ appId: app.appId, url, urlOf: own === null ? ('app' as const) : ('task' as const) }]
    })
  }
}

/** One fact may be two events: who opens a task has joined it and read it. */
export function eventsOf(fact: Pick<Fact, 'type' | 'at' | 'payload'>, task: Task): EventTold[] {
  const status = STATUS_AFTER[fact.type]
  if (status === undefined) return []
  const base = {
    eventTime: String(fact.at.getTime()),
    signTaskId: toOpenId(task.row.id),
    signTaskStatus: statusText(status),
    transReferenceId: task.row.reference,
  }
  const actor = task.actors.find((one) => one.id === fact.payload.actorId)
  const who = { ...base, actorId: actor?.ref ?? null, userName: actor?.name ?? null }
  const isFree = actor?.free_sign_business_id != null
  const reason = typeof fact.payload.reason === 'string' ? fact.payload.reason : null
  switch (fact.type) {
    case 'sign-task.started':
      return [{ event: 'sign-task-start', payload: base }]
    case 'sign-task.viewed':
      return [
        { event: 'sign-task-joined', payload: who },
        { event: 'sign-task-read', payload: who },
      ]
    case 'sign-task.signed':
      return [{ event: 'sign-task-signed', payload: { ...who, verifyFreeSign: isFree } }]
    case 'sign-task.sign-failed':
      return [
        {
          event: 'sign-task-sign-failed',
          payload: { ...who, verifyFreeSign: isFree, signFailedReason: reason },
        },
      ]
    case 'sign-task.actor-rejected':
      // The published client types call it signFailedReason; its own name is told besides.
      return [
        {
          event: 'sign-task-sign-rejected',
          payload: { ...who, signRejectReason: reason, signFailedReason: reason },
        },
      ]
    case 'sign-task.finished':
      return [{ event: 'sign-task-finished', payload: base }]
    case 'sign-task.canceled':
      return [
        {
          event: 'sign-task-canceled',
          payload: { ...base, userName: task.row.initiator_name, terminationNote: reason },
        },
      ]
    default:
      return [{ event: 'sign-task-expire', payload: base }]
  }
}

/** `/callback/get-list`, for every kind of event. */
export function callbackEndpoints(webhooks: Pick<Webhooks, 'search'>): Endpoints {
  return {
    '/callback/get-list': endpoint(
      z.object({ callbackType: text(64), startTime: milliseconds, endTime: milliseconds, ...page }),
      async (caller, input) => {
        const numbered = pageOf(input)
        const { items, total } = await webhooks.search(caller, {
          style: 'fasc',
          eventPrefix: input.callbackType ?? '',
          from: input.startTime,
          to: input.endTime,
          offset: numbered.offset,
          limit: numbered.size,
        })
        return {
          callbackInfos: items.map((one) => ({
            eventId: one.event,
            eventInfo: JSON.stringify(one.payload),
            success: one.status === 'delivered',
            // For sending it again: POST /api/v1/callbacks/{callbackId}/replay.
            callbackId: one.id,
          })),
          ...pageAnswer(numbered, items.length, total),
        }
      },
    ),
  }
}
