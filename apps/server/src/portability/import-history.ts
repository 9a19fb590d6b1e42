/** The record of actions of another installation: kept apart, read only, held by the hash that its log vouches for. */
import { createHash } from 'node:crypto'
import { collectBytes, EXPORT_TAIL, writeZip } from '@yinxin/evidence'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Storage } from '#src/storage/storage.ts'
import { refuse } from './errors.ts'
import type { ImporterDeps } from './import.ts'
import type { Checked } from './import-check.ts'
import type { PortabilityTables } from './tables.ts'

const AUDIT = 'tables/audit.jsonl'
/** What an import keeps of a bundle for this: the record, and everything that binds it. */
export const HISTORY_ENTRIES: readonly string[] = [AUDIT, ...EXPORT_TAIL]

const COLUMNS = [
  'id',
  'export_id',
  'source_tenant_id',
  'source_tenant_name',
  'origin',
  'snapshot_at',
  'manifest_sha256',
  'records',
  'audit_object',
  'audit_sha256',
  'proof_object',
  'imported_at',
] as const

const open = (tx: Tx) => tx.$extendTables<PortabilityTables>()

export function createHistoryKeeper({ db, clock, kms, storage, audit }: ImporterDeps) {
  return {
    async keep(
      checked: Checked,
      corpId: string,
      bound: ReadonlyMap<string, Uint8Array>,
    ): Promise<'imported' | 'unchanged'> {
      const { manifest, manifestSha256 } = checked
      const there = await db.ask((tx) =>
        open(tx)
          .selectFrom('imported_history')
          .select('id')
          .where('tenant_id', '=', corpId)
          .where('export_id', '=', manifest.exportId)
          .executeTakeFirst(),
      )
      if (there !== undefined) return 'unchanged'
      const record = bound.get(AUDIT)
      if (record === undefined) throw refuse('import_bundle_bad', { problem: AUDIT })
      const id = newId(clock.now().getTime())
      await kms.createScopeKey(corpId, id)
      const put = (content: Uint8Array) =>
        storage.put({ tenantId: corpId, scopeId: id, class: 'signed', content })
      const kept = await put(record)
      const proof = EXPORT_TAIL.map((name) => ({ name, content: bound.get(name) ?? new Uint8Array() }))
      const proofKept = await put(await collectBytes(writeZip(proof)))
      await db.work(async (tx) => {
        await storage.record(tx, [kept, proofKept])
        await open(tx)
          .insertInto('imported_history')
          .values({
            id,
            tenant_id: corpId,
            export_id: manifest.exportId,
            source_tenant_id: manifest.tenant.id,
            source_tenant_name: manifest.tenant.name,
            origin: manifest.log.origin,
            snapshot_at: new Date(manifest.snapshotAt),
            manifest_sha256: manifestSha256,
            records: linesOf(record).length,
            audit_object: kept.id,
            audit_sha256: kept.sha256,
            proof_object: proofKept.id,
            imported_at: clock.now(),
          })
          .execute()
        await audit.record(tx, {
          tenantId: corpId,
          caller: { kind: 'system', duty: 'import' },
          action: 'history.imported',
          subjectKind: 'history',
          subjectId: id,
          data: { exportId: manifest.exportId, origin: manifest.log.origin, sha256: kept.sha256 },
        })
      })
      return 'imported'
    },
  }
}

const linesOf = (bytes: Uint8Array) =>
  Buffer.from(bytes)
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')

export function createHistories({ db, storage }: { db: Db; storage: Pick<Storage, 'read'> }) {
  async function find(tenantId: string, id: string) {
    const row = await db.ask((tx) =>
      open(tx)
        .selectFrom('imported_history')
        .select(COLUMNS)
        .where('tenant_id', '=', tenantId)
        .where('id', '=', id)
        .executeTakeFirst(),
    )
    if (row === undefined) throw refuse('import_not_found')
    return row
  }

  /** Every reading holds it to the hash that it came with. */
  async function record(tenantId: string, id: string): Promise<Buffer> {
    const row = await find(tenantId, id)
    const bytes = await storage.read(row.audit_object)
    if (createHash('sha256').update(bytes).digest('hex') !== row.audit_sha256)
      throw new Error(`the imported record ${id} does not have its hash`)
    return bytes
  }

  return {
    async list(tenantId: string) {
      const rows = await db.ask((tx) =>
        open(tx)
          .selectFrom('imported_history')
          .select(COLUMNS)
          .where('tenant_id', '=', tenantId)
          .orderBy('id', 'desc')
          .limit(100)
          .execute(),
      )
      return rows.map((row) => ({
        id: row.id,
        exportId: row.export_id,
        sourceName: row.source_tenant_name,
        origin: row.origin,
        snapshotAt: row.snapshot_at,
        records: row.records,
        sha256: row.audit_sha256,
        manifestSha256: row.manifest_sha256,
        importedAt: row.imported_at,
      }))
    },
    record,
    /** List, manifest, log proof and timestamp, as they came. */
    async proof(tenantId: string, id: string): Promise<Buffer> {
      return await storage.read((await find(tenantId, id)).proof_object)
    },
  }
}
