import { catalogOf, fetchObject, leniently, type PdfView, withRepair } from './file.ts'
import { eachRef, isDict, isStream, nameOf, type PdfDict, type PdfRef, type PdfValue } from './objects.ts'
import { pageAt } from './pages.ts'
import { PdfRefusal } from './refusal.ts'
import { revisionsOf } from './revisions.ts'
import { Sink, writeValue } from './serialise.ts'
import { findSignatures } from './signature-fields.ts'

/**
 * Writes a file anew with a clean structure: one classic cross-reference, every reachable object once, nothing else.
 * For files whose structure appending cannot mend, and only before the first signature.
 * @throws PdfRefusal `already_signed`, or what else keeps the file from being read
 */
export function normalizePdf(pdf: Uint8Array): Uint8Array {
  return withRepair(pdf, (view) => {
    const lenient = leniently(view)
    if (findSignatures(revisionsOf(lenient.file)).length > 0) throw new PdfRefusal('already_signed')
    // A file without pages is no better rewritten.
    pageAt(view, 0)
    return rewrite(lenient)
  })
}

function rewrite(view: PdfView): Uint8Array {
  const trailer: PdfDict = new Map([['Root', catalogOf(view).ref as PdfValue]])
  for (const key of ['Info', 'ID']) {
    const value = view.trailer.get(key)
    if (value !== undefined) trailer.set(key, value)
  }
  const objects = reachable(view, trailer)
  const sink = new Sink(view.file.bytes.length + 4096)
  // Four bytes above 127 mark the file as binary (ISO 32000-2 §7.5.2).
  sink
    .ascii(`%PDF-${view.file.version}\n%`)
    .raw(Uint8Array.of(0xe2, 0xe3, 0xcf, 0xd3))
    .ascii('\n')
  const rows: string[] = []
  const numbers = [...objects.keys()].sort((a, b) => a - b)
  const size = (numbers.at(-1) ?? 0) + 1
  for (const num of numbers) {
    rows[num] = `${String(sink.length).padStart(10, '0')} 00000 n \n`
    writeValue(sink.ascii(`${num} 0 obj\n`), zeroed(objects.get(num) ?? null))
    sink.ascii('\nendobj\n')
  }
  const at = sink.length
  sink.ascii(`xref\n0 ${size}\n0000000000 65535 f \n`)
  for (let num = 1; num < size; num++) sink.ascii(rows[num] ?? '0000000000 00000 f \n')
  trailer.set('Size', size)
  sink.ascii('trailer\n')
  writeValue(sink, zeroed(trailer))
  sink.ascii(`\nstartxref\n${at}\n%%EOF\n`)
  return sink.take()
}

/** Everything the trailer leads to; containers of objects and of cross-references have done their duty. */
function reachable(view: PdfView, trailer: PdfDict): Map<number, PdfValue> {
  const objects = new Map<number, PdfValue>()
  const queue: number[] = []
  const visit = (ref: PdfRef) => {
    if (objects.has(ref.num)) return
    objects.set(ref.num, null)
    queue.push(ref.num)
  }
  eachRef(trailer, visit)
  for (let num = queue.pop(); num !== undefined; num = queue.pop()) {
    const value = fetchObject(view, num)
    objects.set(num, value)
    eachRef(value, visit)
  }
  for (const [num, value] of objects) {
    const type = isStream(value) ? nameOf(value.dict.get('Type')) : undefined
    if (value === null || type === 'ObjStm' || type === 'XRef') objects.delete(num)
  }
  return objects
}

/** All objects are written as generation 0, so all references have to say so. */
function zeroed(value: PdfValue): PdfValue {
  if (Array.isArray(value)) return value.map(zeroed)
  if (isDict(value)) return new Map([...value].map(([key, item]) => [key, zeroed(item)]))
  if (isStream(value)) return { ...value, dict: zeroed(value.dict) as PdfDict }
  if (typeof value === 'object' && value !== null && value.kind === 'ref') return { ...value, gen: 0 }
  return value
}
