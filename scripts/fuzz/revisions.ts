/**
 * Well-formed later revisions: a correct incremental update, in the file's own form, that changes one thing. What it
 * changes is known, so the verdict that must follow is known as well.
 */
import {
  catalogOf,
  fetchObject,
  type PdfView,
  resolve,
  resolveDict,
  withRepair,
} from '../../packages/pades/src/file.ts'
import {
  dictOf,
  isDict,
  isRef,
  isStream,
  nameOf,
  type PdfDict,
  type PdfRef,
  type PdfStream,
  type PdfValue,
  pdfName,
  pdfRef,
} from '../../packages/pades/src/objects.ts'
import { beginUpdate, type Update } from '../../packages/pades/src/update.ts'
import type { Random } from './mutate.ts'

/**
 * What has to be said of the signatures before it, at least: `other` for what no whitelist covers, `annotations` and
 * `form` for what a certification may permit; `same` when nothing was changed, and nothing may be claimed.
 */
export type Expectation = 'other' | 'annotations' | 'form' | 'same'

export interface Revised {
  readonly bytes: Uint8Array
  readonly expectation: Expectation
  /** For the report of a finding. */
  readonly change: string
}

/** Appends a revision; undefined when the file has nothing that the chosen change could change. */
export function appendRevision(bytes: Uint8Array, random: Random): Revised | undefined {
  return withRepair(bytes, (view) => {
    // An earlier revision may have removed the last page.
    if (pagesOf(view).length === 0) return undefined
    const update = beginUpdate(view)
    const [change, expectation, apply] = random.pick(CHANGES)
    if (!apply({ view, update, random })) return undefined
    update.finish()
    const delta = update.sink.take()
    const out = new Uint8Array(bytes.length + delta.length)
    out.set(bytes)
    out.set(delta, bytes.length)
    return { bytes: out, expectation, change }
  })
}

interface Place {
  readonly view: PdfView
  readonly update: Update
  readonly random: Random
}
/** Writes the change; false when there is nothing to change. */
type Apply = (place: Place) => boolean

const CHANGES: readonly (readonly [string, Expectation, Apply])[] = [
  ['a page says something else of itself', 'other', changePage],
  ['a page shows other content', 'other', (place) => replaceStream(place, contentsOf(place))],
  ['a page gets another content stream', 'other', addContent],
  ['a page is added', 'other', addPage],
  ['a page is removed', 'other', removePage],
  ['a font is another', 'other', changeFont],
  ['a resource is another', 'other', changeResources],
  ['the appearance of a field is another', 'other', (place) => replaceStream(place, appearancesOf(place))],
  ['a field lies elsewhere', 'other', moveField],
  ['a signature says something else', 'other', changeSignature],
  ['a signature is removed from its field', 'other', removeSignature],
  ['a text field has another value', 'form', fillField],
  ['the form has other fields', 'other', changeForm],
  ['the catalogue has another entry', 'other', changeCatalog],
  ['an annotation is added', 'annotations', addAnnotation],
  ['an object is freed', 'other', nullContent],
  ['an object is written again as it was', 'same', rewrite],
]

function changePage(place: Place): boolean {
  const page = place.random.pick(pagesOf(place.view))
  const dict = copyOf(place.view, page)
  const turn = Number(resolve(place.view, dict.get('Rotate')) ?? 0) + 90
  const [key, value] = place.random.pick<[string, PdfValue]>([
    ['Rotate', turn],
    ['MediaBox', [0, 0, 17 + place.random.below(80), 19]],
    ['CropBox', [1, 1, 23 + place.random.below(80), 29]],
    ['UserUnit', 2 + place.random.below(9)],
    ['Resources', new Map()],
    ['Contents', []],
    ['AA', new Map([['O', new Map([['S', pdfName('JavaScript')]])]])],
  ])
  dict.set(key, value)
  place.update.put(page, dict)
  return true
}

/** Replaces the data of a stream; what the data says does not matter, only that it is another. */
function replaceStream(
  { update, random }: Place,
  streams: readonly (readonly [PdfRef, PdfStream])[],
): boolean {
  if (streams.length === 0) return false
  const [ref, stream] = random.pick(streams)
  const dict = new Map(stream.dict)
  dict.delete('Filter')
  dict.delete('DecodeParms')
  update.put(ref, streamOf(dict, `q 0 0 ${random.below(300)} ${1 + random.below(300)} re f Q`))
  return true
}

function addContent(place: Place): boolean {
  const page = place.random.pick(pagesOf(place.view))
  const dict = copyOf(place.view, page)
  const num = place.update.allocate()
  place.update.put(pdfRef(num), streamOf(new Map(), '0 0 300 200 re f'))
  const old = dict.get('Contents') ?? null
  const list = Array.isArray(resolve(place.view, old)) ? (resolve(place.view, old) as PdfValue[]) : [old]
  dict.set('Contents', [...list.filter((one) => one !== null), pdfRef(num)])
  place.update.put(page, dict)
  return true
}

