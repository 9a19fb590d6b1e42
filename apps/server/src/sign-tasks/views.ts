import type { Actor, Field, SignTask, SignTaskSummary, TaskDocument } from '@yinxin/sdk/wire'
import { maskEmail, maskMobile } from '#src/accounts/accounts.ts'
import { isAwaited } from './lifecycle.ts'
import type { ActorRow, DocumentRow, FieldRow, Task, TaskRow } from './store.ts'
import type { PageSize } from './tables.ts'

/** A task in a list, as one of its parties sees it. */
export function summaryOf(row: TaskRow, actors: readonly ActorRow[], viewerId: string): SignTaskSummary {
  const mine = actors.filter((actor) => actor.subject_id === viewerId)
  const awaited = row.status === 'signing' ? mine.find((actor) => isAwaited(actor.status)) : undefined
  return {
    id: row.id,
    title: row.title,
    status: row.status,
    initiator: { subjectId: row.tenant_id, name: row.initiator_name },
    actors: actors.map((actor) => ({
      actorId: actor.id,
      name: actor.name,
      kind: actor.kind,
      role: actor.role,
      status: actor.status,
    })),
    myActorId: (awaited ?? mine[0])?.id ?? null,
    myTurn: awaited !== undefined && awaited.role === 'sign',
    deadline: iso(row.deadline),
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  }
}

/** Everything about a task; the reference and the contacts belong to the initiator. */
export function taskView(task: Task, fields: readonly FieldRow[], viewerId: string): SignTask {
  const { row } = task
  const isInitiator = viewerId === row.tenant_id
  return {
    ...summaryOf(row, task.actors, viewerId),
    ordered: row.ordered,
    reference: isInitiator ? row.reference : null,
    documents: task.documents.map(documentView),
    actorDetails: task.actors.map((actor) => actorView(actor, isInitiator || actor.subject_id === viewerId)),
    fields: fields.map(fieldView),
    endReason: row.end_reason,
    startedAt: iso(row.started_at),
    finishedAt: iso(row.finished_at),
  }
}

export function actorView(actor: ActorRow, withContact: boolean): Actor {
  return {
    actorId: actor.id,
    ref: actor.ref,
    kind: actor.kind,
    role: actor.role,
    name: actor.name,
    subjectId: actor.subject_id,
    contact: withContact ? maskedContact(actor) : null,
    order: actor.sign_order,
    status: actor.status,
    freeSign: actor.free_sign_business_id !== null,
    signedAt: iso(actor.signed_at),
    certificateSerial: actor.certificate_serial,
    rejectReason: actor.reject_reason,
  }
}

export function documentView(document: DocumentRow): TaskDocument {
  return {
    documentId: document.id,
    ref: document.ref,
    name: document.name,
    pageCount: document.page_count,
    pages: pagesOf(document),
    sha256: document.sha256,
    sizeBytes: document.size_bytes,
    revision: document.revision,
  }
}

export function fieldView(field: FieldRow): Field {
  return {
    fieldId: field.id,
    documentId: field.document_id,
    actorId: field.actor_id,
    kind: field.kind,
    page: field.page,
    x: field.x,
    y: field.y,
    width: field.width,
    height: field.height,
  }
}

export function pagesOf(document: Pick<DocumentRow, 'pages'>): PageSize[] {
  return document.pages as PageSize[]
}

/** Where the actor's link and codes go: the mobile number before the mail address. */
export function contactOf(
  actor: Pick<ActorRow, 'mobile' | 'email'>,
): { channel: 'sms' | 'mail'; to: string } | null {
  if (actor.mobile !== null) return { channel: 'sms', to: actor.mobile }
  return actor.email === null ? null : { channel: 'mail', to: actor.email }
}

export function maskedContact(actor: Pick<ActorRow, 'mobile' | 'email'>): string | null {
  if (actor.mobile !== null) return maskMobile(actor.mobile)
  return actor.email === null ? null : maskEmail(actor.email)
}

function iso(at: Date | null): string | null {
  return at?.toISOString() ?? null
}
