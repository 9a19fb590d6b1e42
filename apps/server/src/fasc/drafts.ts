/**
 * Making sign tasks for FASC clients: their documents, fields and actors become those of the platform. Fields
 * may come before the actor they belong to, so they are kept here until one is bound.
 */
import type { FieldInput, FieldKind, SignTask } from '@yinxin/sdk/wire'
import { z } from 'zod'
import type { Accounts } from '#src/accounts/accounts.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Documents } from '#src/documents/documents.ts'
import { refuseTask, type SignTasks } from '#src/sign-tasks/sign-tasks.ts'
import { readActor, type signField, type TaskActor, taskActor } from './actors.ts'
import { refuse } from './errors.ts'
import {
  type DocField,
  docField,
  type Found,
  isKeyword,
  type PlacedField,
  placeField,
  type SignFieldType,
} from './fields.ts'
import type { FascCaller } from './gate.ts'
import { toOpenId } from './open-ids.ts'
import type { SealNumbers } from './seal-numbers.ts'
import { flag, milliseconds, openId, owner, text } from './shapes.ts'
import { bindField, type FieldRow, findTask, insertFields, insertTask, readFields } from './store.ts'
import type { TaskEcho } from './tables.ts'

export const taskDoc = z.object({
  docId: z.union([z.string().trim().min(1).max(64), z.number().transform(String)]),
  docName: text(255),
  docFileId: openId.nullish(),
  docTemplateId: text(64),
  docFields: z.array(docField).max(500).nullish(),
})
type TaskDoc = z.output<typeof taskDoc>

export const createInput = z.object({
  signTaskSubject: z.string().trim().min(1).max(200),
  initiator: owner,
  initiatorMemberId: text(64),
  startApprovalFlowId: text(64),
  finalizeApprovalFlowId: text(64),
  signDocType: text(40),
  dueDate: text(40),
  expiresTime: milliseconds.nullish(),
  autoStart: flag.nullish(),
  autoFinish: flag.nullish(),
  signInOrder: flag.nullish(),
  businessCode: text(200),
  businessId: text(64),
  businessScene: z.object({ businessId: text(64), transReferenceId: text(200) }).nullish(),
  transReferenceId: text(200),
  fileFormat: text(20),
  callbackUrl: text(2000),
  docs: z.array(taskDoc).max(20).nullish(),
  attachs: z.array(z.unknown()).nullish(),
  actors: z.array(taskActor).max(100).nullish(),
  watermarks: z.array(z.unknown()).nullish(),
})
export type CreateInput = z.output<typeof createInput>

export type Binding = z.output<typeof signField>

const KINDS: Record<SignFieldType, FieldKind> = {
  corp_seal: 'seal',
  person_sign: 'signature',
  date_sign: 'date',
}

export interface DraftsDeps {
  db: Db
  accounts: Pick<Accounts, 'corpByCreditCode' | 'corp' | 'idNumber' | 'person'>
  documents: Pick<Documents, 'file' | 'keywordPositions'>
  signTasks: SignTasks
  sealNumbers: SealNumbers
}

export type FascDrafts = ReturnType<typeof createFascDrafts>

