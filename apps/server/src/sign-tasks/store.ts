import { type Expression, type Selectable, sql } from 'kysely'
import { later, type Tx } from '#src/db/db.ts'
import { expectAppend } from '#src/evidence/evidence.ts'
import { refuse } from './errors.ts'
import type { TaskState, TaskStatus } from './lifecycle.ts'
import type { SignTaskTables } from './tables.ts'

export type TaskRow = Omit<Selectable<SignTaskTables['sign_task']>, 'adopted'>
export type ActorRow = Selectable<SignTaskTables['task_actor']>
export type DocumentRow = Selectable<SignTaskTables['task_document']>
export type FieldRow = Selectable<SignTaskTables['task_field']>
export type SegmentRow = Selectable<SignTaskTables['task_document_segment']>

/** A task with everything that its life cycle looks at; reminders only where they are asked for. */
export interface Task {
  row: TaskRow
  actors: ActorRow[]
  documents: DocumentRow[]
  urgedAt: Date[]
  /** Parties whose access was destroyed, and when (ISO 8601). */
  endedAccess: EndedAccess[]
}

export interface EndedAccess {
  subjectId: string
  at: string
}

const open = (tx: Tx) => tx.$extendTables<SignTaskTables>()

/** The task as this transaction's subject may see it, in one statement. @throws `sign_task_not_found` */
export async function readTask(tx: Tx, taskId: string): Promise<Task> {
  const { actors, documents, ended } = partsOf(sql.ref('sign_task.id'))
  const found = await open(tx)
    .selectFrom('sign_task')
    .selectAll()
    .select([actors.as('actors'), documents.as('documents'), ended.as('ended')])
    .where('id', '=', taskId)
    .executeTakeFirst()
  if (found === undefined) throw refuse('sign_task_not_found')
  const { actors: actorRows, documents: documentRows, ended: endedRows, ...row } = found
  return taskOf(row, actorRows, documentRows, endedRows)
}

/**
 * The same for handlers of facts: several of one transaction about one task share the reading. They look at the
 * task and do not change it.
 */
export async function readTaskOnce(tx: Tx, taskId: string): Promise<Task> {
  const known = readOnce.get(tx) ?? new Map<string, Promise<Task>>()
  readOnce.set(tx, known)
  const task = known.get(taskId) ?? readTask(tx, taskId)
  known.set(taskId, task)
  return await task
}
const readOnce = new WeakMap<Tx, Map<string, Promise<Task>>>()

/** The same with its fields, in one statement too. @throws `sign_task_not_found` */
export async function readTaskAndFields(tx: Tx, taskId: string): Promise<{ task: Task; fields: FieldRow[] }> {
  const { actors, documents, fields, ended } = partsOf(sql.ref('sign_task.id'))
  const found = await open(tx)
    .selectFrom('sign_task')
    .selectAll()
    .select([actors.as('actors'), documents.as('documents'), fields.as('fields'), ended.as('ended')])
    .where('id', '=', taskId)
    .executeTakeFirst()
  if (found === undefined) throw refuse('sign_task_not_found')
  const { actors: actorRows, documents: documentRows, fields: fieldRows, ended: endedRows, ...row } = found
  return { task: taskOf(row, actorRows, documentRows, endedRows), fields: fieldRows }
}

/** The same under the row lock that serialises every change of a task. */
export async function lockTask(tx: Tx, taskId: string): Promise<Task> {
  const locked = await later(
    tx,
    open(tx).selectFrom('sign_task').selectAll().where('id', '=', taskId).forUpdate(),
  )
  await expectAppend(tx, taskId)
  // It comes after the statement that locks the row and never inside it: a statement that had to wait for a lock
  // still sees its old snapshot beside the locked row. On their way they go together.
  const { actors, documents, ended } = partsOf(sql`${taskId}::uuid`)
  const { rows } = await sql<{ actors: JsonActor[]; documents: DocumentRow[]; ended: EndedAccess[] }>`
    select ${actors} as actors, ${documents} as documents, ${ended} as ended`.execute(tx)
  const row = (await locked.answer()).rows[0]
  if (row === undefined) throw refuse('sign_task_not_found')
  return taskOf(row, rows[0]?.actors ?? [], rows[0]?.documents ?? [], rows[0]?.ended ?? [])
}

function partsOf(taskId: Expression<string>) {
  return {
    actors: sql<
      JsonActor[]
    >`(select coalesce(json_agg(a order by a.position), '[]') from task_actor a where a.task_id = ${taskId})`,
    documents: sql<
      DocumentRow[]
    >`(select coalesce(json_agg(d order by d.position), '[]') from task_document d where d.task_id = ${taskId})`,
    fields: sql<
      FieldRow[]
    >`(select coalesce(json_agg(f order by f.page, f.y, f.id), '[]') from task_field f where f.task_id = ${taskId})`,
    // A party sees that of itself alone: row-level security hides the others' rows.
    ended: sql<EndedAccess[]>`(select coalesce(json_agg(json_build_object('subjectId', p.subject_id,
        'at', to_char(p.access_destroyed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))), '[]')
      from task_party p where p.task_id = ${taskId} and p.access_destroyed_at is not null)`,
  }
}