function addPage(place: Place): boolean {
  const { view, update } = place
  const page = place.random.pick(pagesOf(view))
  const parent = copyOf(view, page).get('Parent')
  if (!isRef(parent)) return false
  const num = update.allocate()
  update.put(pdfRef(num), copyOf(view, page))
  const node = copyOf(view, parent)
  const kids = resolve(view, node.get('Kids'))
  if (!Array.isArray(kids)) return false
  node.set('Kids', [...kids, pdfRef(num)])
  node.set('Count', kids.length + 1)
  update.put(parent, node)
  return true
}

function removePage({ view, update, random }: Place): boolean {
  const page = random.pick(pagesOf(view))
  const parent = copyOf(view, page).get('Parent')
  if (!isRef(parent)) return false
  const node = copyOf(view, parent)
  const kids = resolve(view, node.get('Kids'))
  if (!Array.isArray(kids)) return false
  node.set(
    'Kids',
    kids.filter((kid) => !isRef(kid) || kid.num !== page.num),
  )
  node.set('Count', kids.length - 1)
  update.put(parent, node)
  return true
}

function changeFont({ view, update, random }: Place): boolean {
  const fonts = everything(view).filter(([, value]) => nameOf(dictOf(value)?.get('Type')) === 'Font')
  if (fonts.length === 0) return false
  const [ref, value] = random.pick(fonts)
  const dict = new Map(dictOf(value) ?? [])
  const [key, other] = random.pick<[string, PdfValue]>([
    ['BaseFont', pdfName(`Other${random.below(1000)}`)],
    ['Encoding', new Map<string, PdfValue>([['Differences', [32, pdfName(`a${random.below(99)}`)]]])],
    ['ToUnicode', null],
    ['Subtype', pdfName('Type3')],
  ])
  if (other === null && !dict.has(key)) return false
  if (other === null) dict.delete(key)
  else dict.set(key, other)
  update.put(ref, dict)
  return true
}

function changeResources(place: Place): boolean {
  const { view, update } = place
  const page = place.random.pick(pagesOf(view))
  const dict = copyOf(view, page)
  const resources = new Map(resolveDict(view, dict.get('Resources')) ?? [])
  resources.set('XObject', new Map([[`Im${place.random.below(9)}`, pdfRef(update.allocate())]]))
  dict.set('Resources', resources)
  update.put(page, dict)
  return true
}

function moveField(place: Place): boolean {
  const field = pickField(place, (dict) => Array.isArray(dict.get('Rect')))
  if (!field) return false
  field[1].set('Rect', [place.random.below(50), 60, 170 + place.random.below(50), 150])
  place.update.put(...field)
  return true
}

function changeSignature({ view, update, random }: Place): boolean {
  const signatures = everything(view).filter(([, value]) => isDict(value) && value.has('ByteRange'))
  if (signatures.length === 0) return false
  const [ref, value] = random.pick(signatures)
  const dict = new Map(dictOf(value) ?? [])
  const [key, other] = random.pick<[string, PdfValue]>([
    ['Reason', pdfName(`Other${random.below(99)}`)],
    ['M', pdfName('D')],
    ['ByteRange', [0, 10, 20, 30 + random.below(99)]],
    ['SubFilter', pdfName('adbe.x509.rsa_sha1')],
    ['Name', pdfName(`Somebody${random.below(99)}`)],
  ])
  dict.set(key, other)
  update.put(ref, dict)
  return true
}

function removeSignature(place: Place): boolean {
  const field = pickField(place, (dict) => nameOf(dict.get('FT')) === 'Sig' && dict.has('V'))
  if (!field) return false
  field[1].delete('V')
  place.update.put(...field)
  return true
}

function fillField(place: Place): boolean {
  const field = pickField(place, (dict) => nameOf(dict.get('FT')) === 'Tx')
  if (!field) return false
  const text = new TextEncoder().encode(`(${'x'.repeat(1 + place.random.below(40))})`)
  field[1].set('V', { kind: 'string', source: text, start: 0, end: text.length })
  place.update.put(...field)
  return true
}

function changeForm({ view, update, random }: Place): boolean {
  const catalog = catalogOf(view)
  const form = new Map(resolveDict(view, catalog.dict.get('AcroForm')) ?? [])
  if (form.size === 0) return false
  const [key, value] = random.pick<[string, PdfValue]>([
    ['Fields', []],
    ['XFA', [pdfName('form'), pdfRef(update.allocate())]],
    ['CO', [pdfRef(random.below(9) + 1)]],
  ])
  form.set(key, value)
  const dict = new Map(catalog.dict)
  dict.set('AcroForm', form)
  update.put(catalog.ref, dict)
  return true
}

