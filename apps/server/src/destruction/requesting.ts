/** Asking for destruction: who may, when it may begin, and what is written when it is asked for. */
import { type Accounts, type Caller, requireSession, type SessionCaller } from '#src/accounts/accounts.ts'
import type { Audit } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { Refusal } from '#src/errors.ts'
import { newChance, newId } from '#src/ids.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Log } from '#src/log.ts'
import type { Notifications } from '#src/notifications/notifications.ts'
import { contactOf, readTask, refuseTask, type Task } from '#src/sign-tasks/sign-tasks.ts'
import type { Consent } from './consent.ts'
import { refuse } from './errors.ts'
import type { Basis } from './lifecycle.ts'
import type { ShredRecord } from './record.ts'
import { failureOf } from './retry.ts'
import {
  type DestructionRow,
  findRequest,
  insertRequest,
  isHeld,
  lockContract,
  requestsOf,
  termEndOf,
  updateRequest,
} from './store.ts'
import type { StepHook } from './steps.ts'
import type { Apply } from './transitions.ts'

export interface RequestingDeps {
  db: Db
  clock: Clock
  log: Log
  jobs: Pick<Jobs, 'enqueue'>
  audit: Pick<Audit, 'record'>
  accounts: Pick<Accounts, 'withProof'>
  notifications: Pick<Notifications, 'send'>
  baseUrl: string
  coolingMs: number
  /** Notice to the other parties before a contract is destroyed at the end of the service. */
  noticeDays: number
  apply: Apply
  consent: Pick<Consent, 'seek'>
  step: StepHook
}

export interface NewRequest {
  /** `own`: my access. `term-end`, `consent`: the contract itself. */
  basis: Basis
  /** From {@link Destruction.sendCode}. */
  code: string
  /** The agreed date; without it at once (`own`), or when the cooling-off is over. */
  at?: Date
  /** With `consent`: what follows when somebody refuses. */
  otherwise?: 'own-access' | 'nothing'
}

/** What the one-time code is for. */
export const PURPOSE = 'destruction'
const DAY_MS = 86_400_000
/** Until then whoever asked sends the agreement itself; later the scheduler takes it for left alone. */
const SENDING_MS = 20_000

/** A person who may dispose of what the acting subject holds: itself, or an administrator of the company. */
export function requireDisposer(caller: Caller): SessionCaller {
  const session = requireSession(caller)
  if (session.role === 'member') throw refuseTask('sign_task_not_found')
  return session
}

