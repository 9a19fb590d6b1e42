/**
 * DER writer (X.690 §8, §10, §11). Constructed values are light nodes that know their size, so that a whole
 * certificate is written into one buffer in one pass, whatever its nesting.
 */
import { compareBytes } from './bytes.ts'
import { PkiError } from './errors.ts'

/** A piece of DER: finished bytes, or a node that still has to be written. */
export type Der = Uint8Array | DerNode

export interface DerNode {
  readonly tag: number
  readonly parts: readonly Der[]
  /** Content octets, without tag and length. */
  readonly contentLength: number
}

function lengthOfLength(length: number): number {
  if (length < 0x80) return 1
  if (length < 0x100) return 2
  if (length < 0x10000) return 3
  return length < 0x1000000 ? 4 : 5
}

function sizeOf(piece: Der): number {
  if (piece instanceof Uint8Array) return piece.length
  return 1 + lengthOfLength(piece.contentLength) + piece.contentLength
}

/** An element of any tag around the given pieces; raw bytes are taken as they are. */
export const element = (tag: number, ...parts: readonly Der[]): DerNode => elementOf(tag, parts)

/** The same from a list, which may be longer than a call can have arguments. */
export function elementOf(tag: number, parts: readonly Der[]): DerNode {
  let contentLength = 0
  for (const part of parts) contentLength += sizeOf(part)
  return { tag, parts, contentLength }
}

function write(piece: Der, target: Uint8Array, start: number): number {
  if (piece instanceof Uint8Array) {
    const { length } = piece
    // For short pieces a loop is cheaper than a call out of the compiled code.
    if (length > 24) target.set(piece, start)
    else for (let index = 0; index < length; index += 1) target[start + index] = piece[index]!
    return start + length
  }
  let offset = start
  target[offset++] = piece.tag
  const length = piece.contentLength
  if (length < 0x80) target[offset++] = length
  else {
    const octets = lengthOfLength(length) - 1
    target[offset++] = 0x80 | octets
    for (let shift = (octets - 1) * 8; shift >= 0; shift -= 8) target[offset++] = (length >>> shift) & 0xff
  }
  for (const part of piece.parts) offset = write(part, target, offset)
  return offset
}

/** The finished bytes of a piece. */
export function encode(piece: Der): Uint8Array {
  if (piece instanceof Uint8Array) return piece
  const target = new Uint8Array(sizeOf(piece))
  write(piece, target, 0)
  return target
}

export const sequence = (...parts: readonly Der[]): DerNode => element(0x30, ...parts)
/** A SET of one value, or one whose parts are already in DER order. */
export const set = (...parts: readonly Der[]): DerNode => element(0x31, ...parts)
/** SET OF in DER order (X.690 §11.6), under another tag when it is implicitly tagged. */
export function setOf(parts: readonly Der[], tag = 0x31): DerNode {
  const sorted = parts.map(encode)
  // Most sets have two or three members, and a revocation list may have any number.
  if (sorted.length > 8) return elementOf(tag, sorted.sort(compareBytes))
  for (let end = 1; end < sorted.length; end += 1) {
    const moving = sorted[end]!
    let at = end
    for (; at > 0 && compareBytes(sorted[at - 1]!, moving) > 0; at -= 1) sorted[at] = sorted[at - 1]!
    sorted[at] = moving
  }
  return elementOf(tag, sorted)
}
/** EXPLICIT context tag. */
export const explicit = (number: number, part: Der): DerNode => element(0xa0 | number, part)
/** IMPLICIT context tag over a primitive value, given by its content octets. */
export const implicit = (number: number, content: Uint8Array): DerNode => element(0x80 | number, content)
export const octetString = (content: Der): DerNode => element(0x04, content)
export const nullValue: Uint8Array = Uint8Array.of(0x05, 0x00)

export function boolean(value: boolean): Uint8Array {
  return Uint8Array.of(0x01, 0x01, value ? 0xff : 0x00)
}

/** INTEGER of any sign, smallest form. */
export function integer(value: number | bigint): Uint8Array {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new PkiError('argument', `${value} is no exact integer`)
    if (value >= 0 && value < 0x80) return Uint8Array.of(0x02, 0x01, value)
  }
  let rest = BigInt(value)
  const octets: number[] = []
  for (;;) {
    const octet = Number(rest & 0xffn)
    octets.unshift(octet)
    rest >>= 8n
    // The sign bit of the first octet must agree with what is left: all zeros or all ones.
    if ((rest === 0n && octet < 0x80) || (rest === -1n && octet >= 0x80)) break
  }
  return encode(element(0x02, Uint8Array.from(octets)))
}

