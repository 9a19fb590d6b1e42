/**
 * Strict DER reader. Elements are offsets into the source; nothing is copied until asked for. Every read is
 * bounded by its parent and by a depth, so hostile input costs one error and no more.
 */
import { PkiError } from './errors.ts'

/** One tag-length-value, as offsets into `source`. */
export interface DerElement {
  readonly source: Uint8Array
  readonly tag: number
  /** First octet of the tag. */
  readonly start: number
  /** First content octet. */
  readonly content: number
  /** One past the last content octet. */
  readonly end: number
  readonly depth: number
}

/** A position among the children of a constructed element. */
export interface DerCursor {
  readonly source: Uint8Array
  readonly end: number
  readonly depth: number
  position: number
}

/** Deeper nesting than any structure read here has. */
export const maximumDepth = 32

const fail = (message: string): never => {
  throw new PkiError('der', message)
}

/** Reads the element at an offset. High tag numbers and indefinite lengths are refused. */
export function readElement(source: Uint8Array, start: number, limit: number, depth = 0): DerElement {
  if (depth > maximumDepth) fail(`nested deeper than ${maximumDepth} levels`)
  if (start + 2 > limit) fail(`an element is cut off at offset ${start}`)
  const tag = source[start]!
  if ((tag & 0x1f) === 0x1f) fail(`a high tag number at offset ${start}`)
  let length = source[start + 1]!
  let content = start + 2
  if (length >= 0x80) {
    const octets = length & 0x7f
    if (octets === 0) fail(`an indefinite length at offset ${start}`)
    if (octets > 4) fail(`a length of ${octets} octets at offset ${start}`)
    if (content + octets > limit) fail(`a length is cut off at offset ${start}`)
    length = 0
    for (let index = 0; index < octets; index += 1) length = length * 256 + source[content++]!
    if (length < 0x80 || (octets > 1 && length < 256 ** (octets - 1)))
      fail(`a length that is not minimal at offset ${start}`)
  }
  const end = content + length
  if (end > limit) fail(`an element at offset ${start} ends outside its parent`)
  return { source, tag, start, content, end, depth }
}

/** The single element that fills the bytes. */
export function readOnly(source: Uint8Array, tag: number, what: string): DerElement {
  const found = readElement(source, 0, source.length)
  if (found.end !== source.length) fail(`${source.length - found.end} octets follow the ${what}`)
  if (found.tag !== tag) fail(`the ${what} has tag 0x${found.tag.toString(16)}`)
  return found
}

/** A cursor over the children of a constructed element. */
export function enter(parent: DerElement): DerCursor {
  return { source: parent.source, position: parent.content, end: parent.end, depth: parent.depth + 1 }
}

export const atEnd = (cursor: DerCursor): boolean => cursor.position >= cursor.end

/** Tag of the next child, or -1 at the end. */
export function peek(cursor: DerCursor): number {
  return cursor.position < cursor.end ? cursor.source[cursor.position]! : -1
}

/** The next child, whatever its tag. */
export function next(cursor: DerCursor): DerElement {
  const found = readElement(cursor.source, cursor.position, cursor.end, cursor.depth)
  cursor.position = found.end
  return found
}

/** The next child, which must have this tag. */
export function take(cursor: DerCursor, tag: number, what: string): DerElement {
  if (peek(cursor) !== tag) fail(`expected ${what} at offset ${cursor.position}`)
  return next(cursor)
}

/** The next child if it has this tag. */
export function takeOptional(cursor: DerCursor, tag: number): DerElement | undefined {
  return peek(cursor) === tag ? next(cursor) : undefined
}

/** Refuses children nobody asked for. */
export function finish(cursor: DerCursor, what: string): void {
  if (cursor.position !== cursor.end) fail(`unexpected content in ${what} at offset ${cursor.position}`)
}

/** All children of an element. */
export function childrenOf(parent: DerElement): DerElement[] {
  const cursor = enter(parent)
  const list: DerElement[] = []
  while (!atEnd(cursor)) list.push(next(cursor))
  return list
}

/** The content octets, as a view. */
export const contentOf = (found: DerElement): Uint8Array => found.source.subarray(found.content, found.end)
/** The whole encoding, as a view. */
export const encodingOf = (found: DerElement): Uint8Array => found.source.subarray(found.start, found.end)

