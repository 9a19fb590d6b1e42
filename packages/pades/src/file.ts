import { decodeStream } from './filters.ts'
import {
  isDict,
  isRef,
  isStream,
  nameOf,
  type PdfDict,
  type PdfRef,
  type PdfStream,
  type PdfValue,
} from './objects.ts'
import { rebuildSection } from './rebuild.ts'
import { PdfRefusal } from './refusal.ts'
import type { SparseFile, Window } from './source.ts'
import {
  cursorAt,
  findAscii,
  findLastAscii,
  isDigit,
  readValue,
  SyntaxFault,
  skipSpace,
  takeInteger,
  takeKeyword,
} from './syntax.ts'
import {
  type Distance,
  endOfStream,
  type IndirectObject,
  readIndirect,
  readSection,
  type SectionBudget,
  sectionBudget,
  type XrefEntry,
  type XrefSection,
} from './xref.ts'

/** More revisions than this are refused; a contract with 2,000 signatures still opens. */
const MAX_SECTIONS = 4096
/** Where the end of a file is looked for. */
const TAIL = 4096
/** Slack for parsing beyond the file's own size. */
const MAX_SCANNED = 64 * 1024 * 1024
/** Bytes of an object that are looked at first in a file read by ranges. */
const FIRST_LOOK = 4096
/** All decoded object streams of one file together. */
const MAX_INFLATED = 256 * 1024 * 1024

/** An opened file: its bytes and its cross-reference sections, newest first. */
export interface PdfFile {
  readonly bytes: Uint8Array
  readonly version: string
  /** Offsets in the file count from here (bytes before `%PDF-`, when the producer ignored them). */
  readonly bias: number
  readonly sections: readonly XrefSection[]
  readonly repaired: boolean
  readonly parsed: Map<number, PdfValue>
  /** Where each parsed object ends, by its offset. */
  readonly ends: Map<number, number>
  readonly containers: Map<number, ObjectStream>
  inflated: number
  /** Bytes looked at while parsing objects; honest objects do not overlap, so this stays near the file's size. */
  scanned: number
  /** Unreadable objects read as null instead of raising a fault: a report must not stop at one bad object. */
  readonly lenient: boolean
  /** Where the bytes are not all there: how to look at a place. */
  readonly window: Window | undefined
  /** Brings bytes in before they are looked at directly; nothing to do where all are there. */
  readonly load: (from: number, to: number) => void
  readonly distance: Distance | undefined
}

interface ObjectStream {
  readonly data: Uint8Array
  readonly first: number
  readonly numbers: number[]
  readonly offsets: number[]
  readonly values: (PdfValue | undefined)[]
  positions?: Map<number, number>
}

/** The document as one revision shows it: the sections from some point of the chain on. */
export interface PdfView {
  readonly file: PdfFile
  readonly sections: readonly XrefSection[]
  readonly trailer: PdfDict
}

/** Runs `use` on the opened file; if its structure turns out broken, once more on the rebuilt one. */
export function withRepair<T>(bytes: Uint8Array, use: (view: PdfView) => T): T {
  const header = checkHeader(bytes)
  try {
    return use(openStrict(bytes, header))
  } catch (fault) {
    if (!isBroken(fault)) throw fault
    return useRebuilt(bytes, header, use)
  }
}

/** A file as it is given: all its bytes, or a way to read them. */
export type PdfInput = Uint8Array | SparseFile

/** Runs `use` on the opened file, by whatever way its bytes come. */
export function withInput<T>(input: PdfInput, use: (view: PdfView) => T): T {
  return input instanceof Uint8Array ? withRepair(input, use) : withSparse(input, use)
}

/**
 * Runs `use` on a file of which only what is looked at is read. Rebuilding would need all of it, so what is broken
 * is refused.
 */
export function withSparse<T>(sparse: SparseFile, use: (view: PdfView) => T): T {
  try {
    return use(openStrict(sparse.bytes, checkHeader(sparse.bytes), sparse))
  } catch (fault) {
    if (fault instanceof SyntaxFault)
      throw new PdfRefusal('damaged', `${fault.message}; not mended by ranges`)
    throw fault
  }
}

function isBroken(fault: unknown): boolean {
  return fault instanceof SyntaxFault || (fault instanceof PdfRefusal && fault.code === 'no_pages')
}

