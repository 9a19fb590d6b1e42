import { inflate } from '#flate'
import {
  dictOf,
  hexDigit,
  isDict,
  nameOf,
  type PdfDict,
  type PdfStream,
  type PdfValue,
  streamData,
} from './objects.ts'
import { isSpace, SyntaxFault } from './syntax.ts'

/** Decoded streams beyond this are refused: only structure is decoded here, never page pictures. */
export const MAX_DECODED = 64 * 1024 * 1024

/** Decodes a structural stream (cross-reference or object stream); throws SyntaxFault on broken data. */
export function decodeStream(
  stream: PdfStream,
  resolve: (value: PdfValue | undefined) => PdfValue,
): Uint8Array {
  let data = streamData(stream)
  const filters = listOf(resolve(stream.dict.get('Filter')), resolve)
  const params = listOf(resolve(stream.dict.get('DecodeParms')), resolve)
  if (filters.length > 8) throw new SyntaxFault('too many filters')
  filters.forEach((filter, i) => {
    const parms = dictOf(params[i] ?? null) ?? new Map<string, PdfValue>()
    data = applyFilter(nameOf(filter) ?? '', data, parms)
  })
  return data
}

function listOf(value: PdfValue, resolve: (value: PdfValue | undefined) => PdfValue): PdfValue[] {
  if (value === null) return []
  return Array.isArray(value) ? value.map((item) => resolve(item)) : [value]
}

function applyFilter(name: string, data: Uint8Array, parms: PdfDict): Uint8Array {
  switch (name) {
    case 'FlateDecode':
    case 'Fl': {
      const plain = inflate(data, MAX_DECODED)
      if (!plain) throw new SyntaxFault('stream does not inflate')
      return unpredict(plain, parms)
    }
    case 'LZWDecode':
    case 'LZW':
      return unpredict(decodeLzw(data, numberOf(parms, 'EarlyChange', 1)), parms)
    case 'ASCIIHexDecode':
    case 'AHx':
      return decodeAsciiHex(data)
    case 'ASCII85Decode':
    case 'A85':
      return decodeAscii85(data)
    default:
      throw new SyntaxFault(`filter ${name} on a structural stream`)
  }
}

function numberOf(dict: PdfDict, key: string, fallback: number): number {
  const value = isDict(dict) ? dict.get(key) : undefined
  return typeof value === 'number' ? value : fallback
}

/** Undoes PNG predictors (ISO 32000-2 §7.4.4.4); TIFF predictor 2 for bytes. */
function unpredict(data: Uint8Array, parms: PdfDict): Uint8Array {
  const predictor = numberOf(parms, 'Predictor', 1)
  if (predictor < 2) return data
  const colors = numberOf(parms, 'Colors', 1)
  const bits = numberOf(parms, 'BitsPerComponent', 8)
  const columns = numberOf(parms, 'Columns', 1)
  const pixel = Math.max(1, (colors * bits) >> 3)
  const row = (columns * colors * bits + 7) >> 3
  if (!(row > 0 && row <= 1 << 20)) throw new SyntaxFault('predictor row')
  if (predictor === 2) {
    const out = Uint8Array.from(data)
    for (let i = 0; i < out.length; i++) {
      if (i % row >= pixel) out[i] = ((out[i] as number) + (out[i - pixel] as number)) & 0xff
    }
    return out
  }
  return unfilterPng(data, row, pixel)
}