function taskOf(
  row: TaskRow,
  actors: readonly JsonActor[],
  documents: DocumentRow[],
  endedAccess: EndedAccess[],
): Task {
  return {
    row,
    actors: actors.map((actor) => ({
      ...actor,
      signed_at: actor.signed_at === null ? null : new Date(actor.signed_at),
    })),
    documents,
    urgedAt: [],
    endedAccess,
  }
}

/** JSON has no dates. */
type JsonActor = Omit<ActorRow, 'signed_at'> & { signed_at: string | null }

/** When the awaited actors of a task were reminded, oldest first. */
export async function readUrges(tx: Tx, taskId: string): Promise<Date[]> {
  const urges = await open(tx)
    .selectFrom('task_urge')
    .select('at')
    .where('task_id', '=', taskId)
    .orderBy('at')
    .execute()
  return urges.map((urge) => urge.at)
}

/** @throws `actor_unknown` */
export function actorOf(task: Task, actorId: string): ActorRow {
  const actor = task.actors.find((one) => one.id === actorId)
  if (actor === undefined) throw refuse('actor_unknown')
  return actor
}

/** What the life cycle decides on. */
export function stateOf(task: Task): TaskState {
  return {
    status: task.row.status,
    ordered: task.row.ordered,
    deadline: task.row.deadline,
    documentCount: task.documents.length,
    actors: task.actors.map((actor) => ({
      id: actor.id,
      role: actor.role,
      order: actor.sign_order,
      status: actor.status,
    })),
    urgedAt: task.urgedAt,
  }
}

export async function insertTask(tx: Tx, row: TaskRow & { adopted?: boolean }): Promise<void> {
  await later(tx, open(tx).insertInto('sign_task').values(row))
  await insertParty(tx, row.id, row.tenant_id, row.tenant_id)
}

export async function insertParty(
  tx: Tx,
  taskId: string,
  tenantId: string,
  subjectId: string,
): Promise<void> {
  const party = open(tx)
    .insertInto('task_party')
    .values({ task_id: taskId, tenant_id: tenantId, subject_id: subjectId })
    .onConflict((conflict) => conflict.doNothing())
  await later(tx, party)
}

export async function insertDocuments(tx: Tx, rows: readonly Omit<DocumentRow, 'revision'>[]): Promise<void> {
  const values = rows.map((row) => ({ ...row, pages: JSON.stringify(row.pages) }))
  if (values.length > 0) await later(tx, open(tx).insertInto('task_document').values(values))
}

export async function insertActors(tx: Tx, rows: readonly ActorRow[]): Promise<void> {
  if (rows.length > 0)
    await later(
      tx,
      open(tx)
        .insertInto('task_actor')
        .values([...rows]),
    )
}

export async function insertFields(tx: Tx, rows: readonly FieldRow[]): Promise<void> {
  if (rows.length > 0)
    await later(
      tx,
      open(tx)
        .insertInto('task_field')
        .values([...rows]),
    )
}

export async function readFields(tx: Tx, taskId: string): Promise<FieldRow[]> {
  return await open(tx)
    .selectFrom('task_field')
    .selectAll()
    .where('task_id', '=', taskId)
    .orderBy('page')
    .orderBy('y')
    .orderBy('id')
    .execute()
}

export type TaskChange = Partial<Pick<TaskRow, 'status' | 'end_reason' | 'started_at' | 'finished_at'>>

export async function updateTask(tx: Tx, taskId: string, change: TaskChange, at: Date): Promise<void> {
  const update = open(tx)
    .updateTable('sign_task')
    .set({ ...change, updated_at: at })
    .where('id', '=', taskId)
  await later(tx, update)
}

export type ActorChange = Partial<
  Pick<ActorRow, 'status' | 'subject_id' | 'person_id' | 'signed_at' | 'certificate_serial' | 'reject_reason'>
>

export async function updateActor(tx: Tx, actorId: string, change: ActorChange): Promise<void> {
  await later(tx, open(tx).updateTable('task_actor').set(change).where('id', '=', actorId))
}

/** Adds the next revision of a document: the bytes of a storage object behind what was there. */
export async function appendSegment(tx: Tx, segment: SegmentRow): Promise<void> {
  const addition = open(tx)
    .with('added', (with_) => with_.insertInto('task_document_segment').values(segment))
    .updateTable('task_document')
    .set({ revision: segment.revision, sha256: segment.sha256, size_bytes: segment.size_bytes })
    .where('id', '=', segment.document_id)
  await later(tx, addition)
}

/** The segments that make a revision, base first. */
export async function readSegments(tx: Tx, documentId: string, revision: number): Promise<SegmentRow[]> {
  return await open(tx)
    .selectFrom('task_document_segment')
    .selectAll()
    .where('document_id', '=', documentId)
    .where('revision', '<=', revision)
    .orderBy('revision')
    .execute()
}

