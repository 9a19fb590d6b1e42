/**
 * Documents as lists of storage objects: the frozen base and one delta per signature. A revision is their
 * concatenation, whose SHA-256 is recorded; what does not match it is never handed out whole.
 */
import { createHash } from 'node:crypto'
import { extendHashState, type HashState, hashStateOf } from '@yinxin/pades'
import { toHex } from '@yinxin/pki'
import { anyParty, type Kms } from '#src/kms/kms.ts'
import type { Storage } from '#src/storage/storage.ts'
import { refuse } from './errors.ts'
import type { SegmentRow } from './store.ts'

export interface Revision {
  bytes: Uint8Array
  sha256: string
  /** The open hash of exactly these bytes: the next signature hashes only what it adds. */
  hashState: HashState
}

export type Revisions = ReturnType<typeof createRevisions>

const CACHE_BYTES_MAX = 64 * 1024 * 1024
const CACHED_REVISION_BYTES_MAX = 16 * 1024 * 1024
const HASH_SLICE_BYTES = 4 * 1024 * 1024

/** For whom content is read: a party's subject, or `anyParty` for the platform's own work on the contract. */
export interface Reader {
  partyId: string
}

export function createRevisions({
  storage,
  kms,
}: {
  storage: Pick<Storage, 'read' | 'stream'>
  kms: Pick<Kms, 'openForScope'>
}) {
  /** By document: only its newest revision is worth the memory. */
  const cache = new Map<string, { number: number; revision: Revision }>()
  let cachedBytes = 0

  function keep(documentId: string, number: number, revision: Revision): void {
    forget(documentId)
    if (revision.bytes.length > CACHED_REVISION_BYTES_MAX) return
    cache.set(documentId, { number, revision })
    cachedBytes += revision.bytes.length
    for (const oldest of cache.keys()) {
      if (cachedBytes <= CACHE_BYTES_MAX) break
      forget(oldest)
    }
  }

  function forget(documentId: string): void {
    cachedBytes -= cache.get(documentId)?.revision.bytes.length ?? 0
    cache.delete(documentId)
  }

  /** The revision that ends with a segment, when it is in memory; by its recorded hash, never by number alone. */
  function cached(last: SegmentRow | undefined): Revision | undefined {
    if (last === undefined) return undefined
    const known = cache.get(last.document_id)
    return known?.number === last.revision && known.revision.sha256 === last.sha256
      ? known.revision
      : undefined
  }

  return {
    /** A whole revision in memory for the platform's own work, checked against its recorded hash. @throws `document_damaged` */
    async read(segments: readonly SegmentRow[]): Promise<Revision> {
      const last = segments.at(-1)
      if (last === undefined) throw refuse('task_document_not_found')
      const known = cached(last)
      if (known !== undefined) return known
      const bytes = new Uint8Array(last.size_bytes)
      let at = 0
      for (const segment of segments) {
        const piece = await storage.read(segment.object_id, { partyId: anyParty })
        if (at + piece.length > bytes.length) throw refuse('document_damaged')
        bytes.set(piece, at)
        at += piece.length
      }
      const hashState = await hashGently(bytes)
      const sha256 = toHex(hashState.hash.copy().digest())
      if (at !== bytes.length || sha256 !== last.sha256) throw refuse('document_damaged')
      const revision = { bytes, sha256, hashState }
      keep(last.document_id, last.revision, revision)
      return revision
    },

    /** The bytes of a revision that is in memory; null when it must be read. */
    inMemory: (segments: readonly SegmentRow[]): Uint8Array | null => cached(segments.at(-1))?.bytes ?? null,

    /** Keeps a file that was just frozen for its first signer, unless it is too large for that. */
    keepFrozen(documentId: string, bytes: Uint8Array, sha256: string): void {
      if (bytes.length <= CACHED_REVISION_BYTES_MAX)
        keep(documentId, 0, { bytes, sha256, hashState: hashStateOf(bytes) })
    },

    /** Size and hash of the revision that a delta makes of another; nothing but the delta is hashed. */
    extend(base: Revision, delta: Uint8Array): { sizeBytes: number; sha256: string } {
      const { hash, length } = extendHashState(base.hashState, delta)
      return { sizeBytes: length, sha256: toHex(hash.digest()) }
    },

    /** Keeps an extended revision for the next signer, unless it is too large for that. */
    keepExtended(documentId: string, number: number, base: Revision, delta: Uint8Array): void {
      const sizeBytes = base.bytes.length + delta.length
      if (sizeBytes > CACHED_REVISION_BYTES_MAX) {
        forget(documentId)
        return
      }
      const bytes = new Uint8Array(sizeBytes)
      bytes.set(base.bytes)
      bytes.set(delta, base.bytes.length)
      const hashState = extendHashState(base.hashState, delta)
      keep(documentId, number, { bytes, hashState, sha256: toHex(hashState.hash.copy().digest()) })
    },

    /** Drops what memory holds of destroyed documents. */
    forget(documentIds: readonly string[]): void {
      for (const documentId of documentIds) forget(documentId)
    },

    /**
     * A revision, or a part of it, as a stream with flat memory, opened by the reader's own wrap of the contract's
     * key; storage checks each object's own hash.
     */
    async *stream(
      segments: readonly SegmentRow[],
      reader: Reader,
      range?: { start: number; end: number },
    ): AsyncGenerator<Uint8Array> {
      const sizeBytes = segments.at(-1)?.size_bytes ?? 0
      const from = range?.start ?? 0
      const to = range?.end ?? sizeBytes - 1
      const known = cached(segments.at(-1))
      if (known !== undefined && segments[0] !== undefined) {
        // What lies in memory asks for the key all the same.
        const { tenant_id: tenantId, task_id: scopeId } = segments[0]
        await kms.openForScope({ tenantId, scopeId, partyId: reader.partyId }, [])
        yield known.bytes.subarray(from, to + 1)
        return
      }
      let offset = 0
      for (const segment of segments) {
        const first = Math.max(from - offset, 0)
        const last = Math.min(to - offset, segment.segment_bytes - 1)
        if (first <= last) {
          const isWhole = first === 0 && last === segment.segment_bytes - 1
          yield* storage.stream(segment.object_id, isWhole ? undefined : { start: first, end: last }, reader)
        }
        offset += segment.segment_bytes
      }
    },
  }
}

/** Hashes in slices, so that a large file does not keep other requests waiting. */
async function hashGently(bytes: Uint8Array): Promise<HashState> {
  const hash = createHash('sha256')
  for (let at = 0; at < bytes.length; at += HASH_SLICE_BYTES) {
    if (at > 0) await new Promise((resolve) => setImmediate(resolve))
    hash.update(bytes.subarray(at, at + HASH_SLICE_BYTES))
  }
  return { hash, length: bytes.length }
}
