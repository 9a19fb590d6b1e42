/**
 * Who is told what: invitations to those whose turn it is, reminders, and the end of a task. Subscribed to the
 * outbox, so that a message follows every committed change and none that was not.
 */
import type { Accounts } from '#src/accounts/accounts.ts'
import type { Tx } from '#src/db/db.ts'
import type { Notifications } from '#src/notifications/notifications.ts'
import type { Fact, Outbox } from '#src/outbox/outbox.ts'
import type { Links } from './links.ts'
import { type ActorRow, readTaskOnce, type Task } from './store.ts'
import { contactOf } from './views.ts'

export interface NoticesDeps {
  outbox: Pick<Outbox, 'subscribe'>
  notifications: Pick<Notifications, 'send'>
  accounts: Pick<Accounts, 'person'>
  links: Links
  baseUrl: string
}

/** The language of messages whose reader has not chosen one. */
const LANG = 'zh'

export function subscribeNotices(deps: NoticesDeps): void {
  const types = [
    'sign-task.actor-ready',
    'sign-task.urged',
    'sign-task.finished',
    'sign-task.rejected',
    'sign-task.canceled',
    'sign-task.expired',
    'sign-task.sign-failed',
  ]
  deps.outbox.subscribe(types, 'sign-tasks.notices', async (fact, tx) => {
    const task = await readTaskOnce(tx, fact.subjectKey)
    await tell(fact, task, tx)
  })

  async function tell(fact: Fact, task: Task, tx: Tx): Promise<void> {
    const { row } = task
    const common = { taskTitle: row.title, initiatorName: row.initiator_name }
    const deadline = row.deadline === null ? {} : { deadline: chinaTime(row.deadline) }
    switch (fact.type) {
      case 'sign-task.actor-ready': {
        const actor = task.actors.find((one) => one.id === fact.payload.actorId)
        // A company that signs freely needs no invitation; a turn that has passed needs none either.
        if (actor === undefined || actor.free_sign_business_id !== null || actor.status !== 'ready') return
        return await send(tx, task, actor, (link) => ({
          template: 'sign-invitation',
          params: { ...common, ...deadline, link },
        }))
      }
      case 'sign-task.urged': {
        const wanted = fact.payload.actorIds as string[]
        for (const actor of task.actors.filter((one) => wanted.includes(one.id))) {
          await send(tx, task, actor, (link) => ({
            template: 'urge',
            params: { ...common, ...deadline, link },
          }))
        }
        return
      }
      case 'sign-task.finished':
        for (const actor of task.actors) {
          await send(tx, task, actor, (link) => ({
            template: 'task-finished',
            params: { taskTitle: row.title, link },
          }))
        }
        return await tellInitiator(tx, task, (link) => ({
          template: 'task-finished',
          params: { taskTitle: row.title, link },
        }))
      case 'sign-task.rejected': {
        const rejecting = task.actors.find((one) => one.status === 'rejected')
        const params = {
          taskTitle: row.title,
          actorName: rejecting?.name ?? '',
          reason: row.end_reason ?? '',
        }
        for (const actor of asked(task)) {
          if (actor !== rejecting) await sendPlain(tx, task, actor, { template: 'task-rejected', params })
        }
        return await tellInitiator(tx, task, (link) => ({
          template: 'task-rejected',
          params: { ...params, link },
        }))
      }
      case 'sign-task.canceled':
        for (const actor of asked(task)) {
          await sendPlain(tx, task, actor, {
            template: 'task-canceled',
            params: { ...common, reason: row.end_reason ?? '' },
          })
        }
        return
      case 'sign-task.expired':
        for (const actor of asked(task)) {
          await sendPlain(tx, task, actor, { template: 'task-expired', params: { taskTitle: row.title } })
        }
        return await tellInitiator(tx, task, (link) => ({
          template: 'task-expired',
          params: { taskTitle: row.title, link },
        }))
      case 'sign-task.sign-failed':
        return await tellInitiator(tx, task, (link) => ({
          template: 'sign-failed',
          params: {
            taskTitle: row.title,
            actorName: String(fact.payload.actorName ?? ''),
            reason: String(fact.payload.reason ?? ''),
            link,
          },
        }))
    }
  }

  type Message =
    | {
        template: 'sign-invitation' | 'urge'
        params: { taskTitle: string; initiatorName: string; link: string; deadline?: string }
      }
    | { template: 'task-finished'; params: { taskTitle: string; link: string } }
    | {
        template: 'task-rejected'
        params: { taskTitle: string; actorName: string; reason: string; link?: string }
      }
    | { template: 'task-canceled'; params: { taskTitle: string; initiatorName: string; reason: string } }
    | { template: 'task-expired'; params: { taskTitle: string; link?: string } }
    | {
        template: 'sign-failed'
        params: { taskTitle: string; actorName: string; reason: string; link?: string }
      }

  /** A message with a fresh link to the actor's ceremony; actors without a contact find the task in the console. */
  async function send(
    tx: Tx,
    task: Task,
    actor: ActorRow,
    message: (link: string) => Message,
  ): Promise<void> {
    if (contactOf(actor) === null) return
    const link = await deps.links.issue(tx, {
      taskId: task.row.id,
      tenantId: task.row.tenant_id,
      actorId: actor.id,
    })
    await sendPlain(tx, task, actor, message(link.url))
  }

  async function sendPlain(tx: Tx, task: Task, actor: ActorRow, message: Message): Promise<void> {
    const contact = contactOf(actor)
    if (contact === null) return
    await deliver(tx, task, contact, message)
  }

  /** Who created the task is told at its own contact; a program hears through its callbacks. */
  async function tellInitiator(tx: Tx, task: Task, message: (link: string) => Message): Promise<void> {
    const creatorId = task.row.creator_person_id
    const person = creatorId === null ? null : await deps.accounts.person(creatorId)
    const contact = person === null ? null : contactOf(person)
    if (contact === null) return
    // Who signs its own task has been told as a signer already.
    const isActor = task.actors.some((actor) => contactOf(actor)?.to === contact.to)
    if (isActor && task.row.status === 'finished') return
    await deliver(tx, task, contact, message(`${deps.baseUrl}/tasks/${task.row.id}`))
  }

  async function deliver(
    tx: Tx,
    task: Task,
    contact: { channel: 'sms' | 'mail'; to: string },
    message: Message,
  ): Promise<void> {
    await deps.notifications.send(tx, {
      ...message,
      ...contact,
      lang: LANG,
      tenantId: task.row.tenant_id,
      purpose: message.template,
      about: task.row.id,
    })
  }
}

/** Signers who have been asked, whatever they answered. */
function asked(task: Task): ActorRow[] {
  return task.actors.filter((actor) => actor.role === 'sign' && actor.status !== 'waiting')
}

/** As a reader in China writes it; the zone is said, because a time without one proves nothing. */
function chinaTime(at: Date): string {
  const local = new Date(at.getTime() + 8 * 3_600_000).toISOString()
  return `${local.slice(0, 10)} ${local.slice(11, 16)}（北京时间）`
}
