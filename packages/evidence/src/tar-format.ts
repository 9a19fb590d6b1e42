import { concatBytes, fromUtf8, utf8 } from './bytes.ts'

/**
 * The one form of tar (POSIX.1-2001 pax over ustar) that exports are written in. Strictness is the point: header and
 * padding follow from path, size and time alone, so that a reader can compare them byte for byte and no byte of an
 * archive is free to change unnoticed.
 */
export const TAR_BLOCK = 512
/** Two blocks of zeros end an archive. */
export const TAR_END_BYTES = 2 * TAR_BLOCK
/** What eleven octal digits hold; more goes into the extended header. */
const OCTAL_SIZE_MAX = 0o77777777777
const NAME_BYTES_MAX = 100
/** An extended header is short: a path and a size. */
const PAX_BYTES_MAX = 16 * 1024

export interface TarHead {
  path: string
  sizeBytes: number
  /** Seconds since 1970, the same for every entry of an archive. */
  mtimeS: number
}

/** Everything that stands before the content of an entry. */
export function tarHead({ path, sizeBytes, mtimeS }: TarHead): Uint8Array {
  const name = utf8(path)
  const isPlain = name.length <= NAME_BYTES_MAX && /^[\x20-\x7e]*$/.test(path)
  const records: Uint8Array[] = []
  if (!isPlain) records.push(paxRecord('path', path))
  if (sizeBytes > OCTAL_SIZE_MAX) records.push(paxRecord('size', String(sizeBytes)))
  const size = sizeBytes > OCTAL_SIZE_MAX ? 0 : sizeBytes
  const plain = ustar(isPlain ? path : fallbackName(path), size, mtimeS, '0')
  if (records.length === 0) return plain
  const pax = concatBytes(records)
  return concatBytes([
    ustar('pax-header', pax.length, mtimeS, 'x'),
    pax,
    new Uint8Array(tarPadding(pax.length)),
    plain,
  ])
}

/** How many zeros follow a content. */
export function tarPadding(sizeBytes: number): number {
  return (TAR_BLOCK - (sizeBytes % TAR_BLOCK)) % TAR_BLOCK
}

/** What an entry takes in an archive. */
export function tarEntryBytes(head: TarHead): number {
  return tarHead(head).length + head.sizeBytes + tarPadding(head.sizeBytes)
}

/** How much must be read before {@link readTarHead} can tell; null when this block begins no entry of the form. */
export function tarHeadLength(block: Uint8Array): number | null {
  const fields = readUstar(block)
  if (fields === null) return null
  if (fields.type === '0') return TAR_BLOCK
  if (fields.type !== 'x' || fields.size === 0 || fields.size > PAX_BYTES_MAX) return null
  return TAR_BLOCK + fields.size + tarPadding(fields.size) + TAR_BLOCK
}

/** Reads a head of the one form; null for anything that {@link tarHead} would not have written. */
export function readTarHead(bytes: Uint8Array): TarHead | null {
  const first = readUstar(bytes.subarray(0, TAR_BLOCK))
  if (first === null) return null
  let { name: path, size: sizeBytes } = first
  const { mtimeS } = first
  if (first.type === 'x') {
    const records = readPax(bytes.subarray(TAR_BLOCK, TAR_BLOCK + first.size))
    const second = readUstar(bytes.subarray(bytes.length - TAR_BLOCK))
    if (records === null || second === null || second.type !== '0') return null
    path = records.path ?? second.name
    sizeBytes = records.size === undefined ? second.size : Number(records.size)
  }
  if (!Number.isSafeInteger(sizeBytes) || !isSafePath(path)) return null
  const head = { path, sizeBytes, mtimeS }
  const again = tarHead(head)
  if (again.length !== bytes.length || !again.every((byte, at) => byte === bytes[at])) return null
  return head
}

/** Paths of exports: relative, with forward slashes, nothing that leads out of a folder. */
export function isSafePath(path: string): boolean {
  if (path === '' || path.length > 400 || path !== path.normalize('NFC')) return false
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\x00-\x1f\x7f\\]/.test(path) || /[\ud800-\udfff]/u.test(path)) return false
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
}

function ustar(name: string, size: number, mtimeS: number, type: '0' | 'x'): Uint8Array {
  const header = new Uint8Array(TAR_BLOCK)
  const write = (text: string, at: number) => header.set(utf8(text), at)
  const octal = (value: number, at: number, digits: number) =>
    write(`${value.toString(8).padStart(digits, '0')}\0`, at)
  write(name, 0)
  octal(0o644, 100, 7)
  octal(0, 108, 7)
  octal(0, 116, 7)
  octal(size, 124, 11)
  octal(mtimeS, 136, 11)
  write('        ', 148)
  write(type, 156)
  write('ustar\u000000', 257)
  const sum = header.reduce((all, byte) => all + byte, 0)
  write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

interface Ustar {
  name: string
  size: number
  mtimeS: number
  type: string
}

function readUstar(block: Uint8Array): Ustar | null {
  if (block.length !== TAR_BLOCK) return null
  const text = (at: number, length: number) => fromUtf8(block.subarray(at, at + length)) ?? ''
  const octal = (at: number, digits: number) => {
    const found = /^[0-7]+(?=\0$)/.exec(text(at, digits + 1))?.[0]
    return found?.length === digits ? Number.parseInt(found, 8) : null
  }
  const name = text(0, NAME_BYTES_MAX).replace(/\0.*$/s, '')
  const size = octal(124, 11)
  const mtimeS = octal(136, 11)
  const type = text(156, 1)
  if (name === '' || size === null || mtimeS === null || !/^[0x]$/.test(type)) return null
  const again = ustar(name, size, mtimeS, type as '0' | 'x')
  return again.every((byte, at) => byte === block[at]) ? { name, size, mtimeS, type } : null
}

/** The length at the front counts itself (POSIX.1-2001, pax interchange format). */
function paxRecord(key: string, value: string): Uint8Array {
  const rest = utf8(` ${key}=${value}\n`)
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return concatBytes([utf8(String(length)), rest])
}

function readPax(bytes: Uint8Array): { path?: string; size?: string } | null {
  const found: { path?: string; size?: string } = {}
  let at = 0
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at)
    const digits = space < 0 ? null : fromUtf8(bytes.subarray(at, space))
    const length = digits !== null && /^[1-9]\d{0,6}$/.test(digits) ? Number(digits) : 0
    if (length === 0 || at + length > bytes.length) return null
    const record = /^(path|size)=(.*)\n$/s.exec(fromUtf8(bytes.subarray(space + 1, at + length)) ?? '')
    if (record === null) return null
    found[record[1] as 'path' | 'size'] = record[2] as string
    at += length
  }
  return found
}

/** What a reader without extended headers sees. */
function fallbackName(path: string): string {
  return path.replace(/[^\x20-\x7e]/gu, '_').slice(-NAME_BYTES_MAX)
}
