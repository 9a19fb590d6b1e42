import { decodeStream } from './filters.ts'
import { isStream, nameOf, type PdfDict, type PdfValue } from './objects.ts'
import { PdfRefusal } from './refusal.ts'
import {
  cursorAt,
  findAscii,
  isDigit,
  isSpace,
  matchesAt,
  readValue,
  SyntaxFault,
  skipSpace,
  takeInteger,
  takeKeyword,
} from './syntax.ts'

/** Where an object lies: free, at a file offset, or inside an object stream. */
export type XrefEntry =
  | { readonly type: 'free' }
  | { readonly type: 'offset'; readonly offset: number; readonly gen: number }
  | { readonly type: 'compressed'; readonly container: number; readonly index: number }

/** One cross-reference section with its trailer, looked up in place without reading all entries. */
export interface XrefSection {
  readonly offset: number
  readonly form: 'table' | 'stream' | 'rebuilt'
  readonly trailer: PdfDict
  /** The supplement of a hybrid file (/XRefStm). */
  readonly hybrid: XrefSection | undefined
  /** The highest object number spoken of; /Size cannot be relied on. */
  readonly highest: number
  lookup(num: number): XrefEntry | undefined
  /** Every object number the section speaks of. */
  numbers(): Generator<number>
}

export const FREE: XrefEntry = { type: 'free' }
/** ISO 32000-2 Annex C: 8,388,607 objects is the classic limit. */
export const MAX_OBJECT_NUMBER = 8_388_607

/** What all sections of a file together may take: decoded bytes and entries. */
export interface SectionBudget {
  bytes: number
  entries: number
}

export function sectionBudget(): SectionBudget {
  return { bytes: 256 * 1024 * 1024, entries: 2 * MAX_OBJECT_NUMBER }
}

function spend(budget: SectionBudget, bytes: number, entries: number): void {
  budget.bytes -= bytes
  budget.entries -= entries
  if (budget.bytes < 0 || budget.entries < 0) throw new PdfRefusal('too_complex', 'cross-reference size')
}

/**
 * Reads the section at an absolute offset; `bias` is what file offsets must be shifted by. Without `supplement` that
 * of a hybrid file is left out.
 */
export function readSection(
  bytes: Uint8Array,
  offset: number,
  bias: number,
  budget: SectionBudget,
  supplement = true,
): XrefSection {
  const c = cursorAt(bytes, offset)
  skipSpace(c)
  if (takeKeyword(c, 'xref')) return readTable(bytes, offset, c.pos, bias, budget, supplement)
  if (isDigit(bytes[c.pos])) return readXrefStream(bytes, c.pos, offset, bias, budget)
  throw new SyntaxFault(`no cross-reference section at ${offset}`)
}

interface Subsection {
  readonly first: number
  readonly count: number
  readonly at: number
}

function readTable(
  bytes: Uint8Array,
  offset: number,
  from: number,
  bias: number,
  budget: SectionBudget,
  supplement: boolean,
): XrefSection {
  const c = cursorAt(bytes, from)
  const parts: Subsection[] = []
  let irregular: Map<number, XrefEntry> | undefined
  let highestIrregular = 0
  for (;;) {
    skipSpace(c)
    if (takeKeyword(c, 'trailer')) break
    const first = takeInteger(c)
    skipSpace(c)
    const count = takeInteger(c)
    if (first < 0 || count < 0 || first + count > MAX_OBJECT_NUMBER + 1)
      throw new SyntaxFault('xref subsection')
    skipSpace(c)
    if (count === 0) continue
    spend(budget, 0, count)
    if (regularRows(bytes, c.pos, count)) {
      parts.push({ first, count, at: c.pos })
      c.pos += count * 20 - (isSpace(bytes[c.pos + count * 20 - 1]) ? 0 : 1)
    } else {
      // Rows of another width occur; they are read one by one.
      irregular ??= new Map()
      for (let i = 0; i < count; i++) {
        const entry = takeRow(c, bias)
        if (!irregular.has(first + i)) irregular.set(first + i, entry)
        highestIrregular = Math.max(highestIrregular, first + i)
      }
    }
  }
  const trailer = readValue(c)
  if (!(trailer instanceof Map)) throw new SyntaxFault('trailer is no dictionary')
  // Some producers number a first subsection from 1 although it starts with the head of the free list.
  const shifted = parts[0] && parts[0].first === 1 && isFreeHead(bytes, parts[0].at) ? parts[0] : undefined
  if (shifted) parts[0] = { ...shifted, first: 0 }
  const locate = locator(parts, 20)
  const at = trailer.get('XRefStm')
  let hybrid: XrefSection | undefined
  if (typeof at === 'number' && supplement) {
    const c2 = cursorAt(bytes, at + bias)
    skipSpace(c2)
    if (isDigit(bytes[c2.pos])) hybrid = readXrefStream(bytes, c2.pos, at + bias, bias, budget)
  }
  return {
    offset,
    form: 'table',
    trailer,
    hybrid,
    highest: Math.max(highestOf(parts), highestIrregular, hybrid?.highest ?? 0),
    lookup(num) {
      const own = irregular?.get(num) ?? entryAt(bytes, locate(num), bias)
      // A hybrid file hides objects as free entries of the table (ISO 32000-2 §7.5.8.4).
      if (hybrid && (own === undefined || own.type === 'free')) return hybrid.lookup(num) ?? own
      return own
    },
    *numbers() {
      for (const part of parts) for (let i = 0; i < part.count; i++) yield part.first + i
      if (irregular) yield* irregular.keys()
      if (hybrid) yield* hybrid.numbers()
    },
  }
}

