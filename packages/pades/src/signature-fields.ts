import { catalogOf, entryOf, fetchObject, type PdfView, resolve } from './file.ts'
import {
  dictOf,
  isDict,
  isRef,
  isString,
  nameOf,
  type PdfDict,
  type PdfString,
  type PdfValue,
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
 * All signatures of a file in file order: those in the form of the newest revision, and those that any earlier
 * revision had in a field, so that none can be made to vanish.
 */
export function findSignatures(revisions: readonly Revision[]): FoundSignature[] {
  const found = new Map<string, Entry>()
  const newest = revisions[0]
  if (!newest) return []
  eachField(newest.view, (field, name, widgets) => {
    note(found, newest.view, field, name, widgets, false)
  })
  for (const revision of revisions) {
    for (const num of numbersOf(revision)) {
      const field = fetchObject(revision.view, num)
      if (!isDict(field) || !field.has('V') || nameOf(field.get('FT')) !== 'Sig') continue
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
    if (ownType === 'Sig' && field.has('V')) {
      const widgets = list.map((kid) => dictOf(resolve(view, kid))).filter((kid) => kid !== undefined)
      visit(field, name, field.has('Rect') ? [field] : widgets)
    } else for (const kid of list) walk(kid, name, ownType, depth + 1)
  }
  const fields = resolve(view, form?.get('Fields'))
  if (Array.isArray(fields)) for (const field of fields) walk(field, '', undefined, 0)
}
