import { createHash, type KeyObject } from 'node:crypto'
import { createSealer, newMessageKeys, saltBytes, sealedSize, sealMessage } from './cobblestone.ts'
import { encodeEnvelope, envelopeBytes } from './envelope.ts'

/** What an object's ciphertext is bound to, besides its key. */
export interface SealedIdentity {
  tenantId: string
  scopeId: string
  objectId: string
  wrappedKey: Buffer
}

export const sealContext = (id: Omit<SealedIdentity, 'wrappedKey'>) =>
  `${id.tenantId}|${id.scopeId}|${id.objectId}`

/** Objects up to this size on the disk go into the journals, larger ones into files of their own. */
export const smallStoredBytes = 256 * 1024

/** The largest content that is small once it is sealed. */
export const smallContentBytes = smallStoredBytes - 1024

/** How much ciphertext is gathered before it goes to the disks. */
const batchBytes = 1 << 20

/** Random bytes from a source that suits cryptography; a simulation brings its own. */
export type Random = (sizeBytes: number) => Uint8Array

export interface SealedFacts {
  sizeBytes: number
  sha256: string
  cipherSizeBytes: number
  cipherSha256: string
}

/** Seals a small content in one go. */
export function sealSmall(
  id: SealedIdentity,
  key: KeyObject,
  content: Uint8Array,
  random: Random,
): { stored: Buffer } & SealedFacts {
  const keys = newMessageKeys(key, sealContext(id), random(saltBytes))
  const stored = Buffer.concat([encodeEnvelope(id), sealMessage(keys, content)])
  keys.destroy()
  return {
    stored,
    sizeBytes: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
    cipherSizeBytes: stored.length,
    cipherSha256: createHash('sha256').update(stored).digest('hex'),
  }
}

/** Seals a content of any length as it arrives. `facts` may be asked once `batches` has been read to its end. */
export function sealStream(
  id: SealedIdentity,
  key: KeyObject,
  content: AsyncIterable<Uint8Array>,
  random: Random,
) {
  const plainHash = createHash('sha256')
  const storedHash = createHash('sha256')
  let sizeBytes = 0
  let cipherSizeBytes = 0

  async function* batches(): AsyncGenerator<Uint8Array[]> {
    const keys = newMessageKeys(key, sealContext(id), random(saltBytes))
    try {
      const sealer = createSealer(keys)
      let parts: Uint8Array[] = []
      let gathered = 0
      const take = (part: Uint8Array) => {
        storedHash.update(part)
        parts.push(part)
        gathered += part.length
        cipherSizeBytes += part.length
      }
      take(encodeEnvelope(id))
      take(keys.header)
      for await (const piece of content) {
        for (const plain of pieces(piece)) {
          plainHash.update(plain)
          sizeBytes += plain.length
          take(sealer.update(plain))
          if (gathered >= batchBytes) {
            yield parts
            parts = []
            gathered = 0
          }
        }
      }
      take(sealer.final())
      yield parts
    } finally {
      keys.destroy()
    }
  }

  return {
    batches: batches(),
    facts(): SealedFacts {
      if (cipherSizeBytes !== envelopeBytes + sealedSize(sizeBytes))
        throw new Error('the ciphertext has another size than its format')
      return {
        sizeBytes,
        sha256: plainHash.digest('hex'),
        cipherSizeBytes,
        cipherSha256: storedHash.digest('hex'),
      }
    },
  }
}

/** Large pieces in slices, so that neither memory nor the event loop suffers from one of them. */
function* pieces(piece: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < piece.length; at += batchBytes) yield piece.subarray(at, at + batchBytes)
}
