import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/**
 * A segment is a magic number and then records, each
 * `'YXR1' ‖ body size u32 ‖ object id 16 ‖ SHA-256 of the body 32 ‖ CRC-32 of the body u32 ‖ CRC-32 of all before u32 ‖ body`.
 * A record stands by itself, so that a segment can be walked without any index and without keys.
 * A record that was destroyed in place keeps its header, with the magic `'YXRX'`, over a body of zeros; that is the
 * change of one byte, which no crash can tear, and of four of its bits, which no single fault makes.
 */
export const segmentMagic = Buffer.from('YXSEG001', 'ascii')
export const recordHeaderBytes = 64

const recordMagic = Buffer.from('YXR1', 'ascii')

export interface RecordHeader {
  objectId: string
  bodyBytes: number
  bodySha256: string
  bodyCrc: number
  /** The body was overwritten on purpose. */
  erased: boolean
}

/** Where in a record's header the one byte lies that says erased, and what it says then. */
export const erasedMarkOffset = 3
export const erasedMark = Buffer.from('X', 'ascii')

export function encodeRecordHeader(objectId: string, body: Uint8Array, bodySha256: string): Buffer {
  const header = Buffer.alloc(recordHeaderBytes)
  recordMagic.copy(header)
  header.writeUInt32BE(body.length, 4)
  uuidBytes(objectId).copy(header, 8)
  header.write(bodySha256, 24, 'hex')
  header.writeUInt32BE(crc32(body), 56)
  header.writeUInt32BE(crc32(header.subarray(0, 60)), 60)
  return header
}

/** The header, or undefined when these bytes are none: a torn tail, or damage. */
export function decodeRecordHeader(bytes: Uint8Array): RecordHeader | undefined {
  if (bytes.length < recordHeaderBytes) return undefined
  const header = Buffer.from(bytes.subarray(0, recordHeaderBytes))
  const erased = header[erasedMarkOffset] === erasedMark[0]
  if (erased) recordMagic.copy(header)
  if (!header.subarray(0, 4).equals(recordMagic)) return undefined
  if (header.readUInt32BE(60) !== crc32(header.subarray(0, 60))) return undefined
  return {
    objectId: uuidText(header.subarray(8, 24)),
    bodyBytes: header.readUInt32BE(4),
    bodySha256: header.toString('hex', 24, 56),
    bodyCrc: header.readUInt32BE(56),
    erased,
  }
}

/** Whether a body is the one its header speaks of; the checksum finds accidents cheaply, the hash is certain. */
export function bodyFits(header: RecordHeader, body: Uint8Array, thorough: boolean): boolean {
  if (body.length !== header.bodyBytes || crc32(body) !== header.bodyCrc) return false
  return !thorough || createHash('sha256').update(body).digest('hex') === header.bodySha256
}

export function uuidBytes(uuid: string): Buffer {
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex')
  if (bytes.length !== 16) throw new Error(`${uuid} is no uuid`)
  return bytes
}

export function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