/** Content octets of a minimal INTEGER, sign included. */
export function integerBytes(found: DerElement): Uint8Array {
  const { source, content, end } = found
  if (end === content) fail(`an empty integer at offset ${found.start}`)
  if (end - content > 1) {
    const first = source[content]!
    const second = source[content + 1]!
    if ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))
      fail(`an integer that is not minimal at offset ${found.start}`)
  }
  return contentOf(found)
}

export function readInteger(found: DerElement): bigint {
  const bytes = integerBytes(found)
  let value = bytes[0]! >= 0x80 ? -1n : 0n
  for (const octet of bytes) value = (value << 8n) | BigInt(octet)
  return value
}

/** A small non-negative INTEGER, such as a version. */
export function readSmallInteger(found: DerElement, what: string): number {
  const bytes = integerBytes(found)
  if (bytes.length > 4 || bytes[0]! >= 0x80) fail(`${what} is out of range`)
  let value = 0
  for (const octet of bytes) value = value * 256 + octet
  return value
}

export function readBoolean(found: DerElement): boolean {
  const value = found.source[found.content]
  if (found.end - found.content !== 1 || (value !== 0 && value !== 0xff))
    fail(`a bad boolean at offset ${found.start}`)
  return value === 0xff
}

const shortOids: readonly string[] = [4, 29].flatMap((arc) =>
  Array.from({ length: 128 }, (_, last) => `2.5.${arc}.${last}`),
)

export function readOid(found: DerElement): string {
  const { source, content, end } = found
  // 1 to 64 octets: longer than any registered identifier, short enough to keep the arithmetic cheap.
  if (end === content || end - content > 64 || source[end - 1]! >= 0x80)
    fail(`a bad object identifier at offset ${found.start}`)
  // The attributes of names (2.5.4) and the extensions (2.5.29) make up most of what is read.
  if (end - content === 3 && source[content] === 0x55 && source[content + 1]! < 0x80) {
    const arc = source[content + 1]!
    const known = arc === 4 ? 0 : arc === 29 ? 128 : -1
    if (known >= 0) return shortOids[known + source[content + 2]!]!
  }
  let text = ''
  let value = 0
  let big: bigint | undefined
  let fresh = true
  for (let offset = content; offset < end; offset += 1) {
    const octet = source[offset]!
    if (fresh && octet === 0x80) fail(`an object identifier that is not minimal at offset ${found.start}`)
    fresh = octet < 0x80
    if (big === undefined && value >= 2 ** 45) big = BigInt(value)
    if (big === undefined) value = value * 128 + (octet & 0x7f)
    else big = (big << 7n) | BigInt(octet & 0x7f)
    if (!fresh) continue
    if (text === '') {
      const first = big !== undefined || value >= 80 ? 2 : value >= 40 ? 1 : 0
      text = `${first}.${big === undefined ? value - first * 40 : big - 80n}`
    } else text += `.${big ?? value}`
    value = 0
    big = undefined
  }
  return text
}

/** BIT STRING of whole octets, such as a key or a signature. */
export function readBitString(found: DerElement): Uint8Array {
  if (found.end === found.content || found.source[found.content] !== 0)
    fail(`a bit string of broken octets at offset ${found.start}`)
  return found.source.subarray(found.content + 1, found.end)
}

/** Positions of the bits that are set in a BIT STRING of named bits. */
export function readNamedBits(found: DerElement): number[] {
  const { source, content, end } = found
  const unused = source[content] ?? 8
  if (end === content || unused > 7 || (end - content === 1 && unused !== 0))
    fail(`a bad bit string at offset ${found.start}`)
  const positions: number[] = []
  for (let offset = content + 1; offset < end; offset += 1)
    for (let bit = 0; bit < 8; bit += 1)
      if (source[offset]! & (0x80 >> bit)) positions.push((offset - content - 1) * 8 + bit)
  return positions
}

const utf8Decoder = new TextDecoder('utf-8', { fatal: true })

function asciiOf(source: Uint8Array, start: number, end: number): string | undefined {
  let text = ''
  for (let offset = start; offset < end; offset += 1) {
    const octet = source[offset]!
    if (octet > 0x7f) return undefined
    text += String.fromCharCode(octet)
  }
  return text
}