function useRebuilt<T>(bytes: Uint8Array, header: Header, use: (view: PdfView) => T): T {
  const section = rebuildSection(bytes)
  refuseEncryption([section])
  try {
    return use(viewOf(makeFile(bytes, header, 0, [section], true)))
  } catch (fault) {
    if (fault instanceof SyntaxFault) throw new PdfRefusal('damaged', fault.message)
    throw fault
  }
}

function makeFile(
  bytes: Uint8Array,
  header: Header,
  bias: number,
  sections: XrefSection[],
  repaired: boolean,
  sparse?: SparseFile,
): PdfFile {
  return {
    bytes,
    version: header.version,
    bias,
    sections,
    repaired,
    parsed: new Map(),
    ends: new Map(),
    containers: new Map(),
    inflated: 0,
    scanned: 0,
    lenient: false,
    window: sparse?.window,
    load: sparse?.load ?? nothing,
    distance: sparse && distanceIn(sparse),
  }
}

function nothing(): void {}

function distanceIn({ bytes, window, load }: SparseFile): Distance {
  const endBehind = (at: number) => (visible: Uint8Array) => {
    const end = endOfStream(visible, at)
    // Spaces up to the edge of what is there may go on behind it.
    if (end === undefined) throw new SyntaxFault('stream without end', visible.length)
    return end
  }
  return { bytes, load, endBehind: (at) => window(at, endBehind(at), undefined, 64) }
}

function viewOf(file: PdfFile, from = 0): PdfView {
  const newest = file.sections[from]
  if (!newest) throw new SyntaxFault('no cross-reference section')
  return { file, sections: file.sections.slice(from), trailer: newest.trailer }
}

/** The document as it was at an earlier section of the chain (0 is the newest). */
export function viewAt(file: PdfFile, from: number): PdfView {
  return viewOf(file, from)
}

interface Header {
  readonly offset: number
  readonly version: string
}

function checkHeader(bytes: Uint8Array): Header {
  if (bytes.length === 0) throw new PdfRefusal('empty')
  const offset = findAscii(bytes, '%PDF-', 0, 1024 + 5)
  if (offset === -1) throw new PdfRefusal('not_a_pdf')
  let version = ''
  for (let i = offset + 5; i < offset + 8; i++) version += String.fromCharCode(bytes[i] ?? 0x20)
  return { offset, version: /^\d\.\d$/.test(version) ? version : '1.4' }
}

function openStrict(bytes: Uint8Array, header: Header, sparse?: SparseFile): PdfView {
  const window = sparse?.window
  const named = lastStartxref(bytes)
  if (named === undefined) throw new SyntaxFault('no startxref')
  const locate = (visible: Uint8Array) => locateSection(visible, named, header.offset)
  const { offset, bias } = window ? window(named, locate) : locate(bytes)
  const sections = readChain(bytes, offset, bias, window)
  refuseEncryption(sections)
  return viewOf(makeFile(bytes, header, bias, sections, false, sparse))
}

/** Absolute offset of the section the last `startxref` of these bytes means; undefined if it means none. */
export function newestSectionOffset(
  bytes: Uint8Array,
  bias: number,
  load: PdfFile['load'],
): number | undefined {
  load(bytes.length - TAIL, bytes.length)
  const named = lastStartxref(bytes)
  if (named === undefined) return undefined
  load(named - TAIL, Math.min(bytes.length, named + bias + TAIL))
  try {
    return locateSection(bytes, named, bias).offset
  } catch (fault) {
    if (fault instanceof SyntaxFault) return undefined
    throw fault
  }
}

/** The value of the last `startxref` in the last part of the file. */
export function lastStartxref(bytes: Uint8Array): number | undefined {
  const at = findLastAscii(bytes, 'startxref', Math.max(0, bytes.length - TAIL))
  if (at === -1) return undefined
  const c = cursorAt(bytes, at + 9)
  skipSpace(c)
  const value = takeInteger(c)
  return value >= 0 ? value : undefined
}

