// Small PDF files of every structure, built for tests.
import { deflateSync } from 'node:zlib'

export interface SampleOptions {
  readonly form?: 'table' | 'stream' | 'hybrid'
  readonly mediaBox?: string
  /** Extra entries of the page, such as `/Rotate 90`. */
  readonly page?: string
  /** Extra entries of the catalogue. */
  readonly catalog?: string
  /** Further objects from number 10 on: body by number. */
  readonly extra?: Readonly<Record<number, string>>
  readonly nested?: boolean
  readonly pages?: number
}

const latin1 = (text: string) => Buffer.from(text, 'latin1')

/** One page (object 3) with a line of text, in the wanted cross-reference form. */
export function samplePdf(options: SampleOptions = {}): Uint8Array {
  const content = 'BT /F1 24 Tf 40 120 Td (Contract) Tj ET'
  const pages = options.pages ?? 1
  const box = `/MediaBox[${options.mediaBox ?? '0 0 300 200'}]`
  const resources = '/Resources<</Font<</F1 6 0 R>>>>'
  const kids = Array.from({ length: pages }, (_, i) => `${i === 0 ? 3 : 100 + i} 0 R`).join(' ')
  const page = `<</Type/Page/Parent ${options.nested ? 7 : 2} 0 R${options.nested ? '' : box + resources}/Contents 4 0 R${options.page ?? ''}>>`
  const objects: Record<number, string> = {
    1: `<</Type/Catalog/Pages 2 0 R${options.catalog ?? ''}>>`,
    2: options.nested
      ? `<</Type/Pages/Kids[7 0 R]/Count ${pages}${box}${resources}/Rotate 90>>`
      : `<</Type/Pages/Kids[${kids}]/Count ${pages}>>`,
    3: page,
    4: `<</Length ${content.length}>>\nstream\n${content}\nendstream`,
    6: '<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>',
    ...(options.nested ? { 7: `<</Type/Pages/Parent 2 0 R/Kids[${kids}]/Count ${pages}>>` } : {}),
    ...options.extra,
  }
  for (let i = 1; i < pages; i++) objects[100 + i] = page
  switch (options.form ?? 'table') {
    case 'table':
      return writeTable(objects)
    case 'stream':
      return writeStream(objects)
    case 'hybrid':
      return writeHybrid(objects)
  }
}

function body(objects: Readonly<Record<number, string>>): { text: string; offsets: Map<number, number> } {
  let text = '%PDF-1.7\n%\xe2\xe3\xcf\xd3\n'
  const offsets = new Map<number, number>()
  for (const [num, value] of Object.entries(objects)) {
    offsets.set(Number(num), text.length)
    text += `${num} 0 obj\n${value}\nendobj\n`
  }
  return { text, offsets }
}

const ID = '/ID[<00112233445566778899AABBCCDDEEFF><00112233445566778899AABBCCDDEEFF>]'

function table(offsets: ReadonlyMap<number, number>, size: number): string {
  let text = `xref\n0 ${size}\n0000000000 65535 f \n`
  for (let num = 1; num < size; num++) {
    const offset = offsets.get(num)
    text += offset === undefined ? '0000000000 65535 f \n' : `${String(offset).padStart(10, '0')} 00000 n \n`
  }
  return text
}

function writeTable(objects: Readonly<Record<number, string>>): Uint8Array {
  const { text, offsets } = body(objects)
  const size = Math.max(...offsets.keys()) + 1
  const trailer = `trailer\n<</Size ${size}/Root 1 0 R${ID}>>\nstartxref\n${text.length}\n%%EOF\n`
  return latin1(text + table(offsets, size) + trailer)
}

/** Everything that is no stream goes into one object stream. */
function writeStream(objects: Readonly<Record<number, string>>): Uint8Array {
  const entries = Object.entries(objects)
  const packed = entries.filter(([, value]) => !value.includes('stream'))
  const { text, offsets } = body(Object.fromEntries(entries.filter(([, value]) => value.includes('stream'))))
  const size = Math.max(...entries.map(([num]) => Number(num))) + 3
  const container = size - 2
  const { objStm, rows } = packObjects(packed, container)
  let file = text
  rows.set(container, [1, file.length, 0])
  file += `${container} 0 obj\n${objStm}\nendobj\n`
  rows.set(size - 1, [1, file.length, 0])
  for (const [num, offset] of offsets) rows.set(num, [1, offset, 0])
  const xref = xrefStream(rows, size, `/Root 1 0 R${ID}`)
  return latin1(`${file}${size - 1} 0 obj\n${xref}\nendobj\nstartxref\n${file.length}\n%%EOF\n`)
}