/** Text of any of the string types that names use. T61String is read as Latin-1, as everybody does. */
export function readText(found: DerElement): string {
  const { source, tag, content, end } = found
  const ascii = tag === 0x1e || tag === 0x1c ? undefined : asciiOf(source, content, end)
  switch (tag) {
    case 0x0c:
      if (ascii !== undefined) return ascii
      try {
        return utf8Decoder.decode(source.subarray(content, end))
      } catch {
        return fail(`broken UTF-8 at offset ${found.start}`)
      }
    case 0x12:
    case 0x13:
    case 0x16:
    case 0x1a:
      return ascii ?? fail(`a character outside ASCII at offset ${found.start}`)
    case 0x14:
      return (
        ascii ?? Array.from(source.subarray(content, end), (octet) => String.fromCharCode(octet)).join('')
      )
    case 0x1e: {
      if ((end - content) % 2 !== 0) fail(`half a character at offset ${found.start}`)
      let text = ''
      for (let offset = content; offset < end; offset += 2)
        text += String.fromCharCode(source[offset]! * 256 + source[offset + 1]!)
      return text
    }
    default:
      return fail(`tag 0x${tag.toString(16)} is no text, at offset ${found.start}`)
  }
}

export const isText = (tag: number): boolean => [0x0c, 0x12, 0x13, 0x14, 0x16, 0x1a, 0x1e].includes(tag)

/** Two decimal digits as a number, NaN when they are none. */
function twoDigits(source: Uint8Array, at: number): number {
  const high = source[at]! - 0x30
  const low = source[at + 1]! - 0x30
  return high >= 0 && high <= 9 && low >= 0 && low <= 9 ? high * 10 + low : Number.NaN
}

/** The usual form, UTCTime to the second from 1970 on, without detours; undefined when it is anything else. */
function readPlainTime(source: Uint8Array, tag: number, content: number, end: number): Date | undefined {
  if (tag !== 0x17 || end - content !== 13 || source[content + 12] !== 0x5a) return undefined
  const year = twoDigits(source, content)
  const month = twoDigits(source, content + 2)
  const day = twoDigits(source, content + 4)
  const hour = twoDigits(source, content + 6)
  const minute = twoDigits(source, content + 8)
  const second = twoDigits(source, content + 10)
  // Days past the 28th may not exist: the careful way decides.
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= 28)) return undefined
  if (!(hour < 24 && minute < 60 && second < 60 && (year < 50 || year >= 70))) return undefined
  return new Date(Date.UTC(year < 50 ? 2000 + year : 1900 + year, month - 1, day, hour, minute, second))
}

/** UTCTime or GeneralizedTime in UTC (RFC 5280 §4.1.2.5); fractions only in GeneralizedTime, kept to the millisecond. */
export function readTime(found: DerElement): Date {
  const { tag, content, end, source } = found
  const plainTime = readPlainTime(source, tag, content, end)
  if (plainTime !== undefined) return plainTime
  const text = asciiOf(source, content, end) ?? ''
  const form = tag === 0x17 ? /^(\d\d)(\d{10})Z$/ : /^(\d{4})(\d{10})(?:\.(\d{0,14}[1-9]))?Z$/
  const match = tag === 0x17 || tag === 0x18 ? form.exec(text) : null
  if (match === null) return fail(`a bad time at offset ${found.start}`)
  let year = Number(match[1])
  if (tag === 0x17) year += year < 50 ? 2000 : 1900
  const digits = match[2]!
  const field = (index: number) => Number(digits.slice(index * 2, index * 2 + 2))
  const [month, day, hour, minute, second] = [field(0), field(1), field(2), field(3), field(4)]
  const milliseconds = match[3] === undefined ? 0 : Math.floor(Number(`0.${match[3]}`) * 1000)
  const time = new Date(0)
  time.setUTCFullYear(year, month - 1, day)
  time.setUTCHours(hour, minute, second, milliseconds)
  const exact =
    time.getUTCMonth() === month - 1 && time.getUTCDate() === day && hour < 24 && minute < 60 && second < 60
  return exact ? time : fail(`a time that does not exist at offset ${found.start}`)
}
