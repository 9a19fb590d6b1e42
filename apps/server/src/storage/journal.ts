import { join } from 'node:path'
import type { Clock } from '#src/clock.ts'
import type { Disk, DiskFile } from './disk.ts'
import {
  bodyFits,
  decodeRecordHeader,
  encodeRecordHeader,
  erasedMark,
  erasedMarkOffset,
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
  /** So is one that was begun this long ago; whoever compacts may rely on it. */
  segmentAgeMs?: number
  clock: Clock
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
  isSecondTry?: boolean
}

/** The segment that was written has no name any more. */
class SegmentGone extends Error {
  override readonly name = 'SegmentGone'

  constructor(segment: string) {
    super(`the segment ${segment} was deleted while it was written`)
  }
}

interface OpenSegment {
  name: string
  file: DiskFile
  sizeBytes: number
  begunMs: number
}

/** How long a process writes into one segment at most. */
export const longestSegmentMs = 60 * 60_000

/** How much is handed to the disk in one go at most. */
const largestFlushBytes = 8 << 20

/**
 * Append-only segments with group commit. A process writes only into segments it created itself:
 * processes can share the folder, and nothing is ever appended behind a torn tail that a crash left.
 * What a tail holds beyond its last whole record was never acknowledged.
 */
export function createJournal(options: JournalOptions): Journal {
  const { disk, folder, segmentAgeMs = longestSegmentMs } = options
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
        // Somebody deleted the folder: it is made again, and these go first into the new one. Once.
        if (error instanceof SegmentGone && !batch.some((one) => one.isSecondTry)) {
          waiting.unshift(...batch.map((one) => ({ ...one, isSecondTry: true })))
          continue
        }
        for (const one of batch) one.reject(error)
      }
    }
    flushing = undefined
  }

  async function flush(batch: Waiting[]): Promise<RecordPlace[]> {
    if (broken !== undefined) throw broken
    // 1. A segment; its name becomes durable together with its first records.
    const nowMs = options.clock.now().getTime()
    if (current !== undefined && nowMs - current.begunMs >= segmentAgeMs) await leave()
    const isNew = current === undefined
    const segment = current ?? (await begin(nowMs))
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
    if (!(await segment.file.linked())) throw new SegmentGone(segment.name)
    if (segment.sizeBytes >= options.segmentBytes) await leave()
    return places
  }

  async function begin(begunMs: number): Promise<OpenSegment> {
    await options.ensureFolder()
    const name = `${options.newName()}.seg`
    return { name, file: await disk.create(join(folder, name)), sizeBytes: 0, begunMs }
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
    if (header === undefined || header.erased || !bodyFits(header, body, false)) return undefined
    return { objectId: header.objectId, body }
  } finally {
    await file.close()
  }
}

/**
 * Overwrites a record where it lies, durably, and keeps its place so that the walk goes on behind it. One whose header
 * is damaged is overwritten all the same, as far as `bodyBytes`: its bytes are still there, whoever can name them or not.
 * @returns false when the record is not there any more
 */
export async function eraseRecord(
  disk: Disk,
  path: string,
  record: { objectId: string; position: number; bodyBytes: number },
  sync: (file: DiskFile) => Promise<void>,
): Promise<boolean> {
  const { objectId, position } = record
  const bodyAt = position + recordHeaderBytes
  const behind = (await disk.sizeOf(path)) - bodyAt
  if (behind < 0) return false
  const file = await disk.modify(path)
  try {
    const header = decodeRecordHeader(await file.read(recordHeaderBytes, position))
    if (header !== undefined && header.objectId !== objectId) return false
    const bodyBytes = Math.min(header?.bodyBytes ?? record.bodyBytes, behind)
    const pieceBytes = 1 << 20
    for (let done = 0; done < bodyBytes; done += pieceBytes)
      await file.write([Buffer.alloc(Math.min(pieceBytes, bodyBytes - done))], bodyAt + done)
    // The mark says that the body is gone, so it comes after. A damaged header says nothing anyway.
    await sync(file)
    if (header === undefined) return true
    await file.write([erasedMark], position + erasedMarkOffset)
    await sync(file)
    return true
  } finally {
    await file.close()
  }
}

export interface ScannedRecord {
  objectId: string
  position: number
  bodyBytes: number
  bodySha256: string
  /** False when the body does not have its hash; taken as true where bodies are not read. */
  intact: boolean
  erased: boolean
}

export interface ScanEnd {
  /** Where the whole records end. */
  endsAt: number
  /** What lies behind that: a torn tail. */
  tornBytes: number
  /** Bytes between records that are none: a header was damaged, and the walk found the next one. */
  damagedBytes: number
}

/**
 * Walks a segment without index and keys, from its first record to the end of the last whole one. Only `thorough`
 * reads the bodies.
 */
export async function* scanSegment(
  disk: Disk,
  path: string,
  thorough = true,
): AsyncGenerator<ScannedRecord, ScanEnd> {
  const sizeBytes = await disk.sizeOf(path)
  const file = await disk.open(path)
  try {
    let damagedBytes = 0
    let position = Math.min(segmentMagic.length, sizeBytes)
    // A damaged beginning hides none of the records behind it.
    if (!(await file.read(segmentMagic.length, 0)).equals(segmentMagic)) damagedBytes += position
    while (position < sizeBytes) {
      const header = decodeRecordHeader(await file.read(recordHeaderBytes, position))
      const next = position + recordHeaderBytes + (header?.bodyBytes ?? 0)
      if (header === undefined || next > sizeBytes) {
        const found = await findHeader(file, position + 1, sizeBytes)
        if (found === undefined) break
        damagedBytes += found - position
        position = found
        continue
      }
      const intact =
        header.erased ||
        !thorough ||
        bodyFits(header, await file.read(header.bodyBytes, position + recordHeaderBytes), true)
      // A bad last record is a torn one; a bad record with others behind it is damage, and the walk goes on.
      if (!intact && next === sizeBytes) break
      yield {
        objectId: header.objectId,
        position,
        bodyBytes: header.bodyBytes,
        bodySha256: header.bodySha256,
        intact,
        erased: header.erased,
      }
      position = next
    }
    return { endsAt: position, tornBytes: sizeBytes - position, damagedBytes }
  } finally {
    await file.close()
  }
}

/** The next place that holds a whole header whose record fits; ciphertext gives none but by a chance of 2^-64. */
async function findHeader(file: DiskFile, from: number, sizeBytes: number): Promise<number | undefined> {
  const windowBytes = 1 << 20
  for (let base = from; base < sizeBytes; base += windowBytes) {
    const bytes = await file.read(Math.min(windowBytes + recordHeaderBytes, sizeBytes - base), base)
    for (
      let at = bytes.indexOf('YXR', 0, 'latin1');
      at >= 0 && at < windowBytes;
      at = bytes.indexOf('YXR', at + 1, 'latin1')
    ) {
      const header = decodeRecordHeader(bytes.subarray(at))
      if (header !== undefined && base + at + recordHeaderBytes + header.bodyBytes <= sizeBytes)
        return base + at
    }
  }
  return undefined
}
