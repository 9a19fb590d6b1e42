import type { Selectable } from 'kysely'
import type { Tx } from '#src/db/db.ts'
import type { FascTables } from './tables.ts'

export type UploadRow = Selectable<FascTables['fasc_upload']>
export type TaskRow = Selectable<FascTables['fasc_task']>
export type FieldRow = Selectable<FascTables['fasc_field']>
export type TokenRow = Selectable<FascTables['fasc_token']>

const open = (tx: Tx) => tx.$extendTables<FascTables>()

const UPLOAD_COLUMNS = [
  'id',
  'tenant_id',
  'app_id',
  'token_hash',
  'state',
  'object_id',
  'file_id',
  'file_name',
  'created_at',
  'expires_at',
] as const

export async function findToken(tx: Tx, appId: string): Promise<TokenRow | undefined> {
  return await open(tx)
    .selectFrom('fasc_token')
    .select(['app_id', 'tenant_id', 'token_hash', 'token_sealed', 'expires_at'])
    .where('app_id', '=', appId)
    .executeTakeFirst()
}

/** The row under a lock, made by `fresh` when there is none: two first calls at once get one token. */
export async function holdToken(tx: Tx, fresh: TokenRow): Promise<TokenRow> {
  await open(tx)
    .insertInto('fasc_token')
    .values(fresh)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  return await open(tx)
    .selectFrom('fasc_token')
    .select(['app_id', 'tenant_id', 'token_hash', 'token_sealed', 'expires_at'])
    .where('app_id', '=', fresh.app_id)
    .forUpdate()
    .executeTakeFirstOrThrow()
}

export async function updateToken(tx: Tx, row: TokenRow): Promise<void> {
  const { app_id, tenant_id: _tenant, ...change } = row
  await open(tx).updateTable('fasc_token').set(change).where('app_id', '=', app_id).execute()
}

/** False when the nonce was used before. */
export async function useNonce(tx: Tx, appId: string, nonce: string, expiresAt: Date): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await open(tx)
    .insertInto('fasc_nonce')
    .values({ app_id: appId, nonce, expires_at: expiresAt })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

export async function forgetNonces(tx: Tx, now: Date): Promise<void> {
  await open(tx).deleteFrom('fasc_nonce').where('expires_at', '<', now).execute()
}

export async function insertUpload(tx: Tx, row: UploadRow): Promise<void> {
  await open(tx).insertInto('fasc_upload').values(row).execute()
}

export async function findUpload(tx: Tx, id: string): Promise<UploadRow | undefined> {
  return await open(tx)
    .selectFrom('fasc_upload')
    .select(UPLOAD_COLUMNS)
    .where('id', '=', id)
    .executeTakeFirst()
}

/** Takes a waiting upload for oneself; undefined when it is unknown, used or too old. */
export async function claimUpload(tx: Tx, tokenHash: Uint8Array, now: Date): Promise<UploadRow | undefined> {
  return await open(tx)
    .updateTable('fasc_upload')
    .set({ state: 'receiving' })
    .where('token_hash', '=', tokenHash)
    .where('state', '=', 'waiting')
    .where('expires_at', '>', now)
    .returning(UPLOAD_COLUMNS)
    .executeTakeFirst()
}

export async function updateUpload(
  tx: Tx,
  id: string,
  change: Partial<Pick<UploadRow, 'state' | 'object_id' | 'file_id' | 'file_name'>>,
): Promise<void> {
  await open(tx).updateTable('fasc_upload').set(change).where('id', '=', id).execute()
}

/** Numbers of seals, given on first sight. */
export async function sealNumbers(
  tx: Tx,
  tenantId: string,
  sealIds: readonly string[],
): Promise<Map<string, number>> {
  const read = async () => {
    if (sealIds.length === 0) return new Map<string, number>()
    const rows = await open(tx)
      .selectFrom('fasc_seal')
      .select(['seal_no', 'seal_id'])
      .where('seal_id', 'in', [...sealIds])
      .execute()
    return new Map(rows.map((row) => [row.seal_id, row.seal_no]))
  }
  const known = await read()
  const fresh = sealIds.filter((id) => !known.has(id))
  if (fresh.length === 0) return known
  await open(tx)
    .insertInto('fasc_seal')
    .values(fresh.map((id) => ({ seal_id: id, tenant_id: tenantId })))
    .onConflict((conflict) => conflict.column('seal_id').doNothing())
    .execute()
  return await read()
}

