import { hexDigit, type PdfDict, type PdfName, type PdfValue } from './objects.ts'
import { PdfRefusal } from './refusal.ts'

/** A reading position; everything reads `bytes[pos..end)`. */
export interface Cursor {
  readonly bytes: Uint8Array
  pos: number
  readonly end: number
}

/** Nesting beyond this is refused: no real document comes near, and recursion must stay bounded. */
const MAX_DEPTH = 200

/** A place where the bytes are not what the syntax asks for; readers may answer it by a rebuild. */
export class SyntaxFault extends Error {
  /** How far the reader had to look before it knew: its cost, which callers add up. */
  readonly reach: number

  constructor(message: string, reach = 0) {
    super(message)
    this.name = 'SyntaxFault'
    this.reach = reach
  }
}

// 1 white space, 2 delimiter, 0 regular (ISO 32000-2 §7.2.3).
const CLASS = new Uint8Array(256)
for (const byte of [0, 9, 10, 12, 13, 32]) CLASS[byte] = 1
for (const char of '()<>[]{}/%') CLASS[char.charCodeAt(0)] = 2

export function isSpace(byte: number | undefined): boolean {
  return byte !== undefined && CLASS[byte] === 1
}

export function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}

export function cursorAt(bytes: Uint8Array, pos: number, end = bytes.length): Cursor {
  return { bytes, pos, end }
}

/** Skips white space and comments. */
export function skipSpace(c: Cursor): void {
  const { bytes, end } = c
  let pos = c.pos
  while (pos < end) {
    const byte = bytes[pos] as number
    if (CLASS[byte] === 1) pos++
    else if (byte === 0x25) {
      while (pos < end && bytes[pos] !== 10 && bytes[pos] !== 13) pos++
    } else break
  }
  c.pos = pos
}

/** True, and past the word, if the bytes at the cursor are exactly this keyword. */
export function takeKeyword(c: Cursor, word: string): boolean {
  if (!matchesAt(c.bytes, c.pos, word) || c.pos + word.length > c.end) return false
  const after = c.bytes[c.pos + word.length]
  if (after !== undefined && c.pos + word.length < c.end && CLASS[after] === 0) return false
  c.pos += word.length
  return true
}

export function matchesAt(bytes: Uint8Array, pos: number, word: string): boolean {
  if (pos < 0 || pos + word.length > bytes.length) return false
  for (let i = 0; i < word.length; i++) if (bytes[pos + i] !== word.charCodeAt(i)) return false
  return true
}

/** First position of an ASCII word in `[from, to)`, or -1. */
export function findAscii(bytes: Uint8Array, word: string, from: number, to = bytes.length): number {
  const first = word.charCodeAt(0)
  const last = Math.min(to, bytes.length) - word.length
  let at = bytes.indexOf(first, from)
  while (at !== -1 && at <= last) {
    if (matchesAt(bytes, at, word)) return at
    at = bytes.indexOf(first, at + 1)
  }
  return -1
}

/** Last position of an ASCII word in `[from, to)`, or -1. */
export function findLastAscii(bytes: Uint8Array, word: string, from: number, to = bytes.length): number {
  const first = word.charCodeAt(0)
  for (let at = Math.min(to, bytes.length) - word.length; at >= from; at--) {
    if (bytes[at] === first && matchesAt(bytes, at, word)) return at
  }
  return -1
}

/** A non-negative integer of at most 15 digits, or -1 with the cursor unmoved. */
export function takeInteger(c: Cursor): number {
  let pos = c.pos
  let value = 0
  while (pos < c.end && isDigit(c.bytes[pos])) {
    value = value * 10 + ((c.bytes[pos] as number) - 0x30)
    pos++
  }
  if (pos === c.pos || pos - c.pos > 15) return -1
  c.pos = pos
  return value
}

/** Reads one object (not a stream) at the cursor. */
export function readValue(c: Cursor, depth = 0): PdfValue {
  if (depth > MAX_DEPTH) throw new PdfRefusal('too_complex', 'objects nested too deeply')
  skipSpace(c)
  if (c.pos >= c.end) throw new SyntaxFault('end of data', c.end)
  const byte = c.bytes[c.pos] as number
  switch (byte) {
    case 0x2f:
      return readName(c)
    case 0x28:
      return readLiteral(c)
    case 0x3c:
      return c.bytes[c.pos + 1] === 0x3c ? readDict(c, depth) : readHex(c)
    case 0x5b:
      return readArray(c, depth)
  }
  if (isDigit(byte) || byte === 0x2b || byte === 0x2d || byte === 0x2e) return readNumberOrRef(c)
  if (takeKeyword(c, 'true')) return true
  if (takeKeyword(c, 'false')) return false
  if (takeKeyword(c, 'null')) return null
  throw new SyntaxFault(`unexpected byte ${byte} at ${c.pos}`, c.pos)
}

const INTERNED = new Map<string, PdfName>()

