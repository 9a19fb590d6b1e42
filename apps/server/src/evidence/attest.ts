/** Entries of the platform itself in the log, such as the manifest of an export. */
import { encodeTlogProof, inclusionNodes, inclusionProof } from '@yinxin/evidence'
import type { Db } from '#src/db/db.ts'
import { refuse } from './errors.ts'
import type { TransparencyLog } from './log.ts'
import { enqueueEntry, entryIndex, latestCheckpoint, readNodes } from './log-store.ts'

export function createAttest({ db, log }: { db: Db; log: TransparencyLog }) {
  /**
   * Puts an entry into the log and gives the proof that it stands there, the entry itself inside. Opens its own
   * transactions. @throws `evidence_not_ready`
   */
  return async function attest(subjectId: string, entry: Uint8Array): Promise<string> {
    await db.work((tx) => enqueueEntry(tx, subjectId, entry))
    await log.integrate()
    return await db.work(async (tx) => {
      const index = await entryIndex(tx, subjectId, entry)
      const checkpoint = await latestCheckpoint(tx)
      if (index === null || checkpoint === null || checkpoint.size <= index)
        throw refuse('evidence_not_ready')
      const nodes = await readNodes(tx, inclusionNodes(index, checkpoint.size))
      const hashes = inclusionProof(index, checkpoint.size, nodes)
      return encodeTlogProof({ extra: entry, index, hashes, checkpoint: checkpoint.note })
    })
  }
}
