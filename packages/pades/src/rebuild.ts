import { decodeStream } from './filters.ts'
import { dictOf, isDict, isRef, isStream, nameOf, type PdfDict, type PdfValue, pdfRef } from './objects.ts'
import { PdfRefusal } from './refusal.ts'
import {
  cursorAt,
  findAscii,
  findLastAscii,
  isDigit,
  isSpace,
  readValue,
  SyntaxFault,
  skipSpace,
  takeInteger,
} from './syntax.ts'
import {
  type IndirectObject,
  MAX_OBJECT_NUMBER,
  readIndirect,
  type XrefEntry,
  type XrefSection,
} from './xref.ts'

const MAX_OBJECTS = 1_000_000
/** Bytes that may be looked at in vain: broken objects must not make the scan quadratic. */
const MAX_WASTED = 64 * 1024 * 1024

/**
 * Rebuilds the cross-reference by one linear scan of the file: later objects win over earlier ones,
 * and the last trailer that names a catalogue is taken.
 */
export function rebuildSection(bytes: Uint8Array): XrefSection {
  const entries = new Map<number, XrefEntry>()
  let trailer: PdfDict | undefined
  let catalog: number | undefined
  let encrypt: PdfValue | undefined
  let id: PdfValue | undefined
  let info: PdfValue | undefined
  let highest = 0
  let unfinished = false
  let wasted = 0
  let lastEnd: number | undefined
  const record = (num: number, entry: XrefEntry) => {
    // A number beyond the format's limit can be no object; it is text that looks like one.
    if (num > MAX_OBJECT_NUMBER) return
    if (entries.size >= MAX_OBJECTS) throw new PdfRefusal('too_complex', 'object count')
    entries.set(num, entry)
    highest = Math.max(highest, num)
  }
  const takeTrailer = (dict: PdfDict) => {
    encrypt ??= dict.get('Encrypt')
    id = dict.get('ID') ?? id
    info = dict.get('Info') ?? info
    if (isRef(dict.get('Root'))) trailer = dict
  }

  let pos = 0
  while (pos < bytes.length) {
    const found = nextLandmark(bytes, pos)
    if (!found) break
    if (found.kind === 'trailer') {
      pos = found.at + 7
      try {
        const dict = readValue(cursorAt(bytes, pos))
        if (isDict(dict)) takeTrailer(dict)
      } catch (fault) {
        if (!(fault instanceof SyntaxFault)) throw fault
      }
      continue
    }
    const object = tryIndirect(bytes, found.header, entries)
    if (!('value' in object)) {
      wasted += Math.max(0, object.reach - found.header)
      if (wasted > MAX_WASTED + 4 * bytes.length) throw new PdfRefusal('too_complex', 'unreadable objects')
      pos = found.at + 3
      // Only one look to the end of the file is needed to know that no object ends there any more.
      if (lastEnd === undefined) lastEnd = findLastAscii(bytes, 'endobj', 0)
      unfinished = lastEnd < pos
      continue
    }
    unfinished = false
    pos = Math.max(found.at + 3, object.end)
    record(object.num, { type: 'offset', offset: found.header, gen: object.gen })
    const dict = dictOf(object.value)
    const type = nameOf(dict?.get('Type'))
    if (type === 'Catalog') catalog = object.num
    if (isStream(object.value) && type === 'XRef') takeTrailer(object.value.dict)
    if (isStream(object.value) && type === 'ObjStm') {
      for (const [index, num] of numbersInside(object.value).entries()) {
        record(num, { type: 'compressed', container: object.num, index })
      }
    }
  }
  // The file stops in the middle of an object: what is missing cannot be known.
  if (unfinished) throw new PdfRefusal('truncated')
  if (entries.size === 0) throw new PdfRefusal('damaged', 'no objects')
  const root = trailer?.get('Root') ?? (catalog === undefined ? undefined : pdfRef(catalog))
  if (!isRef(root)) throw new PdfRefusal(hasEnd(bytes) ? 'damaged' : 'truncated', 'no document catalogue')
  const made: PdfDict = new Map<string, PdfValue>([
    ['Size', highest + 1],
    ['Root', root],
  ])
  if (id !== undefined) made.set('ID', id)
  if (info !== undefined) made.set('Info', info)
  if (encrypt !== undefined) made.set('Encrypt', encrypt)
  return {
    offset: -1,
    form: 'rebuilt',
    trailer: made,
    hybrid: undefined,
    highest,
    lookup: (num) => entries.get(num),
    numbers: () => entries.keys() as Generator<number>,
  }
}

function hasEnd(bytes: Uint8Array): boolean {
  return findAscii(bytes, 'startxref', Math.max(0, bytes.length - 2048)) !== -1
}

type Landmark =
  | { readonly kind: 'trailer'; readonly at: number }
  | { readonly kind: 'obj'; readonly at: number; readonly header: number }

function nextLandmark(bytes: Uint8Array, from: number): Landmark | undefined {
  // `obj` and `trailer` share no first letter that is rarer than these; both are looked for in one pass.
  for (let at = bytes.indexOf(0x62, from); at !== -1; at = bytes.indexOf(0x62, at + 1)) {
    if (bytes[at - 1] === 0x6f && bytes[at + 1] === 0x6a) {
      const header = headerBefore(bytes, at - 1, from)
      const trailer = findAscii(bytes, 'trailer', from, at)
      if (trailer !== -1) return { kind: 'trailer', at: trailer }
      if (header >= 0) return { kind: 'obj', at: at - 1, header }
      from = Math.max(from, at - 8)
    }
  }
  const trailer = findAscii(bytes, 'trailer', from)
  return trailer === -1 ? undefined : { kind: 'trailer', at: trailer }
}

/** Start of `N G ` before an `obj`, or -1. */
function headerBefore(bytes: Uint8Array, obj: number, from: number): number {
  let pos = obj - 1
  const number = () => {
    const space = pos
    while (pos >= from && isSpace(bytes[pos])) pos--
    const digit = pos
    while (pos >= from && isDigit(bytes[pos])) pos--
    return digit - pos > 0 && digit - pos < 11 ? space - digit : -1
  }
  if (number() < 0) return -1
  return number() < 1 ? -1 : pos + 1
}

function tryIndirect(
  bytes: Uint8Array,
  header: number,
  entries: Map<number, XrefEntry>,
): IndirectObject | SyntaxFault {
  try {
    return readIndirect(bytes, header, (value) => {
      if (!isRef(value)) return value ?? null
      const entry = entries.get(value.num)
      if (entry?.type !== 'offset') return null
      return readIndirect(bytes, entry.offset, () => null).value
    })
  } catch (fault) {
    if (fault instanceof SyntaxFault) return fault
    throw fault
  }
}

function numbersInside(stream: Extract<PdfValue, { kind: 'stream' }>): number[] {
  try {
    const data = decodeStream(stream, (value) => value ?? null)
    const count = stream.dict.get('N')
    const c = cursorAt(data, 0)
    const numbers: number[] = []
    for (let i = 0; i < (typeof count === 'number' ? count : 0); i++) {
      skipSpace(c)
      const num = takeInteger(c)
      skipSpace(c)
      if (num < 0 || takeInteger(c) < 0) break
      numbers.push(num)
    }
    return numbers
  } catch (fault) {
    if (fault instanceof SyntaxFault) return []
    throw fault
  }
}