function readName(c: Cursor): PdfName {
  const { bytes, end } = c
  let pos = c.pos + 1
  let name = ''
  while (pos < end) {
    const byte = bytes[pos] as number
    if (CLASS[byte] !== 0) break
    if (byte === 0x23 && pos + 2 < end) {
      const high = hexDigit(bytes[pos + 1] as number)
      const low = hexDigit(bytes[pos + 2] as number)
      if (high >= 0 && low >= 0) {
        name += String.fromCharCode(high * 16 + low)
        pos += 3
        continue
      }
    }
    name += String.fromCharCode(byte)
    pos++
  }
  c.pos = pos
  const known = INTERNED.get(name)
  if (known) return known
  const made: PdfName = { kind: 'name', name }
  // Only short, common names are kept: a hostile file must not fill the process's memory.
  if (name.length <= 24 && INTERNED.size < 4096) INTERNED.set(name, made)
  return made
}

function readLiteral(c: Cursor): PdfValue {
  const start = c.pos
  let depth = 0
  for (let pos = start; pos < c.end; pos++) {
    const byte = c.bytes[pos]
    if (byte === 0x5c) pos++
    else if (byte === 0x28) depth++
    else if (byte === 0x29 && --depth === 0) {
      c.pos = pos + 1
      return { kind: 'string', source: c.bytes, start, end: c.pos }
    }
  }
  throw new SyntaxFault('string without end', c.end)
}

function readHex(c: Cursor): PdfValue {
  const start = c.pos
  const close = c.bytes.indexOf(0x3e, start)
  if (close === -1 || close >= c.end) throw new SyntaxFault('hexadecimal string without end', c.end)
  c.pos = close + 1
  return { kind: 'string', source: c.bytes, start, end: c.pos }
}

function readArray(c: Cursor, depth: number): PdfValue[] {
  c.pos++
  const items: PdfValue[] = []
  for (;;) {
    skipSpace(c)
    if (c.bytes[c.pos] === 0x5d && c.pos < c.end) {
      c.pos++
      return items
    }
    items.push(readValue(c, depth + 1))
  }
}

function readDict(c: Cursor, depth: number): PdfDict {
  c.pos += 2
  const dict: PdfDict = new Map()
  for (;;) {
    skipSpace(c)
    if (c.pos >= c.end) throw new SyntaxFault('dictionary without end', c.end)
    if (c.bytes[c.pos] === 0x3e && c.bytes[c.pos + 1] === 0x3e) {
      c.pos += 2
      return dict
    }
    if (c.bytes[c.pos] !== 0x2f) throw new SyntaxFault(`dictionary key expected at ${c.pos}`, c.pos)
    const key = readName(c).name
    skipSpace(c)
    // A key directly before the end has no value: read as null, as other readers do.
    if (c.bytes[c.pos] === 0x3e && c.bytes[c.pos + 1] === 0x3e) continue
    const value = readValue(c, depth + 1)
    if (value === null) dict.delete(key)
    else dict.set(key, value)
  }
}

function readNumberOrRef(c: Cursor): PdfValue {
  const { bytes, end } = c
  const start = c.pos
  let pos = start
  if (bytes[pos] === 0x2b || bytes[pos] === 0x2d) pos++
  // Doubled minus signs occur in the wild and read as one.
  while (pos < end && bytes[pos] === 0x2d) pos++
  const negative = bytes[start] === 0x2d
  let value = 0
  const firstDigit = pos
  while (pos < end && isDigit(bytes[pos])) value = value * 10 + ((bytes[pos++] as number) - 0x30)
  const integerEnd = pos
  if (bytes[pos] === 0x2e && pos < end) {
    pos++
    let scale = 0.1
    while (pos < end && isDigit(bytes[pos])) {
      value += ((bytes[pos++] as number) - 0x30) * scale
      scale /= 10
    }
    // A stray minus inside a number ends it; the rest is skipped.
    while (pos < end && (bytes[pos] === 0x2d || isDigit(bytes[pos]) || bytes[pos] === 0x2e)) pos++
    c.pos = pos
    return Number((negative ? -value : value).toFixed(9))
  }
  if (pos === start || (pos === firstDigit && pos < end && CLASS[bytes[pos] as number] === 0)) {
    throw new SyntaxFault(`number expected at ${start}`)
  }
  c.pos = pos
  if (firstDigit !== start || integerEnd - start > 10) return negative ? -value : value
  // `12 0 R` is a reference; look ahead without consuming anything otherwise.
  let look = pos
  if (!isSpace(bytes[look])) return value
  while (look < end && isSpace(bytes[look])) look++
  const genStart = look
  let gen = 0
  while (look < end && isDigit(bytes[look]) && look - genStart < 6)
    gen = gen * 10 + ((bytes[look++] as number) - 0x30)
  if (look === genStart || !isSpace(bytes[look])) return value
  while (look < end && isSpace(bytes[look])) look++
  if (bytes[look] !== 0x52 || look >= end) return value
  const after = bytes[look + 1]
  if (after !== undefined && look + 1 < end && CLASS[after] === 0) return value
  c.pos = look + 1
  return { kind: 'ref', num: value, gen }
}
