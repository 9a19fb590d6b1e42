import type { Selectable } from 'kysely'
import type { Tx } from '#src/db/db.ts'
import type { ImportStatus, PortabilityTables } from './tables.ts'

export type ImportRow = Selectable<PortabilityTables['import_job']>
export type ImportPartRow = Selectable<PortabilityTables['import_part']>

const open = (tx: Tx) => tx.$extendTables<PortabilityTables>()
const JOB = [
  'id',
  'tenant_id',
  'status',
  'requested_by',
  'file_name',
  'size_bytes',
  'part_bytes',
  'options',
  'progress',
  'report',
  'problem',
  'created_at',
  'ended_at',
  'expires_at',
] as const
const PART = ['import_id', 'number', 'tenant_id', 'size_bytes', 'sha256', 'object_id'] as const

const json = (value: unknown) => (value === null || value === undefined ? null : JSON.stringify(value))

export async function insertImport(tx: Tx, row: ImportRow): Promise<void> {
  const { requested_by, options, progress, report, problem } = row
  await open(tx)
    .insertInto('import_job')
    .values({
      ...row,
      requested_by: json(requested_by),
      options: json(options),
      progress: json(progress),
      report: json(report),
      problem: json(problem),
    })
    .execute()
}

export async function findImport(tx: Tx, id: string): Promise<ImportRow | undefined> {
  return await open(tx).selectFrom('import_job').select(JOB).where('id', '=', id).executeTakeFirst()
}

export async function lockImport(tx: Tx, id: string): Promise<ImportRow | undefined> {
  return await open(tx)
    .selectFrom('import_job')
    .select(JOB)
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
}

export async function listImports(
  tx: Tx,
  tenantId: string,
  page: { beforeId?: string; limit: number },
): Promise<ImportRow[]> {
  let query = open(tx).selectFrom('import_job').select(JOB).where('tenant_id', '=', tenantId)
  if (page.beforeId !== undefined) query = query.where('id', '<', page.beforeId)
  return await query.orderBy('id', 'desc').limit(page.limit).execute()
}

const LIVING: readonly ImportStatus[] = ['receiving', 'queued', 'working']
export const isLiving = (status: ImportStatus) => LIVING.includes(status)

export async function livingImports(tx: Tx, tenantIds: readonly string[]): Promise<string[]> {
  if (tenantIds.length === 0) return []
  const rows = await open(tx)
    .selectFrom('import_job')
    .select('id')
    .where('tenant_id', 'in', tenantIds)
    .where('status', 'in', LIVING)
    .execute()
  return rows.map((row) => row.id)
}

/** Uploads that nobody started in time. */
export async function overdueImports(tx: Tx, now: Date): Promise<string[]> {
  const rows = await open(tx)
    .selectFrom('import_job')
    .select('id')
    .where('status', '=', 'receiving')
    .where('expires_at', '<', now)
    .limit(100)
    .execute()
  return rows.map((row) => row.id)
}

export async function updateImport(
  tx: Tx,
  id: string,
  change: Partial<Pick<ImportRow, 'status' | 'progress' | 'report' | 'problem' | 'ended_at'>>,
): Promise<void> {
  const { progress, report, problem, ...plain } = change
  await open(tx)
    .updateTable('import_job')
    .set({
      ...plain,
      ...(progress === undefined ? {} : { progress: json(progress) }),
      ...(report === undefined ? {} : { report: json(report) }),
      ...(problem === undefined ? {} : { problem: json(problem) }),
    })
    .where('id', '=', id)
    .execute()
}

export async function partsOfImport(tx: Tx, importId: string): Promise<ImportPartRow[]> {
  return await open(tx)
    .selectFrom('import_part')
    .select(PART)
    .where('import_id', '=', importId)
    .orderBy('number')
    .execute()
}

export async function findImportPart(
  tx: Tx,
  importId: string,
  number: number,
): Promise<ImportPartRow | undefined> {
  return await open(tx)
    .selectFrom('import_part')
    .select(PART)
    .where('import_id', '=', importId)
    .where('number', '=', number)
    .executeTakeFirst()
}

export async function putImportPart(tx: Tx, row: ImportPartRow): Promise<void> {
  await open(tx)
    .insertInto('import_part')
    .values(row)
    .onConflict((conflict) =>
      conflict
        .columns(['import_id', 'number'])
        .doUpdateSet({ size_bytes: row.size_bytes, sha256: row.sha256, object_id: row.object_id }),
    )
    .execute()
}

export async function deleteImportParts(tx: Tx, importId: string): Promise<void> {
  await open(tx).deleteFrom('import_part').where('import_id', '=', importId).execute()
}
