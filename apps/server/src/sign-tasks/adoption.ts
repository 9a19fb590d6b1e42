/** Contracts that were signed on another installation, written as they came: nothing happens to them by it. */
import type { Tx } from '#src/db/db.ts'
import {
  type ActorRow,
  appendSegment,
  type DocumentRow,
  type FieldRow,
  insertActors,
  insertDocuments,
  insertFields,
  insertTask,
  type SegmentRow,
  type TaskRow,
} from './store.ts'

export interface AdoptedTask {
  row: TaskRow
  documents: readonly DocumentRow[]
  actors: readonly ActorRow[]
  fields: readonly FieldRow[]
  /** Of all documents, base first in each. */
  segments: readonly SegmentRow[]
}

/** Writes an ended contract of another installation (worker role). Its holder here is its only party. */
export async function adoptTask(tx: Tx, task: AdoptedTask): Promise<void> {
  await insertTask(tx, { ...task.row, adopted: true })
  await insertDocuments(
    tx,
    task.documents.map(({ revision: _, ...document }) => document),
  )
  await insertActors(tx, task.actors)
  await insertFields(tx, task.fields)
  for (const segment of task.segments) await appendSegment(tx, segment)
}
