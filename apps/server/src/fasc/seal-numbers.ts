import type { Db } from '#src/db/db.ts'
import type { SealDetails, Seals } from '#src/seals/seals.ts'
import { refuse } from './errors.ts'
import { readOpenId } from './open-ids.ts'
import { sealByNumber, sealNumbers } from './store.ts'

export type SealNumbers = ReturnType<typeof createSealNumbers>

/** Seals under the numbers that clients hold: they keep the id of a seal in a number of at most 16 digits. */
export function createSealNumbers({ db, seals }: { db: Db; seals: Pick<Seals, 'seal'> }) {
  return {
    /** Numbers of a company's seals, given on first sight. */
    numbers: (corpId: string, sealIds: readonly string[]): Promise<Map<string, number>> =>
      db.as(corpId, (tx) => sealNumbers(tx, corpId, sealIds)),

    /** The company's seal behind a number, or behind the platform's own id. @throws `fasc_seal_unknown` */
    async seal(corpId: string, id: string): Promise<SealDetails> {
      const sealId = /^\d{1,16}$/.test(id)
        ? await db.as(corpId, (tx) => sealByNumber(tx, Number(id)))
        : readOpenId(id)
      const seal = sealId == null ? null : await seals.seal(corpId, sealId)
      if (seal === null) throw refuse('fasc_seal_unknown', { id: id.slice(0, 64) })
      return seal
    },
  }
}