function highestOf(parts: readonly Subsection[]): number {
  return parts.reduce((highest, { first, count }) => Math.max(highest, first + count - 1), 0)
}

/** Answers where the row of an object number stands, or -1; the first subsection that has it counts. */
function locator(parts: readonly Subsection[], rowBytes: number): (num: number) => number {
  if (parts.length <= 8) {
    return (num) => {
      for (const { first, count, at } of parts)
        if (num >= first && num < first + count) return at + (num - first) * rowBytes
      return -1
    }
  }
  // Some producers write one subsection per object; those are indexed once.
  let index: Map<number, number> | undefined
  return (num) => {
    if (!index) {
      index = new Map()
      for (const { first, count, at } of parts) {
        for (let i = 0; i < count; i++) if (!index.has(first + i)) index.set(first + i, at + i * rowBytes)
      }
    }
    return index.get(num) ?? -1
  }
}

function entryAt(bytes: Uint8Array, at: number, bias: number): XrefEntry | undefined {
  if (at < 0) return undefined
  if (bytes[at + 17] === 0x66) return FREE
  const offset = digits(bytes, at, 10)
  // Offset 0 can hold no object: such rows mean free.
  return offset === 0 ? FREE : { type: 'offset', offset: offset + bias, gen: digits(bytes, at + 11, 5) }
}

function digits(bytes: Uint8Array, at: number, count: number): number {
  let value = 0
  for (let i = at; i < at + count; i++) value = value * 10 + ((bytes[i] as number) - 0x30)
  return value
}

/** Whether `[from, to)` holds digits and nothing else. */
function areDigits(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number
    if (byte < 0x30 || byte > 0x39) return false
  }
  return true
}

function isRow(bytes: Uint8Array, at: number): boolean {
  const type = bytes[at + 17]
  return (
    (type === 0x6e || type === 0x66) &&
    bytes[at + 10] === 0x20 &&
    bytes[at + 16] === 0x20 &&
    areDigits(bytes, at, at + 10) &&
    areDigits(bytes, at + 11, at + 16)
  )
}

/** Exact 20-byte rows can be addressed by arithmetic; every row is looked at once, cheaply. */
function regularRows(bytes: Uint8Array, at: number, count: number): boolean {
  const end = at + count * 20
  if (end - 1 > bytes.length) return false
  for (let row = at; row < end; row += 20) if (!isRow(bytes, row)) return false
  return isSpace(bytes[end - 2]) || isSpace(bytes[end - 1])
}

function isFreeHead(bytes: Uint8Array, at: number): boolean {
  return matchesAt(bytes, at, '0000000000 65535 f')
}

function takeRow(c: ReturnType<typeof cursorAt>, bias: number): XrefEntry {
  skipSpace(c)
  const offset = takeInteger(c)
  skipSpace(c)
  const gen = takeInteger(c)
  skipSpace(c)
  const type = c.bytes[c.pos]
  if (offset < 0 || gen < 0 || (type !== 0x6e && type !== 0x66)) throw new SyntaxFault('xref row')
  c.pos++
  return type === 0x66 || offset === 0 ? FREE : { type: 'offset', offset: offset + bias, gen }
}

