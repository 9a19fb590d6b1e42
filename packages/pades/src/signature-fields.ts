import { catalogOf, entryOf, fetchObject, type PdfView, resolve } from './file.ts'
import {
  dictOf,
  hexDigit,
  isDict,
  isRef,
  isString,
  nameOf,
  type PdfDict,
  type PdfString,
  type PdfValue,
  stringBytes,
  textOf,
} from './objects.ts'
import { PdfRefusal } from './refusal.ts'
import { numbersOf, type Revision } from './revisions.ts'

/** A signature dictionary somewhere in the file, and the fields that show it. */
export interface FoundSignature {
  readonly dict: PdfDict
  readonly view: PdfView
  readonly contents: PdfString | undefined
  readonly fieldNames: readonly string[]
  readonly widgets: readonly PdfDict[]
  /** True if the newest revision's form no longer shows it. */
  readonly removed: boolean
}

interface Entry {
  dict: PdfDict
  view: PdfView
  fieldNames: string[]
  widgets: PdfDict[]
  removed: boolean
}

/**
 * Whether a field's value is a signature, good or bad. A dictionary whose /Contents is nothing but zeros was prepared
 * and never signed: it claims nothing, and whoever wants to draw with it is no signer.
 */
export function isSignatureValue(view: PdfView, value: PdfValue | undefined): boolean {
  const read = resolve(view, value)
  // A value that cannot be read is a broken signature, not a missing one.
  if (!isDict(read)) return value !== undefined && (read !== null || isRef(value))
  const contents = resolve(view, read.get('Contents'))
  if (!isString(contents)) return true
  const { source, start, end } = contents
  if (source[start] !== 0x3c) return stringBytes(contents).some((byte) => byte !== 0)
  // The first digit of a container is never zero: looking ends there.
  for (let i = start + 1; i < end - 1; i++) if (hexDigit(source[i] ?? 0) > 0) return true
  return false
}

/** Full names of the signature fields of the newest revision that nobody has signed. */
export function unsignedFields(newest: Revision): string[] {
  const names: string[] = []
  const { view } = newest
  eachField(view, (field, name) => {
    if (!isSignatureValue(view, field.get('V'))) names.push(name)
  })
  return names
}

/**
 * All signatures of a file in file order: those in the form of the newest revision, and those that any earlier
 * revision had in a field, so that none can be made to vanish.
 */
export function findSignatures(revisions: readonly Revision[]): FoundSignature[] {
  const found = new Map<string, Entry>()
  const newest = revisions[0]
  if (!newest) return []
  eachField(newest.view, (field, name, widgets) => {
    if (isSignatureValue(newest.view, field.get('V'))) note(found, newest.view, field, name, widgets, false)
  })
  for (const revision of revisions) {
    for (const num of numbersOf(revision)) {
      const field = fetchObject(revision.view, num)
      if (!isDict(field) || !field.has('V') || nameOf(field.get('FT')) !== 'Sig') continue
      if (!isSignatureValue(revision.view, field.get('V'))) continue
      note(found, revision.view, field, textOf(resolve(revision.view, field.get('T'))) ?? '', [], true)
    }
  }
  return [...found.values()]
    .map((entry): FoundSignature => {
      const contents = resolve(entry.view, entry.dict.get('Contents'))
      return { ...entry, contents: isString(contents) ? contents : undefined }
    })
    .sort((a, b) => (a.contents?.start ?? 0) - (b.contents?.start ?? 0))
}

function note(
  found: Map<string, Entry>,
  view: PdfView,
  field: PdfDict,
  name: string,
  widgets: PdfDict[],
  removed: boolean,
): void {
  const value = field.get('V')
  // A value that cannot be read is a broken signature, not a missing one.
  const read = resolve(view, value)
  const dict: PdfDict = isDict(read) ? read : new Map()
  const contents = resolve(view, dict.get('Contents'))
  const entry = isRef(value) ? entryOf(view, value.num) : undefined
  // The same bytes in the file are the same signature, however many fields and revisions show it.
  const key =
    isString(contents) && entry?.type !== 'compressed' ? `c${contents.start}` : JSON.stringify(entry ?? name)
  const known = found.get(key)
  if (!known) {
    found.set(key, { dict, view, fieldNames: [name], widgets: [...widgets], removed })
  } else if (!removed) {
    known.fieldNames.push(name)
    known.widgets.push(...widgets)
  }
}

/** Walks the terminal signature fields of the form, with their full names and widgets. */
function eachField(view: PdfView, visit: (field: PdfDict, name: string, widgets: PdfDict[]) => void): void {
  const form = dictOf(resolve(view, catalogOf(view).dict.get('AcroForm')))
  const seen = new Set<number>()
  let count = 0
  const walk = (item: PdfValue, prefix: string, type: string | undefined, depth: number) => {
    if (depth > 32 || ++count > 200_000) throw new PdfRefusal('too_complex', 'form')
    if (isRef(item)) {
      if (seen.has(item.num)) return
      seen.add(item.num)
    }
    const field = dictOf(isRef(item) ? fetchObject(view, item.num) : item)
    if (!field) return
    const own = textOf(resolve(view, field.get('T')))
    const name = own === undefined ? prefix : prefix === '' ? own : `${prefix}.${own}`
    const ownType = nameOf(resolve(view, field.get('FT'))) ?? type
    const kids = resolve(view, field.get('Kids'))
    const list = Array.isArray(kids) ? kids : []
    const isField = own !== undefined && !list.some((kid) => dictOf(resolve(view, kid))?.has('T'))
    if (ownType === 'Sig' && (field.has('V') || isField)) {
      const widgets = list.map((kid) => dictOf(resolve(view, kid))).filter((kid) => kid !== undefined)
      visit(field, name, field.has('Rect') ? [field] : widgets)
    } else for (const kid of list) walk(kid, name, ownType, depth + 1)
  }
  const fields = resolve(view, form?.get('Fields'))
  if (Array.isArray(fields)) for (const field of fields) walk(field, '', undefined, 0)
}