/** INTEGER from unsigned big-endian bytes, such as a serial number. */
export function unsignedInteger(bytes: Uint8Array): Uint8Array {
  let first = 0
  while (first < bytes.length - 1 && bytes[first] === 0) first += 1
  if (bytes.length === 0) throw new PkiError('argument', 'an integer needs at least one octet')
  const body = bytes.subarray(first)
  const padded = body[0]! >= 0x80
  return encode(padded ? element(0x02, Uint8Array.of(0), body) : element(0x02, body))
}

/** Identifiers that were written before: policies and extensions repeat with every certificate. Read only. */
const oidCache = new Map<string, Uint8Array>()
const oidCacheLimit = 256

/** OBJECT IDENTIFIER from dotted text. The bytes are shared between calls: not to be written to. */
export function oid(dotted: string): Uint8Array {
  const known = oidCache.get(dotted)
  if (known !== undefined) return known
  const encoded = encodeOid(dotted)
  if (oidCache.size < oidCacheLimit) oidCache.set(dotted, encoded)
  return encoded
}

function encodeOid(dotted: string): Uint8Array {
  if (!/^[0-2](\.(0|[1-9]\d{0,38}))+$/.test(dotted))
    throw new PkiError('argument', `"${dotted}" is no object identifier`)
  const [first, second, ...rest] = dotted.split('.').map(BigInt) as [bigint, bigint, ...bigint[]]
  if (first < 2n && second > 39n) throw new PkiError('argument', `"${dotted}" is no object identifier`)
  const octets: number[] = []
  for (const arc of [first * 40n + second, ...rest]) {
    const group = [Number(arc & 0x7fn)]
    for (let left = arc >> 7n; left > 0n; left >>= 7n) group.unshift(Number(left & 0x7fn) | 0x80)
    octets.push(...group)
  }
  return encode(element(0x06, Uint8Array.from(octets)))
}

const noUnusedBits = Uint8Array.of(0)

/** BIT STRING of whole octets. */
export const bitString = (content: Uint8Array): DerNode => element(0x03, noUnusedBits, content)

/** BIT STRING of named bits: trailing zero bits are dropped (X.690 §11.2.2). */
export function namedBits(positions: Iterable<number>): Uint8Array {
  const list = [...positions]
  if (list.length === 0) return Uint8Array.of(0x03, 0x01, 0x00)
  const last = Math.max(...list)
  const content = new Uint8Array(2 + (last >> 3))
  content[0] = 7 - (last & 7)
  for (const position of list) content[1 + (position >> 3)]! |= 0x80 >> (position & 7)
  return encode(element(0x03, content))
}

const utf8 = new TextEncoder()

/** ASCII bytes of a text, or undefined when it has other characters. Cheaper than TextEncoder for short texts. */
function asciiBytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length)
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code > 0x7f) return undefined
    bytes[index] = code
  }
  return bytes
}

export function utf8String(text: string): DerNode {
  return element(0x0c, asciiBytes(text) ?? utf8.encode(text))
}

export function printableString(text: string): DerNode {
  if (!/^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text))
    throw new PkiError('argument', `"${text}" is no PrintableString`)
  return element(0x13, ia5Bytes(text))
}

export function ia5Bytes(text: string): Uint8Array {
  const bytes = asciiBytes(text)
  if (bytes === undefined) throw new PkiError('argument', `"${text}" is not ASCII`)
  return bytes
}

export const ia5String = (text: string): DerNode => element(0x16, ia5Bytes(text))

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value)
}

function timeDigits(date: Date): string {
  const month = two(date.getUTCMonth() + 1)
  return `${month}${two(date.getUTCDate())}${two(date.getUTCHours())}${two(date.getUTCMinutes())}${two(date.getUTCSeconds())}`
}

/** GeneralizedTime in UTC; milliseconds appear only when there are some (RFC 3161 §2.4.2). */
export function generalizedTime(date: Date): DerNode {
  const year = date.getUTCFullYear()
  if (!(year >= 0 && year <= 9999)) throw new PkiError('argument', 'a time needs a year from 0000 to 9999')
  const milliseconds = date.getUTCMilliseconds()
  const fraction = milliseconds === 0 ? '' : `.${String(milliseconds).padStart(3, '0').replace(/0+$/, '')}`
  return element(0x18, ia5Bytes(`${String(year).padStart(4, '0')}${timeDigits(date)}${fraction}Z`))
}

/** Time as certificates and CRLs carry it: UTCTime up to 2049 (RFC 5280 §4.1.2.5), whole seconds. */
export function certificateTime(date: Date): DerNode {
  const year = date.getUTCFullYear()
  if (year >= 1950 && year < 2050) return element(0x17, ia5Bytes(`${two(year % 100)}${timeDigits(date)}Z`))
  return generalizedTime(new Date(Math.floor(date.getTime() / 1000) * 1000))
}
