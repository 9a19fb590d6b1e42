/**
 * Places the fields of a FASC client on pages: it gives their centre, from the upper left corner of the page, in
 * pixels of 72 to the inch, or a keyword with offsets from its centre (right and up are positive). Pure.
 */
import { z } from 'zod'
import { refuse } from './errors.ts'
import { numeric, text, whole } from './shapes.ts'

export const SIGN_FIELD_TYPES = ['corp_seal', 'person_sign', 'date_sign'] as const
export type SignFieldType = (typeof SIGN_FIELD_TYPES)[number]

const size = z.object({ width: numeric.nullish(), height: numeric.nullish() }).nullish()

export const docField = z.object({
  fieldId: text(64),
  fieldName: text(128),
  fieldType: z.string().max(64),
  position: z.object({
    positionMode: z.enum(['pixel', 'keyword']).nullish(),
    positionPageNo: whole(1, 100_000).nullish(),
    positionX: numeric.nullish(),
    positionY: numeric.nullish(),
    positionKeyword: text(100),
    keywordOffsetX: numeric.nullish(),
    keywordOffsetY: numeric.nullish(),
  }),
  fieldCorpSeal: size,
  fieldPersonSign: size,
  fieldDateSign: size,
})
export type DocField = z.output<typeof docField>

export interface PlacedField {
  docRef: string
  fieldId: string
  fieldName: string
  fieldType: SignFieldType
  page: number
  x: number
  y: number
  width: number
  height: number
}

export interface Page {
  widthPt: number
  heightPt: number
}
export interface Found extends PageBox {
  page: number
}
interface PageBox {
  x: number
  y: number
  width: number
  height: number
}

/** 42 mm, the protocol's usual seal, and sizes that read well. */
const SIZES: Record<SignFieldType, { width: number; height: number }> = {
  corp_seal: { width: 119, height: 119 },
  person_sign: { width: 100, height: 50 },
  date_sign: { width: 100, height: 24 },
}

export function placeField(
  docRef: string,
  field: DocField,
  pages: readonly Page[],
  keywords: (keyword: string) => readonly Found[],
): PlacedField {
  const fieldId = field.fieldId ?? field.fieldName
  if (fieldId === undefined) throw refuse('fasc_input_invalid', { first: 'fieldId' })
  const fieldType = SIGN_FIELD_TYPES.find((type) => type === field.fieldType)
  if (fieldType === undefined) throw refuse('fasc_field_type', { id: fieldId, type: field.fieldType })
  const box = sizeOf(field, fieldType)
  const base = { docRef, fieldId, fieldName: field.fieldName ?? fieldId, fieldType }
  if (isKeyword(field)) return { ...base, ...atKeyword(fieldId, field, box, pages, keywords) }
  const { positionX: x, positionY: y, positionPageNo: page } = field.position
  if (x == null || y == null)
    throw wrong(fieldId, '缺少 positionX 或 positionY', 'positionX or positionY is missing')
  const placed = { page: page ?? 1, x: x - box.width / 2, y: y - box.height / 2, ...box }
  return { ...base, ...insidePage(fieldId, placed, pages) }
}

export function isKeyword(field: DocField): boolean {
  return field.position.positionMode === 'keyword'
}

/** The first place of the keyword in reading order, on the page that is named or on any. */
function atKeyword(
  fieldId: string,
  field: DocField,
  box: { width: number; height: number },
  pages: readonly Page[],
  keywords: (keyword: string) => readonly Found[],
): PageBox & { page: number } {
  const { positionKeyword: keyword, positionPageNo: page, keywordOffsetX, keywordOffsetY } = field.position
  if (keyword === undefined) throw wrong(fieldId, '缺少 positionKeyword', 'positionKeyword is missing')
  const found = keywords(keyword).find((one) => page == null || one.page === page)
  if (found === undefined) {
    throw wrong(fieldId, `文档中找不到关键字“${keyword}”`, `the document does not contain “${keyword}”`)
  }
  const placed = {
    page: found.page,
    x: found.x + found.width / 2 + (keywordOffsetX ?? 0) - box.width / 2,
    y: found.y + found.height / 2 - (keywordOffsetY ?? 0) - box.height / 2,
    ...box,
  }
  return insidePage(fieldId, placed, pages)
}

/**
 * The centre must lie on the page; what hangs over an edge is pushed inside, so that every mark is whole. The
 * place that it gets is what the task tells afterwards.
 */
function insidePage(
  fieldId: string,
  box: PageBox & { page: number },
  pages: readonly Page[],
): PageBox & { page: number } {
  const page = pages[box.page - 1]
  if (page === undefined) throw wrong(fieldId, `文档没有第 ${box.page} 页`, `there is no page ${box.page}`)
  const centre = { x: box.x + box.width / 2, y: box.y + box.height / 2 }
  const isOnPage = centre.x >= 0 && centre.y >= 0 && centre.x <= page.widthPt && centre.y <= page.heightPt
  if (!isOnPage || box.width > page.widthPt || box.height > page.heightPt) {
    throw wrong(fieldId, `超出第 ${box.page} 页的范围`, `it lies outside page ${box.page}`)
  }
  return {
    ...box,
    x: Math.min(Math.max(box.x, 0), page.widthPt - box.width),
    y: Math.min(Math.max(box.y, 0), page.heightPt - box.height),
  }
}

function sizeOf(field: DocField, type: SignFieldType): { width: number; height: number } {
  const given = {
    corp_seal: field.fieldCorpSeal,
    person_sign: field.fieldPersonSign,
    date_sign: field.fieldDateSign,
  }[type]
  const usual = SIZES[type]
  const chosen = { width: given?.width ?? usual.width, height: given?.height ?? usual.height }
  // Zero is what clients send that leave the size to the platform.
  return {
    width: chosen.width > 0 ? chosen.width : usual.width,
    height: chosen.height > 0 ? chosen.height : usual.height,
  }
}

function wrong(id: string, reasonZh: string, reasonEn: string) {
  return refuse('fasc_field_position', { id, reasonZh, reasonEn })
}

/** The centre, as clients give and expect it. */
export function positionOf(field: Pick<PlacedField, 'page' | 'x' | 'y' | 'width' | 'height'>) {
  return {
    positionPageNo: field.page,
    positionX: pointText(field.x + field.width / 2),
    positionY: pointText(field.y + field.height / 2),
  }
}

export function pointText(value: number): string {
  return String(Math.round(value * 100) / 100)
}
