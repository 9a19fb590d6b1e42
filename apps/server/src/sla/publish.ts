/**
 * Published minutes are signed: a note in the form of the transparency log's checkpoints (C2SP signed-note) under a
 * key of its own, whose root is the SHA-256 of the CSV and whose size is its number of rows.
 */
import { createHash } from 'node:crypto'
import { encodeVkey, signCheckpoint } from '@yinxin/evidence'
import type { Signer } from '@yinxin/pki'
import type { SlaService } from '@yinxin/sla'

export interface Published {
  month: string
  service: SlaService
  /** 0 while the month is open. */
  revision: number
  csv: string
  madeAt: Date
}

export type Publisher = ReturnType<typeof createPublisher>

export function createPublisher(signer: Signer) {
  const keyHash = createHash('sha256').update(signer.spki).digest('hex').slice(0, 8)
  const name = `yinxin.sla/${keyHash}`
  const noteSigner = { name, signer }
  return {
    vkey: encodeVkey(noteSigner),
    sign({ month, service, revision, csv, madeAt }: Published): string {
      return signCheckpoint(
        {
          origin: name,
          size: csv.split('\n').length - 2,
          root: createHash('sha256').update(csv, 'utf8').digest(),
          extensions: [
            `month ${month}`,
            `service ${service}`,
            `revision ${revision}`,
            `made ${madeAt.toISOString()}`,
          ],
        },
        noteSigner,
      )
    },
  }
}