/** Undoes the PNG row filters; each row has one leading filter byte. */
export function unfilterPng(data: Uint8Array, row: number, pixel: number): Uint8Array {
  const rows = Math.ceil(data.length / (row + 1))
  const out = new Uint8Array(rows * row)
  for (let r = 0; r < rows; r++) {
    const from = r * (row + 1)
    const to = r * row
    const type = data[from] ?? 0
    const length = Math.min(row, data.length - from - 1)
    for (let i = 0; i < length; i++) {
      const raw = data[from + 1 + i] as number
      const left = i >= pixel ? (out[to + i - pixel] as number) : 0
      const up = r > 0 ? (out[to - row + i] as number) : 0
      let add = 0
      if (type === 1) add = left
      else if (type === 2) add = up
      else if (type === 3) add = (left + up) >> 1
      else if (type === 4) {
        const corner = r > 0 && i >= pixel ? (out[to - row + i - pixel] as number) : 0
        const guess = left + up - corner
        const dl = Math.abs(guess - left)
        const du = Math.abs(guess - up)
        const dc = Math.abs(guess - corner)
        add = dl <= du && dl <= dc ? left : du <= dc ? up : corner
      }
      out[to + i] = (raw + add) & 0xff
    }
  }
  return out
}

function decodeAsciiHex(data: Uint8Array): Uint8Array {
  const out: number[] = []
  let high = -1
  for (const byte of data) {
    if (byte === 0x3e) break
    const digit = hexDigit(byte)
    if (digit < 0) continue
    if (high < 0) high = digit
    else {
      out.push(high * 16 + digit)
      high = -1
    }
  }
  if (high >= 0) out.push(high * 16)
  return Uint8Array.from(out)
}

function decodeAscii85(data: Uint8Array): Uint8Array {
  const out: number[] = []
  let group: number[] = []
  for (const byte of data) {
    if (isSpace(byte)) continue
    if (byte === 0x7e) break
    if (byte === 0x7a && group.length === 0) out.push(0, 0, 0, 0)
    else if (byte >= 0x21 && byte <= 0x75) {
      group.push(byte - 0x21)
      if (group.length === 5) {
        pushGroup(out, group, 4)
        group = []
      }
    } else throw new SyntaxFault('ASCII85 data')
  }
  if (group.length > 1) {
    const count = group.length - 1
    while (group.length < 5) group.push(84)
    pushGroup(out, group, count)
  }
  return Uint8Array.from(out)
}

function pushGroup(out: number[], group: number[], count: number): void {
  let value = 0
  for (const digit of group) value = value * 85 + digit
  for (let i = 0; i < count; i++) out.push(Math.floor(value / 2 ** (24 - 8 * i)) & 0xff)
}

function decodeLzw(data: Uint8Array, early: number): Uint8Array {
  let out = new Uint8Array(Math.max(1024, data.length * 4))
  let length = 0
  const starts = new Int32Array(4097)
  const sizes = new Int32Array(4097)
  let next = 258
  let width = 9
  let buffer = 0
  let bits = 0
  let previous = -1
  for (const byte of data) {
    buffer = ((buffer << 8) | byte) & 0xffffff
    bits += 8
    if (bits < width) continue
    const code = (buffer >> (bits - width)) & ((1 << width) - 1)
    bits -= width
    if (code === 257) break
    if (code === 256) {
      next = 258
      width = 9
      previous = -1
      continue
    }
    const start = length
    const source = code < 256 ? -1 : code < next ? (starts[code] as number) : previous
    const size = code < 256 ? 1 : code < next ? (sizes[code] as number) : start - previous + 1
    if (code >= 258 && (code > next || previous < 0)) throw new SyntaxFault('LZW data')
    if (length + size > MAX_DECODED) throw new SyntaxFault('LZW output too large')
    if (length + size > out.length) {
      const grown = new Uint8Array(Math.max(out.length * 2, length + size))
      grown.set(out)
      out = grown
    }
    if (code < 256) out[length] = code
    else for (let i = 0; i < size; i++) out[length + i] = out[source + i] as number
    length += size
    if (previous >= 0 && next < 4097) {
      // The new entry is the previous output plus the first byte of this one, which follows it in `out`.
      starts[next] = previous
      sizes[next] = start - previous + 1
      next++
    }
    previous = start
    if (next + early >= 1 << width && width < 12) width++
  }
  return out.subarray(0, length)
}