function readXrefStream(
  bytes: Uint8Array,
  at: number,
  offset: number,
  bias: number,
  budget: SectionBudget,
): XrefSection {
  const object = readIndirect(bytes, at, () => null)
  if (!isStream(object.value) || nameOf(object.value.dict.get('Type')) !== 'XRef') {
    throw new SyntaxFault('no cross-reference stream')
  }
  const { dict } = object.value
  const data = decodeStream(object.value, (value) => value ?? null)
  spend(budget, data.length, 0)
  const widths = numbersOf(dict.get('W'))
  const [w0 = 0, w1 = 0, w2 = 0] = widths
  const row = w0 + w1 + w2
  if (widths.length < 3 || row === 0 || Math.max(w0, w1, w2) > 8) throw new SyntaxFault('/W of xref stream')
  const size = dict.get('Size')
  const index = dict.has('Index') ? numbersOf(dict.get('Index')) : [0, typeof size === 'number' ? size : 0]
  const parts: Subsection[] = []
  let position = 0
  for (let i = 0; i + 1 < index.length; i += 2) {
    const first = index[i] as number
    const count = Math.min(index[i + 1] as number, Math.floor((data.length - position) / row))
    if (count <= 0) break
    if (first < 0 || first + count > MAX_OBJECT_NUMBER + 1) throw new SyntaxFault('/Index of xref stream')
    spend(budget, 0, count)
    parts.push({ first, count, at: position })
    position += count * row
  }
  const locate = locator(parts, row)
  const field = (from: number, width: number) => {
    let value = 0
    for (let i = from; i < from + width; i++) value = value * 256 + (data[i] as number)
    return value
  }
  return {
    offset,
    form: 'stream',
    trailer: dict,
    hybrid: undefined,
    highest: highestOf(parts),
    lookup(num) {
      const entry = locate(num)
      if (entry < 0) return undefined
      const type = w0 === 0 ? 1 : field(entry, w0)
      const second = field(entry + w0, w1)
      const third = field(entry + w0 + w1, w2)
      if (type === 1) return second === 0 ? FREE : { type: 'offset', offset: second + bias, gen: third }
      return type === 2 ? { type: 'compressed', container: second, index: third } : FREE
    },
    *numbers() {
      for (const part of parts) for (let i = 0; i < part.count; i++) yield part.first + i
    },
  }
}

function numbersOf(value: PdfValue | undefined): number[] {
  if (!Array.isArray(value)) return []
  return value.map((item) => (typeof item === 'number' && Number.isInteger(item) ? item : -1))
}

export interface IndirectObject {
  readonly num: number
  readonly gen: number
  readonly value: PdfValue
  /** Just behind the value (behind `endstream` for streams). */
  readonly end: number
  /** True where its data was not fetched. */
  readonly distant?: boolean
}

/** What lies beyond the bytes that are there, in a file that is read by ranges. */
export interface Distance {
  /** As long as the file. */
  readonly bytes: Uint8Array
  /** Where a stream ends whose data ends at this place: behind its keyword, or -1 if none is there. */
  endBehind(at: number): number
  load(from: number, to: number): void
}

/**
 * The end of a stream whose data ends here, behind its keyword; -1 if there is none, undefined if the bytes end
 * before that can be told.
 */
export function endOfStream(bytes: Uint8Array, at: number): number | undefined {
  let pos = at
  while (isSpace(bytes[pos])) pos++
  if (matchesAt(bytes, pos, 'endstream') || matchesAt(bytes, pos, 'endobj')) return pos + 9
  return pos + 9 > bytes.length ? undefined : -1
}

/** Reads `N G obj …` at an offset; `resolveLength` answers an indirect /Length. */
export function readIndirect(
  bytes: Uint8Array,
  offset: number,
  resolveLength: (value: PdfValue | undefined) => PdfValue,
  distance?: Distance,
): IndirectObject {
  const c = cursorAt(bytes, offset)
  skipSpace(c)
  const num = takeInteger(c)
  skipSpace(c)
  const gen = takeInteger(c)
  skipSpace(c)
  if (num < 0 || gen < 0 || !matchesAt(bytes, c.pos, 'obj')) throw new SyntaxFault(`no object at ${offset}`)
  c.pos += 3
  skipSpace(c)
  // An object without content is null.
  if (matchesAt(bytes, c.pos, 'endobj')) return { num, gen, value: null, end: c.pos }
  const value = readValue(c)
  if (!(value instanceof Map)) return { num, gen, value, end: c.pos }
  const afterDict = c.pos
  skipSpace(c)
  if (!matchesAt(bytes, c.pos, 'stream')) return { num, gen, value, end: afterDict }
  c.pos += 6
  if (bytes[c.pos] === 0x0d) c.pos++
  if (bytes[c.pos] === 0x0a) c.pos++
  const start = c.pos
  const length = resolveLength(value.get('Length'))
  let end = -1
  if (typeof length === 'number' && length >= 0 && start + length <= bytes.length) {
    const behind = endOfStream(bytes, start + length) ?? -1
    if (behind !== -1) {
      const to = start + length
      return { num, gen, value: { kind: 'stream', dict: value, source: bytes, start, end: to }, end: behind }
    }
  }
  if (distance && typeof length === 'number' && length >= 0 && start + length > bytes.length) {
    // The data itself is not looked at, only whether it ends where it says; nobody may need it.
    const to = start + length
    const behind = to <= distance.bytes.length ? distance.endBehind(to) : -1
    if (behind !== -1) {
      const load = () => distance.load(start, to)
      const far: PdfValue = { kind: 'stream', dict: value, source: distance.bytes, start, end: to, load }
      return { num, gen, value: far, end: behind, distant: true }
    }
  }
  const close = findAscii(bytes, 'endstream', start)
  if (close === -1) throw new SyntaxFault('stream without end', bytes.length)
  end = close
  if (bytes[end - 1] === 0x0a) end--
  if (bytes[end - 1] === 0x0d) end--
  return {
    num,
    gen,
    value: { kind: 'stream', dict: value, source: bytes, start, end: Math.max(start, end) },
    end: close + 9,
  }
}
