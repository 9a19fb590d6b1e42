import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import {
  bodyFits,
  decodeRecordHeader,
  encodeRecordHeader,
  erasedMark,
  erasedMarkOffset,
  recordHeaderBytes,
  segmentMagic,
  uuidBytes,
  uuidText,
} from './journal-record.ts'

/**
 * Many small replicas as one object of a bucket: `segment magic ‖ records as in a journal ‖ index record ‖ trailer`.
 * The index is itself a record, of the nil object: per live record `object id 16 ‖ position u32 ‖ body size u32 ‖ SHA-256 of
 * the body 32`. The trailer is `'YXIX' ‖ position of the index u32 ‖ its size u32 ‖ CRC-32 of the twelve bytes before`, so that one request for
 * the end of a pack lists it.
 */
export interface PackEntry {
  objectId: string
  position: number
  sizeBytes: number
  bodySha256: string
}

export interface PackRecord {
  header: Buffer
  body: Uint8Array
}

/** The object id that stands in the header of an index. */
export const nilObjectId = '00000000-0000-0000-0000-000000000000'

const trailerMagic = Buffer.from('YXIX', 'ascii')
const trailerBytes = 16
const entryBytes = 56

/** How much of a pack's end is asked for in order to list it: the index of about 1,160 records. */
export const packTailBytes = 64 * 1024

export function encodePack(records: readonly PackRecord[]): { bytes: Buffer; positions: number[] } {
  const parts: Uint8Array[] = [segmentMagic]
  const entries: PackEntry[] = []
  let position = segmentMagic.length
  for (const { header, body } of records) {
    const decoded = decodeRecordHeader(header)
    if (decoded === undefined) throw new Error('a record without a valid header cannot be packed')
    entries.push({
      objectId: decoded.objectId,
      position,
      sizeBytes: body.length,
      bodySha256: decoded.bodySha256,
    })
    parts.push(header, body)
    position += header.length + body.length
  }
  parts.push(encodeIndex(entries, position))
  return { bytes: Buffer.concat(parts), positions: entries.map((entry) => entry.position) }
}

function encodeIndex(entries: readonly PackEntry[], position: number): Buffer {
  const body = Buffer.alloc(entries.length * entryBytes)
  for (const [at, entry] of entries.entries()) {
    const from = at * entryBytes
    uuidBytes(entry.objectId).copy(body, from)
    body.writeUInt32BE(entry.position, from + 16)
    body.writeUInt32BE(entry.sizeBytes, from + 20)
    body.write(entry.bodySha256, from + 24, 'hex')
  }
  const sha256 = createHash('sha256').update(body).digest('hex')
  const record = Buffer.concat([encodeRecordHeader(nilObjectId, body, sha256), body])
  const trailer = Buffer.alloc(trailerBytes)
  trailerMagic.copy(trailer)
  trailer.writeUInt32BE(position, 4)
  trailer.writeUInt32BE(record.length, 8)
  trailer.writeUInt32BE(crc32(trailer.subarray(0, 12)), 12)
  return Buffer.concat([record, trailer])
}

/**
 * What a pack holds, from its last bytes. `needed` says how many of them it takes when these are too few.
 * Undefined when this is not the end of a pack.
 */
export function decodePackTail(
  tail: Buffer,
  packBytes: number,
): { entries: PackEntry[] } | { needed: number } | undefined {
  const trailer = tail.subarray(tail.length - trailerBytes)
  if (trailer.length < trailerBytes || !trailer.subarray(0, 4).equals(trailerMagic)) return undefined
  if (trailer.readUInt32BE(12) !== crc32(trailer.subarray(0, 12))) return undefined
  const indexBytes = trailer.readUInt32BE(8)
  if (trailer.readUInt32BE(4) + indexBytes + trailerBytes !== packBytes) return undefined
  if (tail.length < indexBytes + trailerBytes) return { needed: indexBytes + trailerBytes }
  const record = tail.subarray(tail.length - trailerBytes - indexBytes, tail.length - trailerBytes)
  const header = decodeRecordHeader(record)
  const body = record.subarray(recordHeaderBytes)
  if (header?.objectId !== nilObjectId || !bodyFits(header, body, true)) return undefined
  const entries: PackEntry[] = []
  for (let at = 0; at + entryBytes <= body.length; at += entryBytes) {
    entries.push({
      objectId: uuidText(body.subarray(at, at + 16)),
      position: body.readUInt32BE(at + 16),
      sizeBytes: body.readUInt32BE(at + 20),
      bodySha256: body.toString('hex', at + 24, at + entryBytes),
    })
  }
  return { entries }
}

/** What a pack holds, from its records alone, for one whose index is damaged. Ends where the records do. */
export function walkPack(pack: Buffer): PackEntry[] {
  const entries: PackEntry[] = []
  if (!pack.subarray(0, segmentMagic.length).equals(segmentMagic)) return entries
  for (let position = segmentMagic.length; position < pack.length; ) {
    const header = decodeRecordHeader(pack.subarray(position))
    if (header === undefined || header.objectId === nilObjectId) break
    const { objectId, bodyBytes: sizeBytes, bodySha256 } = header
    if (!header.erased) entries.push({ objectId, position, sizeBytes, bodySha256 })
    position += recordHeaderBytes + sizeBytes
  }
  return entries
}

/** What a whole pack holds: by its index, or by its records where that is damaged. */
export function entriesOfPack(pack: Buffer): PackEntry[] {
  const tail = decodePackTail(pack, pack.length)
  return tail !== undefined && 'entries' in tail ? tail.entries : walkPack(pack)
}

/** One record out of its bytes. Undefined when they are not what was written, or were destroyed. */
export function decodePackRecord(bytes: Buffer): { objectId: string; body: Buffer } | undefined {
  const header = decodeRecordHeader(bytes)
  const body = bytes.subarray(recordHeaderBytes)
  if (header === undefined || header.erased || !bodyFits(header, body, false)) return undefined
  return { objectId: header.objectId, body }
}

/**
 * The pack with only these records left: the others are zeros under a header that says erased, and those that stay keep
 * their positions. A live record that is damaged stays as it is, for scrub to find.
 */
export function keepInPack(pack: Buffer, kept: readonly PackEntry[]): Buffer {
  const end = Math.max(...kept.map((entry) => entry.position + recordHeaderBytes + entry.sizeBytes))
  // Zeros everywhere, then headers, then what stays: so nothing of the others can be forgotten.
  const bytes = Buffer.alloc(end)
  segmentMagic.copy(bytes)
  for (let position = segmentMagic.length; position < end; ) {
    // Behind a damaged header the walk ends; the index still leads to every record that stays.
    const header = decodeRecordHeader(pack.subarray(position))
    if (header === undefined) break
    pack.copy(bytes, position, position, position + recordHeaderBytes)
    erasedMark.copy(bytes, position + erasedMarkOffset)
    position += recordHeaderBytes + header.bodyBytes
  }
  for (const { position, sizeBytes } of kept)
    pack.copy(bytes, position, position, position + recordHeaderBytes + sizeBytes)
  return Buffer.concat([bytes, encodeIndex(kept, end)])
}
