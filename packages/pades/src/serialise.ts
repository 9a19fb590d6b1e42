import { type PdfValue, streamData } from './objects.ts'

const ENCODER = new TextEncoder()

/** 1 for the characters that nearly all names consist of. */
const PLAIN = Uint8Array.from({ length: 123 }, (_, code) =>
  Number(/[A-Za-z0-9_.-]/.test(String.fromCharCode(code))),
)

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
    if (length > 128) ENCODER.encodeInto(text, this.bytes.subarray(this.length))
    else {
      // For short texts a loop is several times faster than a call into the encoder.
      const { bytes } = this
      const at = this.length
      for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i)
    }
    this.length += length
    return this
  }

  /** Appends a non-negative integer in decimal digits, zeros before it up to `width`. */
  integer(value: number, width = 1): this {
    let digits = width
    for (let limit = 10 ** width; value >= limit; limit *= 10) digits++
    this.room(digits)
    const { bytes } = this
    let rest = value
    for (let at = this.length + digits - 1; at >= this.length; at--) {
      const shorter = Math.floor(rest / 10)
      bytes[at] = 0x30 + (rest - shorter * 10)
      rest = shorter
    }
    this.length += digits
    return this
  }

  /** Appends a number as `formatNumber` writes it. */
  number(value: number, decimals = 6): this {
    if (value >= 0 && value <= 0x7fffffff && Number.isInteger(value)) return this.integer(value)
    return this.ascii(formatNumber(value, decimals))
  }

  /** Appends a reference to an object. */
  ref(num: number, gen = 0): this {
    return this.integer(num).ascii(' ').integer(gen).ascii(' R')
  }

  /** Appends a name with its solidus. */
  name(name: string): this {
    const { length } = name
    this.room(length + 1)
    const { bytes } = this
    const start = this.length
    bytes[start] = 0x2f
    for (let i = 0; i < length; i++) {
      const code = name.charCodeAt(i)
      // Nearly all names are plain; the rest takes the careful way.
      if (code > 0x7a || PLAIN[code] === 0) return this.ascii(`/${escapeName(name)}`)
      bytes[start + 1 + i] = code
    }
    this.length = start + 1 + length
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
  else if (typeof value === 'number') sink.number(value, READ_DECIMALS)
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
      sink.name(key).ascii(' ')
      writeValue(sink, item)
    }
    sink.ascii('>>')
  } else if (value.kind === 'name') sink.name(value.name)
  else if (value.kind === 'ref') sink.ref(value.num, value.gen)
  else if (value.kind === 'string') sink.raw(value.source.subarray(value.start, value.end))
  else {
    const data = streamData(value)
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
  // As text an integer below 10²¹ has neither exponent nor point.
  if (Number.isInteger(value)) return String(value)
  const text = value.toFixed(decimals)
  let end = text.length
  while (text.charCodeAt(end - 1) === 0x30) end--
  if (text.charCodeAt(end - 1) === 0x2e) end--
  const short = text.slice(0, end)
  return short === '-0' ? '0' : short
}

export function escapeName(name: string): string {
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
  const year = at.getUTCFullYear()
  // Four digits are all the format has; an invalid date is none either.
  if (!(year >= 0 && year <= 9999)) throw new RangeError('a PDF date has a year from 0000 to 9999')
  const date = `${String(year).padStart(4, '0')}${two(at.getUTCMonth() + 1)}${two(at.getUTCDate())}`
  return `(D:${date}${two(at.getUTCHours())}${two(at.getUTCMinutes())}${two(at.getUTCSeconds())}Z)`
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value)
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
