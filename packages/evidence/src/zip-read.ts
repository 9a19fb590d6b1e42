import { fromUtf8, sameBytes } from './bytes.ts'
import { crc32 } from './crc32.ts'
import {
  CENTRAL_BYTES,
  CENTRAL_SIGNATURE,
  encodeCentralHeader,
  encodeEnd,
  encodeLocalHeader,
  END_BYTES,
  END_SIGNATURE,
  isSafeName,
  LOCAL_BYTES,
  LOCAL_SIGNATURE,
  ZIP64_LOCATOR_SIGNATURE,
  type ZipHeader,
} from './zip-format.ts'
import { salvageEntries } from './zip-salvage.ts'

/** The name under which a problem of the archive as a whole is reported. */
export const ARCHIVE = '(archive)'

export type ZipProblemCode =
  | 'not_a_zip'
  | 'zip64'
  | 'header_changed'
  | 'directory_changed'
  | 'end_changed'
  | 'trailing_data'
  | 'content_damaged'
  | 'unsafe_name'
  | 'duplicate_name'

export interface ZipProblem {
  /** Name of the entry, or {@link ARCHIVE}. */
  entry: string
  code: ZipProblemCode
  /** Where in the file. */
  offset: number
}

export interface ZipEntry {
  name: string
  content: Uint8Array
}

/**
 * Reads a ZIP of the one form of zip-format.ts. Every byte outside the contents must be the one the writer
 * would have written; each difference is reported with the entry it belongs to. Contents are views into `zip`.
 * Entries are returned as far as they could be read, also when there are problems.
 */
export function readZip(zip: Uint8Array): { entries: ZipEntry[]; problems: ZipProblem[] } {
  const problems: ZipProblem[] = []
  const entries: ZipEntry[] = []
  if (uint32(zip, 0) !== LOCAL_SIGNATURE && uint32(zip, zip.length - END_BYTES) !== END_SIGNATURE) {
    return { entries, problems: [{ entry: ARCHIVE, code: 'not_a_zip', offset: 0 }] }
  }
  // 1. The local headers, one after the other from the start.
  const walked = walkLocal(zip)
  const directory = namesInDirectory(zip)
  const nameAt = (index: number) => [walked.headers[index]?.name, directory[index]]
  const report = (index: number, code: ZipProblemCode, offset: number) => {
    // Where header and directory disagree about a name, either may be the changed one: both are named.
    const names = new Set(nameAt(index).filter((name) => name !== undefined && name !== ''))
    for (const entry of names.size === 0 ? [ARCHIVE] : names)
      problems.push({ entry: entry as string, code, offset })
  }
  if (walked.broken !== null) {
    report(walked.broken.index, walked.broken.code, walked.broken.offset)
    // A wrong length in one header shows only where the next one is missing.
    walked.headers.forEach((header, index) => {
      if ((directory[index] ?? header.name) !== header.name) report(index, 'header_changed', header.offset)
    })
  }
  // 2. Contents and names.
  const seen = new Set<string>()
  walked.headers.forEach((header, index) => {
    const content = zip.subarray(header.contentOffset, header.contentOffset + header.sizeBytes)
    entries.push({ name: header.name, content })
    if (crc32(content) !== header.crc) report(index, 'content_damaged', header.contentOffset)
    if (!isSafeName(header.name)) report(index, 'unsafe_name', header.offset)
    if (seen.has(header.name.toLowerCase())) report(index, 'duplicate_name', header.offset)
    seen.add(header.name.toLowerCase())
  })
  // Packed anew by another program: the form is refused above, and what else differs is still to be named.
  if (walked.broken !== null) {
    for (const entry of salvageEntries(zip)) if (!seen.has(entry.name.toLowerCase())) entries.push(entry)
  }
  // 3. The directory and the end, as they must follow from the local headers.
  if (walked.broken === null) judgeDirectory(zip, walked.headers, walked.end, report, problems)
  return { entries, problems }
}

