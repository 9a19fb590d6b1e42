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
  hasSignature(): boolean
  /** The wished name if it is free, or a new unique one; `-2`, `-3` … of it are free too. */
  claimName(wished: string | undefined, objectNumber: number, places: number): string
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
    hasSignature: () => hasSignedField(view, list, new Set()),
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

function hasSignedField(view: PdfView, fields: readonly PdfValue[], seen: Set<number>, depth = 0): boolean {
  if (depth > 32) throw new PdfRefusal('too_complex', 'form depth')
  for (const item of fields) {
    if (isRef(item)) {
      if (seen.has(item.num)) continue
      seen.add(item.num)
    }
    const field = resolveDict(view, item)
    if (!field) continue
    if (nameOf(resolve(view, field.get('FT'))) === 'Sig' && isDict(resolve(view, field.get('V')))) return true
    const kids = resolve(view, field.get('Kids'))
    if (Array.isArray(kids) && hasSignedField(view, kids, seen, depth + 1)) return true
  }
  return false
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
  if (form.fieldsRef) update.put(form.fieldsRef, fields)
  const flags = resolve(view, form.dict?.get('SigFlags'))
  if (!form.fieldsRef || flags !== 3) {
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