export function createFascDrafts(deps: DraftsDeps) {
  const { db, documents, signTasks, sealNumbers } = deps

  /** 1. read and place everything, 2. bind fields to actors, 3. one call and one transaction make it exist. */
  async function create(caller: FascCaller, input: CreateInput): Promise<SignTask> {
    refuseUnsupported(input)
    if (input.initiator.idType === 'person' || toOpenId(caller.subjectId) !== plain(input.initiator.openId)) {
      throw refuse('fasc_initiator_foreign')
    }
    const docs = (input.docs ?? []).map(checkDoc)
    const placed: FieldRow[] = []
    for (const doc of docs) placed.push(...(await place(caller, doc.docId, doc.fileId, doc.docFields ?? [])))
    checkDouble(placed)

    const given = input.actors ?? []
    const businessId = input.businessId ?? input.businessScene?.businessId
    const ordered = input.signInOrder === true
    const actors = await readActors(caller, given, { first: 0, ordered, businessId })
    for (const one of given)
      await bindAll(caller, placed, one.actor.actorId, one.actor.actorType, one.signFields ?? [])
    const autoStart = input.autoStart === true
    if (autoStart) requireBound(placed)

    const reference = input.transReferenceId ?? input.businessScene?.transReferenceId
    const echo: TaskEcho = {
      businessCode: input.businessCode,
      signDocType: input.signDocType,
      dueDate: input.dueDate,
      businessId,
    }
    return await signTasks.create(
      caller,
      {
        title: input.signTaskSubject,
        documents: docs.map((doc) => ({
          ref: doc.docId,
          fileId: doc.fileId,
          ...(doc.docName === undefined ? {} : { name: doc.docName }),
        })),
        actors,
        fields: placed.filter((field) => field.actor_ref !== null).map(toInput),
        ordered,
        ...(input.expiresTime == null ? {} : { deadline: input.expiresTime.toISOString() }),
        autoStart,
        ...(reference === undefined ? {} : { reference }),
      },
      async (tx, answer) => {
        const taskId = (answer as SignTask).id
        await insertTask(tx, {
          task_id: taskId,
          tenant_id: caller.subjectId,
          app_id: caller.appId,
          callback_url: input.callbackUrl ?? null,
          echo,
        })
        await insertFields(
          tx,
          placed.map((field) => ({ ...field, task_id: taskId })),
        )
      },
    )
  }

  async function addDocs(caller: FascCaller, taskId: string, given: readonly TaskDoc[]): Promise<void> {
    const docs = given.map(checkDoc)
    const placed: FieldRow[] = []
    for (const doc of docs) placed.push(...(await place(caller, doc.docId, doc.fileId, doc.docFields ?? [])))
    checkDouble(placed)
    await signTasks.addDocuments(
      caller,
      taskId,
      docs.map((doc) => ({
        ref: doc.docId,
        fileId: doc.fileId,
        ...(doc.docName === undefined ? {} : { name: doc.docName }),
      })),
      (tx) =>
        insertFields(
          tx,
          placed.map((field) => ({ ...field, task_id: taskId })),
        ),
    )
  }

  /** Fields for documents of a draft; the actors they belong to are bound when those come. */
  async function addFields(
    caller: FascCaller,
    taskId: string,
    given: readonly { docId: string; docFields: readonly DocField[] }[],
  ): Promise<void> {
    const task = await signTasks.get(caller, taskId)
    if (task.status !== 'draft') throw refuseTask('task_not_draft')
    const placed: FieldRow[] = []
    for (const { docId, docFields } of given) {
      const document = task.documents.find((one) => one.ref === docId)
      if (document === undefined) throw refuse('fasc_document_unknown', { id: docId })
      const { fileId } = await signTasks.document(caller, taskId, document.documentId)
      placed.push(...(await place(caller, docId, fileId, docFields)))
    }
    await db.as(caller.subjectId, async (tx) => {
      checkDouble([...(await readFields(tx, taskId)), ...placed])
      await insertFields(
        tx,
        placed.map((field) => ({ ...field, task_id: taskId })),
      )
    })
  }

  /** Actors for a draft, with the fields they fill. */
  async function addActors(
    caller: FascCaller,
    taskId: string,
    given: readonly TaskActor[],
    sceneId: string | undefined,
  ): Promise<void> {
    const task = await signTasks.get(caller, taskId)
    const { fields, echo } = await db.as(caller.subjectId, async (tx) => ({
      fields: await readFields(tx, taskId),
      echo: (await findTask(tx, taskId))?.echo as TaskEcho | undefined,
    }))
    for (const one of given)
      await bindAll(caller, fields, one.actor.actorId, one.actor.actorType, one.signFields ?? [])
    const actors = await readActors(caller, given, {
      first: task.actorDetails.length,
      ordered: task.ordered,
      businessId: sceneId ?? echo?.businessId,
    })
    const names = new Set(given.map((one) => one.actor.actorId))
    const bound = fields.filter((field) => field.actor_ref !== null && names.has(field.actor_ref))
    await signTasks.addActors(caller, taskId, actors)
    // A crash in between leaves fields that belong to nobody, and with those a task does not start.
    if (bound.length > 0) {
      await signTasks.addFields(caller, taskId, bound.map(toInput), (tx) => writeBindings(tx, bound))
    }
  }

  async function start(caller: FascCaller, taskId: string): Promise<void> {
    requireBound(await db.as(caller.subjectId, (tx) => readFields(tx, taskId)))
    await signTasks.start(caller, taskId)
  }

  async function readActors(
    caller: FascCaller,
    given: readonly TaskActor[],
    context: { first: number; ordered: boolean; businessId: string | undefined },
  ) {
    return await Promise.all(
      given.map((one, i) =>
        readActor(
          one,
          { index: context.first + i, ordered: context.ordered, businessId: context.businessId },
          {
            accounts: deps.accounts,
            sealOf: async (id) => (await sealNumbers.seal(caller.subjectId, id)).id,
          },
        ),
      ),
    )
  }

  async function place(
    caller: FascCaller,
    docRef: string,
    fileId: string,
    fields: readonly DocField[],
  ): Promise<FieldRow[]> {
    const { pages } = await documents.file(caller.subjectId, fileId)
    const found = new Map<string, readonly Found[]>()
    for (const field of fields) {
      const keyword = field.position.positionKeyword
      if (!isKeyword(field) || keyword === undefined || found.has(keyword)) continue
      found.set(keyword, await documents.keywordPositions(caller.subjectId, fileId, keyword))
    }
    return fields.map((field) =>
      toRow(
        caller.subjectId,
        placeField(docRef, field, pages, (keyword) => found.get(keyword) ?? []),
      ),
    )
  }

  /** Marks the fields that an actor names as its own. */
  async function bindAll(
    caller: FascCaller,
    fields: readonly FieldRow[],
    ref: string,
    kind: 'corp' | 'person',
    bindings: readonly Binding[],
  ): Promise<void> {
    for (const binding of bindings) {
      const id = binding.fieldId ?? binding.fieldName ?? ''
      const field = fields.find(
        (one) =>
          one.doc_ref === binding.fieldDocId &&
          (binding.fieldId === undefined ? one.field_name === id : one.field_id === id),
      )
      if (field === undefined) throw refuse('fasc_field_unknown', { ref, id })
      if (field.actor_ref !== null) throw refuse('fasc_field_double', { id })
      const owned = kind === 'corp' ? 'corp_seal' : 'person_sign'
      if (field.field_type !== 'date_sign' && field.field_type !== owned) {
        throw refuse('fasc_field_owner', { ref, id })
      }
      field.actor_ref = ref
      const named = binding.sealId
      if (named == null || named === '' || named === '0') continue
      const seal = await sealNumbers.seal(caller.subjectId, named)
      field.seal_no = (await sealNumbers.numbers(caller.subjectId, [seal.id])).get(seal.id) ?? null
    }
  }

  return { create, addDocs, addFields, addActors, start }
}

