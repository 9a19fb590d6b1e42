/**
 * The archive as a picture of what is stored anyway: heads follow from path and size, contents are pieces of storage
 * objects. Any range of it can be read at any time, and it takes no room of its own.
 */
import { createHash } from 'node:crypto'
import { EXPORT_MANIFEST, TAR_END_BYTES, tarHead, tarPadding } from '@yinxin/evidence'
import type { Db } from '#src/db/db.ts'
import type { Storage, StoredObject } from '#src/storage/storage.ts'
import { type EntryRow, type ExportRow, entriesFrom, entryAt, listParts, type PartRow } from './store.ts'
import type { Piece } from './tables.ts'

/** What the archive needs of an export. */
export type ArchiveOf = Pick<
  ExportRow,
  'id' | 'snapshot_at' | 'size_bytes' | 'part_bytes' | 'manifest_sha256'
>

export interface HashedPart {
  number: number
  sizeBytes: number
  sha256: string
}

/** Cuts what flows into parts of one size and hashes each. */
export interface PartHasher {
  update(bytes: Uint8Array): void
  /** Parts that became complete since the last call. */
  take(): HashedPart[]
  /** The last part, however long. */
  end(): HashedPart[]
}

const ENTRIES_AT_A_TIME = 200

export const mtimeOf = (job: Pick<ArchiveOf, 'snapshot_at'>) =>
  Math.floor((job.snapshot_at?.getTime() ?? 0) / 1000)

export function headOf(job: ArchiveOf, entry: { path: string; size_bytes: number }): Uint8Array {
  return tarHead({ path: entry.path, sizeBytes: entry.size_bytes, mtimeS: mtimeOf(job) })
}

export type Archive = ReturnType<typeof createArchive>

export function createArchive({ db, storage }: { db: Db; storage: Pick<Storage, 'stream'> }) {
  /** `fresh` are objects that nothing has recorded yet. */
  async function* content(
    pieces: readonly Piece[],
    from = 0,
    to = Infinity,
    fresh: ReadonlyMap<string, StoredObject> = new Map(),
  ): AsyncGenerator<Uint8Array> {
    let at = 0
    for (const { objectId, sizeBytes, partyId } of pieces) {
      const start = Math.max(from - at, 0)
      const end = Math.min(to - at, sizeBytes)
      at += sizeBytes
      if (start >= end) continue
      const range = start === 0 && end === sizeBytes ? undefined : { start, end: end - 1 }
      yield* storage.stream(fresh.get(objectId) ?? objectId, range, partyId === undefined ? {} : { partyId })
    }
  }

  /** Bytes `from` (inclusive) to `to` (exclusive) of an archive as far as it was written. */
  async function* read(job: ArchiveOf, from: number, to: number): AsyncGenerator<Uint8Array> {
    const first = await db.ask((tx) => entryAt(tx, job.id, from))
    let position = first?.position ?? 0
    let at = first?.archive_offset ?? 0
    /** Cuts the part out of a run of bytes that begins at `at`. */
    const cut = (bytes: Uint8Array) => {
      const start = Math.max(from - at, 0)
      const end = Math.min(to - at, bytes.length)
      at += bytes.length
      return start < end ? bytes.subarray(start, end) : undefined
    }
    while (at < to) {
      const entries = await db.ask((tx) => entriesFrom(tx, job.id, position, ENTRIES_AT_A_TIME))
      for (const entry of entries) {
        if (at >= to) return
        const head = cut(headOf(job, entry))
        if (head) yield head
        const start = Math.max(from - at, 0)
        const end = Math.min(to - at, entry.size_bytes)
        if (start < end) yield* content(entry.pieces as Piece[], start, end)
        at += entry.size_bytes
        const padding = cut(new Uint8Array(tarPadding(entry.size_bytes)))
        if (padding) yield padding
        position = entry.position + 1
      }
      if (entries.length < ENTRIES_AT_A_TIME) break
    }
    // The end belongs to it once the manifest does.
    if (job.manifest_sha256 !== null) {
      const end = cut(new Uint8Array(TAR_END_BYTES))
      if (end) yield end
    }
  }

  /** A hasher that goes on where the parts that are recorded end. */
  async function resumeParts(job: ArchiveOf): Promise<PartHasher> {
    const done = Math.floor(job.size_bytes / job.part_bytes)
    const hasher = createPartHasher(job.part_bytes, done)
    const from = done * job.part_bytes
    if (from < job.size_bytes) for await (const chunk of read(job, from, job.size_bytes)) hasher.update(chunk)
    return hasher
  }

  return { content, read, resumeParts }
}

export function createPartHasher(partBytes: number, done: number): PartHasher {
  let number = done + 1
  let hash = createHash('sha256')
  let length = 0
  let complete: HashedPart[] = []
  const finish = () => {
    complete.push({ number, sizeBytes: length, sha256: hash.digest('hex') })
    number += 1
    hash = createHash('sha256')
    length = 0
  }
  const take = () => {
    const taken = complete
    complete = []
    return taken
  }
  return {
    update(bytes) {
      for (let at = 0; at < bytes.length; ) {
        const piece = bytes.subarray(at, at + partBytes - length)
        hash.update(piece)
        length += piece.length
        at += piece.length
        if (length === partBytes) finish()
      }
    },
    take,
    end() {
      if (length > 0) finish()
      return take()
    },
  }
}

/** The parts of an archive, page by page. */
export async function* partsOf(db: Db, exportId: string): AsyncGenerator<PartRow> {
  let after = 0
  for (;;) {
    const parts = await db.ask((tx) => listParts(tx, exportId, { after, limit: ENTRIES_AT_A_TIME }))
    yield* parts
    const last = parts.at(-1)
    if (last === undefined || parts.length < ENTRIES_AT_A_TIME) return
    after = last.number
  }
}

/** Entries of an archive, page by page. */
export async function* entriesOf(db: Db, exportId: string): AsyncGenerator<EntryRow> {
  let position = 0
  for (;;) {
    const entries = await db.ask((tx) => entriesFrom(tx, exportId, position, ENTRIES_AT_A_TIME))
    yield* entries
    const last = entries.at(-1)
    if (last === undefined || entries.length < ENTRIES_AT_A_TIME) return
    position = last.position + 1
  }
}

export const isManifest = (entry: Pick<EntryRow, 'path'>) => entry.path === EXPORT_MANIFEST
