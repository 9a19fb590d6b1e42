import { createHash } from 'node:crypto'
import type { CataloguedReplica, Verdict } from './catalogue.ts'
import type { Domain, Placement, ReplicaReader } from './domain.ts'
import { smallStoredBytes } from './sealed-content.ts'

const pieceBytes = 1 << 20

/** Reads a replica fully and compares its SHA-256; `onBytes` is told of every piece and may slow the reading down. */
export async function checkReplica(
  domain: Domain,
  { objectId, placement, cipherSha256 }: Pick<CataloguedReplica, 'objectId' | 'placement' | 'cipherSha256'>,
  onBytes: (count: number) => Promise<void> = async () => undefined,
): Promise<Verdict> {
  let reader: ReplicaReader | undefined
  try {
    reader = await domain.open(placement, objectId)
    const hash = createHash('sha256')
    for (let at = 0; at < placement.sizeBytes; at += pieceBytes) {
      const piece = await reader.read(at, Math.min(pieceBytes, placement.sizeBytes - at))
      hash.update(piece)
      await onBytes(piece.length)
    }
    return hash.digest('hex') === cipherSha256 ? 'good' : 'damaged'
  } catch (error) {
    return verdictOf(error)
  } finally {
    await reader?.close()
  }
}

/** A small replica whole, when its bytes have the hash. */
export async function readVerified(
  domain: Domain,
  objectId: string,
  placement: Placement,
  cipherSha256: string,
): Promise<Buffer | undefined> {
  const reader = await domain.open(placement, objectId)
  try {
    const bytes = await reader.read(0, placement.sizeBytes)
    return createHash('sha256').update(bytes).digest('hex') === cipherSha256 ? bytes : undefined
  } finally {
    await reader.close()
  }
}

/** Writes a replica again within its domain, durably, when its bytes have the hash; undefined when they have not. */
export async function copyWithin(
  domain: Domain,
  objectId: string,
  placement: Placement,
  cipherSha256: string,
): Promise<Placement | undefined> {
  if ((await checkReplica(domain, { objectId, placement, cipherSha256 })) !== 'good') return undefined
  if (placement.sizeBytes <= smallStoredBytes) {
    const bytes = await readVerified(domain, objectId, placement, cipherSha256)
    return bytes && (await domain.append(objectId, bytes, cipherSha256))
  }
  const reader = await domain.open(placement, objectId)
  try {
    const writer = await domain.begin(objectId)
    try {
      const hash = createHash('sha256')
      for (let at = 0; at < placement.sizeBytes; at += pieceBytes) {
        const piece = await reader.read(at, Math.min(pieceBytes, placement.sizeBytes - at))
        hash.update(piece)
        await writer.write([piece])
      }
      if (hash.digest('hex') === cipherSha256) return await writer.finish(true)
      await writer.abort()
      return undefined
    } catch (error) {
      await writer.abort()
      throw error
    }
  } finally {
    await reader.close()
  }
}

/** What media say that answer, but have other bytes or none: codes of file systems, reasons of buckets. */
const damaged = new Set(['EIO', 'EBADMSG', 'EUCLEAN', 'range', 'mismatch'])
const missing = new Set(['ENOENT', 'ENOTDIR', 'missing'])

/** An error without a code is our own: the bytes are not those that should be there. */
function verdictOf(error: unknown): Verdict {
  const { code, reason } = error as { code?: unknown; reason?: unknown }
  const said = [code, reason].filter((one) => typeof one === 'string')
  if (said.some((one) => missing.has(one))) return 'missing'
  return said.length === 0 || said.some((one) => damaged.has(one)) ? 'damaged' : 'unreadable'
}