/** Finds the section a startxref means, tolerating a leading junk shift and offsets off by a few bytes. */
function locateSection(bytes: Uint8Array, named: number, shift: number): { offset: number; bias: number } {
  for (const bias of shift > 0 ? [shift, 0] : [0]) {
    if (isSectionStart(bytes, named + bias)) return { offset: named + bias, bias }
  }
  const near = findAscii(bytes, 'xref', Math.max(0, named - 12), named + 24)
  if (near !== -1 && bytes[near - 1] !== 0x74) return { offset: near, bias: 0 }
  throw new SyntaxFault('startxref points nowhere')
}

function isSectionStart(bytes: Uint8Array, at: number): boolean {
  const c = cursorAt(bytes, at)
  skipSpace(c)
  if (takeKeyword(c, 'xref')) return true
  if (!isDigit(bytes[c.pos])) return false
  takeInteger(c)
  skipSpace(c)
  if (takeInteger(c) < 0) return false
  skipSpace(c)
  return takeKeyword(c, 'obj')
}

function readChain(bytes: Uint8Array, from: number, bias: number, window?: Window): XrefSection[] {
  const sections: XrefSection[] = []
  const seen = new Set<number>()
  const budget = sectionBudget()
  let offset: number | undefined = from
  while (offset !== undefined) {
    if (seen.has(offset)) break
    if (sections.length >= MAX_SECTIONS) throw new PdfRefusal('too_complex', 'revision count')
    seen.add(offset)
    const section: XrefSection = window
      ? readDistantSection(window, offset, bias, budget)
      : readSection(bytes, offset, bias, budget)
    sections.push(section)
    const previous: PdfValue | undefined = section.trailer.get('Prev')
    offset = typeof previous === 'number' && previous > 0 ? previous + bias : undefined
  }
  return sections
}

function readDistantSection(window: Window, at: number, bias: number, budget: SectionBudget): XrefSection {
  // The supplement of a hybrid section stands elsewhere: once it is there, the section is read with it.
  const section = window(at, (visible) => readSection(visible, at, bias, budget, false))
  const supplement = section.trailer.get('XRefStm')
  if (typeof supplement !== 'number' || section.form !== 'table') return section
  const there = supplement + bias
  const found = window(there, (visible) => isSectionStart(visible, there))
  if (found) window(there, (visible) => readSection(visible, there, bias, budget))
  return window(at, (visible) => readSection(visible, at, bias, budget, found))
}

/** Our own rule: /Encrypt in any trailer of the chain means encrypted, whatever else opens. */
function refuseEncryption(sections: readonly XrefSection[]): void {
  for (const section of sections) {
    if (section.trailer.has('Encrypt') || section.hybrid?.trailer.has('Encrypt'))
      throw new PdfRefusal('encrypted')
  }
}

export function entryOf(view: PdfView, num: number): XrefEntry | undefined {
  for (const section of view.sections) {
    const entry = section.lookup(num)
    if (entry) return entry
  }
  return undefined
}

/** The object of this number in this view; null where there is none. */
export function fetchObject(view: PdfView, num: number): PdfValue {
  const entry = entryOf(view, num)
  return entry ? readEntry(view, num, entry, 0) : null
}

/** The same view over a file that answers null for what it cannot read. */
export function leniently(view: PdfView): PdfView {
  return { ...view, file: { ...view.file, lenient: true } }
}

/** Reads the object an entry points to. */
function readEntry(view: PdfView, num: number, entry: XrefEntry, depth: number): PdfValue {
  if (!view.file.lenient) return readExactly(view, num, entry, depth)
  try {
    return readExactly(view, num, entry, depth)
  } catch (fault) {
    if (!(fault instanceof SyntaxFault)) throw fault
    if (entry.type === 'offset') view.file.parsed.set(entry.offset, null)
    return null
  }
}

function readExactly(view: PdfView, num: number, entry: XrefEntry, depth: number): PdfValue {
  if (entry.type === 'free') return null
  const { file } = view
  if (entry.type === 'compressed') return readCompressed(view, num, entry.container, entry.index, depth)
  const known = file.parsed.get(entry.offset)
  if (known !== undefined) return known
  let object: IndirectObject
  try {
    const read = (bytes: Uint8Array) =>
      readIndirect(bytes, entry.offset, (value) => resolve(view, value, depth + 1), file.distance)
    const endOf = ({ end, distant }: IndirectObject) => (distant ? entry.offset : end)
    object = file.window ? file.window(entry.offset, read, endOf, FIRST_LOOK) : read(file.bytes)
  } catch (fault) {
    if (fault instanceof SyntaxFault) countScan(file, fault.reach - entry.offset)
    throw fault
  }
  countScan(file, object.end - entry.offset)
  if (object.num !== num)
    throw new SyntaxFault(`object ${num} expected at ${entry.offset}, found ${object.num}`)
  file.parsed.set(entry.offset, object.value)
  file.ends.set(entry.offset, object.end)
  return object.value
}

