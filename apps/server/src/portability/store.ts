import { type Selectable, sql } from 'kysely'
import type { Tx } from '#src/db/db.ts'
import type { ExportStatus, PortabilityTables } from './tables.ts'

export type ExportRow = Selectable<PortabilityTables['export_job']>
export type ItemRow = Selectable<PortabilityTables['export_item']>
export type EntryRow = Selectable<PortabilityTables['export_entry']>
export type LossRow = Selectable<PortabilityTables['export_loss']>
export type PartRow = Selectable<PortabilityTables['export_part']>

const open = (tx: Tx) => tx.$extendTables<PortabilityTables>()
const JOB = [
  'id',
  'tenant_id',
  'status',
  'requested_by',
  'lang',
  'since',
  'snapshot_at',
  'counts',
  'part_bytes',
  'size_bytes',
  'entry_count',
  'manifest_sha256',
  'problem',
  'bucket',
  'bucket_secret_sealed',
  'upload_id',
  'delivered_at',
  'announced_at',
  'created_at',
  'ready_at',
  'expires_at',
  'loss_count',
  'resume_at',
] as const

export async function insertExport(tx: Tx, row: ExportRow): Promise<void> {
  await open(tx)
    .insertInto('export_job')
    .values({
      ...row,
      requested_by: JSON.stringify(row.requested_by),
      counts: row.counts === null ? null : JSON.stringify(row.counts),
      bucket: row.bucket === null ? null : JSON.stringify(row.bucket),
    })
    .execute()
}

export async function findExport(tx: Tx, id: string): Promise<ExportRow | undefined> {
  return await open(tx).selectFrom('export_job').select(JOB).where('id', '=', id).executeTakeFirst()
}

export async function lockExport(tx: Tx, id: string): Promise<ExportRow | undefined> {
  return await open(tx)
    .selectFrom('export_job')
    .select(JOB)
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
}

export async function runningExport(tx: Tx, tenantId: string): Promise<string | undefined> {
  const row = await open(tx)
    .selectFrom('export_job')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('status', 'in', ['queued', 'collecting'])
    .executeTakeFirst()
  return row?.id
}

export async function listExports(
  tx: Tx,
  tenantId: string,
  page: { beforeId?: string; limit: number },
): Promise<ExportRow[]> {
  let query = open(tx).selectFrom('export_job').select(JOB).where('tenant_id', '=', tenantId)
  if (page.beforeId !== undefined) query = query.where('id', '<', page.beforeId)
  return await query.orderBy('id', 'desc').limit(page.limit).execute()
}

export async function updateExport(tx: Tx, id: string, change: Partial<ExportRow>): Promise<void> {
  const { counts, bucket, requested_by, ...plain } = change
  await open(tx)
    .updateTable('export_job')
    .set({ ...plain, ...(counts === undefined ? {} : { counts: JSON.stringify(counts) }) })
    .where('id', '=', id)
    .execute()
}

/** Exports whose archive is over its time. */
export async function overdueExports(tx: Tx, now: Date): Promise<string[]> {
  const rows = await open(tx)
    .selectFrom('export_job')
    .select('id')
    .where('status', '=', 'ready')
    .where('expires_at', '<', now)
    .limit(100)
    .execute()
  return rows.map((row) => row.id)
}

const ROWS_AT_A_TIME = 500

export async function insertItems(tx: Tx, rows: readonly ItemRow[]): Promise<void> {
  for (let at = 0; at < rows.length; at += ROWS_AT_A_TIME) {
    const values = rows
      .slice(at, at + ROWS_AT_A_TIME)
      .map((row) => ({ ...row, detail: JSON.stringify(row.detail) }))
    await open(tx).insertInto('export_item').values(values).execute()
  }
}

/** How often the items that wait were tried in vain, the least of them; undefined when none waits. */
export async function waitingRound(tx: Tx, exportId: string): Promise<number | undefined> {
  const row = await open(tx)
    .selectFrom('export_item')
    .select('tries')
    .where('export_id', '=', exportId)
    .where('state', '=', 'waiting')
    .orderBy('tries')
    .limit(1)
    .executeTakeFirst()
  return row?.tries
}

export async function waitingItems(
  tx: Tx,
  exportId: string,
  tries: number,
  limit: number,
): Promise<ItemRow[]> {
  return await open(tx)
    .selectFrom('export_item')
    .select(['export_id', 'position', 'tenant_id', 'kind', 'subject_id', 'detail', 'state', 'tries'])
    .where('export_id', '=', exportId)
    .where('state', '=', 'waiting')
    .where('tries', '=', tries)
    .orderBy('position')
    .limit(limit)
    .execute()
}

export async function settleItem(
  tx: Tx,
  exportId: string,
  position: number,
  state: 'done' | 'gone' | 'lost',
): Promise<void> {
  await open(tx)
    .updateTable('export_item')
    .set({ state })
    .where('export_id', '=', exportId)
    .where('position', '=', position)
    .execute()
}

/** Could not be read: its turn comes again. */
export async function postponeItem(tx: Tx, exportId: string, position: number): Promise<void> {
  await open(tx)
    .updateTable('export_item')
    .set((row) => ({ tries: row('tries', '+', 1) }))
    .where('export_id', '=', exportId)
    .where('position', '=', position)
    .execute()
}