/** All segments of documents, base first. */
export async function readSegmentsOf(tx: Tx, documentIds: readonly string[]): Promise<SegmentRow[]> {
  return await open(tx)
    .selectFrom('task_document_segment')
    .selectAll()
    .where('document_id', '=', sql<string>`any(${documentIds}::uuid[])`)
    .orderBy('revision')
    .execute()
}

/** Which revision of a document has a hash; null when none ever had. */
export async function findRevision(tx: Tx, documentId: string, sha256: string): Promise<number | null> {
  const row = await open(tx)
    .selectFrom('task_document_segment')
    .select('revision')
    .where('document_id', '=', documentId)
    .where('sha256', '=', sha256)
    .executeTakeFirst()
  return row?.revision ?? null
}

export async function findRevisionBySha256(tx: Tx, sha256: string): Promise<{ taskId: string } | null> {
  const row = await open(tx)
    .selectFrom('task_document_segment')
    .innerJoin('sign_task', 'sign_task.id', 'task_document_segment.task_id')
    .select('task_id')
    .where('sha256', '=', sha256)
    // What came with an import was signed elsewhere: nothing here vouches for it.
    .where('sign_task.adopted', '=', false)
    // Revision 0 is the unsigned file, which anybody may have.
    .where('revision', '>', 0)
    .executeTakeFirst()
  return row === undefined ? null : { taskId: row.task_id }
}

export async function insertUrge(tx: Tx, taskId: string, tenantId: string, at: Date): Promise<void> {
  await open(tx).insertInto('task_urge').values({ task_id: taskId, tenant_id: tenantId, at }).execute()
}

/** What billing counts. The key (task, type) makes a second row for one contract impossible. */
export async function insertUsage(tx: Tx, taskId: string, tenantId: string, at: Date): Promise<void> {
  const usage = open(tx)
    .insertInto('usage_event')
    .values({ task_id: taskId, type: 'contract.finished', tenant_id: tenantId, occurred_at: at, quantity: 1 })
  await later(tx, usage)
}

/** Throws a draft away. The database refuses it for anything that was started. */
export async function deleteDraft(tx: Tx, taskId: string): Promise<void> {
  await open(tx).deleteFrom('sign_task').where('id', '=', taskId).execute()
}

export async function insertLink(tx: Tx, link: SignTaskTables['task_link']): Promise<void> {
  await open(tx).insertInto('task_link').values(link).execute()
}

export async function findLink(tx: Tx, tokenHash: Buffer) {
  return await open(tx)
    .selectFrom('task_link')
    .select(['task_id', 'actor_id', 'expires_at'])
    .where('token_hash', '=', tokenHash)
    .executeTakeFirst()
}

export interface TaskListFilter {
  subjectId: string
  status?: TaskStatus
  role?: 'initiated' | 'received'
  q?: string
  /** Only tasks older than this id. */
  beforeId?: string
  limit: number
}

/** Newest first. Row-level security has already cut the list to what the subject may see. */
export async function listTasks(tx: Tx, filter: TaskListFilter): Promise<TaskRow[]> {
  let query = open(tx).selectFrom('sign_task').selectAll().where(stillReadableBy(filter.subjectId))
  if (filter.status !== undefined) query = query.where('status', '=', filter.status)
  if (filter.role === 'initiated') query = query.where('tenant_id', '=', filter.subjectId)
  if (filter.role === 'received') {
    query = query.where('tenant_id', '<>', filter.subjectId)
  }
  if (filter.q !== undefined && filter.q !== '') {
    const pattern = `%${filter.q.replace(/[\\%_]/g, (one) => `\\${one}`)}%`
    query = query.where((where) =>
      where.or([where('title', 'ilike', pattern), where('reference', '=', filter.q ?? '')]),
    )
  }
  if (filter.beforeId !== undefined) query = query.where('id', '<', filter.beforeId)
  return await query.orderBy('id', 'desc').limit(filter.limit).execute()
}

/** Leaves out the contracts to which a subject's access was destroyed: they are hidden from it alone. */
export function stillReadableBy(subjectId: string) {
  return sql<boolean>`not exists (select 1 from task_party p where p.task_id = sign_task.id
    and p.subject_id = ${subjectId} and p.access_destroyed_at is not null)`
}

export async function actorsOf(tx: Tx, taskIds: readonly string[]): Promise<ActorRow[]> {
  if (taskIds.length === 0) return []
  return await open(tx)
    .selectFrom('task_actor')
    .selectAll()
    .where('task_id', 'in', [...taskIds])
    .orderBy('position')
    .execute()
}

/** Tasks whose deadline has passed, a handful at a time. */
export async function overdueTasks(tx: Tx, now: Date, limit: number): Promise<string[]> {
  const rows = await open(tx)
    .selectFrom('sign_task')
    .select('id')
    .where('status', '=', 'signing')
    .where('deadline', '<', now)
    .orderBy('deadline')
    .limit(limit)
    .execute()
  return rows.map((row) => row.id)
}

/** Sets the acting subject of a worker transaction, for the rows that name their tenant. */
export async function actFor(tx: Tx, subjectId: string): Promise<void> {
  await sql`select set_config('app.subject', ${subjectId}, true)`.execute(tx)
}
