/** Which pages later revisions changed, and where: what a before-and-after picture has to be drawn of. */
import { fetchObject, type PdfView, resolve } from './file.ts'
import { dictOf, eachRef, isRef, nameOf, type PdfDict, type PdfValue, sameValue } from './objects.ts'
import { eachPage, type PdfPage } from './pages.ts'
import { type DisplayRect, displayRect } from './placement.ts'
import { PdfRefusal } from './refusal.ts'
import { revisionEnd } from './revisions.ts'
import {
  type ChangeLevel,
  createStep,
  differingKeys,
  mayWalk,
  referrersOf,
  type Step,
  worse,
} from './step.ts'
import { SyntaxFault } from './syntax.ts'
import { examine, refusing } from './verify.ts'

/** One page that one revision changed. */
export interface PageChange {
  /** The revision that changed it; 0 is the newest. */
  readonly revision: number
  /** How far that revision went altogether. */
  readonly level: ChangeLevel
  /** Zero-based; null where the page was added. */
  readonly before: number | null
  /** Zero-based; null where the page was removed. */
  readonly after: number | null
  /** What was touched, on the page as displayed; empty when it may be anywhere on it. */
  readonly areas: readonly DisplayRect[]
  /** The file as it was before the revision is its first so many bytes, and as it was with it. */
  readonly beforeBytes: number
  readonly afterBytes: number
}

/** More are not listed: a revision that touches a resource of all pages has touched them all. */
const MAX_CHANGES = 1000

/**
 * Every page that a revision after the oldest signature changed, oldest change first. Signatures that show themselves
 * change pages too; `level` tells those revisions from others.
 * @throws PdfRefusal if the file cannot be read at all
 */
export function changedPages(pdf: Uint8Array): PageChange[] {
  return refusing(() => listChanges(pdf))
}

function listChanges(pdf: Uint8Array): PageChange[] {
  const { file, revisions, steps } = examine(pdf)
  const changes: PageChange[] = []
  const budget = { objects: 5_000_000 }
  for (let i = revisions.length - 2; i >= 0 && changes.length < MAX_CHANGES; i--) {
    const [difference, newer, older] = [steps[i], revisions[i], revisions[i + 1]]
    if (!difference || !newer || !older || difference.level === 'none') continue
    const ends = {
      beforeBytes: revisionEnd(file, revisions, i + 1),
      afterBytes: revisionEnd(file, revisions, i),
    }
    const step = createStep(older, newer, budget)
    for (const num of difference.changed) step.changed.set(num, fetchObject(older.view, num))
    for (const page of pagesOfStep(step))
      changes.push({ revision: i, level: worse(difference.level, page.level), ...page.where, ...ends })
  }
  return changes.slice(0, MAX_CHANGES)
}

/** The bytes a revision ends with: the file as its author had it. 0 is the newest. */
export function revisionBytes(pdf: Uint8Array, revision: number): Uint8Array {
  const { file, revisions } = refusing(() => examine(pdf))
  if (!revisions[revision]) throw new RangeError(`the file has ${revisions.length} revisions`)
  return pdf.subarray(0, revisionEnd(file, revisions, revision))
}

interface Found {
  readonly level: ChangeLevel
  readonly where: Pick<PageChange, 'before' | 'after' | 'areas'>
}

function pagesOfStep(step: Step): Found[] {
  const before = pagesIn(step.before)
  const after = pagesIn(step.after)
  const touched = touchedPages(step)
  const found: Found[] = []
  const indexBefore = new Map(before.map((page, i) => [page.ref.num, i]))
  const present = new Set(after.map((page) => page.ref.num))
  before.forEach((page, i) => {
    if (!present.has(page.ref.num))
      found.push({ level: 'other', where: { before: i, after: null, areas: [] } })
  })
  let furthest = -1
  after.forEach((page, i) => {
    const at = indexBefore.get(page.ref.num)
    const old = at === undefined ? undefined : before[at]
    if (at === undefined || !old) {
      found.push({ level: 'other', where: { before: null, after: i, areas: [] } })
      return
    }
    const moved = at < furthest
    furthest = Math.max(furthest, at)
    const areas = touched.get(page.ref.num)
    // What a page inherits from the tree above it is not in its own dictionary.
    const reshaped = !sameShape(step, old, page)
    if (!areas && !moved && !reshaped) return
    const whole = moved || reshaped || areas === 'whole' || !areas
    found.push({
      level: moved || reshaped ? 'other' : 'none',
      where: { before: at, after: i, areas: whole ? [] : areas.map((rect) => displayRect(page, rect)) },
    })
  })
  return found
}

function pagesIn(view: PdfView): PdfPage[] {
  try {
    return eachPage(view)
  } catch (fault) {
    // A tree that cannot be walked has no pages to show.
    if (fault instanceof SyntaxFault || fault instanceof PdfRefusal) return []
    throw fault
  }
}