interface LocalHeader extends ZipHeader {
  offset: number
  contentOffset: number
}

interface Walk {
  headers: LocalHeader[]
  /** Where the central directory must begin. */
  end: number
  broken: { index: number; code: ZipProblemCode; offset: number } | null
}

function walkLocal(zip: Uint8Array): Walk {
  const headers: LocalHeader[] = []
  let at = 0
  const broken = (code: ZipProblemCode): Walk => ({
    headers,
    end: at,
    broken: { index: headers.length, code, offset: at },
  })
  const start = directoryStart(zip)
  while (at !== start && uint32(zip, at) !== CENTRAL_SIGNATURE && uint32(zip, at) !== END_SIGNATURE) {
    if (uint32(zip, at) !== LOCAL_SIGNATURE || at + LOCAL_BYTES > zip.length) return broken('header_changed')
    const crc = uint32(zip, at + 14)
    const sizeBytes = uint32(zip, at + 18)
    if (sizeBytes === 0xffffffff) return broken('zip64')
    const contentOffset = at + LOCAL_BYTES + uint16(zip, at + 26)
    const name = fromUtf8(zip.subarray(at + LOCAL_BYTES, contentOffset))
    const header = { name: name ?? '', crc, sizeBytes }
    const encoded = encodeLocalHeader(header)
    if (
      name === null ||
      contentOffset + sizeBytes > zip.length ||
      !sameBytes(encoded, zip.subarray(at, contentOffset))
    ) {
      return broken('header_changed')
    }
    headers.push({ ...header, offset: at, contentOffset })
    at = contentOffset + sizeBytes
  }
  return { headers, end: at, broken: null }
}

function judgeDirectory(
  zip: Uint8Array,
  headers: readonly LocalHeader[],
  start: number,
  report: (index: number, code: ZipProblemCode, offset: number) => void,
  problems: ZipProblem[],
): void {
  let at = start
  for (const [index, header] of headers.entries()) {
    const expected = encodeCentralHeader(header, header.offset)
    if (!sameBytes(expected, zip.subarray(at, at + expected.length))) {
      report(index, 'directory_changed', at)
      return
    }
    at += expected.length
  }
  const end = encodeEnd(headers.length, at - start, start)
  if (!sameBytes(end, zip.subarray(at, at + END_BYTES))) {
    const code =
      uint32(zip, at) === ZIP64_LOCATOR_SIGNATURE || uint32(zip, at) === 0x06064b50 ? 'zip64' : 'end_changed'
    problems.push({ entry: ARCHIVE, code, offset: at })
  } else if (at + END_BYTES !== zip.length) {
    problems.push({ entry: ARCHIVE, code: 'trailing_data', offset: at + END_BYTES })
  }
}

/** Names by position as the central directory has them; only for naming what is broken, never for reading. */
function namesInDirectory(zip: Uint8Array): string[] {
  const names: string[] = []
  const end = zip.length - END_BYTES
  let at = directoryStart(zip) ?? end
  while (at + CENTRAL_BYTES <= end && uint32(zip, at) === CENTRAL_SIGNATURE) {
    const nameEnd = at + CENTRAL_BYTES + uint16(zip, at + 28)
    names.push(fromUtf8(zip.subarray(at + CENTRAL_BYTES, Math.min(nameEnd, end))) ?? '')
    at = nameEnd
  }
  return names
}

/** Where the end record says the directory begins, if there is an end record. */
function directoryStart(zip: Uint8Array): number | null {
  const end = zip.length - END_BYTES
  return uint32(zip, end) === END_SIGNATURE ? uint32(zip, end + 16) : null
}

function uint16(bytes: Uint8Array, at: number): number {
  return at < 0 || at + 2 > bytes.length ? 0 : (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
}

function uint32(bytes: Uint8Array, at: number): number {
  return at < 0 || at + 4 > bytes.length ? 0 : (uint16(bytes, at) | (uint16(bytes, at + 2) << 16)) >>> 0
}
