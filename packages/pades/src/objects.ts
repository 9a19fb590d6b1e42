/** The object model of PDF (ISO 32000-2 §7.3), kept as plain values. */
export interface PdfName {
  readonly kind: 'name'
  readonly name: string
}

/** A string token, left undecoded: `source[start..end)` includes its delimiters. */
export interface PdfString {
  readonly kind: 'string'
  readonly source: Uint8Array
  readonly start: number
  readonly end: number
}

export interface PdfRef {
  readonly kind: 'ref'
  readonly num: number
  readonly gen: number
}

export type PdfDict = Map<string, PdfValue>

/** A stream, left undecoded: its data is `source[start..end)`. */
export interface PdfStream {
  readonly kind: 'stream'
  readonly dict: PdfDict
  readonly source: Uint8Array
  readonly start: number
  readonly end: number
  /** Brings the data in where the file is read by ranges; it is not there before. */
  readonly load?: () => void
}

/** The undecoded data of a stream. */
export function streamData(stream: PdfStream): Uint8Array {
  stream.load?.()
  return stream.source.subarray(stream.start, stream.end)
}

export type PdfValue =
  | null
  | boolean
  | number
  | PdfName
  | PdfString
  | PdfRef
  | PdfValue[]
  | PdfDict
  | PdfStream

export function isDict(value: PdfValue | undefined): value is PdfDict {
  return value instanceof Map
}

export function isStream(value: PdfValue | undefined): value is PdfStream {
  return kindOf(value) === 'stream'
}

export function isRef(value: PdfValue | undefined): value is PdfRef {
  return kindOf(value) === 'ref'
}

export function isString(value: PdfValue | undefined): value is PdfString {
  return kindOf(value) === 'string'
}

/** The text of a name object, or undefined for anything else. */
export function nameOf(value: PdfValue | undefined): string | undefined {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'name'
    ? value.name
    : undefined
}

export function pdfName(name: string): PdfName {
  return { kind: 'name', name }
}

export function pdfRef(num: number, gen = 0): PdfRef {
  return { kind: 'ref', num, gen }
}

/** The dictionary of a dictionary or a stream. */
export function dictOf(value: PdfValue | undefined): PdfDict | undefined {
  if (isDict(value)) return value
  return isStream(value) ? value.dict : undefined
}

function kindOf(value: PdfValue | undefined): string | undefined {
  return typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined
}

/** The bytes a string token stands for (ISO 32000-2 §7.3.4). */
export function stringBytes(value: PdfString): Uint8Array {
  const { source, start, end } = value
  return source[start] === 0x3c
    ? decodeHex(source, start + 1, end - 1)
    : decodeLiteral(source, start + 1, end - 1)
}

const HEX_DIGITS = new Int8Array(256).fill(-1)
for (const [i, char] of [...'0123456789abcdef'].entries()) {
  HEX_DIGITS[char.charCodeAt(0)] = i
  HEX_DIGITS[char.toUpperCase().charCodeAt(0)] = i
}

/** Value of a hexadecimal digit, or -1. */
export function hexDigit(byte: number): number {
  return HEX_DIGITS[byte] as number
}

function decodeHex(source: Uint8Array, from: number, to: number): Uint8Array {
  const out = new Uint8Array((to - from + 1) >> 1)
  let length = 0
  let high = -1
  for (let i = from; i < to; i++) {
    const digit = HEX_DIGITS[source[i] as number] as number
    if (digit < 0) continue
    if (high < 0) high = digit
    else {
      out[length++] = (high << 4) | digit
      high = -1
    }
  }
  if (high >= 0) out[length++] = high << 4
  return out.subarray(0, length)
}

/** Line feed, return, tab, backspace and form feed by the letter after the backslash. */
const ESCAPES = new Map([
  [0x6e, 10],
  [0x72, 13],
  [0x74, 9],
  [0x62, 8],
  [0x66, 12],
])

function decodeLiteral(source: Uint8Array, from: number, to: number): Uint8Array {
  const out = new Uint8Array(to - from)
  let length = 0
  for (let i = from; i < to; i++) {
    let byte = source[i] ?? 0
    if (byte === 0x0d) {
      // An end-of-line marker inside a string reads as one line feed.
      if (source[i + 1] === 0x0a) i++
      byte = 0x0a
    } else if (byte === 0x5c) {
      const next = source[++i] ?? 0
      if (next >= 0x30 && next <= 0x37) {
        let code = next - 0x30
        for (let n = 0; n < 2; n++) {
          const digit = source[i + 1] ?? 0
          if (digit < 0x30 || digit > 0x37 || i + 1 >= to) break
          code = code * 8 + digit - 0x30
          i++
        }
        byte = code & 0xff
      } else if (next === 0x0d || next === 0x0a) {
        if (next === 0x0d && source[i + 1] === 0x0a) i++
        continue
      } else byte = ESCAPES.get(next) ?? next
    }
    out[length++] = byte
  }
  return out.subarray(0, length)
}

/** A text string as JavaScript text: UTF-16 with mark, UTF-8 with mark, else read as Latin-1. */
export function textOf(value: PdfValue | undefined): string | undefined {
  if (!isString(value)) return undefined
  const bytes = stringBytes(value)
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes.subarray(2))
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes.subarray(2))
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf)
    return new TextDecoder().decode(bytes.subarray(3))
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

/** Equality by value; references are equal when they name the same object, and are not followed. */
export function sameValue(a: PdfValue | undefined, b: PdfValue | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined || a === null || b === null) return (a ?? null) === (b ?? null)
  if (typeof a !== 'object' || typeof b !== 'object') return false
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => sameValue(item, b[i]))
  }
  if (Array.isArray(b)) return false
  if (a instanceof Map) return b instanceof Map && sameDict(a, b)
  if (b instanceof Map) return false
  switch (a.kind) {
    case 'name':
      return b.kind === 'name' && a.name === b.name
    case 'ref':
      return b.kind === 'ref' && a.num === b.num && a.gen === b.gen
    case 'string':
      return b.kind === 'string' && sameBytes(stringBytes(a), stringBytes(b))
    case 'stream':
      return (
        b.kind === 'stream' &&
        sameDict(a.dict, b.dict) &&
        a.end - a.start === b.end - b.start &&
        sameBytes(streamData(a), streamData(b))
      )
  }
}

function sameDict(a: PdfDict, b: PdfDict): boolean {
  if (a.size !== b.size) return false
  for (const [key, value] of a) {
    const other = b.get(key)
    if (other === undefined || !sameValue(value, other)) return false
  }
  return true
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Calls `visit` for every reference inside a value, without following any. */
export function eachRef(value: PdfValue, visit: (ref: PdfRef) => void): void {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) for (const item of value) eachRef(item, visit)
  else if (value instanceof Map) for (const item of value.values()) eachRef(item, visit)
  else if (value.kind === 'ref') visit(value)
  else if (value.kind === 'stream') eachRef(value.dict, visit)
}
