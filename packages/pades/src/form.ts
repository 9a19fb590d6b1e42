import { type PdfView, resolve, resolveDict } from './file.ts'
import { isDict, isRef, nameOf, type PdfDict, type PdfRef, type PdfValue, pdfRef, textOf } from './objects.ts'
import { PdfRefusal } from './refusal.ts'
import type { Update } from './update.ts'

/** The interactive form of a document (ISO 32000-2 §12.7.3) as far as signing concerns it. */
export interface FormState {
  readonly ref: PdfRef | undefined
  readonly dict: PdfDict | undefined
  readonly fieldsRef: PdfRef | undefined
  readonly fields: readonly PdfValue[]
  /** The values of all signed fields. */
  signatures(): PdfDict[]
  /** The signature field of this full name, if it is there and empty. */
  emptyField(name: string): EmptyField | undefined
  /** The wished name if it is free, or a new unique one; `-2`, `-3` … of it are free too. */
  claimName(wished: string | undefined, objectNumber: number, places: number): string
}

/** A signature field that waits to be signed. */
export interface EmptyField {
  /** Full name, its parts joined by periods. */
  readonly name: string
  readonly ref: PdfRef
  readonly dict: PdfDict
  /** The places it shows itself in; the field itself where both are one object. */
  readonly widgets: readonly PdfRef[]
}

export function readForm(view: PdfView, catalog: PdfDict): FormState {
  const value = catalog.get('AcroForm')
  const dict = resolveDict(view, value)
  const fieldsValue = dict?.get('Fields')
  const fields = resolve(view, fieldsValue)
  const list = Array.isArray(fields) ? fields : []
  const topLevel = () => list.map((item) => resolve(view, item)).filter(isDict)
  return {
    ref: isRef(value) && dict ? value : undefined,
    dict,
    fieldsRef: isRef(fieldsValue) && Array.isArray(fields) ? fieldsValue : undefined,
    fields: list,
    signatures() {
      const values: PdfDict[] = []
      walkFields(view, list, ({ dict }) => {
        const value = resolveDict(view, dict.get('V'))
        if (value) values.push(value)
        return false
      })
      return values
    },
    emptyField(name) {
      let found: EmptyField | undefined
      walkFields(view, list, (field) => {
        if (field.name !== name || !field.ref || resolveDict(view, field.dict.get('V'))) return false
        const kids = resolve(view, field.dict.get('Kids'))
        const list = Array.isArray(kids) && kids.length > 0 ? kids : [field.ref]
        const widgets = list.filter(isRef)
        // A kid with a name of its own is another field, and a kid that is no object cannot be written anew.
        const named = Array.isArray(kids) && kids.some((kid) => resolveDict(view, kid)?.has('T') !== false)
        if (named || widgets.length !== list.length) return false
        found = { name, ref: field.ref, dict: field.dict, widgets }
        return true
      })
      return found
    },
    claimName(wished, objectNumber, places) {
      const taken = new Set(topLevel().map((field) => textOf(resolve(view, field.get('T')))))
      const isFree = (name: string) => {
        if (taken.has(name)) return false
        for (let i = 2; i <= places; i++) if (taken.has(`${name}-${i}`)) return false
        return true
      }
      if (wished !== undefined) {
        // A partial name must not contain a period (ISO 32000-2 §12.7.4.2).
        if (wished === '' || wished.includes('.') || !isFree(wished))
          throw new PdfRefusal('field_name_taken', wished)
        return wished
      }
      let number = objectNumber
      while (!isFree(`Signature${number}`)) number++
      return `Signature${number}`
    },
  }
}

interface SignatureField {
  readonly name: string
  readonly ref: PdfRef | undefined
  readonly dict: PdfDict
}

/** Visits the signature fields until one answers true. */
function walkFields(
  view: PdfView,
  fields: readonly PdfValue[],
  visit: (field: SignatureField) => boolean,
): boolean {
  const seen = new Set<number>()
  const walk = (items: readonly PdfValue[], prefix: string, type: string | undefined, depth: number) => {
    if (depth > 32) throw new PdfRefusal('too_complex', 'form depth')
    for (const item of items) {
      if (isRef(item)) {
        if (seen.has(item.num)) continue
        seen.add(item.num)
      }
      const dict = resolveDict(view, item)
      if (!dict) continue
      const own = textOf(resolve(view, dict.get('T')))
      const name = own === undefined ? prefix : prefix === '' ? own : `${prefix}.${own}`
      const ownType = nameOf(resolve(view, dict.get('FT'))) ?? type
      // A node without name is a mere widget of the field above it.
      if (ownType === 'Sig' && own !== undefined) {
        if (visit({ name, ref: isRef(item) ? item : undefined, dict })) return true
      }
      const kids = resolve(view, dict.get('Kids'))
      if (Array.isArray(kids) && walk(kids, name, ownType, depth + 1)) return true
    }
    return false
  }
  return walk(fields, '', undefined, 0)
}

/** Adds the fields to the form with as little rewriting as the file's structure allows. */
export function writeForm(
  view: PdfView,
  update: Update,
  form: FormState,
  catalog: { readonly ref: PdfRef; readonly dict: PdfDict },
  added: readonly { readonly num: number }[],
  certificationNum: number | undefined,
): void {
  const fields = [...form.fields, ...added.map(({ num }) => pdfRef(num))]
  const changed = new Map(catalog.dict)
  let catalogChanged = false
  if (form.fieldsRef && added.length > 0) update.put(form.fieldsRef, fields)
  const flags = resolve(view, form.dict?.get('SigFlags'))
  if ((!form.fieldsRef && added.length > 0) || flags !== 3) {
    const dict: PdfDict = new Map(form.dict ?? [])
    if (!form.fieldsRef) dict.set('Fields', fields)
    // SignaturesExist and AppendOnly.
    dict.set('SigFlags', 3)
    if (form.ref) update.put(form.ref, dict)
    else {
      const num = update.allocate()
      update.put(pdfRef(num), dict)
      changed.set('AcroForm', pdfRef(num))
      catalogChanged = true
    }
  }
  if (certificationNum !== undefined) {
    const perms = new Map(resolveDict(view, catalog.dict.get('Perms')) ?? [])
    perms.set('DocMDP', pdfRef(certificationNum))
    changed.set('Perms', perms)
    catalogChanged = true
  }
  if (catalogChanged) update.put(catalog.ref, changed)
}