export async function insertLosses(tx: Tx, rows: readonly LossRow[]): Promise<void> {
  if (rows.length > 0) await open(tx).insertInto('export_loss').values(rows).execute()
}

/** What an export declares as lost, in the order of paths. */
export async function lossesOf(tx: Tx, exportId: string, limit?: number): Promise<LossRow[]> {
  let query = open(tx)
    .selectFrom('export_loss')
    .select(['export_id', 'path', 'tenant_id', 'subject_id', 'reason', 'size_bytes', 'sha256'])
    .where('export_id', '=', exportId)
    .orderBy('path')
  if (limit !== undefined) query = query.limit(limit)
  return await query.execute()
}

export async function goneContracts(tx: Tx, exportId: string): Promise<string[]> {
  const rows = await open(tx)
    .selectFrom('export_item')
    .select('subject_id')
    .where('export_id', '=', exportId)
    .where('state', '=', 'gone')
    .orderBy('position')
    .execute()
  return rows.map((row) => row.subject_id)
}

export async function itemProgress(tx: Tx, exportId: string): Promise<{ items: number; settled: number }> {
  const { rows } = await sql<{ items: number; settled: number }>`
    select count(*) as items, count(*) filter (where state <> 'waiting') as settled
    from export_item where export_id = ${exportId}`.execute(tx)
  return rows[0] ?? { items: 0, settled: 0 }
}

/** Archives that hold something of a contract or a file. */
export async function exportsHolding(tx: Tx, subjectIds: readonly string[]): Promise<string[]> {
  const rows = await open(tx)
    .selectFrom('export_item')
    .innerJoin('export_job', 'export_job.id', 'export_item.export_id')
    .select('export_job.id')
    .distinct()
    .where('export_item.subject_id', 'in', subjectIds)
    .where('export_job.status', 'in', ['queued', 'collecting', 'ready'])
    .execute()
  return rows.map((row) => row.id)
}

export async function insertEntries(tx: Tx, rows: readonly EntryRow[]): Promise<void> {
  for (let at = 0; at < rows.length; at += ROWS_AT_A_TIME) {
    const values = rows
      .slice(at, at + ROWS_AT_A_TIME)
      .map((row) => ({ ...row, pieces: JSON.stringify(row.pieces) }))
    await open(tx).insertInto('export_entry').values(values).execute()
  }
}

const ENTRY = [
  'export_id',
  'position',
  'tenant_id',
  'archive_offset',
  'path',
  'role',
  'size_bytes',
  'sha256',
  'sm3',
  'pieces',
] as const

/** Entries in archive order, from a position on. */
export async function entriesFrom(
  tx: Tx,
  exportId: string,
  position: number,
  limit: number,
): Promise<EntryRow[]> {
  return await open(tx)
    .selectFrom('export_entry')
    .select(ENTRY)
    .where('export_id', '=', exportId)
    .where('position', '>=', position)
    .orderBy('position')
    .limit(limit)
    .execute()
}

/** The entry in which a byte of the archive lies; undefined before the first one is there. */
export async function entryAt(tx: Tx, exportId: string, offset: number): Promise<EntryRow | undefined> {
  return await open(tx)
    .selectFrom('export_entry')
    .select(ENTRY)
    .where('export_id', '=', exportId)
    .where('archive_offset', '<=', offset)
    .orderBy('archive_offset', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** Objects that were made for an export alone. */
export async function generatedObjects(tx: Tx, exportId: string): Promise<string[]> {
  const { rows } = await sql<{ object_id: string }>`
    select piece ->> 'objectId' as object_id from export_entry, jsonb_array_elements(pieces) as piece
    where export_id = ${exportId} and piece ? 'generated'`.execute(tx)
  return rows.map((row) => row.object_id)
}

/** An archive that nobody may read any more: only what it was stays, as counts. */
export async function deleteContents(tx: Tx, exportId: string): Promise<void> {
  for (const table of ['export_entry', 'export_part', 'export_item', 'export_loss'] as const)
    await open(tx).deleteFrom(table).where('export_id', '=', exportId).execute()
}

export async function insertParts(tx: Tx, rows: readonly PartRow[]): Promise<void> {
  for (let at = 0; at < rows.length; at += ROWS_AT_A_TIME)
    await open(tx)
      .insertInto('export_part')
      .values(rows.slice(at, at + ROWS_AT_A_TIME))
      .execute()
}

export async function listParts(
  tx: Tx,
  exportId: string,
  page: { after: number; limit: number },
): Promise<PartRow[]> {
  return await open(tx)
    .selectFrom('export_part')
    .select(['export_id', 'number', 'tenant_id', 'size_bytes', 'sha256', 'etag'])
    .where('export_id', '=', exportId)
    .where('number', '>', page.after)
    .orderBy('number')
    .limit(page.limit)
    .execute()
}

export async function setEtag(tx: Tx, exportId: string, number: number, etag: string): Promise<void> {
  await open(tx)
    .updateTable('export_part')
    .set({ etag })
    .where('export_id', '=', exportId)
    .where('number', '=', number)
    .execute()
}

export const isOver = (status: ExportStatus) => !['queued', 'collecting', 'ready'].includes(status)
