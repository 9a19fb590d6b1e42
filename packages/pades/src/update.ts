import { catalogOf, type PdfView } from './file.ts'
import type { PdfDict, PdfRef, PdfValue } from './objects.ts'
import { pdfName } from './objects.ts'
import { Sink, writeValue } from './serialise.ts'
import { FREE, MAX_OBJECT_NUMBER, type XrefEntry } from './xref.ts'

/**
 * One incremental update (ISO 32000-2 §7.5.6): new and replaced objects, then a cross-reference
 * section in the form of the last one. Nothing before it is touched.
 */
export interface Update {
  readonly sink: Sink
  /** A fresh object number. */
  allocate(count?: number): number
  /** Starts an object and hands out the sink for its body. */
  begin(num: number, gen?: number): Sink
  end(): void
  /** Writes a whole object. */
  put(ref: PdfRef, value: PdfValue): void
  /** Writes the cross-reference section; the update is complete then. */
  finish(): void
}

/** Starts an update; `capacity` is about how many bytes it will take. */
export function beginUpdate(view: PdfView, capacity = 4096): Update {
  const { file } = view
  const start = file.bytes.length
  const sink = new Sink(capacity)
  const written = new Map<number, XrefEntry>()
  let next = firstFreeNumber(view)
  const last = file.bytes[start - 1]
  if (last !== 0x0a && last !== 0x0d) sink.ascii('\n')

  const begin = (num: number, gen = 0) => {
    written.set(num, { type: 'offset', offset: start + sink.length, gen })
    return sink.integer(num).ascii(' ').integer(gen).ascii(' obj\n')
  }
  return {
    sink,
    allocate(count = 1) {
      const num = next
      next += count
      return num
    },
    begin,
    end() {
      sink.ascii('\nendobj\n')
    },
    put(ref, value) {
      writeValue(begin(ref.num, ref.gen), value)
      sink.ascii('\nendobj\n')
    },
    finish() {
      finishUpdate(view, sink, start, written, next)
    },
  }
}

/** Above everything the trailers claim and the tables hold: /Size alone is wrong in some files. */
function firstFreeNumber(view: PdfView): number {
  let next = 1
  for (const section of view.sections) {
    const size = section.trailer.get('Size')
    // An absurd /Size must not push new numbers beyond what readers accept.
    if (typeof size === 'number' && size < MAX_OBJECT_NUMBER / 2) next = Math.max(next, size)
    next = Math.max(next, section.highest + 1)
  }
  return next
}

function finishUpdate(
  view: PdfView,
  sink: Sink,
  start: number,
  written: Map<number, XrefEntry>,
  next: number,
): void {
  const { file } = view
  const newest = view.sections[0]
  const trailer: PdfDict = new Map()
  for (const [key, value] of view.trailer) {
    if (!SECTION_KEYS.has(key)) trailer.set(key, value)
  }
  trailer.set('Root', catalogOf(view).ref)
  let asStream = newest?.form === 'stream'
  if (newest?.form === 'rebuilt') {
    // What was found by scanning is written down completely: no earlier section can be trusted.
    for (const num of newest.numbers()) {
      const entry = newest.lookup(num)
      if (entry && !written.has(num)) written.set(num, entry)
      if (entry?.type === 'compressed') asStream = true
    }
    written.set(0, FREE)
  } else {
    trailer.set('Prev', (newest?.offset ?? 0) - file.bias)
  }
  const at = start + sink.length - file.bias
  if (asStream) writeXrefStream(sink, trailer, written, next, at, start, file.bias)
  else writeXrefTable(sink, trailer, written, next, file.bias)
  sink.ascii('startxref\n').integer(at).ascii('\n%%EOF\n')
}

/** Keys that describe a section rather than the document. */
const SECTION_KEYS = new Set([
  'Size',
  'Prev',
  'XRefStm',
  'Type',
  'W',
  'Index',
  'Length',
  'Filter',
  'DecodeParms',
  'F',
  'FFilter',
  'FDecodeParms',
  'DL',
])

function runs(numbers: number[]): [first: number, count: number][] {
  const out: [number, number][] = []
  for (const num of ascending(numbers)) {
    const open = out.at(-1)
    if (open && open[0] + open[1] === num) open[1]++
    else out.push([num, 1])
  }
  return out
}

/** An update of a few objects is sorted in place; a rebuilt file may have any number. */
function ascending(numbers: number[]): number[] {
  if (numbers.length > 32) return numbers.sort((a, b) => a - b)
  for (let end = 1; end < numbers.length; end++) {
    const moving = numbers[end] as number
    let at = end
    for (; at > 0 && (numbers[at - 1] as number) > moving; at--) numbers[at] = numbers[at - 1] as number
    numbers[at] = moving
  }
  return numbers
}

function writeXrefTable(
  sink: Sink,
  trailer: PdfDict,
  written: Map<number, XrefEntry>,
  next: number,
  bias: number,
): void {
  sink.ascii('xref\n')
  for (const [first, count] of runs([...written.keys()])) {
    sink.integer(first).ascii(' ').integer(count).ascii('\n')
    for (let num = first; num < first + count; num++) {
      const entry = written.get(num)
      if (entry?.type !== 'offset') sink.ascii('0000000000 65535 f \n')
      else
        sink
          .integer(entry.offset - bias, 10)
          .ascii(' ')
          .integer(entry.gen, 5)
          .ascii(' n \n')
    }
  }
  trailer.set('Size', next)
  sink.ascii('trailer\n')
  writeValue(sink, trailer)
  sink.ascii('\n')
}

function writeXrefStream(
  sink: Sink,
  trailer: PdfDict,
  written: Map<number, XrefEntry>,
  next: number,
  at: number,
  start: number,
  bias: number,
): void {
  const self = next
  written.set(self, { type: 'offset', offset: start + sink.length, gen: 0 })
  const index = runs([...written.keys()])
  const rows = new Sink(written.size * 8)
  const wide = at > 0xffffffff ? 6 : 4
  for (const [first, count] of index) {
    for (let num = first; num < first + count; num++) {
      const entry = written.get(num) ?? FREE
      const second =
        entry.type === 'offset' ? entry.offset - bias : entry.type === 'compressed' ? entry.container : 0
      const third = entry.type === 'offset' ? entry.gen : entry.type === 'compressed' ? entry.index : 65535
      const row = new Uint8Array(1 + wide + 2)
      row[0] = entry.type === 'offset' ? 1 : entry.type === 'compressed' ? 2 : 0
      for (let i = 0; i < wide; i++) row[wide - i] = Math.floor(second / 256 ** i) & 0xff
      row[wide + 1] = third >> 8
      row[wide + 2] = third & 0xff
      rows.raw(row)
    }
  }
  trailer.set('Type', pdfName('XRef'))
  trailer.set('Size', self + 1)
  trailer.set('W', [1, wide, 2])
  trailer.set('Index', index.flat())
  const data = rows.take()
  sink.ascii(`${self} 0 obj\n`)
  writeValue(sink, { kind: 'stream', dict: trailer, source: data, start: 0, end: data.length })
  sink.ascii('\nendobj\n')
}
