import type { AppendedEvent, ChainHead } from '@yinxin/evidence'
import { sql } from 'kysely'
import { later, type Tx } from '#src/db/db.ts'
import type { SealedOpening, StoredOpening } from './openings.ts'
import type { EvidenceTables } from './tables.ts'

export interface StoredEvent {
  seq: number
  entry: string
  hash: string
  logIndex: number | null
}

/** Ends of chains by transaction. Whoever asked for one holds the task's row lock, so it stays true to the end. */
const heads = new WeakMap<Tx, Map<string, () => Promise<ChainHead | null>>>()

/** Asks for the end of a chain with the statement that comes next, for an append later in this transaction. */
export async function expectAppend(tx: Tx, taskId: string): Promise<void> {
  const query = tx
    .$extendTables<EvidenceTables>()
    .selectFrom('task_event')
    .select(['seq', 'hash', 'at'])
    .where('task_id', '=', taskId)
    .orderBy('seq', 'desc')
    .limit(1)
  const { answer } = await later(tx, query)
  remember(tx, taskId, async () => {
    const row = (await answer()).rows[0]
    return row === undefined ? null : { taskId, seq: row.seq, hash: row.hash, at: row.at.toISOString() }
  })
}

/** What this transaction knows of the end of a chain: null before its first event. */
export function keepHead(tx: Tx, taskId: string, head: ChainHead | null): void {
  remember(tx, taskId, async () => head)
}

/** The end of a task's chain; null before its first event. The caller holds the task's row lock. */
export async function readHead(tx: Tx, taskId: string): Promise<ChainHead | null> {
  if (heads.get(tx)?.has(taskId) !== true) await expectAppend(tx, taskId)
  return (await heads.get(tx)?.get(taskId)?.()) ?? null
}

function remember(tx: Tx, taskId: string, head: () => Promise<ChainHead | null>): void {
  const known = heads.get(tx) ?? new Map<string, () => Promise<ChainHead | null>>()
  heads.set(tx, known.set(taskId, head))
}

/** Stores events, the openings of their commitments, and their places in the queue of the log. */
export async function insertEvents(
  tx: Tx,
  tenantId: string,
  events: readonly AppendedEvent[],
  openings: readonly SealedOpening[],
): Promise<void> {
  const rows = events.map(({ event, bytes, hash }) => ({
    ...event,
    entry: Buffer.from(bytes),
    hash,
  }))
  // One statement: every signature writes several events, and each round trip is time under the task's lock.
  const insertion = sql`
    with events as (
      insert into task_event (task_id, seq, tenant_id, type, at, entry, hash)
      select task_id, seq, ${tenantId}::uuid, type, at, convert_from(entry, 'UTF8'), hash
      from unnest(
        ${rows.map((row) => row.taskId)}::uuid[],
        ${rows.map((row) => row.seq)}::integer[],
        ${rows.map((row) => row.type)}::text[],
        ${rows.map((row) => row.at)}::timestamptz[],
        ${rows.map((row) => row.entry)}::bytea[],
        ${rows.map((row) => row.hash)}::text[]
      ) as e (task_id, seq, type, at, entry, hash)
    ), openings as (
      insert into task_event_disclosure (task_id, seq, path, tenant_id, sealed)
      select ${rows[0]?.taskId}::uuid, seq, path, ${tenantId}::uuid, sealed
      from unnest(
        ${openings.map((one) => one.seq)}::integer[],
        ${openings.map((one) => one.path)}::text[],
        ${openings.map((one) => one.sealed)}::bytea[]
      ) as o (seq, path, sealed)
    )
    insert into log_queue (task_id, seq, entry)
    select task_id, seq, entry
    from unnest(
      ${rows.map((row) => row.taskId)}::uuid[],
      ${rows.map((row) => row.seq)}::integer[],
      ${rows.map((row) => row.entry)}::bytea[]
    ) as q (task_id, seq, entry)`
  await later(tx, insertion)
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
): Promise<StoredOpening[]> {
  return await tx
    .$extendTables<EvidenceTables>()
    .selectFrom('task_event_disclosure')
    .select(['seq', 'path', 'tenant_id', 'salt', 'value', 'sealed'])
    .where('task_id', '=', taskId)
    .where('seq', '>=', fromSeq)
    .where('seq', '<=', toSeq)
    .orderBy('seq')
    .orderBy('path')
    .execute()
}

/** Some openings from before they were sealed, all of one task, under lock; empty when none is left. */
export async function claimOpenOpenings(tx: Tx, limit: number) {
  const t = tx.$extendTables<EvidenceTables>()
  const first = await t
    .selectFrom('task_event_disclosure')
    .select('task_id')
    .where('sealed', 'is', null)
    .limit(1)
    .executeTakeFirst()
  if (first === undefined) return []
  return await t
    .selectFrom('task_event_disclosure')
    .select(['task_id', 'seq', 'path', 'tenant_id', 'salt', 'value', 'sealed'])
    .where('task_id', '=', first.task_id)
    .where('sealed', 'is', null)
    .limit(limit)
    .forUpdate()
    .execute()
}

/** Puts the sealed form in the place of the open one. */
export async function replaceOpening(tx: Tx, taskId: string, opening: SealedOpening): Promise<void> {
  await tx
    .$extendTables<EvidenceTables>()
    .updateTable('task_event_disclosure')
    .set({ salt: null, value: null, sealed: opening.sealed })
    .where('task_id', '=', taskId)
    .where('seq', '=', opening.seq)
    .where('path', '=', opening.path)
    .execute()
}

/** Takes the openings of a contract's commitments away; its key is gone already, so nothing could open them. */
export async function deleteDisclosures(tx: Tx, taskId: string): Promise<number> {
  const { numDeletedRows } = await tx
    .$extendTables<EvidenceTables>()
    .deleteFrom('task_event_disclosure')
    .where('task_id', '=', taskId)
    .executeTakeFirst()
  return Number(numDeletedRows)
}
