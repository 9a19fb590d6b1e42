import { join } from 'node:path'
import type { Disk, DiskFile } from './disk.ts'
import {
  bodyFits,
  decodeRecordHeader,
  encodeRecordHeader,
  recordHeaderBytes,
  segmentMagic,
} from './journal-record.ts'

/** Where a record is: the segment's file name and the offset of its header. */
export interface RecordPlace {
  segment: string
  position: number
}

export interface JournalOptions {
  disk: Disk
  folder: string
  /** Names for new segments: unique over all processes that share the folder, in order of time. */
  newName: () => string
  /** A segment that has reached this size is left and a new one begun. */
  segmentBytes: number
  /** Makes the folder and its name durable; called before each new segment. */
  ensureFolder: () => Promise<void>
  /** Told when an fsync fails: the domain must not be trusted with writes any more. */
  onSyncFailure: (error: unknown) => void
}

export interface Journal {
  /** Resolves once the record is fsynced. Concurrent callers share one fsync. */
  append(objectId: string, body: Uint8Array, bodySha256: string, header?: Buffer): Promise<RecordPlace>
  close(): Promise<void>
}

interface Waiting {
  header: Buffer
  body: Uint8Array
  resolve: (place: RecordPlace) => void
  reject: (error: unknown) => void
}

interface OpenSegment {
  name: string
  file: DiskFile
  sizeBytes: number
}

/** How much is handed to the disk in one go at most. */
const largestFlushBytes = 8 << 20

/**
 * Append-only segments with group commit. A process writes only into segments it created itself:
 * processes can share the folder, and nothing is ever appended behind a torn tail that a crash left.
 * What a tail holds beyond its last whole record was never acknowledged.
 */
export function createJournal(options: JournalOptions): Journal {
  const { disk, folder } = options
  const waiting: Waiting[] = []
  let current: OpenSegment | undefined
  let flushing: Promise<void> | undefined
  let broken: unknown

  async function drain() {
    while (waiting.length > 0) {
      const batch = takeBatch(waiting)
      try {
        const places = await flush(batch)
        for (const [at, one] of batch.entries()) one.resolve(places[at]!)
      } catch (error) {
        // Whatever part of the batch reached the file, nobody was told so; the segment is left as it is.
        await leave()
        for (const one of batch) one.reject(error)
      }
    }
    flushing = undefined
  }

  async function flush(batch: Waiting[]): Promise<RecordPlace[]> {
    if (broken !== undefined) throw broken
    // 1. A segment; its name becomes durable together with its first records.
    const isNew = current === undefined
    const segment = current ?? (await begin())
    current = segment
    // 2. One write for the whole batch.
    const parts: Uint8Array[] = isNew ? [segmentMagic] : []
    let at = segment.sizeBytes + (isNew ? segmentMagic.length : 0)
    const places: RecordPlace[] = []
    for (const { header, body } of batch) {
      places.push({ segment: segment.name, position: at })
      parts.push(header, body)
      at += header.length + body.length
    }
    await segment.file.write(parts, segment.sizeBytes)
    segment.sizeBytes = at
    // 3. One fsync for the whole batch.
    await orQuarantine(segment.file.sync())
    if (isNew) await orQuarantine(disk.syncFolder(folder))
    // 4. A folder that somebody deleted still takes writes; they are not stored.
    if (!(await segment.file.linked()))
      throw new Error(`the segment ${segment.name} was deleted while it was written`)
    if (segment.sizeBytes >= options.segmentBytes) await leave()
    return places
  }

  async function begin(): Promise<OpenSegment> {
    await options.ensureFolder()
    const name = `${options.newName()}.seg`
    return { name, file: await disk.create(join(folder, name)), sizeBytes: 0 }
  }

  async function leave() {
    const segment = current
    current = undefined
    await segment?.file.close().catch(() => undefined)
  }

  async function orQuarantine(sync: Promise<void>) {
    try {
      await sync
    } catch (error) {
      broken = error
      options.onSyncFailure(error)
      throw error
    }
  }

  return {
    append(objectId, body, bodySha256, header = encodeRecordHeader(objectId, body, bodySha256)) {
      return new Promise((resolve, reject) => {
        waiting.push({ header, body, resolve, reject })
        flushing ??= drain()
      })
    },
    async close() {
      await flushing
      await leave()
    },
  }
}

function takeBatch(waiting: Waiting[]): Waiting[] {
  let sizeBytes = 0
  let count = 0
  while (count < waiting.length && (count === 0 || sizeBytes < largestFlushBytes)) {
    sizeBytes += recordHeaderBytes + waiting[count]!.body.length
    count += 1
  }
  return waiting.splice(0, count)
}

/** Reads one record whole. Undefined when it is not there or not what was written. */
export async function readRecord(
  disk: Disk,
  path: string,
  position: number,
  bodyBytes: number,
): Promise<{ objectId: string; body: Buffer } | undefined> {
  const file = await disk.open(path)
  try {
    const bytes = await file.read(recordHeaderBytes + bodyBytes, position)
    const header = decodeRecordHeader(bytes)
    const body = bytes.subarray(recordHeaderBytes)
    if (header === undefined || !bodyFits(header, body, false)) return undefined
    return { objectId: header.objectId, body }
  } finally {
    await file.close()
  }
}

export interface ScannedRecord {
  objectId: string
  position: number
  bodyBytes: number
  bodySha256: string
  /** False when the body does not have its hash. */
  intact: boolean
}

/**
 * Walks a segment without index and keys, from its first record to the end of the last whole one.
 * @returns where the whole records end, and how many bytes lie behind that: a torn tail
 */
export async function* scanSegment(
  disk: Disk,
  path: string,
): AsyncGenerator<ScannedRecord, { endsAt: number; tornBytes: number }> {
  const sizeBytes = await disk.sizeOf(path)
  const file = await disk.open(path)
  try {
    if (!(await file.read(segmentMagic.length, 0)).equals(segmentMagic))
      return { endsAt: 0, tornBytes: sizeBytes }
    let position = segmentMagic.length
    while (position < sizeBytes) {
      const header = decodeRecordHeader(await file.read(recordHeaderBytes, position))
      const next = position + recordHeaderBytes + (header?.bodyBytes ?? 0)
      if (header === undefined || next > sizeBytes) break
      const body = await file.read(header.bodyBytes, position + recordHeaderBytes)
      const intact = bodyFits(header, body, true)
      // A bad last record is a torn one; a bad record with others behind it is damage, and the walk goes on.
      if (!intact && next === sizeBytes) break
      yield {
        objectId: header.objectId,
        position,
        bodyBytes: header.bodyBytes,
        bodySha256: header.bodySha256,
        intact,
      }
      position = next
    }
    return { endsAt: position, tornBytes: sizeBytes - position }
  } finally {
    await file.close()
  }
}
