/**
 * What annotations may do under DocMDP level 3 (ISO 32000-2 Table 257): be created, changed and deleted. Only kinds
 * that comment on a page count as annotations here; they are recognised whatever the level, and permitted elsewhere.
 */
import { fetchObject, type PdfView, resolve } from './file.ts'
import {
  dictOf,
  eachRef,
  isDict,
  isRef,
  isStream,
  nameOf,
  type PdfDict,
  type PdfRef,
  type PdfValue,
  sameValue,
} from './objects.ts'
import { isSignatureValue } from './signature-fields.ts'
import {
  type ChangeFinding,
  type ChangeLevel,
  differingKeys,
  fieldName,
  inherited,
  referrersOf,
  type Step,
} from './step.ts'

/** Kinds that mark up a page. Links, media, attachments, redactions and watermarks do more than that. */
const MARKUP = new Set([
  'Text',
  'FreeText',
  'Line',
  'Square',
  'Circle',
  'Polygon',
  'PolyLine',
  'Highlight',
  'Underline',
  'Squiggly',
  'StrikeOut',
  'Caret',
  'Stamp',
  'Ink',
  'Popup',
])
/** Keys that make it act, or something else than an annotation. */
const FORBIDDEN = ['A', 'AA', 'FT', 'Kids', 'MediaBox', 'Resources', 'OC', 'AF', 'FS', 'Sound', 'Movie']
/** What an existing annotation keeps. */
const FIXED = new Set(['Type', 'Subtype', 'P', 'Parent', ...FORBIDDEN])
/** Hidden, NoView and ToggleNoView (ISO 32000-2 Table 167): what is seen depends on how it is looked at. */
const HIDING = 2 | 32 | 256

type Rect = readonly [left: number, bottom: number, right: number, top: number]

/** True if a list is nothing but the annotations of pages. */
export function isAnnotationList(step: Step, num: number): boolean {
  const referrers = referrersOf(step).get(num)
  if (!referrers || referrers.size === 0) return false
  for (const referrer of referrers) {
    const page = dictOf(fetchObject(step.after, referrer))
    if (nameOf(page?.get('Type')) !== 'Page' || !page || !refersOnlyBy(page, num, ['Annots'])) return false
  }
  return true
}

function refersOnlyBy(dict: PdfDict, num: number, keys: readonly string[]): boolean {
  let only = true
  for (const [key, value] of dict) {
    if (keys.includes(key)) continue
    eachRef(value, (ref) => {
      if (ref.num === num) only = false
    })
  }
  return only
}

/**
 * Judges a list of annotations that did more than gain signature fields; undefined if it did something no
 * annotation rule explains. What remains keeps its order, as that decides what lies on top.
 */
export function annotationGrowth(
  step: Step,
  before: readonly PdfValue[],
  after: readonly PdfValue[],
  object: number,
  newField: (step: Step, ref: PdfRef) => ChangeLevel,
): ChangeFinding[] | undefined {
  const missing = before.filter((item) => !after.some((other) => sameValue(item, other)))
  const added = after.filter((item) => !before.some((other) => sameValue(item, other)))
  const kept = (list: readonly PdfValue[], gone: readonly PdfValue[]) =>
    list.filter((item) => !gone.includes(item))
  const [stay, same] = [kept(before, missing), kept(after, added)]
  if (stay.length !== same.length || !stay.every((item, i) => sameValue(item, same[i]))) return undefined
  const findings: ChangeFinding[] = []
  for (const item of missing) {
    const old = isRef(item) ? dictOf(fetchObject(step.before, item.num)) : undefined
    if (!isRef(item) || !old || !isMarkup(step.before, old)) return undefined
    findings.push({ object: item.num, level: 'annotations', rule: 'annotation.removed' })
  }
  for (const item of added) {
    if (!isRef(item) || !step.added.has(item.num)) return undefined
    const made = fetchObject(step.after, item.num)
    if (!isDict(made)) return undefined
    if (!isMarkup(step.after, made)) {
      const level = newField(step, item)
      if (level === 'other') return undefined
      findings.push({ object, level, rule: 'page' })
      continue
    }
    findings.push({ object: item.num, level: 'annotations', rule: 'annotation.added' })
    findings.push(...effects(step, item.num, made, before))
  }
  return findings
}

function isMarkup(view: PdfView, dict: PdfDict): boolean {
  const type = nameOf(resolve(view, dict.get('Type')))
  const subtype = nameOf(resolve(view, dict.get('Subtype'))) ?? ''
  if ((type !== undefined && type !== 'Annot') || !MARKUP.has(subtype)) return false
  if (dict.has('Parent') && subtype !== 'Popup') return false
  return FORBIDDEN.every((key) => !dict.has(key)) && rectOf(view, dict) !== undefined
}

/** Judges an annotation whose dictionary changed; undefined if it is none, or is also something else. */
export function annotationChange(
  step: Step,
  num: number,
  old: PdfDict,
  now: PdfDict,
): ChangeFinding[] | undefined {
  if (!isMarkup(step.before, old) || !isMarkup(step.after, now)) return undefined
  const keys = differingKeys(old, now)
  if (keys.some((key) => FIXED.has(key))) return undefined
  const pages = pagesOf(step, num)
  if (!pages) return undefined
  const flags = (view: PdfView, dict: PdfDict) => Number(resolve(view, dict.get('F')) ?? 0) & HIDING
  const findings: ChangeFinding[] = [{ object: num, level: 'annotations', rule: 'annotation.changed' }]
  if (keys.includes('AP')) findings.push({ object: num, level: 'annotations', rule: 'annotation.appearance' })
  if (flags(step.before, old) !== flags(step.after, now))
    findings.push({ object: num, level: 'annotations', rule: 'annotation.hidden' })
  for (const page of pages) {
    const annots = resolve(step.before, page.get('Annots'))
    findings.push(...effects(step, num, now, Array.isArray(annots) ? annots : []))
  }
  return findings
}

