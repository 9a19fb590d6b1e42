import { createHash, type KeyObject } from 'node:crypto'
import {
  chunkBytes,
  headerBytes,
  type MessageKeys,
  openedSize,
  openMessage,
  openMessageKeys,
  sealedChunkBytes,
} from './cobblestone.ts'
import type { StoredObject } from './catalogue.ts'
import type { Placement, ReplicaReader } from './domain.ts'
import { decodeEnvelope, envelopeBytes } from './envelope.ts'
import type { ReplicaSet } from './replica-set.ts'
import { sealContext } from './sealed-content.ts'

/** A part of the content. */
export interface ByteRange {
  start: number
  /** Inclusive, as in HTTP. */
  end: number
}

/** Told of every replica that did not give what it should, with the reason. */
export type OnBadReplica = (placement: Placement, reason: unknown) => void

/** Chunks decrypted in one go while streaming: 1 MiB. */
const windowChunks = 64

/** Reads and verifies a whole content from one replica after the other; undefined when none is good. */
export async function readWhole(
  replicas: ReplicaSet,
  object: StoredObject,
  key: KeyObject,
  onBad: OnBadReplica,
): Promise<Buffer | undefined> {
  for (const placement of object.replicas) {
    try {
      const stored = await readStored(replicas, object, placement)
      requireEnvelope(object, stored)
      const content = openMessage(key, sealContext(identity(object)), stored.subarray(envelopeBytes))
      // The tags have vouched for every chunk; the hash vouches for the whole way from the sender to here.
      if (sha256(content) !== object.sha256) throw new Error('the content does not have its hash')
      return content
    } catch (error) {
      onBad(placement, error)
    }
  }
  return undefined
}

/**
 * Streams a range, verifying each chunk before any of its bytes leave. A replica that fails in the
 * middle is replaced by the next one at the very same place.
 * @returns `end`, or the place from which on no replica could be read
 */
export async function* streamRange(
  replicas: ReplicaSet,
  object: StoredObject,
  key: KeyObject,
  range: { start: number; endBefore: number },
  onBad: OnBadReplica,
): AsyncGenerator<Buffer, 'end' | number> {
  let at = range.start
  for (const placement of object.replicas) {
    let source: { keys: MessageKeys; reader: ReplicaReader } | undefined
    try {
      source = await openSource(replicas, object, placement, key)
      while (at < range.endBefore) {
        const content = await readWindow(source, object, at, range.endBefore)
        at += content.length
        yield content
      }
      return 'end'
    } catch (error) {
      onBad(placement, error)
    } finally {
      source?.keys.destroy()
      await source?.reader.close()
    }
  }
  return at
}

/** The stored bytes of one replica, complete; the caller verifies them. */
export async function readStored(
  replicas: ReplicaSet,
  object: StoredObject,
  placement: Placement,
): Promise<Buffer> {
  const reader = await openReader(replicas, object, placement)
  try {
    return await reader.read(0, object.cipherSizeBytes)
  } finally {
    await reader.close()
  }
}

/** The stored bytes of one replica in pieces; throws at the end when they do not have their hash. */
export async function* streamStored(
  replicas: ReplicaSet,
  object: StoredObject,
  placement: Placement,
): AsyncGenerator<Uint8Array[]> {
  const hash = createHash('sha256')
  const reader = await openReader(replicas, object, placement)
  try {
    const pieceBytes = 1 << 20
    for (let at = 0; at < object.cipherSizeBytes; at += pieceBytes) {
      const piece = await reader.read(at, Math.min(pieceBytes, object.cipherSizeBytes - at))
      hash.update(piece)
      yield [piece]
    }
  } finally {
    await reader.close()
  }
  if (hash.digest('hex') !== object.cipherSha256) throw new Error('the replica does not have its hash')
}

async function openReader(
  replicas: ReplicaSet,
  object: StoredObject,
  placement: Placement,
): Promise<ReplicaReader> {
  const domain = replicas.domain(placement.domain)
  if (domain === undefined)
    throw new Error(`there is no failure domain ${placement.domain} in this configuration`)
  return domain.open(placement, object.id)
}

async function openSource(replicas: ReplicaSet, object: StoredObject, placement: Placement, key: KeyObject) {
  const reader = await openReader(replicas, object, placement)
  try {
    const head = await reader.read(0, envelopeBytes + headerBytes)
    requireEnvelope(object, head)
    return { reader, keys: openMessageKeys(key, sealContext(identity(object)), head.subarray(envelopeBytes)) }
  } catch (error) {
    await reader.close()
    throw error
  }
}

/** Decrypts the chunks from the one that holds `at`, as far as one window goes, and cuts off what was not asked for. */
async function readWindow(
  { keys, reader }: { keys: MessageKeys; reader: ReplicaReader },
  object: StoredObject,
  at: number,
  endBefore: number,
): Promise<Buffer> {
  const first = Math.floor(at / chunkBytes)
  const count = Math.min(windowChunks, Math.floor((endBefore - 1) / chunkBytes) - first + 1)
  const from = envelopeBytes + headerBytes + first * sealedChunkBytes
  const sealed = await reader.read(from, Math.min(count * sealedChunkBytes, object.cipherSizeBytes - from))
  const opened: Buffer[] = []
  for (let index = 0; index < count; index += 1) {
    const chunk = sealed.subarray(index * sealedChunkBytes, (index + 1) * sealedChunkBytes)
    opened.push(keys.openChunk(first + index, chunk))
  }
  const skip = at - first * chunkBytes
  return Buffer.concat(opened).subarray(skip, skip + (endBefore - at))
}

/** Everything before the ciphertext must be what the database says, or this is another object. */
function requireEnvelope(object: StoredObject, stored: Uint8Array): void {
  if (openedSize(object.cipherSizeBytes - envelopeBytes) !== object.sizeBytes)
    throw new Error('the sizes do not fit together')
  const envelope = decodeEnvelope(stored)
  const fits =
    envelope?.objectId === object.id &&
    envelope.scopeId === object.scopeId &&
    envelope.tenantId === object.tenantId &&
    object.wrappedKey.equals(envelope.wrappedKey)
  if (!fits) throw new Error('the envelope is not that of this object')
}

const identity = (object: StoredObject) => ({
  tenantId: object.tenantId,
  scopeId: object.scopeId,
  objectId: object.id,
})

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
