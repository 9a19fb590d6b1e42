import type { AppendedEvent, ChainHead, Disclosure } from '@yinxin/evidence'
import type { Tx } from '#src/db/db.ts'
import type { EvidenceTables } from './tables.ts'

export interface StoredEvent {
  seq: number
  entry: string
  hash: string
  logIndex: number | null
}

/** The end of a task's chain; null before its first event. The caller holds the task's row lock. */
export async function readHead(tx: Tx, taskId: string): Promise<ChainHead | null> {
  const row = await tx
    .$extendTables<EvidenceTables>()
    .selectFrom('task_event')
    .select(['seq', 'hash', 'at'])
    .where('task_id', '=', taskId)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row === undefined ? null : { taskId, seq: row.seq, hash: row.hash, at: row.at.toISOString() }
}

/** Stores events, the openings of their commitments, and their places in the queue of the log. */
export async function insertEvents(
  tx: Tx,
  tenantId: string,
  events: readonly { appended: AppendedEvent; disclosures: readonly Disclosure[] }[],
): Promise<void> {
  const t = tx.$extendTables<EvidenceTables>()
  await t
    .insertInto('task_event')
    .values(
      events.map(({ appended: { event, bytes, hash } }) => ({
        task_id: event.taskId,
        seq: event.seq,
        tenant_id: tenantId,
        type: event.type,
        at: new Date(event.at),
        entry: Buffer.from(bytes).toString('utf8'),
        hash,
      })),
    )
    .execute()
  const disclosures = events.flatMap(({ appended, disclosures }) =>
    disclosures.map((one) => ({ ...one, task_id: appended.event.taskId, tenant_id: tenantId })),
  )
  if (disclosures.length > 0) await t.insertInto('task_event_disclosure').values(disclosures).execute()
  await t
    .insertInto('log_queue')
    .values(
      events.map(({ appended: { event, bytes } }) => ({
        task_id: event.taskId,
        seq: event.seq,
        entry: Buffer.from(bytes),
      })),
    )
    .execute()
}

/** Events of a task from a sequence number on; row-level security decides whether the reader sees them. */
export async function readEvents(tx: Tx, taskId: string, fromSeq: number, limit: number) {
  return await tx
    .$extendTables<EvidenceTables>()
    .selectFrom('task_event')
    .select(['seq', 'entry', 'hash'])
    .where('task_id', '=', taskId)
    .where('seq', '>=', fromSeq)
    .orderBy('seq')
    .limit(limit)
    .execute()
}

/** The openings of the commitments of those events. */
export async function readDisclosures(
  tx: Tx,
  taskId: string,
  fromSeq: number,
  toSeq: number,
): Promise<Disclosure[]> {
  return await tx
    .$extendTables<EvidenceTables>()
    .selectFrom('task_event_disclosure')
    .select(['seq', 'path', 'salt', 'value'])
    .where('task_id', '=', taskId)
    .where('seq', '>=', fromSeq)
    .where('seq', '<=', toSeq)
    .orderBy('seq')
    .orderBy('path')
    .execute()
}
