/**
 * Making a task: what the caller asked for is looked up and checked first, the documents are frozen next, and
 * one transaction makes it true.
 */
import type { ActorInput, FieldInput, KeywordPosition, SignTaskInput } from '@yinxin/sdk/wire'
import { type Accounts, type Caller, readLogin } from '#src/accounts/accounts.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Documents, FileDetails } from '#src/documents/documents.ts'
import type { Evidence, NewEvent } from '#src/evidence/evidence.ts'
import { newId } from '#src/ids.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Outbox } from '#src/outbox/outbox.ts'
import type { Seals } from '#src/seals/seals.ts'
import type { Storage, StoredObject } from '#src/storage/storage.ts'
import { type Access, requireAccess } from './access.ts'
import { authorActor } from './author.ts'
import { refuse } from './errors.ts'
import type { SignTaskFact } from './facts.ts'
import { type Initiator, initiatorOf } from './initiator.ts'
import { checkActors, checkRefs, planFields } from './plan.ts'
import type { Revisions } from './revisions.ts'
import {
  type ActorRow,
  appendSegment,
  type DocumentRow,
  deleteDraft,
  type FieldRow,
  insertActors,
  insertDocuments,
  insertFields,
  insertTask,
  lockTask,
  readTask,
  type Task,
  type TaskRow,
} from './store.ts'
import { factsOf, type Transition } from './transition.ts'
import { pagesOf } from './views.ts'

export interface DraftsDeps {
  db: Db
  clock: Clock
  kms: Pick<Kms, 'createScopeKey'>
  storage: Pick<Storage, 'put' | 'record'>
  evidence: Pick<Evidence, 'append' | 'begin'>
  outbox: Pick<Outbox, 'append'>
  accounts: Pick<Accounts, 'subject' | 'person'>
  documents: Pick<Documents, 'file' | 'keywordPositions' | 'content'>
  seals: Pick<Seals, 'freeSignScene' | 'grantedTo'>
  transition: Transition
  revisions: Pick<Revisions, 'keepFrozen'>
  access: Pick<Access, 'admitAll'>
}

/** A document of a task, frozen under the contract's own key, not yet recorded. */
interface FrozenDocument {
  documentId: string
  stored: StoredObject
}

export type Drafts = ReturnType<typeof createDrafts>

const FREEZES_AT_A_TIME = 4

