import { type Appearance, writePrepared } from './appearance.ts'
import { type PdfView, resolve, resolveDict } from './file.ts'
import type { EmptyField } from './form.ts'
import { type FieldLock, lockToken } from './locks.ts'
import { isRef, type PdfDict, type PdfRef, type PdfValue, pdfRef } from './objects.ts'
import { type PdfPage, pageOf } from './pages.ts'
import { displayRectOf, type Placed, type Placement } from './placement.ts'
import { PdfRefusal } from './refusal.ts'
import { formatNumber, textToken } from './serialise.ts'
import type { Update } from './update.ts'

export interface Place {
  readonly placement: Placement
  readonly page: PdfPage
  readonly placed: Placed
}

export interface Drawn extends Place {
  readonly form: number
}

/** Writes each appearance once, however often it is placed, and a small upright form for each place. */
export function writeAppearances(update: Update, places: readonly Place[]): Drawn[] {
  const bases = new Map<object, number>()
  return places.map((place) => {
    const { appearance, rect } = place.placement
    let base = bases.get(appearance)
    if (base === undefined) {
      base = writeBase(update, appearance)
      bases.set(appearance, base)
    }
    return { ...place, form: writeUprightForm(update, appearance, base, rect, place.placed.matrix) }
  })
}

function writeBase(update: Update, appearance: Appearance): number {
  const base = update.allocate(appearance.objects.length)
  for (const [i, object] of appearance.objects.entries()) {
    writePrepared(update.begin(base + i), object, base)
    update.end()
  }
  return base
}

function writeUprightForm(
  update: Update,
  appearance: Appearance,
  base: number,
  { width, height }: { readonly width: number; readonly height: number },
  matrix: string,
): number {
  const form = update.allocate()
  const sx = formatNumber(width / appearance.widthPt)
  const sy = sameScale(width, height, appearance) ? sx : formatNumber(height / appearance.heightPt)
  const content = `q ${sx} 0 0 ${sy} 0 0 cm /A Do Q`
  update
    .begin(form)
    .ascii('<</Type/XObject/Subtype/Form/BBox[0 0 ')
    .number(width)
    .ascii(' ')
    .number(height)
    .ascii(']/Matrix[')
    .ascii(matrix)
    .ascii(']/Resources<</XObject<</A ')
    .ref(base)
    .ascii('>>>>/Length ')
    .integer(content.length)
    .ascii('>>\nstream\n')
    .ascii(content)
    .ascii('\nendstream')
  update.end()
  return form
}

function sameScale(width: number, height: number, { widthPt, heightPt }: Appearance): boolean {
  return width / widthPt === height / heightPt
}

/**
 * Signs a field that is there: it gains its value, and a drawing in every place it has. One drawing serves all
 * places; several are taken in the order of the field's widgets.
 */
export function fillField(
  view: PdfView,
  update: Update,
  empty: EmptyField,
  signatureNum: number,
  appearance: Appearance | readonly Appearance[] | undefined,
): void {
  const field = new Map(empty.dict)
  field.set('V', pdfRef(signatureNum))
  const drawings = appearance === undefined ? [] : 'kind' in appearance ? [appearance] : appearance
  const bases = new Map<Appearance, number>()
  for (const [i, ref] of empty.widgets.entries()) {
    const widget = ref.num === empty.ref.num ? field : new Map(resolveDict(view, ref))
    const drawing = drawings[i] ?? drawings[0]
    if (drawing) {
      const base = bases.get(drawing) ?? writeBase(update, drawing)
      bases.set(drawing, base)
      drawWidget(view, update, widget, drawing, base, empty.name)
    }
    // Print and locked, as a field of our own has it (ISO 32000-2 §12.5.3).
    widget.set('F', 132)
    if (widget !== field) update.put(ref, widget)
  }
  update.put(empty.ref, field)
}

function drawWidget(
  view: PdfView,
  update: Update,
  widget: PdfDict,
  appearance: Appearance,
  base: number,
  name: string,
): void {
  const pageRef = widget.get('P')
  const page = isRef(pageRef) ? pageOf(view, pageRef) : undefined
  const shown = displayRectOf(view, widget.get('Rect'), page?.rotation ?? 0)
  if (!shown) throw new PdfRefusal('field_not_visible', name)
  const form = writeUprightForm(update, appearance, base, shown, shown.matrix)
  widget.set('AP', new Map([['N', pdfRef(form)]]))
  widget.delete('AS')
}

/** The rectangle of a field that shows nothing. */
const NOWHERE = [0, 0, 0, 0] as const

export interface Widget {
  readonly num: number
  readonly page: PdfPage
}

/**
 * One field merged with its widget per place; all of them name the one signature dictionary. A single field
 * with several /Kids would be nearer to the letter of ISO 32000-2 §12.7.5.5, but poppler and MuPDF
 * then find no valid signature, while shared dictionaries are understood everywhere.
 */
export function writeFields(
  update: Update,
  fieldName: string,
  signatureNum: number,
  anchorPage: PdfPage,
  drawn: readonly Drawn[],
  skip: number,
  lock: FieldLock | undefined,
): Widget[] {
  const places = drawn.length > 0 ? drawn : [undefined]
  const first = update.allocate(places.length)
  // A partial name has no period; further places of a field deep in the form stand beside it at the top.
  const baseName = places.length + skip > 1 ? fieldName.replaceAll('.', '-') : fieldName
  const locked = lock ? `/Lock${lockToken(lock)}` : ''
  return places.map((place, i) => {
    const page = place?.page ?? anchorPage
    const [left, bottom, right, top] = place?.placed.rect ?? NOWHERE
    const name = i + skip === 0 ? fieldName : `${baseName}-${i + skip + 1}`
    // Flags: print and locked (ISO 32000-2 §12.5.3).
    const sink = update.begin(first + i).ascii('<</Type/Annot/Subtype/Widget/F 132/P ')
    sink.ref(page.ref.num, page.ref.gen).ascii('/Rect[')
    sink.number(left).ascii(' ').number(bottom).ascii(' ').number(right).ascii(' ').number(top).ascii(']')
    if (place) sink.ascii('/AP<</N ').ref(place.form).ascii('>>')
    sink.ascii('/FT/Sig/T').ascii(textToken(name))
    if (i === 0) sink.ascii(locked)
    sink.ascii('/V ').ref(signatureNum).ascii('>>')
    update.end()
    return { num: first + i, page }
  })
}

/** Adds the widgets to their pages' /Annots, rewriting only the array where it is an object of its own. */
export function attachToPages(view: PdfView, update: Update, widgets: readonly Widget[]): void {
  const byPage = new Map<number, { page: PdfPage; refs: PdfRef[] }>()
  for (const { num, page } of widgets) {
    const group = byPage.get(page.ref.num) ?? { page, refs: [] }
    group.refs.push(pdfRef(num))
    byPage.set(page.ref.num, group)
  }
  const arrays = new Map<number, { ref: PdfRef; list: PdfValue[] }>()
  for (const { page, refs } of byPage.values()) {
    const annots = page.dict.get('Annots')
    const existing = resolve(view, annots)
    const list = Array.isArray(existing) ? existing : []
    if (isRef(annots) && Array.isArray(existing)) {
      // Two pages may share one array object: collect before writing.
      arrays.set(annots.num, { ref: annots, list: [...(arrays.get(annots.num)?.list ?? list), ...refs] })
      continue
    }
    const dict = new Map(page.dict)
    dict.set('Annots', [...list, ...refs])
    update.put(page.ref, dict)
  }
  for (const { ref, list: entries } of arrays.values()) update.put(ref, entries)
}
