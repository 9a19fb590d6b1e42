import type { PdfValue } from './objects.ts'

const ENCODER = new TextEncoder()

/** A growing byte buffer for what is appended to a file. A class, because its methods are the inner loop of writing. */
export class Sink {
  private bytes: Uint8Array
  length = 0

  constructor(capacity = 4096) {
    this.bytes = new Uint8Array(capacity)
  }

  private room(count: number): void {
    if (this.length + count <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
  }

  /** Appends ASCII text. */
  ascii(text: string): this {
    const { length } = text
    this.room(length)
    if (length > 64) ENCODER.encodeInto(text, this.bytes.subarray(this.length))
    else {
      // For short words a loop is several times faster than a call into the encoder.
      const { bytes } = this
      const at = this.length
      for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i)
    }
    this.length += length
    return this
  }

  raw(data: Uint8Array): this {
    this.room(data.length)
    this.bytes.set(data, this.length)
    this.length += data.length
    return this
  }

  fill(byte: number, count: number): this {
    this.room(count)
    this.bytes.fill(byte, this.length, this.length + count)
    this.length += count
    return this
  }

  /** Overwrites earlier bytes with ASCII text of the same place. */
  patch(at: number, text: string): void {
    ENCODER.encodeInto(text, this.bytes.subarray(at, at + text.length))
  }

  /** The bytes written; a view when little of the buffer is left over, so that nothing is copied. */
  take(): Uint8Array {
    const { bytes, length } = this
    return bytes.length - length <= 8192 ? bytes.subarray(0, length) : bytes.slice(0, length)
  }
}

/** Writes one value in PDF syntax; string tokens are copied as they stand in their source. */
export function writeValue(sink: Sink, value: PdfValue): void {
  if (value === null) sink.ascii('null')
  else if (typeof value === 'boolean') sink.ascii(value ? 'true' : 'false')
  else if (typeof value === 'number') sink.ascii(formatNumber(value, READ_DECIMALS))
  else if (Array.isArray(value)) {
    sink.ascii('[')
    for (let i = 0; i < value.length; i++) {
      if (i > 0) sink.ascii(' ')
      writeValue(sink, value[i] ?? null)
    }
    sink.ascii(']')
  } else if (value instanceof Map) {
    sink.ascii('<<')
    for (const [key, item] of value) {
      sink.ascii(`/${escapeName(key)} `)
      writeValue(sink, item)
    }
    sink.ascii('>>')
  } else if (value.kind === 'name') sink.ascii(`/${escapeName(value.name)}`)
  else if (value.kind === 'ref') sink.ascii(`${value.num} ${value.gen} R`)
  else if (value.kind === 'string') sink.raw(value.source.subarray(value.start, value.end))
  else {
    const data = value.source.subarray(value.start, value.end)
    const dict = new Map(value.dict)
    dict.set('Length', data.length)
    writeValue(sink, dict)
    sink.ascii('\nstream\n').raw(data).ascii('\nendstream')
  }
}

/** What the reader keeps: a number of the file that is written again must stay the same number. */
const READ_DECIMALS = 9

/** Decimal notation without exponent, at most these decimals and no trailing zeros. */
export function formatNumber(value: number, decimals = 6): string {
  if (Number.isInteger(value)) return value.toFixed(0)
  const text = value.toFixed(decimals)
  let end = text.length
  while (text.charCodeAt(end - 1) === 0x30) end--
  if (text.charCodeAt(end - 1) === 0x2e) end--
  const short = text.slice(0, end)
  return short === '-0' ? '0' : short
}

// Nearly all names are plain letters, and a test is much cheaper than a replacement that finds nothing.
const PLAIN_NAME = /^[A-Za-z0-9_.-]+$/

export function escapeName(name: string): string {
  if (PLAIN_NAME.test(name)) return name
  return name.replace(
    /[^!-~]|[#()<>[\]{}/%]/g,
    (char) => `#${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

/** A text string token: a literal for plain ASCII, else UTF-16BE in hexadecimal (ISO 32000-2 §7.9.2.2). */
export function textToken(text: string): string {
  if (/^[ -~]*$/.test(text)) return `(${text.replace(/[\\()]/g, '\\$&')})`
  let hex = '<FEFF'
  for (let i = 0; i < text.length; i++) hex += text.charCodeAt(i).toString(16).toUpperCase().padStart(4, '0')
  return `${hex}>`
}

/** A date in UTC (ISO 32000-2 §7.9.4). */
export function dateToken(at: Date): string {
  const iso = at.toISOString()
  const date = iso.slice(0, 4) + iso.slice(5, 7) + iso.slice(8, 10)
  return `(D:${date}${iso.slice(11, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}Z)`
}

/** Reads a PDF date; null when it is none. */
export function parsePdfDate(text: string): Date | null {
  const m = /^(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z)|([+-])(\d\d)'?(\d\d)?'?)?/.exec(text)
  if (!m) return null
  const part = (i: number, fallback: number) => (m[i] === undefined ? fallback : Number(m[i]))
  const utc = Date.UTC(part(1, 0), part(2, 1) - 1, part(3, 1), part(4, 0), part(5, 0), part(6, 0))
  const offset = (part(9, 0) * 60 + part(10, 0)) * 60_000
  const date = new Date(m[8] === '-' ? utc + offset : utc - offset)
  return Number.isNaN(date.getTime()) ? null : date
}