export function createDrafts(deps: DraftsDeps) {
  const { db, clock, transition } = deps

  /** 1. look up and check, 2. freeze when it starts at once, 3. write; returns the id. */
  async function create<T>(
    caller: Caller,
    input: SignTaskInput,
    answer: (tx: Tx, taskId: string) => Promise<T>,
  ): Promise<T> {
    const initiator = await initiatorOf(deps.accounts, caller)
    const now = clock.now()
    checkRefs(input.documents.map((document) => document.ref))
    checkActors(input.actors)
    const deadline = input.deadline === undefined ? null : new Date(input.deadline)
    if (deadline !== null && deadline <= now) throw refuse('deadline_in_past')

    const taskId = newId(now.getTime())
    const files = await Promise.all(
      input.documents.map((one) => deps.documents.file(caller.subjectId, one.fileId)),
    )
    const documents = input.documents.map((one, position) =>
      documentRow(taskId, caller.subjectId, one, files[position] as FileDetails, position),
    )
    const actors = await actorRows(taskId, initiator, input.actors, 0)
    const fields = await fieldRows(taskId, caller.subjectId, input.fields, actors, documents)
    const row: TaskRow = {
      id: taskId,
      tenant_id: caller.subjectId,
      initiator_name: initiator.name,
      creator_person_id: caller.kind === 'session' ? caller.personId : null,
      title: input.title,
      status: 'draft',
      ordered: input.ordered ?? true,
      deadline,
      reference: input.reference ?? null,
      end_reason: null,
      created_at: now,
      updated_at: now,
      started_at: null,
      finished_at: null,
      destroyed_at: null,
    }
    const task: Task = {
      row,
      actors,
      documents: documents.map((one) => ({ ...one, revision: 0 })),
      urgedAt: [],
      endedAccess: [],
    }
    if (input.autoStart) await checkFreeSignRight(caller, actors)
    // What the first event says of people is sealed under the contract's key.
    // The parties share it from the start on, each by a wrap of its own.
    const parties = input.autoStart ? knownParties(task) : [row.tenant_id]
    await deps.kms.createScopeKey(row.tenant_id, taskId, parties)
    const frozen = input.autoStart ? await freeze(task) : []
    return await db.as(caller.subjectId, async (tx) => {
      await insertTask(tx, row)
      deps.evidence.begin(tx, taskId)
      await insertDocuments(tx, documents)
      await insertActors(tx, actors)
      await insertFields(tx, fields)
      const { event, fact } = creationOf(task, initiator)
      if (input.autoStart) {
        await startFrozen(tx, task, frozen, initiator, { events: [event], facts: [fact] })
      } else {
        await deps.evidence.append(tx, row.id, row.tenant_id, [event])
        await deps.outbox.append(tx, factsOf(task, [fact]))
      }
      return await answer(tx, taskId)
    })
  }

  /** What is told of a new task: the first link of its chain and the first fact. */
  function creationOf(task: Task, initiator: Initiator): { event: NewEvent; fact: SignTaskFact } {
    const { row } = task
    const by = authorActor(initiator.author)
    return {
      event: {
        type: 'task.created',
        actor: by.actor,
        data: {
          ordered: row.ordered,
          deadline: row.deadline?.toISOString() ?? null,
          documents: task.documents.map((one) => ({ documentId: one.id, sha256: one.sha256 })),
          actors: task.actors.map((one) => ({
            actorId: one.id,
            kind: one.kind,
            role: one.role,
            order: one.sign_order,
          })),
        },
        personal: { ...by.personal, '/data/title': row.title },
      },
      fact: { type: 'sign-task.created', payload: { taskId: row.id, reference: row.reference } },
    }
  }

  /**
   * Copies the uploaded files under the contract's own key, durable at both sites, before any row refers to
   * them. What a crash leaves behind is an object nobody refers to.
   */
  async function freeze(task: Task): Promise<FrozenDocument[]> {
    const { id: taskId, tenant_id: tenantId } = task.row
    const frozen: FrozenDocument[] = []
    for (let at = 0; at < task.documents.length; at += FREEZES_AT_A_TIME) {
      const group = task.documents.slice(at, at + FREEZES_AT_A_TIME)
      const stored = await Promise.all(
        group.map(async (document) => {
          const content = await deps.documents.content(tenantId, document.file_id)
          const stored = await deps.storage.put({
            tenantId,
            scopeId: taskId,
            class: 'signed',
            content,
            expectedSha256: document.sha256,
          })
          if (content instanceof Uint8Array) deps.revisions.keepFrozen(document.id, content, stored.sha256)
          return { documentId: document.id, stored }
        }),
      )
      frozen.push(...stored)
    }
    return frozen
  }

  /** Makes the frozen documents revision 0 and starts; the task is locked or not yet visible to anybody. */
  async function startFrozen(
    tx: Tx,
    task: Task,
    frozen: readonly FrozenDocument[],
    initiator: Initiator,
    before: { events: NewEvent[]; facts: SignTaskFact[] } = { events: [], facts: [] },
  ): Promise<void> {
    for (const { documentId, stored } of frozen) {
      await deps.storage.record(tx, stored)
      await appendSegment(tx, {
        document_id: documentId,
        revision: 0,
        tenant_id: task.row.tenant_id,
        task_id: task.row.id,
        object_id: stored.id,
        segment_bytes: stored.sizeBytes,
        size_bytes: stored.sizeBytes,
        sha256: stored.sha256,
        created_at: clock.now(),
      })
    }
    const by = authorActor(initiator.author)
    await transition(tx, task, { kind: 'start' }, initiator.author, {
      // The first link of each document's own history; the evidence verifier follows the hashes from here.
      events: [
        ...before.events,
        ...frozen.map(({ documentId, stored }) => ({
          type: 'document.added',
          actor: by.actor,
          data: { documentId, documentSha256: stored.sha256, sizeBytes: stored.sizeBytes },
          personal: by.personal,
        })),
      ],
      facts: before.facts,
    })
  }

  async function start<T>(caller: Caller, taskId: string, answer: (tx: Tx) => Promise<T>): Promise<T> {
    const initiator = await initiatorOf(deps.accounts, caller)
    const seen = await ownTask(caller, taskId)
    // What could be refused is refused before the copying; the transaction below decides.
    if (seen.row.status !== 'draft') throw refuse('task_not_draft')
    if (seen.documents.length === 0) throw refuse('task_without_documents')
    if (!seen.actors.some((actor) => actor.role === 'sign')) throw refuse('task_without_signers')
    await checkFreeSignRight(caller, seen.actors)
    // Made with the draft; drafts from before have none yet.
    await deps.kms.createScopeKey(seen.row.tenant_id, seen.row.id)
    await deps.access.admitAll(seen.row, knownParties(seen))
    const frozen = await freeze(seen)
    return await db.as(caller.subjectId, async (tx) => {
      const task = await lockTask(tx, taskId)
      await startFrozen(tx, task, frozen, initiator)
      return await answer(tx)
    })
  }

  /** The task of its initiator; a party that is not the initiator gets the same answer as a stranger. */
  async function ownTask(caller: Caller, taskId: string): Promise<Task> {
    const task = await db.as(caller.subjectId, (tx) => readTask(tx, taskId))
    if (task.row.tenant_id !== caller.subjectId) throw refuse('sign_task_not_found')
    requireAccess(task, caller.subjectId)
    return task
  }

  async function addActors<T>(
    caller: Caller,
    taskId: string,
    inputs: readonly ActorInput[],
    answer: (tx: Tx) => Promise<T>,
  ): Promise<T> {
    const initiator = await initiatorOf(deps.accounts, caller)
    checkActors(inputs)
    await ownTask(caller, taskId)
    const rows = await actorRows(taskId, initiator, inputs, 0)
    return await db.as(caller.subjectId, async (tx) => {
      const task = await lockDraft(tx, taskId)
      checkRefs([...task.actors.map((actor) => actor.ref), ...rows.map((row) => row.ref)])
      const first = (task.actors.at(-1)?.position ?? -1) + 1
      await insertActors(
        tx,
        rows.map((row, i) => ({ ...row, position: first + i })),
      )
      return await answer(tx)
    })
  }

  async function addFields<T>(
    caller: Caller,
    taskId: string,
    inputs: readonly FieldInput[],
    answer: (tx: Tx) => Promise<T>,
  ): Promise<T> {
    const task = await ownTask(caller, taskId)
    if (task.row.status !== 'draft') throw refuse('task_not_draft')
    const rows = await fieldRows(taskId, caller.subjectId, inputs, task.actors, task.documents)
    return await db.as(caller.subjectId, async (tx) => {
      await lockDraft(tx, taskId)
      await insertFields(tx, rows)
      return await answer(tx)
    })
  }

  async function lockDraft(tx: Tx, taskId: string): Promise<Task> {
    const task = await lockTask(tx, taskId)
    if (task.row.status !== 'draft') throw refuse('task_not_draft')
    return task
  }

  async function remove(caller: Caller, taskId: string): Promise<void> {
    const initiator = await initiatorOf(deps.accounts, caller)
    await ownTask(caller, taskId)
    await db.as(caller.subjectId, async (tx) => {
      const task = await lockDraft(tx, taskId)
      const by = authorActor(initiator.author)
      await deps.evidence.append(tx, taskId, task.row.tenant_id, [
        { type: 'task.deleted', actor: by.actor, data: {}, personal: by.personal },
      ])
      await deleteDraft(tx, taskId)
    })
  }

  async function actorRows(
    taskId: string,
    initiator: Initiator,
    inputs: readonly ActorInput[],
    firstPosition: number,
  ): Promise<ActorRow[]> {
    const scenes = oncePerKey((businessId) => deps.seals.freeSignScene(initiator.subjectId, businessId))
    return await Promise.all(
      inputs.map(async (input, i) => {
        const isInitiator =
          input.kind === 'corp' && input.subjectId === undefined && input.name === initiator.name
        const subjectId = input.subjectId ?? (isInitiator ? initiator.subjectId : null)
        if (subjectId !== null) await checkSubject(initiator, subjectId, input)
        const scene = input.freeSignBusinessId
        if (scene !== undefined) await checkFreeSign(initiator, input, subjectId, scenes)
        const contact = await contactsOf(input, subjectId)
        return {
          id: newId(),
          task_id: taskId,
          tenant_id: initiator.subjectId,
          ref: input.ref,
          position: firstPosition + i,
          kind: input.kind,
          role: input.role,
          name: input.name.normalize('NFC').trim(),
          subject_id: subjectId,
          person_id: input.kind === 'person' ? subjectId : null,
          ...contact,
          sign_order: input.order ?? 1,
          status: 'waiting' as const,
          seal_id: input.sealId ?? null,
          free_sign_business_id: scene ?? null,
          signed_at: null,
          certificate_serial: null,
          reject_reason: null,
        }
      }),
    )
  }

  async function checkSubject(initiator: Initiator, subjectId: string, input: ActorInput): Promise<void> {
    const subject = subjectId === initiator.subjectId ? initiator : await deps.accounts.subject(subjectId)
    if (subject === null || subject.kind !== input.kind)
      throw refuse('actor_subject_unknown', { ref: input.ref })
  }

  /**
   * Signing without a code is the company's own grant about its own seal, so it holds only in tasks that the
   * company itself initiates.
   */
  async function checkFreeSign(
    initiator: Initiator,
    input: ActorInput,
    subjectId: string | null,
    scenes: (businessId: string) => Promise<unknown>,
  ): Promise<void> {
    const businessId = input.freeSignBusinessId ?? ''
    const isOwn = input.kind === 'corp' && input.role === 'sign' && subjectId === initiator.subjectId
    const scene = isOwn ? await scenes(businessId) : null
    if (scene === null) throw refuse('free_sign_not_granted', { businessId })
  }

  /**
   * Starting lets the seals of its scenes sign, so a plain member needs the right to those seals as if it signed
   * itself. Administrators have it, and the company's programs act for the company.
   */
  async function checkFreeSignRight(caller: Caller, actors: readonly ActorRow[]): Promise<void> {
    const businessIds = new Set(actors.flatMap((actor) => actor.free_sign_business_id ?? []))
    if (caller.kind !== 'session' || caller.role !== 'member' || businessIds.size === 0) return
    const granted = await deps.seals.grantedTo(caller.subjectId, caller.personId)
    for (const businessId of businessIds) {
      const scene = await deps.seals.freeSignScene(caller.subjectId, businessId)
      if (scene === null) throw refuse('free_sign_not_granted', { businessId })
      if (granted !== 'all' && !granted.includes(scene.sealId))
        throw refuse('free_sign_seal_not_yours', { businessId })
    }
  }

  async function contactsOf(
    input: ActorInput,
    subjectId: string | null,
  ): Promise<{ mobile: string | null; email: string | null }> {
    if (input.mobile !== undefined || input.email !== undefined) {
      return {
        mobile: input.mobile === undefined ? null : contact(input.mobile, 'mobile', input.ref),
        email: input.email === undefined ? null : contact(input.email, 'email', input.ref),
      }
    }
    if (input.kind === 'person' && subjectId !== null) {
      const person = await deps.accounts.person(subjectId)
      return { mobile: person?.mobile ?? null, email: person?.email ?? null }
    }
    return { mobile: null, email: null }
  }

  async function fieldRows(
    taskId: string,
    tenantId: string,
    inputs: readonly FieldInput[],
    actors: readonly ActorRow[],
    documents: readonly Omit<DocumentRow, 'revision'>[],
  ): Promise<FieldRow[]> {
    const byRef = new Map(documents.map((document) => [document.ref, document]))
    const found = new Map<string, readonly KeywordPosition[]>()
    for (const { documentRef, position } of inputs) {
      const document = byRef.get(documentRef)
      if (!('keyword' in position) || document === undefined) continue
      const key = keywordKey(documentRef, position.keyword)
      if (found.has(key)) continue
      found.set(key, await deps.documents.keywordPositions(tenantId, document.file_id, position.keyword))
    }
    const planned = planFields(
      inputs,
      actors,
      (ref) => {
        const document = byRef.get(ref)
        return document && pagesOf(document)
      },
      (ref, keyword) => found.get(keywordKey(ref, keyword)) ?? [],
    )
    return planned.map(({ documentRef, actorRef, ...box }) => ({
      id: newId(),
      task_id: taskId,
      tenant_id: tenantId,
      document_id: (byRef.get(documentRef) as DocumentRow).id,
      actor_id: (actors.find((actor) => actor.ref === actorRef) as ActorRow).id,
      ...box,
    }))
  }

  return { create, start, addActors, addFields, remove, ownTask }
}