function refuseUnsupported(input: CreateInput): void {
  const unsupported = {
    attachs: (input.attachs?.length ?? 0) > 0,
    watermarks: (input.watermarks?.length ?? 0) > 0,
    startApprovalFlowId: input.startApprovalFlowId !== undefined,
    finalizeApprovalFlowId: input.finalizeApprovalFlowId !== undefined,
    initiatorMemberId: input.initiatorMemberId !== undefined,
    'autoFinish=false': input.autoFinish === false,
    fileFormat: input.fileFormat !== undefined && input.fileFormat.toLowerCase() !== 'pdf',
  }
  for (const [name, isAsked] of Object.entries(unsupported)) {
    if (isAsked) throw refuse('fasc_unsupported', { name })
  }
}

function checkDoc(doc: TaskDoc): TaskDoc & { fileId: string } {
  if (doc.docTemplateId !== undefined) throw refuse('fasc_unsupported', { name: 'docTemplateId' })
  if (doc.docFileId == null) throw refuse('fasc_input_invalid', { first: `docs ${doc.docId}: docFileId` })
  return { ...doc, fileId: doc.docFileId }
}

function checkDouble(fields: readonly FieldRow[]): void {
  const seen = new Set<string>()
  for (const field of fields) {
    const key = `${field.doc_ref}\n${field.field_id}`
    if (seen.has(key)) throw refuse('fasc_field_double', { id: field.field_id })
    seen.add(key)
  }
}

function requireBound(fields: readonly FieldRow[]): void {
  const loose = fields.find((field) => field.actor_ref === null)
  if (loose !== undefined) throw refuse('fasc_field_unbound', { id: loose.field_id })
}

async function writeBindings(tx: Tx, fields: readonly FieldRow[]): Promise<void> {
  for (const field of fields) {
    if (field.actor_ref === null) continue
    await bindField(tx, field, { actor_ref: field.actor_ref, seal_no: field.seal_no })
  }
}

function toRow(tenantId: string, field: PlacedField): FieldRow {
  return {
    // Known when the task is made.
    task_id: '',
    tenant_id: tenantId,
    doc_ref: field.docRef,
    field_id: field.fieldId,
    field_name: field.fieldName,
    field_type: field.fieldType,
    page: field.page,
    x: field.x,
    y: field.y,
    width: field.width,
    height: field.height,
    actor_ref: null,
    seal_no: null,
  }
}

function toInput(field: FieldRow): FieldInput {
  return {
    documentRef: field.doc_ref,
    actorRef: field.actor_ref ?? '',
    kind: KINDS[field.field_type],
    position: { page: field.page, x: field.x, y: field.y, width: field.width, height: field.height },
  }
}

function plain(id: string): string {
  return id.trim().toLowerCase().replaceAll('-', '')
}
