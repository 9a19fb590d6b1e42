/**
 * Turns what a caller asked for into the rows of a draft, or refuses it. Pure: files and keyword positions are
 * looked up before.
 */
import type { ActorInput, FieldInput, FieldKind, KeywordPosition } from '@yinxin/sdk/wire'
import { refuse } from './errors.ts'
import type { PageSize } from './tables.ts'

export interface PlannedField {
  documentRef: string
  actorRef: string
  kind: FieldKind
  /** Counts from 1. */
  page: number
  x: number
  y: number
  width: number
  height: number
}

type PlannedActor = Pick<ActorInput, 'ref' | 'kind' | 'role'>

const MM = 72 / 25.4
/** A company seal is 40 mm wide (国发〔1999〕25号); the others are sizes that read well on a contract. */
const SIZES: Record<FieldKind, { width: number; height: number }> = {
  seal: { width: 40 * MM, height: 40 * MM },
  signature: { width: 40 * MM, height: 16 * MM },
  date: { width: 36 * MM, height: 7 * MM },
}
const PERSONAL_SEAL = { width: 20 * MM, height: 20 * MM }
/** Rounding in a caller's own arithmetic is no reason to refuse a field at the edge. */
const TOLERANCE_PT = 0.5

/** Refuses refs that stand twice and actors who could not be reached. */
export function checkActors(actors: readonly ActorInput[]): void {
  checkRefs(actors.map((actor) => actor.ref))
  for (const actor of actors) {
    const isReachable =
      actor.mobile !== undefined || actor.email !== undefined || actor.subjectId !== undefined
    if (!isReachable && actor.freeSignBusinessId === undefined) {
      throw refuse('actor_contact_missing', { ref: actor.ref })
    }
  }
}

export function checkRefs(refs: readonly string[]): void {
  const seen = new Set<string>()
  for (const ref of refs) {
    if (seen.has(ref)) throw refuse('duplicate_ref', { ref })
    seen.add(ref)
  }
}

/**
 * Places fields on pages. A coordinate field must lie inside its page. A keyword field is centred on the
 * keyword (moved by its offsets) and pushed inside the page where it would hang over the edge.
 */
export function planFields(
  fields: readonly FieldInput[],
  actors: readonly PlannedActor[],
  pagesOf: (documentRef: string) => readonly PageSize[] | undefined,
  keywords: (documentRef: string, keyword: string) => readonly KeywordPosition[],
): PlannedField[] {
  return fields.flatMap((field) => {
    const pages = pagesOf(field.documentRef)
    if (pages === undefined) throw refuse('unknown_ref', { ref: field.documentRef })
    const actor = actors.find((one) => one.ref === field.actorRef)
    if (actor === undefined) throw refuse('unknown_ref', { ref: field.actorRef })
    if (actor.role === 'cc') throw refuse('copy_has_field', { ref: actor.ref })
    if (actor.kind === 'corp' && field.kind === 'signature') {
      throw refuse('field_kind_mismatch', { ref: actor.ref, kind: field.kind })
    }
    const { position } = field
    const usual = field.kind === 'seal' && actor.kind === 'person' ? PERSONAL_SEAL : SIZES[field.kind]
    const size = { width: position.width ?? usual.width, height: position.height ?? usual.height }
    const base = { documentRef: field.documentRef, actorRef: field.actorRef, kind: field.kind }
    if ('page' in position) {
      return [
        { ...base, ...checkInside(pages, { page: position.page, x: position.x, y: position.y, ...size }) },
      ]
    }
    return occurrences(keywords(field.documentRef, position.keyword), position).map((at) => ({
      ...base,
      ...pushInside(pages, {
        page: at.page,
        x: at.x + at.width / 2 + (position.offsetX ?? 0) - size.width / 2,
        y: at.y + at.height / 2 + (position.offsetY ?? 0) - size.height / 2,
        ...size,
      }),
    }))
  })
}

function occurrences(
  found: readonly KeywordPosition[],
  position: { keyword: string; occurrence?: number | 'all' },
): readonly KeywordPosition[] {
  const occurrence = position.occurrence ?? 1
  const chosen = occurrence === 'all' ? found : found.slice(occurrence - 1, occurrence)
  if (chosen.length === 0) throw refuse('keyword_not_found', { keyword: position.keyword, occurrence })
  return chosen
}

interface Box {
  page: number
  x: number
  y: number
  width: number
  height: number
}

function checkInside(pages: readonly PageSize[], box: Box): Box {
  const page = pageOf(pages, box.page)
  const isInside =
    box.x >= -TOLERANCE_PT &&
    box.y >= -TOLERANCE_PT &&
    box.x + box.width <= page.widthPt + TOLERANCE_PT &&
    box.y + box.height <= page.heightPt + TOLERANCE_PT
  if (!isInside) throw refuse('field_outside_page', { page: box.page })
  return pushInside(pages, box)
}

function pushInside(pages: readonly PageSize[], box: Box): Box {
  const page = pageOf(pages, box.page)
  if (box.width > page.widthPt + TOLERANCE_PT || box.height > page.heightPt + TOLERANCE_PT) {
    throw refuse('field_outside_page', { page: box.page })
  }
  const width = Math.min(box.width, page.widthPt)
  const height = Math.min(box.height, page.heightPt)
  const x = Math.min(Math.max(box.x, 0), page.widthPt - width)
  const y = Math.min(Math.max(box.y, 0), page.heightPt - height)
  return { page: box.page, x, y, width, height }
}

function pageOf(pages: readonly PageSize[], number: number): PageSize {
  const page = pages[number - 1]
  if (page === undefined) throw refuse('field_page_unknown', { page: number })
  return page
}
