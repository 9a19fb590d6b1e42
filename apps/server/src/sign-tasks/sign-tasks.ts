/** Sign tasks: documents, actors, fields and links, from draft to finished. */
import type {
  ActorInput,
  Environment,
  FieldInput,
  SignTask,
  SignTaskInput,
  SignTaskSummary,
} from '@yinxin/sdk/wire'
import { z } from 'zod'
import type { Accounts, Caller } from '#src/accounts/accounts.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Documents } from '#src/documents/documents.ts'
import type { Evidence, TaskEventView } from '#src/evidence/evidence.ts'
import type { Identity } from '#src/identity/identity.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import type { Notifications } from '#src/notifications/notifications.ts'
import type { Outbox } from '#src/outbox/outbox.ts'
import type { Seals } from '#src/seals/seals.ts'
import type { Storage } from '#src/storage/storage.ts'
import { createAccess, requireAccess } from './access.ts'
import { createCeremonies } from './ceremony.ts'
import { createDrafts } from './drafts.ts'
import { refuse } from './errors.ts'
import { authorOf, initiatorOf } from './initiator.ts'
import type { TaskStatus } from './lifecycle.ts'
import { endAccess, filesOnlyOf, forgetTask, livingTasks, objectsOf, partiesOf } from './forgetting.ts'
import { createLinks, type SigningLink } from './links.ts'
import { createMoreDocuments } from './more-documents.ts'
import { subscribeNotices } from './notices.ts'
import { createRevisions } from './revisions.ts'
import {
  actorsOf,
  findRevisionBySha256,
  listTasks,
  lockTask,
  overdueTasks,
  readSegments,
  readTask,
  readTaskAndFields,
  readUrges,
  type SegmentRow,
} from './store.ts'
import { searchTasks, type TaskSearch } from './task-pages.ts'
import { createTransition } from './transition.ts'
import { summaryOf, taskView } from './views.ts'

export { requireAccess } from './access.ts'
export { type AdoptedTask, adoptTask } from './adoption.ts'
export { type Author, authorActor } from './author.ts'
export { type Admitted, actorAuthor, signCodeKey } from './ceremony.ts'
export { consentText } from './consent.ts'
export { refuse as refuseTask } from './errors.ts'
export type { SignTaskFact, SignTaskFacts, SignTaskFactType } from './facts.ts'
export { isAwaited, isOver, type TaskStatus } from './lifecycle.ts'
export type { Revision, Revisions } from './revisions.ts'
export {
  type ActorRow,
  actorOf,
  appendSegment,
  type DocumentRow,
  type FieldRow,
  findRevision,
  lockTask,
  readFields,
  readSegments,
  readSegmentsOf,
  readTask,
  readTaskAndFields,
  readTaskOnce,
  type SegmentRow,
  type Task,
  updateActor,
} from './store.ts'
export { contactOf, pagesOf } from './views.ts'

export interface SignTasksDeps {
  db: Db
  clock: Clock
  log: Log
  outbox: Outbox
  jobs: Jobs
  kms: Kms
  storage: Storage
  evidence: Evidence
  notifications: Notifications
  accounts: Accounts
  identity: Identity
  seals: Seals
  documents: Documents
  /** Where links lead, without a slash at the end. */
  baseUrl: string
  environment: () => Environment
}

/** Finishes an answer inside the transaction that makes it true (idempotency). */
type Complete = (tx: Tx, answer: unknown) => Promise<void>

export type SignTasks = ReturnType<typeof createSignTasks>

const EXPIRIES_AT_A_TIME = 100

