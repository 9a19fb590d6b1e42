/**
 * What is left of a contract when it is destroyed: its row, its numbers and its places in the log. Everything that
 * tells of its content or of people goes.
 */
import { sql } from 'kysely'
import type { Tx } from '#src/db/db.ts'
import type { SignTaskTables } from './tables.ts'

const open = (tx: Tx) => tx.$extendTables<SignTaskTables>()

/** Notes that a party can no longer read (worker role). The database keeps it from coming back. */
export async function endAccess(tx: Tx, taskId: string, subjectId: string, at: Date): Promise<void> {
  await open(tx)
    .updateTable('task_party')
    .set({ access_destroyed_at: at })
    .where('task_id', '=', taskId)
    .where('subject_id', '=', subjectId)
    .where('access_destroyed_at', 'is', null)
    .execute()
}

/** Parties of a contract, and whether each can still read it. */
export async function partiesOf(
  tx: Tx,
  taskId: string,
): Promise<{ subjectId: string; endedAt: Date | null }[]> {
  const rows = await open(tx)
    .selectFrom('task_party')
    .select(['subject_id', 'access_destroyed_at'])
    .where('task_id', '=', taskId)
    .orderBy('subject_id')
    .execute()
  return rows.map((row) => ({ subjectId: row.subject_id, endedAt: row.access_destroyed_at }))
}

/** Everything that is stored of a contract's documents. */
export async function objectsOf(tx: Tx, taskId: string): Promise<{ objectId: string; documentId: string }[]> {
  const rows = await open(tx)
    .selectFrom('task_document_segment')
    .select(['object_id', 'document_id'])
    .where('task_id', '=', taskId)
    .orderBy('document_id')
    .orderBy('revision')
    .execute()
  return rows.map((row) => ({ objectId: row.object_id, documentId: row.document_id }))
}

/** Contracts that are not destroyed, in pages by id. */
export async function livingTasks(tx: Tx, afterId: string, limit: number): Promise<string[]> {
  const rows = await open(tx)
    .selectFrom('sign_task')
    .select('id')
    .where('destroyed_at', 'is', null)
    .where('id', '>', afterId)
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map((row) => row.id)
}

/** Uploaded files that no other contract needs: those of others that were destroyed do not count. */
export async function filesOnlyOf(tx: Tx, taskId: string): Promise<string[]> {
  const { rows } = await sql<{ file_id: string }>`
    select distinct d.file_id from task_document d
    where d.task_id = ${taskId} and not exists (
      select 1 from task_document other join sign_task t on t.id = other.task_id
      where other.file_id = d.file_id and other.task_id <> d.task_id and t.destroyed_at is null)`.execute(tx)
  return rows.map((row) => row.file_id)
}

/** Leaves a tombstone (worker role). Returns how many rows lost something. */
export async function forgetTask(tx: Tx, taskId: string, at: Date): Promise<number> {
  for (const table of ['task_field', 'task_link', 'task_urge'] as const)
    await open(tx).deleteFrom(table).where('task_id', '=', taskId).execute()
  const documents = await sql`
    update task_document set name = '', ref = position::text, pages = '[]' where task_id = ${taskId}`.execute(
    tx,
  )
  const actors = await sql`
    update task_actor set name = '', ref = position::text, mobile = null, email = null, reject_reason = null
    where task_id = ${taskId}`.execute(tx)
  await open(tx)
    .updateTable('sign_task')
    .set({
      // Only a restored database destroys what it believes to be signed now: nobody is to be asked or reminded again.
      status: sql`case when status = 'signing' then 'canceled' else status end`,
      title: '',
      initiator_name: '',
      reference: null,
      end_reason: null,
      destroyed_at: at,
      updated_at: at,
    })
    .where('id', '=', taskId)
    .execute()
  return Number(documents.numAffectedRows ?? 0) + Number(actors.numAffectedRows ?? 0) + 1
}
