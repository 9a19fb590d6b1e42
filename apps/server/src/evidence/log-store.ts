import type { HashReader, MerkleNode, StoredNode } from '@yinxin/evidence'
import { sql } from 'kysely'
import type { Tx } from '#src/db/db.ts'
import type { EvidenceTables } from './tables.ts'

/** One integrator over all processes: whoever holds this transaction lock extends the log. */
const LOG_LOCK = 8_420_040
/** Leaves in one checkpoint; more wait for the next round. */
export const BATCH_MAX = 4096

export interface LogCheckpoint {
  size: number
  root: Uint8Array
  note: string
}

export async function lockLog(tx: Tx): Promise<void> {
  await sql`select pg_advisory_xact_lock(${LOG_LOCK})`.execute(tx)
}

/** Takes the waiting entries out of the queue, oldest first. */
export async function takeQueue(tx: Tx) {
  const rows = await sql<{ id: number; task_id: string; seq: number | null; entry: Buffer }>`
    delete from log_queue
    where id in (select id from log_queue order by id limit ${BATCH_MAX})
    returning id, task_id, seq, entry`.execute(tx)
  return rows.rows.sort((a, b) => a.id - b.id)
}

export async function insertLeaves(
  tx: Tx,
  firstIndex: number,
  leaves: readonly { task_id: string; seq: number | null; entry: Buffer }[],
): Promise<void> {
  await sql`
    insert into log_leaf (log_index, task_id, seq, entry)
    select * from unnest(
      ${leaves.map((_, i) => firstIndex + i)}::bigint[],
      ${leaves.map((leaf) => leaf.task_id)}::uuid[],
      ${leaves.map((leaf) => leaf.seq)}::integer[],
      ${leaves.map((leaf) => leaf.entry)}::bytea[])`.execute(tx)
}

export async function insertNodes(tx: Tx, nodes: readonly StoredNode[]): Promise<void> {
  await sql`
    insert into log_node (level, node_index, hash)
    select * from unnest(
      ${nodes.map((node) => node.level)}::smallint[],
      ${nodes.map((node) => node.index)}::bigint[],
      ${nodes.map((node) => Buffer.from(node.hash))}::bytea[])`.execute(tx)
}

/** Fetches stored subtrees in one query and returns the reader over them. */
export async function readNodes(tx: Tx, wanted: readonly MerkleNode[]): Promise<HashReader> {
  const { rows } = await sql<{ level: number; node_index: number; hash: Buffer }>`
    select n.level, n.node_index, n.hash
    from unnest(${wanted.map((node) => node.level)}::smallint[], ${wanted.map((node) => node.index)}::bigint[])
      as w (level, node_index)
    join log_node n using (level, node_index)`.execute(tx)
  const found = new Map(rows.map((row) => [`${row.level}/${row.node_index}`, row.hash]))
  return (level, index) => {
    const hash = found.get(`${level}/${index}`)
    if (hash === undefined) throw new Error(`the log misses its node ${level}/${index}`)
    return hash
  }
}

export async function latestCheckpoint(tx: Tx): Promise<LogCheckpoint | null> {
  const row = await tx
    .$extendTables<EvidenceTables>()
    .selectFrom('log_checkpoint')
    .select(['size', 'root', 'note'])
    .orderBy('size', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ?? null
}

export async function insertCheckpoint(tx: Tx, checkpoint: LogCheckpoint, at: Date): Promise<void> {
  await tx
    .$extendTables<EvidenceTables>()
    .insertInto('log_checkpoint')
    .values({ size: checkpoint.size, root: Buffer.from(checkpoint.root), note: checkpoint.note, at })
    .execute()
}

/** The newest checkpoint that carries a timestamp, if it reaches a size. */
export async function timestampedCheckpoint(tx: Tx, minSize: number) {
  const row = await tx
    .$extendTables<EvidenceTables>()
    .selectFrom('log_checkpoint as c')
    .innerJoin('log_checkpoint_timestamp as t', 't.size', 'c.size')
    .select(['c.size', 'c.root', 'c.note', 't.token'])
    .where('c.size', '>=', minSize)
    // One of a generation before the current one does not lead to what is signed now.
    .where('c.size', '>', sql<number>`(select coalesce(max(first_size), 0) from log_generation)`)
    .orderBy('c.size', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ?? null
}

export async function isTimestamped(tx: Tx, size: number): Promise<boolean> {
  const row = await tx
    .$extendTables<EvidenceTables>()
    .selectFrom('log_checkpoint_timestamp')
    .select('size')
    .where('size', '=', size)
    .executeTakeFirst()
  return row !== undefined
}

/** Two processes may stamp the same checkpoint; the first token stays. */
export async function insertTimestamp(
  tx: Tx,
  size: number,
  stamp: { token: Uint8Array; genTime: Date; authority: string },
): Promise<void> {
  await tx
    .$extendTables<EvidenceTables>()
    .insertInto('log_checkpoint_timestamp')
    .values({
      size,
      token: Buffer.from(stamp.token),
      gen_time: stamp.genTime,
      authority: stamp.authority,
    })
    .onConflict((conflict) => conflict.column('size').doNothing())
    .execute()
}

/** Positions in the log by number of event; events still in the queue are missing. */
export async function leafIndexes(tx: Tx, taskId: string): Promise<Map<number, number>> {
  const rows = await tx
    .$extendTables<EvidenceTables>()
    .selectFrom('log_leaf')
    .select(['seq', 'log_index'])
    .where('task_id', '=', taskId)
    .where('seq', 'is not', null)
    .execute()
  return new Map(rows.map((row) => [row.seq as number, row.log_index]))
}

export async function enqueueEntry(tx: Tx, taskId: string, entry: Uint8Array): Promise<void> {
  await tx
    .$extendTables<EvidenceTables>()
    .insertInto('log_queue')
    .values({ task_id: taskId, seq: null, entry: Buffer.from(entry) })
    .execute()
}

/** Position of an entry that stands for a package and not for an event. */
export async function entryIndex(tx: Tx, taskId: string, entry: Uint8Array): Promise<number | null> {
  const row = await tx
    .$extendTables<EvidenceTables>()
    .selectFrom('log_leaf')
    .select('log_index')
    .where('task_id', '=', taskId)
    .where('seq', 'is', null)
    .where('entry', '=', Buffer.from(entry))
    .orderBy('log_index', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.log_index ?? null
}

export async function readEntries(tx: Tx, from: number, count: number): Promise<Uint8Array[]> {
  const rows = await tx
    .$extendTables<EvidenceTables>()
    .selectFrom('log_leaf')
    .select('entry')
    .where('log_index', '>=', from)
    .where('log_index', '<', from + count)
    .orderBy('log_index')
    .execute()
  return rows.map((row) => row.entry)
}