export function createSignTasks(deps: SignTasksDeps) {
  const { db, clock, accounts, jobs } = deps
  const transition = createTransition(deps)
  const links = createLinks(deps)
  const revisions = createRevisions(deps)
  const access = createAccess(deps)
  const drafts = createDrafts({ ...deps, transition, revisions, access })
  const ceremonies = createCeremonies({ ...deps, links, transition, access })
  const addDocuments = createMoreDocuments(deps)
  subscribeNotices({ ...deps, links })

  jobs.define('sign-tasks.expire', z.object({}), async () => {
    await expireOverdue()
  })
  jobs.schedule('sign-tasks.expire', '* * * * *')

  /** Ends every task whose deadline has passed; each in its own transaction. */
  async function expireOverdue(): Promise<number> {
    let expired = 0
    for (;;) {
      const ids = await db.work((tx) => overdueTasks(tx, clock.now(), EXPIRIES_AT_A_TIME))
      for (const id of ids) {
        await db.work(async (tx) => {
          const task = await lockTask(tx, id)
          // Finished, or its deadline moved, while we were on our way.
          if (task.row.status !== 'signing') return
          await transition(tx, task, { kind: 'expire' }, { kind: 'system', duty: 'deadline' })
          expired += 1
        })
      }
      if (ids.length < EXPIRIES_AT_A_TIME) return expired
    }
  }

  async function detail(tx: Tx, taskId: string, viewerId: string): Promise<SignTask> {
    const { task, fields } = await readTaskAndFields(tx, taskId)
    requireAccess(task, viewerId)
    return taskView(task, fields, viewerId)
  }

  /** The detail, given to the idempotency record in the same transaction. */
  function answering(caller: Caller, complete: Complete) {
    return async (tx: Tx, taskId: string): Promise<SignTask> => {
      const answer = await detail(tx, taskId, caller.subjectId)
      await complete(tx, answer)
      return answer
    }
  }

  async function steer(
    caller: Caller,
    taskId: string,
    command: { kind: 'cancel'; reason: string } | { kind: 'urge' },
    complete: Complete,
  ): Promise<SignTask> {
    const initiator = await initiatorOf(accounts, caller)
    return await db.as(caller.subjectId, async (tx) => {
      // Reading first: a party that only sees the task has no lock on it.
      await ownedOrHidden(tx, taskId, caller.subjectId)
      const task = await lockTask(tx, taskId)
      if (command.kind === 'urge') task.urgedAt = await readUrges(tx, taskId)
      await transition(tx, task, command, initiator.author)
      return await answering(caller, complete)(tx, taskId)
    })
  }

  async function ownedOrHidden(tx: Tx, taskId: string, subjectId: string): Promise<void> {
    const task = await readTask(tx, taskId)
    if (task.row.tenant_id !== subjectId) throw refuse('sign_task_not_found')
    requireAccess(task, subjectId)
  }

  return {
    ceremonies,
    revisions,
    access,
    transition,
    expireOverdue,

    create: (caller: Caller, input: SignTaskInput, complete: Complete = async () => {}): Promise<SignTask> =>
      drafts.create(caller, input, answering(caller, complete)),

    start: (caller: Caller, taskId: string, complete: Complete = async () => {}): Promise<SignTask> =>
      drafts.start(caller, taskId, (tx) => answering(caller, complete)(tx, taskId)),

    addActors: (
      caller: Caller,
      taskId: string,
      inputs: readonly ActorInput[],
      complete: Complete = async () => {},
    ): Promise<SignTask> =>
      drafts.addActors(caller, taskId, inputs, (tx) => answering(caller, complete)(tx, taskId)),

    addFields: (
      caller: Caller,
      taskId: string,
      inputs: readonly FieldInput[],
      complete: Complete = async () => {},
    ): Promise<SignTask> =>
      drafts.addFields(caller, taskId, inputs, (tx) => answering(caller, complete)(tx, taskId)),

    addDocuments: (
      caller: Caller,
      taskId: string,
      inputs: SignTaskInput['documents'],
      complete: Complete = async () => {},
    ): Promise<SignTask> =>
      addDocuments(caller, taskId, inputs, (tx) => answering(caller, complete)(tx, taskId)),

    remove: drafts.remove,

    cancel: (caller: Caller, taskId: string, reason: string, complete: Complete = async () => {}) =>
      steer(caller, taskId, { kind: 'cancel', reason }, complete),

    urge: (caller: Caller, taskId: string, complete: Complete = async () => {}) =>
      steer(caller, taskId, { kind: 'urge' }, complete),

    get: (caller: Caller, taskId: string): Promise<SignTask> =>
      db.askAs(caller.subjectId, (tx) => detail(tx, taskId, caller.subjectId)),

    /** Newest first; `beforeId` continues after the last one seen. */
    list: (
      caller: Caller,
      filter: {
        status?: TaskStatus
        role?: 'initiated' | 'received'
        q?: string
        beforeId?: string
        limit: number
      },
    ): Promise<SignTaskSummary[]> =>
      db.as(caller.subjectId, async (tx) => {
        const rows = await listTasks(tx, { ...filter, subjectId: caller.subjectId })
        const actors = await actorsOf(
          tx,
          rows.map((row) => row.id),
        )
        return rows.map((row) =>
          summaryOf(
            row,
            actors.filter((actor) => actor.task_id === row.id),
            caller.subjectId,
          ),
        )
      }),

    /** A numbered page with the count of all, newest first. */
    search: (caller: Caller, search: Omit<TaskSearch, 'subjectId'>) =>
      db.as(caller.subjectId, (tx) => searchTasks(tx, { ...search, subjectId: caller.subjectId })),

    /** A fresh link for an actor: the initiator may ask for anybody's, an actor for its own. */
    async link(caller: Caller, taskId: string, actorId: string): Promise<SigningLink> {
      const task = await db.as(caller.subjectId, (tx) => readTask(tx, taskId))
      requireAccess(task, caller.subjectId)
      const actor = task.actors.find((one) => one.id === actorId)
      const isOwn = actor?.subject_id === caller.subjectId
      if (actor === undefined || (task.row.tenant_id !== caller.subjectId && !isOwn))
        throw refuse('actor_unknown')
      if (['canceled', 'expired', 'rejected'].includes(task.row.status)) throw refuse('link_ended')
      return await db.work((tx) => links.issue(tx, { taskId, tenantId: task.row.tenant_id, actorId }))
    },

    /** The segments of a document's revision, as far as the caller may see the task; null when not yet frozen. */
    async document(
      caller: Caller,
      taskId: string,
      documentId: string,
      revision?: number,
    ): Promise<{ name: string; fileId: string; segments: SegmentRow[] }> {
      const found = await db.as(caller.subjectId, async (tx) => {
        const task = await readTask(tx, taskId)
        requireAccess(task, caller.subjectId)
        const document = task.documents.find((one) => one.id === documentId)
        if (document === undefined) throw refuse('task_document_not_found')
        const wanted = revision ?? document.revision
        const segments = await readSegments(tx, documentId, wanted)
        const isThere = segments.at(-1)?.revision === wanted
        if (!isThere && (task.row.started_at !== null || revision !== undefined)) {
          throw refuse('task_document_not_found')
        }
        return { row: task.row, name: document.name, fileId: document.file_id, segments }
      })
      // Asked before the first byte is on its way.
      if (found.segments.length > 0) await access.admit(found.row, caller.subjectId)
      return { name: found.name, fileId: found.fileId, segments: found.segments }
    },

    events: (
      caller: Caller,
      taskId: string,
      page: { fromSeq: number; limit: number },
    ): Promise<TaskEventView[]> =>
      db.as(caller.subjectId, async (tx) => {
        const task = await readTask(tx, taskId)
        requireAccess(task, caller.subjectId)
        await access.admit(task.row, caller.subjectId)
        return await deps.evidence.events(tx, taskId, { ...page, partyId: caller.subjectId })
      }),

    /** Whether this installation made a signed file. Opens its own transaction. */
    knows: async (sha256: string): Promise<boolean> =>
      (await db.work((tx) => findRevisionBySha256(tx, sha256))) !== null,

    authorOf,

    /** What destruction asks of this room; all in the caller's transaction, under the worker role. */
    destruction: {
      livingTasks,
      partiesOf,
      objectsOf,
      filesOnlyOf,
      endAccess,
      async forget(tx: Tx, taskId: string): Promise<number> {
        const { documents } = await readTask(tx, taskId)
        revisions.forget(documents.map((one) => one.id))
        return await forgetTask(tx, taskId, clock.now())
      },
    },
  }
}
