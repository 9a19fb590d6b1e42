import { fromUtf8, utf8 } from './bytes.ts'

/**
 * The one ZIP form this package writes and reads: stored entries, UTF-8 names, the date 1980-01-01, no extra
 * fields, comments, descriptors or gaps. A list of names and contents therefore has exactly one encoding, and
 * a reader can compare the whole framing byte for byte.
 */
export interface ZipHeader {
  name: string
  crc: number
  sizeBytes: number
}

export const LOCAL_BYTES = 30
export const CENTRAL_BYTES = 46
export const END_BYTES = 22
export const LOCAL_SIGNATURE = 0x04034b50
export const CENTRAL_SIGNATURE = 0x02014b50
export const END_SIGNATURE = 0x06054b50
export const ZIP64_LOCATOR_SIGNATURE = 0x07064b50
/** The largest value of these fields means "see zip64" and is not used. */
export const SIZE_MAX = 0xfffffffe
export const ENTRIES_MAX = 0xfffe
const NAME_BYTES_MAX = 255
const VERSION = 20
const FLAG_UTF8 = 0x0800
/** 1980-01-01, the first day a ZIP can name: the format has local times, which say nothing reliable anyway. */
const DOS_DATE = 0x0021

/** Header before an entry's content (APPNOTE 4.3.7). */
export function encodeLocalHeader(header: ZipHeader): Uint8Array {
  const name = utf8(header.name)
  const bytes = new Uint8Array(LOCAL_BYTES + name.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, LOCAL_SIGNATURE, true)
  writeCommon(view, 4, header, name.length)
  bytes.set(name, LOCAL_BYTES)
  return bytes
}

/** Header in the central directory (APPNOTE 4.3.12). */
export function encodeCentralHeader(header: ZipHeader, offset: number): Uint8Array {
  const name = utf8(header.name)
  const bytes = new Uint8Array(CENTRAL_BYTES + name.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, CENTRAL_SIGNATURE, true)
  view.setUint16(4, VERSION, true)
  writeCommon(view, 6, header, name.length)
  // Comment length, disk number and attributes stay 0.
  view.setUint32(42, offset, true)
  bytes.set(name, CENTRAL_BYTES)
  return bytes
}

/** End of central directory record (APPNOTE 4.3.16). */
export function encodeEnd(count: number, centralBytes: number, centralOffset: number): Uint8Array {
  const bytes = new Uint8Array(END_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, END_SIGNATURE, true)
  view.setUint16(8, count, true)
  view.setUint16(10, count, true)
  view.setUint32(12, centralBytes, true)
  view.setUint32(16, centralOffset, true)
  return bytes
}

/** The fields both headers have: version needed to the length of the extra field. */
function writeCommon(view: DataView, at: number, header: ZipHeader, nameBytes: number): void {
  view.setUint16(at, VERSION, true)
  view.setUint16(at + 2, FLAG_UTF8, true)
  view.setUint16(at + 4, 0, true)
  view.setUint16(at + 6, 0, true)
  view.setUint16(at + 8, DOS_DATE, true)
  view.setUint32(at + 10, header.crc, true)
  view.setUint32(at + 14, header.sizeBytes, true)
  view.setUint32(at + 18, header.sizeBytes, true)
  view.setUint16(at + 22, nameBytes, true)
  view.setUint16(at + 24, 0, true)
}

/**
 * Whether a name is safe to unpack anywhere: relative, forward slashes, no empty, `.` or `..` part, no
 * backslash, colon or control character, and in Unicode form C so that two names never look the same.
 */
export function isSafeName(name: string): boolean {
  const bytes = utf8(name)
  if (
    name === '' ||
    bytes.length > NAME_BYTES_MAX ||
    fromUtf8(bytes) !== name ||
    name.normalize('NFC') !== name
  )
    return false
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  if (/[\u0000-\u001f\u007f-\u009f\\:*?"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/.test(name))
    return false
  return name.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && !/[. ]$/.test(part))
}