function packObjects(packed: [string, string][], container: number) {
  const rows = new Map<number, [number, number, number]>()
  let head = ''
  let data = ''
  packed.forEach(([num, value], i) => {
    head += `${num} ${data.length} `
    data += `${value} `
    rows.set(Number(num), [2, container, i])
  })
  const bytes = deflateSync(latin1(head + data)).toString('latin1')
  const objStm = `<</Type/ObjStm/N ${packed.length}/First ${head.length}/Filter/FlateDecode/Length ${bytes.length}>>\nstream\n${bytes}\nendstream`
  return { objStm, rows }
}

/** With PNG predictor 12, as most producers write it. */
function xrefStream(
  rows: ReadonlyMap<number, readonly [number, number, number]>,
  size: number,
  entries: string,
): string {
  const data = Buffer.alloc(size * 6)
  let previous = Buffer.alloc(5)
  for (let num = 0; num < size; num++) {
    const [type, second, third] = rows.get(num) ?? [0, 0, 255]
    const row = Buffer.from([type, second >> 16, (second >> 8) & 255, second & 255, third & 255])
    data[num * 6] = 2
    for (let i = 0; i < 5; i++) data[num * 6 + 1 + i] = ((row[i] ?? 0) - (previous[i] ?? 0)) & 255
    previous = row
  }
  const bytes = deflateSync(data).toString('latin1')
  const parms = '/DecodeParms<</Predictor 12/Columns 5>>'
  return `<</Type/XRef/W[1 3 1]/Size ${size}${entries}/Filter/FlateDecode${parms}/Length ${bytes.length}>>\nstream\n${bytes}\nendstream`
}

/** A table that hides the font (object 6) as free, and an /XRefStm that knows where it is. */
function writeHybrid(objects: Readonly<Record<number, string>>): Uint8Array {
  const shown = Object.fromEntries(Object.entries(objects).filter(([num]) => num !== '6'))
  const { text, offsets } = body(shown)
  const size = Math.max(...offsets.keys(), 6) + 3
  const container = size - 2
  const { objStm, rows } = packObjects([['6', objects[6] ?? 'null']], container)
  let file = text
  offsets.set(container, file.length)
  file += `${container} 0 obj\n${objStm}\nendobj\n`
  const at = file.length
  rows.set(container, [1, offsets.get(container) ?? 0, 0])
  file += `${size - 1} 0 obj\n${xrefStream(rows, size, '')}\nendobj\n`
  const trailer = `trailer\n<</Size ${size}/Root 1 0 R${ID}/XRefStm ${at}>>\nstartxref\n${file.length}\n%%EOF\n`
  return latin1(file + table(offsets, size) + trailer)
}

/** Appends an incremental update with these objects; `trailer` adds entries. For tampering in tests. */
export function appendUpdate(
  pdf: Uint8Array,
  objects: Readonly<Record<number, string>>,
  trailer = '/Root 1 0 R',
): Uint8Array {
  const text = Buffer.from(pdf).toString('latin1')
  const previous = /startxref\s+(\d+)\s+%%EOF\s*$/.exec(text)?.[1]
  let out = text
  let rows = ''
  let highest = 200
  for (const [num, value] of Object.entries(objects)) {
    rows += `${num} 1\n${String(out.length).padStart(10, '0')} 00000 n \n`
    out += `${num} 0 obj\n${value}\nendobj\n`
    highest = Math.max(highest, Number(num))
  }
  const at = out.length
  out += `xref\n${rows}trailer\n<</Size ${highest + 1}${trailer}/Prev ${previous}>>\nstartxref\n${at}\n%%EOF\n`
  return latin1(out)
}