/** An appearance stream overwritten in place that only annotations of these kinds show. */
export function appearanceOfAnnotation(step: Step, num: number): ChangeFinding[] | undefined {
  const referrers = referrersOf(step).get(num)
  if (!referrers || referrers.size === 0 || !isStream(fetchObject(step.after, num))) return undefined
  const findings: ChangeFinding[] = [{ object: num, level: 'annotations', rule: 'annotation.appearance' }]
  for (const referrer of referrers) {
    const dict = dictOf(fetchObject(step.after, referrer))
    if (!dict || !isMarkup(step.after, dict) || !refersOnlyBy(dict, num, ['AP'])) return undefined
    const pages = pagesOf(step, referrer)
    if (!pages) return undefined
    for (const page of pages) {
      const annots = resolve(step.before, page.get('Annots'))
      findings.push(...effects(step, referrer, dict, Array.isArray(annots) ? annots : []))
    }
  }
  return findings
}

/** The pages that list an annotation; undefined if anything refers to it in another role. */
function pagesOf(step: Step, num: number): PdfDict[] | undefined {
  const pages: PdfDict[] = []
  for (const referrer of referrersOf(step).get(num) ?? []) {
    const value = fetchObject(step.after, referrer)
    if (Array.isArray(value)) {
      if (!isAnnotationList(step, referrer)) return undefined
      for (const owner of referrersOf(step).get(referrer) ?? []) {
        const page = dictOf(fetchObject(step.after, owner))
        if (page) pages.push(page)
      }
      continue
    }
    if (!isDict(value)) return undefined
    const type = nameOf(value.get('Type'))
    if (type === 'Page' && refersOnlyBy(value, num, ['Annots'])) pages.push(value)
    else if (type === 'OBJR' && refersOnlyBy(value, num, ['Obj'])) continue
    else if (!isMarkup(step.after, value) || !refersOnlyBy(value, num, ['Popup', 'Parent', 'IRT']))
      return undefined
  }
  return pages
}

/** What an annotation does to what was there: what it may cover, and whether it can be seen at all. */
function effects(step: Step, num: number, dict: PdfDict, annots: readonly PdfValue[]): ChangeFinding[] {
  const findings: ChangeFinding[] = []
  const say = (level: ChangeLevel, rule: string, field?: string) =>
    findings.push({ object: num, level, rule, ...(field === undefined ? {} : { field }) })
  const { after } = step
  const subtype = nameOf(resolve(after, dict.get('Subtype')))
  if ((Number(resolve(after, dict.get('F')) ?? 0) & HIDING) !== 0) say('annotations', 'annotation.hidden')
  // A popup opens beside its note on request, and draws no appearance of its own (ISO 32000-2 §12.5.6.14).
  const extent = extentOf(after, dict)
  if (subtype === 'Popup' || !extent) return findings
  const draws = dict.has('AP') || dict.has('IC') || subtype === 'FreeText' || subtype === 'Stamp'
  if (draws && extent[2] > extent[0] && extent[3] > extent[1]) say('annotations', 'annotation.covers_content')
  for (const item of annots) {
    const widget = dictOf(resolve(step.before, item))
    const type = widget && nameOf(inherited(step.before, widget, 'FT'))
    const rect = widget && type !== undefined ? rectOf(step.before, widget) : undefined
    if (!widget || !rect || !overlap(extent, rect)) continue
    const name = fieldName(step.before, widget)
    const value = inherited(step.before, widget, 'V')
    // A signature's picture must stay what it was; nothing may lie on it.
    if (type === 'Sig' && value !== undefined && isSignatureValue(step.before, value))
      say('other', 'annotation.covers_signature', name)
    else say('annotations', 'annotation.covers_field', name)
  }
  return findings
}

function rectOf(view: PdfView, dict: PdfDict): Rect | undefined {
  const value = resolve(view, dict.get('Rect'))
  const numbers = Array.isArray(value) ? value.map((item) => resolve(view, item)) : []
  const [a, b, c, d] = numbers
  if (typeof a !== 'number' || typeof b !== 'number' || typeof c !== 'number' || typeof d !== 'number')
    return undefined
  return [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)]
}

/** The rectangle, and everything a reader may draw outside it where there is no appearance. */
function extentOf(view: PdfView, dict: PdfDict): Rect | undefined {
  const rect = rectOf(view, dict)
  if (!rect || dict.has('AP')) return rect
  let [left, bottom, right, top] = rect
  const take = (value: PdfValue, depth: number) => {
    const list = resolve(view, value)
    if (!Array.isArray(list) || depth > 2) return
    const numbers = list.map((item) => resolve(view, item))
    for (let i = 0; i + 1 < numbers.length; i += 2) {
      const [x, y] = [numbers[i], numbers[i + 1]]
      if (typeof x !== 'number' || typeof y !== 'number') continue
      left = Math.min(left, x)
      right = Math.max(right, x)
      bottom = Math.min(bottom, y)
      top = Math.max(top, y)
    }
    for (const item of numbers) take(item ?? null, depth + 1)
  }
  for (const key of ['QuadPoints', 'L', 'InkList', 'Vertices', 'CL']) take(dict.get(key) ?? null, 0)
  return [left, bottom, right, top]
}

/** Touching edges are no overlap. */
function overlap(a: Rect, b: Rect): boolean {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}
