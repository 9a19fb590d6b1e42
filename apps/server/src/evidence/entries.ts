/** Entries of the platform itself in the log, not of a task: reports, the manifest of an export. */
import { encodeTlogProof } from '@yinxin/evidence'
import type { Db, Tx } from '#src/db/db.ts'
import { refuse } from './errors.ts'
import type { TransparencyLog } from './log.ts'
import { enqueueEntry, entryIndex, latestCheckpoint } from './log-store.ts'

export function createEntries({ db, log }: { db: Db; log: TransparencyLog }) {
  async function proven(subjectId: string, entry: Uint8Array, isCarried: boolean) {
    return await db.work(async (tx) => {
      const index = await entryIndex(tx, subjectId, entry)
      const checkpoint = await latestCheckpoint(tx)
      if (index === null || checkpoint === null || checkpoint.size <= index) return undefined
      const hashes = await log.proof(tx, index, checkpoint.size)
      const extra = isCarried ? { extra: entry } : {}
      return encodeTlogProof({ ...extra, index, hashes, checkpoint: checkpoint.note })
    })
  }

  return {
    /**
     * Queues an entry in the transaction that makes it true; `subjectId` names what it is of. Its proof is asked for
     * afterwards, by whoever has the entry.
     */
    enter: (tx: Tx, subjectId: string, entry: Uint8Array): Promise<void> =>
      enqueueEntry(tx, subjectId, entry),

    /**
     * The `.tlog-proof` of an entry that was queued and committed, which enters the log at the latest now. `carried`
     * puts the entry itself into the proof, for readers who have nothing else of it. Opens its own transactions.
     * @throws Refusal `evidence_not_ready` for an entry that was never queued
     */
    async proveEntry(
      subjectId: string,
      entry: Uint8Array,
      { carried = false }: { carried?: boolean } = {},
    ): Promise<string> {
      const known = await proven(subjectId, entry, carried)
      if (known !== undefined) return known
      await log.integrate()
      const fresh = await proven(subjectId, entry, carried)
      if (fresh === undefined) throw refuse('evidence_not_ready')
      return fresh
    },
  }
}
