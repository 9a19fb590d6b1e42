/** Writes an archive entry by entry: every content passes once through all hashes. */
import { createHash } from 'node:crypto'
import { type ExportRole, tarPadding } from '@yinxin/evidence'
import type { Db, Tx } from '#src/db/db.ts'
import type { Storage, StoredObject } from '#src/storage/storage.ts'
import { type Archive, headOf, type PartHasher } from './archive.ts'
import {
  type EntryRow,
  type ExportRow,
  insertEntries,
  insertParts,
  lockExport,
  updateExport,
} from './store.ts'
import type { Piece } from './tables.ts'

export interface NewEntry {
  path: string
  role: ExportRole
  pieces: Piece[]
  /** What its content must hash to, where that is known from elsewhere. */
  expectedSha256?: string
}

/** The export is no longer being collected: canceled, or voided under our hands. */
export class ExportEnded extends Error {
  override readonly name = 'ExportEnded'
}

/** What is stored is not what was recorded of it. */
export class ContentDiffers extends Error {
  override readonly name = 'ContentDiffers'
}

/** Another process writes at this export: what was done here is not part of it. */
export class ExportMoved extends Error {
  override readonly name = 'ExportMoved'
}

export interface WriterDeps {
  db: Db
  storage: Pick<Storage, 'record'>
  archive: Archive
}

export type ArchiveWriter = Awaited<ReturnType<typeof openWriter>>

/** Goes on where the recorded entries end. */
export async function openWriter({ db, storage, archive }: WriterDeps, opened: ExportRow) {
  let job = opened
  let parts: PartHasher = await archive.resumeParts(job)

  async function hashEntry(
    entry: NewEntry,
    position: number,
    offset: number,
    fresh: ReadonlyMap<string, StoredObject>,
  ): Promise<EntryRow> {
    const sizeBytes = entry.pieces.reduce((sum, piece) => sum + piece.sizeBytes, 0)
    parts.update(headOf(job, { path: entry.path, size_bytes: sizeBytes }))
    const sha256 = createHash('sha256')
    const sm3 = createHash('sm3')
    let length = 0
    for await (const chunk of archive.content(entry.pieces, 0, Infinity, fresh)) {
      sha256.update(chunk)
      sm3.update(chunk)
      parts.update(chunk)
      length += chunk.length
    }
    const hash = sha256.digest('hex')
    if (length !== sizeBytes || (entry.expectedSha256 !== undefined && entry.expectedSha256 !== hash))
      throw new ContentDiffers(`${entry.path} is not what was recorded of it`)
    parts.update(new Uint8Array(tarPadding(sizeBytes)))
    return {
      export_id: job.id,
      position,
      tenant_id: job.tenant_id,
      archive_offset: offset,
      path: entry.path,
      role: entry.role,
      size_bytes: sizeBytes,
      sha256: hash,
      sm3: sm3.digest('hex'),
      pieces: entry.pieces,
    }
  }

  return {
    job: () => job,

    /** Reads an entry to its end without adding it. @throws as reading does, ContentDiffers */
    async probe(entry: NewEntry): Promise<void> {
      const hash = createHash('sha256')
      for await (const chunk of archive.content(entry.pieces)) hash.update(chunk)
      if (entry.expectedSha256 !== undefined && entry.expectedSha256 !== hash.digest('hex'))
        throw new ContentDiffers(`${entry.path} is not what was recorded of it`)
    },

    /**
     * Adds entries, with the objects that were made for them and what else `also` does, in one transaction. When
     * reading fails nothing is added, and the writer can go on.
     * @throws ExportEnded, ExportMoved
     */
    async add(
      entries: readonly NewEntry[],
      stored: readonly StoredObject[],
      also: (tx: Tx, rows: readonly EntryRow[]) => Promise<Partial<ExportRow>> = async () => ({}),
      end: 'open' | 'last' = 'open',
      tail?: Uint8Array,
    ): Promise<EntryRow[]> {
      const rows: EntryRow[] = []
      let offset = job.size_bytes
      const fresh = new Map(stored.map((one) => [one.id, one]))
      try {
        for (const entry of entries) {
          const row = await hashEntry(entry, job.entry_count + rows.length, offset, fresh)
          rows.push(row)
          offset += headOf(job, row).length + row.size_bytes + tarPadding(row.size_bytes)
        }
        if (tail !== undefined) {
          parts.update(tail)
          offset += tail.length
        }
        const done = end === 'last' ? parts.end() : parts.take()
        const progress = { size_bytes: offset, entry_count: job.entry_count + rows.length }
        job = await db.work(async (tx) => {
          const current = await lockExport(tx, job.id)
          if (current === undefined || current.status !== job.status)
            throw new ExportEnded(current?.status ?? 'gone')
          if (current.entry_count !== job.entry_count || current.size_bytes !== job.size_bytes)
            throw new ExportMoved(`${current.entry_count} entries instead of ${job.entry_count}`)
          await storage.record(tx, stored)
          await insertEntries(tx, rows)
          await insertParts(
            tx,
            done.map(({ number, sizeBytes, sha256 }) => ({
              export_id: job.id,
              number,
              tenant_id: job.tenant_id,
              size_bytes: sizeBytes,
              sha256,
              etag: null,
            })),
          )
          const change = { ...progress, ...(await also(tx, rows)) }
          await updateExport(tx, job.id, change)
          return { ...current, ...change }
        })
        return rows
      } catch (error) {
        // The hasher has eaten what was never recorded.
        if (!(error instanceof ExportEnded || error instanceof ExportMoved))
          parts = await archive.resumeParts(job)
        throw error
      }
    },
  }
}