export async function sealByNumber(tx: Tx, sealNo: number): Promise<string | undefined> {
  const row = await open(tx)
    .selectFrom('fasc_seal')
    .select('seal_id')
    .where('seal_no', '=', sealNo)
    .executeTakeFirst()
  return row?.seal_id
}

export async function insertTask(tx: Tx, row: TaskRow): Promise<void> {
  await open(tx)
    .insertInto('fasc_task')
    .values({ ...row, echo: JSON.stringify(row.echo) })
    .execute()
}

export async function findTask(tx: Tx, taskId: string): Promise<TaskRow | undefined> {
  return await open(tx)
    .selectFrom('fasc_task')
    .select(['task_id', 'tenant_id', 'app_id', 'callback_url', 'echo'])
    .where('task_id', '=', taskId)
    .executeTakeFirst()
}

/** What was given to get back, by task. */
export async function echoes(tx: Tx, taskIds: readonly string[]): Promise<Map<string, unknown>> {
  if (taskIds.length === 0) return new Map()
  const rows = await open(tx)
    .selectFrom('fasc_task')
    .select(['task_id', 'echo'])
    .where('task_id', 'in', [...taskIds])
    .execute()
  return new Map(rows.map((row) => [row.task_id, row.echo]))
}

export async function insertFields(tx: Tx, rows: readonly FieldRow[]): Promise<void> {
  if (rows.length > 0)
    await open(tx)
      .insertInto('fasc_field')
      .values([...rows])
      .execute()
}

export async function readFields(tx: Tx, taskId: string): Promise<FieldRow[]> {
  return await open(tx)
    .selectFrom('fasc_field')
    .select([
      'task_id',
      'tenant_id',
      'doc_ref',
      'field_id',
      'field_name',
      'field_type',
      'page',
      'x',
      'y',
      'width',
      'height',
      'actor_ref',
      'seal_no',
    ])
    .where('task_id', '=', taskId)
    .orderBy('doc_ref')
    .orderBy('field_id')
    .execute()
}

export async function bindField(
  tx: Tx,
  field: Pick<FieldRow, 'task_id' | 'doc_ref' | 'field_id'>,
  to: { actor_ref: string; seal_no: number | null },
): Promise<void> {
  await open(tx)
    .updateTable('fasc_field')
    .set(to)
    .where('task_id', '=', field.task_id)
    .where('doc_ref', '=', field.doc_ref)
    .where('field_id', '=', field.field_id)
    .execute()
}

/** What a client gave with a contract, and the fields it announced. Uploads belong to the files they became. */
export async function forgetTask(tx: Tx, taskId: string, fileIds: readonly string[]): Promise<number> {
  await open(tx).deleteFrom('fasc_field').where('task_id', '=', taskId).execute()
  await open(tx)
    .updateTable('fasc_task')
    .set({ echo: JSON.stringify({}), callback_url: null })
    .where('task_id', '=', taskId)
    .execute()
  if (fileIds.length === 0) return 0
  const { numUpdatedRows } = await open(tx)
    .updateTable('fasc_upload')
    .set({ file_name: null })
    .where('file_id', 'in', [...fileIds])
    .executeTakeFirst()
  return Number(numUpdatedRows)
}

/** The objects as which files first came; each has a key of its own, under the upload's id. */
export async function uploadsOf(
  tx: Tx,
  fileIds: readonly string[],
): Promise<{ scopeId: string; objectId: string }[]> {
  if (fileIds.length === 0) return []
  const rows = await open(tx)
    .selectFrom('fasc_upload')
    .select(['id', 'object_id'])
    .where('file_id', 'in', [...fileIds])
    .execute()
  return rows.flatMap((row) => (row.object_id === null ? [] : [{ scopeId: row.id, objectId: row.object_id }]))
}