export function createRequesting(deps: RequestingDeps) {
  const { db, clock, accounts, apply, coolingMs } = deps

  async function request(caller: Caller, taskId: string, input: NewRequest): Promise<DestructionRow> {
    const session = requireDisposer(caller)
    const { subjectId } = session
    const task = await db.as(subjectId, (tx) => readTask(tx, taskId))
    await requirePossible(task, subjectId, input.basis)
    const dueAt = dueTime(task, input, clock.now())
    const row = newRow(session, taskId, input, clock.now())
    // 1. A session alone does not suffice: the code is used up with the request that it allows.
    await accounts.withProof(session, PURPOSE, input.code, async (tx) => {
      await insertOnce(tx, row)
      await deps.audit.record(tx, {
        tenantId: subjectId,
        caller: session,
        action: 'destruction.requested',
        subjectKind: 'sign-task',
        subjectId: taskId,
        data: { requestId: row.id, basis: row.basis },
      })
      if (input.basis === 'consent') return
      const approved = await apply(tx, row, { kind: 'approve' })
      await apply(tx, approved, { kind: 'cool-off', until: dueAt })
      if (input.basis === 'term-end') await giveNotice(tx, task, subjectId, dueAt)
    })
    // 2. The others are asked; what a crash cuts off here, the scheduler takes up.
    await deps.step('destruction:asked')
    if (input.basis === 'consent') await seekConsent(row)
    await db.work((tx) => deps.jobs.enqueue(tx, 'destruction.advance', {}))
    return (await db.work((tx) => findRequest(tx, row.id))) ?? row
  }

  /** Whoever asked hears at once when it cannot be; anything else is tried again later. */
  async function seekConsent(row: DestructionRow): Promise<void> {
    try {
      await deps.consent.seek(row)
    } catch (error) {
      if (error instanceof Refusal) {
        await db.work(async (tx) => {
          await apply(tx, row, { kind: 'cancel' }, { problem: error.code })
        })
        throw error
      }
      deps.log.error({ err: error, destructionId: row.id }, 'an agreement to destroy could not be sent yet')
      const failure = failureOf(row, 'internal', clock.now(), newChance())
      await db.work((tx) => updateRequest(tx, row.id, failure, clock.now()))
    }
  }

  function newRow(session: SessionCaller, taskId: string, input: NewRequest, now: Date): DestructionRow {
    const { sessionId, accountId, role } = session
    const isConsent = input.basis === 'consent'
    return {
      id: newId(now.getTime()),
      task_id: taskId,
      tenant_id: session.subjectId,
      person_id: session.personId,
      basis: input.basis,
      extent: input.basis === 'own' ? 'access' : 'contract',
      state: 'REQUESTED',
      requested_at: now,
      approved_at: null,
      due_at: null,
      promised_at: input.at ?? null,
      agreement_task_id: null,
      agreement_sha256: null,
      shredded_at: null,
      provisional_at: null,
      final_at: null,
      ended_at: null,
      record: {
        history: [{ state: 'REQUESTED', at: now.toISOString() }],
        otherwise: input.otherwise ?? 'own-access',
        ...(isConsent ? { asker: { sessionId, accountId, role } } : {}),
      } satisfies ShredRecord,
      attempts: 0,
      problem: null,
      next_try_at: isConsent ? new Date(now.getTime() + SENDING_MS) : null,
      updated_at: now,
    }
  }

  async function requirePossible(task: Task, subjectId: string, basis: Basis): Promise<void> {
    const ended = task.endedAccess.find((one) => one.subjectId === subjectId)
    if (ended !== undefined) throw refuse('destruction_not_possible_now')
    if (task.row.status === 'signing') throw refuse('destruction_task_is_signed_now')
    if (basis === 'consent') {
      const others = task.actors.some((one) => one.role === 'sign' && one.subject_id !== subjectId)
      if (task.row.status === 'draft' || !others) throw refuse('destruction_needs_parties')
    }
    if (basis === 'term-end') {
      if (task.row.tenant_id !== subjectId) throw refuse('service_term_not_over')
      const endedAt = await db.as(subjectId, (tx) => termEndOf(tx, subjectId))
      if (endedAt === null || endedAt > clock.now()) throw refuse('service_term_not_over')
    }
    if (await db.work((tx) => isHeld(tx, task.row.id))) throw refuse('legal_hold_active')
  }

  /** When it may begin: at once for one's own access, else after cooling-off and notice; never before an agreed date. */
  function dueTime(task: Task, input: NewRequest, now: Date): Date {
    const hasOthers = task.actors.some((one) => one.subject_id !== task.row.tenant_id)
    const waitMs =
      input.basis === 'own'
        ? 0
        : input.basis === 'term-end' && hasOthers
          ? Math.max(coolingMs, deps.noticeDays * DAY_MS)
          : coolingMs
    const earliest = new Date(now.getTime() + waitMs)
    if (input.at !== undefined && (input.at <= now || input.at < earliest))
      throw refuse('destruction_date_unfit', { earliest: earliest.toISOString() })
    return input.at ?? earliest
  }

  async function insertOnce(tx: Tx, row: DestructionRow): Promise<void> {
    await lockContract(tx, row.task_id)
    const living = (await requestsOf(tx, row.task_id)).some(
      (one) =>
        one.tenant_id === row.tenant_id && !['REJECTED', 'CANCELLED', 'BLOCKED_BY_HOLD'].includes(one.state),
    )
    if (living) throw refuse('destruction_under_way')
    await insertRequest(tx, row)
  }

  /** The other parties hear of it in time to export what they need. */
  async function giveNotice(tx: Tx, task: Task, exceptId: string, dueAt: Date): Promise<void> {
    for (const actor of task.actors) {
      const contact = contactOf(actor)
      if (contact === null || actor.subject_id === exceptId) continue
      await deps.notifications.send(tx, {
        ...contact,
        template: 'destruction-notice',
        params: {
          taskTitle: task.row.title,
          initiatorName: task.row.initiator_name,
          date: dueAt.toISOString().slice(0, 10),
          link: `${deps.baseUrl}/console/tasks/${task.row.id}`,
        },
        lang: 'zh',
        tenantId: task.row.tenant_id,
        purpose: 'destruction-notice',
        about: task.row.id,
      })
    }
  }

  return { request }
}