function countScan(file: PdfFile, bytes: number): void {
  file.scanned += Math.max(0, bytes)
  if (file.scanned > MAX_SCANNED + 16 * file.bytes.length)
    throw new PdfRefusal('too_complex', 'overlapping objects')
}

/** Follows references until a direct value; null for dangling or endless ones. */
export function resolve(view: PdfView, value: PdfValue | undefined, depth = 0): PdfValue {
  let current = value ?? null
  for (let hops = 0; isRef(current); hops++) {
    if (hops > 32 || depth > 32) return null
    const entry = entryOf(view, current.num)
    current = entry ? readEntry(view, current.num, entry, depth) : null
  }
  return current
}

export function resolveDict(view: PdfView, value: PdfValue | undefined): PdfDict | undefined {
  const found = resolve(view, value)
  return isDict(found) ? found : undefined
}

function readCompressed(
  view: PdfView,
  num: number,
  containerNum: number,
  index: number,
  depth: number,
): PdfValue {
  const container = openContainer(view, containerNum, depth)
  let at = index
  if (container.numbers[at] !== num) at = positionOf(container, num)
  if (at === -1) return null
  const known = container.values[at]
  if (known !== undefined) return known
  const c = cursorAt(container.data, container.first + (container.offsets[at] ?? 0))
  const from = c.pos
  const value = readValue(c)
  countScan(view.file, c.pos - from)
  container.values[at] = value
  return value
}

/** Some producers write a wrong index into the cross-reference; the stream's own list decides. */
function positionOf(container: ObjectStream, num: number): number {
  if (!container.positions) {
    container.positions = new Map()
    for (const [i, own] of container.numbers.entries()) {
      if (!container.positions.has(own)) container.positions.set(own, i)
    }
  }
  return container.positions.get(num) ?? -1
}

function openContainer(view: PdfView, num: number, depth: number): ObjectStream {
  const { file } = view
  const entry = entryOf(view, num)
  if (entry?.type !== 'offset') throw new SyntaxFault(`object stream ${num} is missing`)
  const known = file.containers.get(entry.offset)
  if (known) return known
  const stream = readEntry(view, num, entry, depth)
  if (!isStream(stream) || nameOf(stream.dict.get('Type')) !== 'ObjStm')
    throw new SyntaxFault(`object ${num} is no object stream`)
  const made = parseContainer(view, stream, depth)
  file.inflated += made.data.length
  if (file.inflated > MAX_INFLATED) throw new PdfRefusal('too_complex', 'object streams inflate too far')
  file.containers.set(entry.offset, made)
  return made
}

function parseContainer(view: PdfView, stream: PdfStream, depth: number): ObjectStream {
  const data = decodeStream(stream, (value) => resolve(view, value, depth + 1))
  const count = resolve(view, stream.dict.get('N'), depth + 1)
  const first = resolve(view, stream.dict.get('First'), depth + 1)
  if (typeof count !== 'number' || typeof first !== 'number') throw new SyntaxFault('object stream header')
  const numbers: number[] = []
  const offsets: number[] = []
  const c = cursorAt(data, 0)
  for (let i = 0; i < count && c.pos < data.length; i++) {
    skipSpace(c)
    const num = takeInteger(c)
    skipSpace(c)
    const offset = takeInteger(c)
    if (num < 0 || offset < 0) throw new SyntaxFault('object stream index')
    numbers.push(num)
    offsets.push(offset)
  }
  return { data, first, numbers, offsets, values: [] }
}

/** The reference and dictionary of the document catalogue. */
export function catalogOf(view: PdfView): { ref: PdfRef; dict: PdfDict } {
  const ref = view.trailer.get('Root')
  if (!isRef(ref)) throw new SyntaxFault('no /Root')
  const dict = resolveDict(view, ref)
  if (!dict) throw new SyntaxFault('the catalogue is missing')
  return { ref, dict }
}
