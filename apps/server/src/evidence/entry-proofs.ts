/** Proofs that an entry of the platform itself, not of a task, stands in the log. */
import { encodeTlogProof, inclusionNodes, inclusionProof } from '@yinxin/evidence'
import type { Db } from '#src/db/db.ts'
import { refuse } from './errors.ts'
import type { TransparencyLog } from './log.ts'
import { entryIndex, latestCheckpoint, readNodes } from './log-store.ts'

export function createEntryProofs({ db, log }: { db: Db; log: TransparencyLog }) {
  return async function proveEntry(subjectId: string, entry: Uint8Array): Promise<string> {
    const proven = async () =>
      await db.work(async (tx) => {
        const index = await entryIndex(tx, subjectId, entry)
        const checkpoint = await latestCheckpoint(tx)
        if (index === null || checkpoint === null || checkpoint.size <= index) return undefined
        const nodes = await readNodes(tx, inclusionNodes(index, checkpoint.size))
        const hashes = inclusionProof(index, checkpoint.size, nodes)
        return encodeTlogProof({ index, hashes, checkpoint: checkpoint.note })
      })
    const known = await proven()
    if (known !== undefined) return known
    await log.integrate()
    const fresh = await proven()
    if (fresh === undefined) throw refuse('evidence_not_ready')
    return fresh
  }
}
