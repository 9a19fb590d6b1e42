/** Contracts that were signed elsewhere, and their evidence as it came. */
import { documentPath, joinEvidence } from '@yinxin/evidence'
import type { Db, Tx } from '#src/db/db.ts'
import type { Storage } from '#src/storage/storage.ts'
import type { PortabilityTables } from './tables.ts'

export type Imported = ReturnType<typeof createImported>

interface Place {
  document: { name: string; position: number }
  segments: readonly { object_id: string }[]
}

/** The evidence of an imported contract, under that contract's key: what destruction removes with it. */
export async function importedObjects(
  tx: Tx,
  taskId: string,
): Promise<{ scopeId: string; objectId: string }[]> {
  const rows = await tx
    .$extendTables<PortabilityTables>()
    .selectFrom('imported_contract')
    .select(['task_id', 'evidence_object_id'])
    .where('task_id', '=', taskId)
    .execute()
  return rows.map((row) => ({ scopeId: row.task_id, objectId: row.evidence_object_id }))
}

export function createImported({ db, storage }: { db: Db; storage: Pick<Storage, 'read'> }) {
  const rowOf = (taskId: string) =>
    db.ask((tx) =>
      tx
        .$extendTables<PortabilityTables>()
        .selectFrom('imported_contract')
        .select(['task_id', 'origin', 'log_keys', 'evidence_object_id', 'package_sha256'])
        .where('task_id', '=', taskId)
        .executeTakeFirst(),
    )

  return {
    /** The package of an imported contract; null for one of this installation. The caller has checked who reads. */
    async packageOf(taskId: string) {
      const row = await rowOf(taskId)
      if (row === undefined) return null
      const rest = () => storage.read(row.evidence_object_id, { partyId: 'any' })
      return {
        /** The very bytes of the package as it was issued. */
        async *whole(places: readonly Place[]): AsyncGenerator<Uint8Array> {
          const ordered = [...places].sort((a, b) => a.document.position - b.document.position)
          const documents = new Map<string, Uint8Array>()
          for (const [index, { document, segments }] of ordered.entries()) {
            const parts: Buffer[] = []
            for (const segment of segments)
              parts.push(await storage.read(segment.object_id, { partyId: 'any' }))
            documents.set(documentPath(index, document.name), Buffer.concat(parts))
          }
          yield (await joinEvidence(await rest(), documents)).zip
        },
        async *withoutDocuments(): AsyncGenerator<Uint8Array> {
          yield await rest()
        },
      }
    },
  }
}
