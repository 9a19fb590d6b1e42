import type { Appearance } from './appearance.ts'
import { type PdfView, resolve } from './file.ts'
import type { PdfValue } from './objects.ts'
import type { PdfPage } from './pages.ts'
import { PdfRefusal } from './refusal.ts'
import { formatNumber } from './serialise.ts'

/** A rectangle in points from the lower-left corner of the page as displayed. */
export interface DisplayRect {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** Where one appearance of a signature is drawn. */
export interface Placement {
  /** Zero-based. */
  readonly page: number
  readonly rect: DisplayRect
  readonly appearance: Appearance
}

/** The annotation /Rect in user space, and the form matrix that keeps the drawing upright. */
export interface Placed {
  readonly rect: readonly [number, number, number, number]
  readonly matrix: string
}

/** Half a thousandth of a point: rounding in callers must not refuse a field at the very edge. */
const SLACK = 0.0005

/** Converts a displayed rectangle to user space, undoing crop box and rotation; refuses what leaves the page. */
export function placeOnPage(page: PdfPage, rect: DisplayRect): Placed {
  const { x, y, width, height } = rect
  const inside =
    [x, y, width, height].every(Number.isFinite) &&
    width > 0 &&
    height > 0 &&
    x >= -SLACK &&
    y >= -SLACK &&
    x + width <= page.widthPt + SLACK &&
    y + height <= page.heightPt + SLACK
  if (!inside) {
    const size = `${formatNumber(page.widthPt)} × ${formatNumber(page.heightPt)}`
    throw new PdfRefusal('rect_outside_page', `${x},${y},${width},${height} / ${size}`)
  }
  const [left, bottom, right, top] = page.box
  switch (page.rotation) {
    case 0:
      return { rect: [left + x, bottom + y, left + x + width, bottom + y + height], matrix: TURNS[0] }
    case 90:
      return { rect: [right - y - height, bottom + x, right - y, bottom + x + width], matrix: TURNS[90] }
    case 180:
      return { rect: [right - x - width, top - y - height, right - x, top - y], matrix: TURNS[180] }
    case 270:
      return { rect: [left + y, top - x - width, left + y + height, top - x], matrix: TURNS[270] }
  }
}

/** A user-space rectangle [left, bottom, right, top] as its page displays it: what `placeOnPage` undoes. */
export function displayRect(
  { box: [left, bottom, right, top], rotation }: PdfPage,
  [a, b, c, d]: readonly [number, number, number, number],
): DisplayRect {
  const lying = rotation === 90 || rotation === 270
  const [width, height] = lying ? [d - b, c - a] : [c - a, d - b]
  switch (rotation) {
    case 0:
      return { x: a - left, y: b - bottom, width, height }
    case 90:
      return { x: b - bottom, y: right - c, width, height }
    case 180:
      return { x: right - c, y: top - d, width, height }
    case 270:
      return { x: top - d, y: a - left, width, height }
  }
}

/** Extent and matrix of an annotation that is there, as its page displays it; undefined when it has no extent. */
export function displayRectOf(
  view: PdfView,
  value: PdfValue | undefined,
  rotation: PdfPage['rotation'],
): { readonly width: number; readonly height: number; readonly matrix: string } | undefined {
  const rect = resolve(view, value)
  if (!Array.isArray(rect)) return undefined
  const [a, b, c, d] = rect.map((item) => resolve(view, item))
  if (typeof a !== 'number' || typeof b !== 'number' || typeof c !== 'number' || typeof d !== 'number')
    return undefined
  const [across, up] = [Math.abs(c - a), Math.abs(d - b)]
  if (across === 0 || up === 0) return undefined
  const lying = rotation === 90 || rotation === 270
  return { width: lying ? up : across, height: lying ? across : up, matrix: TURNS[rotation] }
}

const TURNS = { 0: '1 0 0 1 0 0', 90: '0 1 -1 0 0 0', 180: '-1 0 0 -1 0 0', 270: '0 -1 1 0 0 0' } as const
