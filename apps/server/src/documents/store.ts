import type { Tx } from '#src/db/db.ts'
import type { FileDetails } from './documents.ts'
import type { DocumentTables, PageSize } from './tables.ts'

export async function insertFile(tx: Tx, tenantId: string, file: FileDetails): Promise<void> {
  await tx
    .$extendTables<DocumentTables>()
    .insertInto('file')
    .values({
      id: file.id,
      tenant_id: tenantId,
      name: file.name,
      object_id: file.objectId,
      size_bytes: file.sizeBytes,
      sha256: file.sha256,
      page_count: file.pageCount,
      pages: JSON.stringify(file.pages),
      signature_count: file.signatureCount,
      created_at: file.createdAt,
    })
    .execute()
}

export async function findFile(tx: Tx, tenantId: string, fileId: string): Promise<FileDetails | undefined> {
  const row = await tx
    .$extendTables<DocumentTables>()
    .selectFrom('file')
    .select([
      'id',
      'name',
      'object_id',
      'size_bytes',
      'sha256',
      'page_count',
      'pages',
      'signature_count',
      'created_at',
    ])
    .where('id', '=', fileId)
    .where('tenant_id', '=', tenantId)
    .executeTakeFirst()
  return (
    row && {
      id: row.id,
      name: row.name,
      objectId: row.object_id,
      sizeBytes: row.size_bytes,
      sha256: row.sha256,
      pageCount: row.page_count,
      pages: row.pages as PageSize[],
      signatureCount: row.signature_count,
      createdAt: row.created_at,
    }
  )
}

/** Takes the name off files, and tells which objects they are. */
export async function forgetFiles(
  tx: Tx,
  tenantId: string,
  fileIds: readonly string[],
): Promise<{ fileId: string; objectId: string }[]> {
  if (fileIds.length === 0) return []
  const rows = await tx
    .$extendTables<DocumentTables>()
    .updateTable('file')
    .set({ name: '' })
    .where('id', 'in', [...fileIds])
    .where('tenant_id', '=', tenantId)
    .returning(['id', 'object_id'])
    .execute()
  return rows.map((row) => ({ fileId: row.id, objectId: row.object_id }))
}