/** Asks for each key once, however often it stands in the input. */
function oncePerKey<T>(ask: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const asked = new Map<string, Promise<T>>()
  return (key) => {
    const known = asked.get(key) ?? ask(key)
    asked.set(key, known)
    return known
  }
}

/** The subjects that are known before anybody opens a link, the initiator first. */
function knownParties(task: Task): string[] {
  return [...new Set([task.row.tenant_id, ...task.actors.flatMap((actor) => actor.subject_id ?? [])])]
}

function keywordKey(documentRef: string, keyword: string): string {
  return `${documentRef}\n${keyword}`
}

function contact(text: string, kind: 'mobile' | 'email', ref: string): string {
  const login = readLogin(text)
  if (login === null || login.kind !== kind) throw refuse('actor_contact_invalid', { ref })
  return login.value
}

/** The row of a document that a caller puts into a task. */
export function documentRow(
  taskId: string,
  tenantId: string,
  input: SignTaskInput['documents'][number],
  file: FileDetails,
  position: number,
): Omit<DocumentRow, 'revision'> {
  return {
    id: newId(),
    task_id: taskId,
    tenant_id: tenantId,
    ref: input.ref,
    name: input.name ?? file.name,
    position,
    file_id: file.id,
    page_count: file.pageCount,
    pages: file.pages.map(({ widthPt, heightPt }) => ({ widthPt, heightPt })),
    sha256: file.sha256,
    size_bytes: file.sizeBytes,
  }
}
