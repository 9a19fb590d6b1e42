/** Sign tasks as FASC clients expect to see them. Pure. */
import type { Actor, SignTask } from '@yinxin/sdk/wire'
import type { TaskStatus } from '#src/sign-tasks/sign-tasks.ts'
import { positionOf } from './fields.ts'
import { toOpenId } from './open-ids.ts'
import { timeText } from './shapes.ts'
import type { FieldRow } from './store.ts'
import type { TaskEcho } from './tables.ts'

const STATUSES: Record<TaskStatus, string> = {
  draft: 'task_created',
  signing: 'sign_progress',
  finished: 'task_finished',
  rejected: 'task_terminated',
  canceled: 'task_terminated',
  expired: 'expired',
}

export function statusText(status: TaskStatus): string {
  return STATUSES[status]
}

/** The platform's states behind those a client asks for; states that never occur here give none. */
export function statusesOf(texts: readonly string[]): TaskStatus[] {
  return (Object.keys(STATUSES) as TaskStatus[]).filter((status) => texts.includes(STATUSES[status]))
}

/** When an actor was first seen and first read a document. */
export interface Sightings {
  joinedAt: string | null
  readAt: string | null
}

/** What the history of a task tells of its actors' visits, by actor id. */
export function sightingsOf(
  events: readonly { type: string; at: string; data: Record<string, unknown> }[],
): Map<string, Sightings> {
  const seen = new Map<string, Sightings>()
  for (const event of events) {
    const { actorId } = event.data
    if (typeof actorId !== 'string') continue
    const one = seen.get(actorId) ?? { joinedAt: null, readAt: null }
    if (event.type === 'task.viewed') one.joinedAt ??= event.at
    if (event.type === 'task.viewed' || event.type === 'document.read') one.readAt ??= event.at
    if (event.type === 'actor.signed') one.joinedAt ??= event.at
    seen.set(actorId, one)
  }
  return seen
}

export function summaryView(
  row: {
    id: string
    title: string
    status: TaskStatus
    reference: string | null
    end_reason: string | null
    initiator_name: string
    created_at: Date
    started_at: Date | null
    finished_at: Date | null
    updated_at: Date
    deadline: Date | null
  },
  echo: TaskEcho | undefined,
  isInitiator: boolean,
) {
  return {
    signTaskId: toOpenId(row.id),
    transReferenceId: isInitiator ? row.reference : null,
    signTaskSource: 'api',
    signTaskSubject: row.title,
    businessCode: isInitiator ? (echo?.businessCode ?? null) : null,
    signTaskStatus: statusText(row.status),
    terminationNote: row.end_reason,
    initiatorName: row.initiator_name,
    createTime: timeText(row.created_at),
    startTime: timeText(row.started_at),
    finishTime: timeText(endOf(row.status, row.finished_at, row.updated_at)),
    deadlineTime: timeText(row.deadline),
  }
}

export function detailView(
  task: SignTask,
  fields: readonly FieldRow[],
  echo: TaskEcho | undefined,
  seen: ReadonlyMap<string, Sightings>,
) {
  return {
    initiator: { idType: 'corp', openId: toOpenId(task.initiator.subjectId) },
    signTaskId: toOpenId(task.id),
    signTaskSubject: task.title,
    signDocType: echo?.signDocType ?? 'contract',
    signTaskSource: 'api',
    businessCode: echo?.businessCode ?? null,
    signTaskStatus: statusText(task.status),
    terminationNote: task.endReason,
    signInOrder: task.ordered,
    createTime: timeText(task.createdAt),
    startTime: timeText(task.startedAt),
    finishTime: timeText(endOf(task.status, task.finishedAt, task.updatedAt)),
    deadlineTime: timeText(task.deadline),
    dueDate: echo?.dueDate ?? null,
    transReferenceId: task.reference,
    docs: task.documents.map((document) => ({ docId: document.ref, docName: document.name })),
    attachs: [],
    actors: task.actorDetails.map((actor) => ({
      actorInfo: actorInfo(task, actor),
      signFields: actorFields(task, fields, actor),
      ...progressOf(task, actor, seen.get(actor.actorId)),
    })),
    watermarks: [],
  }
}

export function actorInfo(task: SignTask, actor: Actor) {
  return {
    actorId: actor.ref,
    actorType: actor.kind,
    actorName: actor.name,
    actorOpenId: actor.subjectId === null ? null : toOpenId(actor.subjectId),
    permissions: [actor.role],
    isInitiator: actor.subjectId === task.initiator.subjectId,
  }
}

/** How far an actor has come. */
export function progressOf(task: SignTask, actor: Actor, seen: Sightings | undefined) {
  const hasSigned = actor.status === 'signed'
  const signs = actor.role === 'sign'
  return {
    readStatus: seen?.readAt == null ? 'no_read' : 'read',
    readTime: timeText(seen?.readAt ?? null),
    joinStatus: seen?.joinedAt == null ? 'no_join' : 'joined',
    joinTime: timeText(seen?.joinedAt ?? null),
    signStatus: !signs
      ? null
      : hasSigned
        ? 'signed'
        : actor.status === 'rejected'
          ? 'sign_rejected'
          : 'wait_sign',
    signTime: timeText(actor.signedAt),
    actorNote: actor.rejectReason,
    signOrderNo: task.ordered ? actor.order - 1 : null,
    blockStatus: 'unblocked',
  }
}

/** As the client made them; a task that was made elsewhere shows the platform's own. */
function actorFields(task: SignTask, fields: readonly FieldRow[], actor: Actor) {
  const signFieldStatus = actor.status === 'signed' ? 'stamped' : 'unstamped'
  if (fields.length > 0) {
    return fields
      .filter((field) => field.actor_ref === actor.ref)
      .map((field) => ({
        signFieldStatus,
        fieldDocId: field.doc_ref,
        fieldId: field.field_id,
        fieldName: field.field_name,
        fieldType: field.field_type,
        moveable: false,
        position: positionOf(field),
        sealId: field.seal_no,
      }))
  }
  return task.fields
    .filter((field) => field.actorId === actor.actorId)
    .map((field) => ({
      signFieldStatus,
      fieldDocId: task.documents.find((one) => one.documentId === field.documentId)?.ref ?? '',
      fieldId: toOpenId(field.fieldId),
      fieldName: toOpenId(field.fieldId),
      fieldType: { seal: 'corp_seal', signature: 'person_sign', date: 'date_sign' }[field.kind],
      moveable: false,
      position: positionOf(field),
      sealId: null,
    }))
}

/** The end, also when it is not a good one. */
function endOf<T>(status: TaskStatus, finishedAt: T | null, updatedAt: T): T | null {
  if (finishedAt !== null) return finishedAt
  return status === 'canceled' || status === 'rejected' || status === 'expired' ? updatedAt : null
}