function changeCatalog({ view, update, random }: Place): boolean {
  const catalog = catalogOf(view)
  const dict = new Map(catalog.dict)
  const script = new Map<string, PdfValue>([['S', pdfName('JavaScript')]])
  const [key, value] = random.pick<[string, PdfValue]>([
    ['OpenAction', script],
    ['Names', new Map([['JavaScript', script]])],
    ['AA', new Map([['WC', script]])],
    ['OCProperties', new Map([['D', new Map([['BaseState', pdfName('OFF')]])]])],
    ['Collection', new Map([['View', pdfName('H')]])],
    ['Outlines', pdfRef(update.allocate())],
    ['PageLabels', new Map([['Nums', [0, new Map([['S', pdfName('R')]])]]])],
    ['Pages', pdfRef(update.allocate())],
  ])
  dict.set(key, value)
  update.put(catalog.ref, dict)
  return true
}

function addAnnotation(place: Place): boolean {
  const { view, update, random } = place
  const page = random.pick(pagesOf(view))
  const dict = copyOf(view, page)
  const num = update.allocate(2)
  update.put(pdfRef(num + 1), streamOf(new Map([['BBox', [0, 0, 9, 9]]]), '1 g 0 0 9 9 re f'))
  const annotation: PdfDict = new Map<string, PdfValue>([
    ['Type', pdfName('Annot')],
    ['Subtype', pdfName(random.pick(['FreeText', 'Stamp', 'Square', 'Link', 'Widget', 'Redact']))],
    ['Rect', [0, 0, 100 + random.below(99), 100]],
    ['AP', new Map([['N', pdfRef(num + 1)]])],
  ])
  update.put(pdfRef(num), annotation)
  const old = resolve(view, dict.get('Annots'))
  dict.set('Annots', [...(Array.isArray(old) ? old : []), pdfRef(num)])
  update.put(page, dict)
  return true
}

/** A reader takes what is free, or null, as if it had never been there. */
function nullContent(place: Place): boolean {
  const streams = contentsOf(place)
  if (streams.length === 0) return false
  place.update.put(place.random.pick(streams)[0], null)
  return true
}

function rewrite({ view, update, random }: Place): boolean {
  // A signature's bytes are bound to their place; written elsewhere it is another one.
  const objects = everything(view).filter(([, value]) => !dictOf(value)?.has('ByteRange'))
  if (objects.length === 0) return false
  update.put(...random.pick(objects))
  return true
}

/** Pages by reference, in the order of their numbers. */
function pagesOf(view: PdfView): PdfRef[] {
  const pages = everything(view).filter(([, value]) => nameOf(dictOf(value)?.get('Type')) === 'Page')
  return pages.map(([ref]) => ref)
}

function contentsOf({ view }: Place): (readonly [PdfRef, PdfStream])[] {
  return pagesOf(view).flatMap((page) => {
    const contents = dictOf(fetchObject(view, page.num))?.get('Contents')
    const list = isRef(contents) && !isStream(resolve(view, contents)) ? resolve(view, contents) : contents
    return streamsIn(view, Array.isArray(list) ? list : [list ?? null])
  })
}

function appearancesOf({ view }: Place): (readonly [PdfRef, PdfStream])[] {
  return everything(view).flatMap(([, value]) => {
    const dict = dictOf(value)
    if (nameOf(dict?.get('Subtype')) !== 'Widget') return []
    return streamsIn(view, [resolveDict(view, dict?.get('AP'))?.get('N') ?? null])
  })
}

function streamsIn(view: PdfView, values: readonly PdfValue[]): (readonly [PdfRef, PdfStream])[] {
  return values.flatMap((value) => {
    const found = resolve(view, value)
    return isRef(value) && isStream(found) ? [[value, found] as const] : []
  })
}

function pickField({ view, random }: Place, fits: (dict: PdfDict) => boolean): [PdfRef, PdfDict] | undefined {
  const fields = everything(view).filter(
    ([, value]) => isDict(value) && nameOf(value.get('Subtype')) === 'Widget' && fits(value),
  )
  if (fields.length === 0) return undefined
  const [ref, value] = random.pick(fields)
  return [ref, new Map(dictOf(value) ?? [])]
}

const copyOf = (view: PdfView, ref: PdfRef): PdfDict => new Map(dictOf(fetchObject(view, ref.num)) ?? [])

/** Every object that the catalogue leads to. */
function everything(view: PdfView): [PdfRef, PdfValue][] {
  const found = new Map<number, [PdfRef, PdfValue]>()
  const open: PdfValue[] = [catalogOf(view).ref]
  while (open.length > 0) {
    const value = open.pop() ?? null
    if (isRef(value)) {
      if (found.has(value.num)) continue
      const target = fetchObject(view, value.num)
      if (target === null) continue
      found.set(value.num, [value, target])
      open.push(target)
    } else if (Array.isArray(value)) open.push(...value)
    else for (const item of dictOf(value)?.values() ?? []) open.push(item)
  }
  return [...found.values()].sort(([a], [b]) => a.num - b.num)
}

function streamOf(dict: PdfDict, content: string): PdfStream {
  const source = new TextEncoder().encode(content)
  return { kind: 'stream', dict, source, start: 0, end: source.length }
}
