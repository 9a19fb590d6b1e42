/**
 * The register of retired media: which disk left, how it was sanitised (NIST SP 800-88 Rev. 2, IEEE 2883) and the
 * digest of the proof. No certificate of a contract leans on it: contracts die with their keys.
 */
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Operator } from '#src/operator-door.ts'
import { refuse } from './errors.ts'
import { insertMedium, listMedia, type MediumRow } from './store.ts'

/** IEEE 2883 names; demagnetising is not among them, since it does nothing to flash and Rev. 2 dropped it. */
export const MEDIA_METHODS = [
  'clear-overwrite',
  'purge-cryptographic-erase',
  'purge-sanitize-block-erase',
  'purge-sanitize-overwrite',
  'destruct-disintegrate',
  'destruct-incinerate',
  'destruct-melt',
  'destruct-shred',
] as const

export interface NewMedium {
  /** Make, model and place, e.g. `Seagate ST4000NM, rack 3`. */
  device: string
  serial: string
  /** Failure domain it carried, when it did. */
  domain?: string
  method: (typeof MEDIA_METHODS)[number]
  proofName: string
  proofSha256: string
  retiredAt: Date
  by: Operator
  witness: Operator
}

export function createMedia({ db, clock }: { db: Db; clock: Clock }) {
  return {
    /** In the transaction in which the witness confirms what the other did. */
    async retire(tx: Tx, medium: NewMedium): Promise<MediumRow> {
      if (medium.by.id === medium.witness.id) throw refuse('medium_two_people')
      const now = clock.now()
      const row: MediumRow = {
        id: newId(now.getTime()),
        device: medium.device,
        serial: medium.serial,
        domain: medium.domain ?? null,
        method: medium.method,
        standard: 'NIST SP 800-88r2 / IEEE 2883-2022',
        proof_name: medium.proofName,
        proof_sha256: medium.proofSha256,
        retired_at: medium.retiredAt,
        done_by: medium.by.name,
        done_by_id: medium.by.id,
        witnessed_by: medium.witness.name,
        witnessed_by_id: medium.witness.id,
        recorded_at: now,
      }
      try {
        await insertMedium(tx, row)
      } catch (error) {
        if ((error as { code?: string }).code === '23505') throw refuse('medium_registered', {}, error)
        throw error
      }
      return row
    },
    list: (): Promise<MediumRow[]> => db.work(listMedia),
  }
}