function sameShape(step: Step, old: PdfPage, now: PdfPage): boolean {
  const resources = (view: PdfView, page: PdfPage): PdfValue => {
    let node: PdfDict | undefined = page.dict
    for (let depth = 0; node && depth < 64; depth++) {
      const value = node.get('Resources')
      if (value !== undefined) return value
      node = dictOf(resolve(view, node.get('Parent')))
    }
    return null
  }
  return (
    old.rotation === now.rotation &&
    old.box.every((side, i) => side === now.box[i]) &&
    sameValue(resources(step.before, old), resources(step.after, now))
  )
}

type Areas = 'whole' | (readonly [number, number, number, number])[]

/** Pages by object number that hang on something that changed, with the annotations through which they do. */
function touchedPages(step: Step): Map<number, Areas> {
  const pages = new Map<number, Areas>()
  const touch = (num: number, rect: readonly [number, number, number, number] | undefined) => {
    const known = pages.get(num) ?? []
    pages.set(num, known === 'whole' || !rect ? 'whole' : [...known, rect])
  }
  const queue: number[] = []
  const seen = new Set<number>()
  for (const [num, old] of step.changed) {
    const now = fetchObject(step.after, num)
    const type = nameOf(dictOf(now)?.get('Type')) ?? nameOf(dictOf(old)?.get('Type'))
    if (type === 'Page') touchPage(step, num, dictOf(old), dictOf(now), touch)
    else if (type === 'Pages' || type === 'Catalog') continue
    else if (Array.isArray(old) && Array.isArray(now) && mayWalk(step)) {
      // A list of annotations touches the pages that have it, there where the lists differ.
      const owners = [...(referrersOf(step).get(num) ?? [])].filter((owner) =>
        listsAnnotations(step, owner, num),
      )
      for (const owner of owners) touchAnnotations(step, owner, old, now, touch)
      if (owners.length === 0) queue.push(num)
    } else queue.push(num)
  }
  if (queue.length === 0 || !mayWalk(step)) return pages
  for (let num = queue.pop(); num !== undefined; num = queue.pop()) {
    if (seen.has(num)) continue
    seen.add(num)
    for (const referrer of referrersOf(step).get(num) ?? []) {
      const value = fetchObject(step.after, referrer)
      const dict = dictOf(value)
      const type = nameOf(dict?.get('Type'))
      if (type === 'Page') {
        const annotation = onlyAnnotation(dict, num)
        touch(referrer, annotation ? rectOf(step.after, dictOf(fetchObject(step.after, num))) : undefined)
      } else if (Array.isArray(value) && isAnnotation(step, num)) {
        for (const owner of referrersOf(step).get(referrer) ?? []) {
          if (listsAnnotations(step, owner, referrer))
            touch(owner, rectOf(step.after, dictOf(fetchObject(step.after, num))))
        }
      } else if (type !== 'Pages' && type !== 'Catalog') queue.push(referrer)
    }
  }
  return pages
}

function isAnnotation(step: Step, num: number): boolean {
  return dictOf(fetchObject(step.after, num))?.has('Rect') === true
}

function listsAnnotations(step: Step, owner: number, list: number): boolean {
  const page = dictOf(fetchObject(step.after, owner))
  const annots = page?.get('Annots')
  return nameOf(page?.get('Type')) === 'Page' && isRef(annots) && annots.num === list
}

function onlyAnnotation(page: PdfDict | undefined, num: number): boolean {
  let elsewhere = false
  for (const [key, value] of page ?? []) {
    if (key === 'Annots') continue
    eachRef(value, (ref) => {
      if (ref.num === num) elsewhere = true
    })
  }
  return !elsewhere
}

type Touch = (num: number, rect: readonly [number, number, number, number] | undefined) => void

function touchPage(
  step: Step,
  num: number,
  old: PdfDict | undefined,
  now: PdfDict | undefined,
  touch: Touch,
): void {
  if (!old || !now || differingKeys(old, now).some((key) => key !== 'Annots')) {
    touch(num, undefined)
    return
  }
  const [before, after] = [resolve(step.before, old.get('Annots')), resolve(step.after, now.get('Annots'))]
  touchAnnotations(step, num, Array.isArray(before) ? before : [], Array.isArray(after) ? after : [], touch)
}

/** Touches a page where its annotations came or went. */
function touchAnnotations(
  step: Step,
  num: number,
  before: readonly PdfValue[],
  after: readonly PdfValue[],
  touch: Touch,
): void {
  const without = (list: readonly PdfValue[], other: readonly PdfValue[]) =>
    list.filter((item) => !other.some((one) => sameValue(item, one)))
  const note = (view: PdfView, item: PdfValue) => {
    const rect = rectOf(view, dictOf(resolve(view, item)))
    // What has no extent shows nothing.
    if (rect && (rect[0] === rect[2] || rect[1] === rect[3])) return
    touch(num, rect)
  }
  for (const item of without(before, after)) note(step.before, item)
  for (const item of without(after, before)) note(step.after, item)
}

function rectOf(view: PdfView, dict: PdfDict | undefined): [number, number, number, number] | undefined {
  const value = resolve(view, dict?.get('Rect'))
  const [a, b, c, d] = Array.isArray(value) ? value.map((item) => resolve(view, item)) : []
  if (typeof a !== 'number' || typeof b !== 'number' || typeof c !== 'number' || typeof d !== 'number')
    return undefined
  return [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)]
}
