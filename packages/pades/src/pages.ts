import { catalogOf, type PdfView, resolve, resolveDict } from './file.ts'
import { isDict, isRef, nameOf, type PdfDict, type PdfRef, type PdfValue } from './objects.ts'
import { PdfRefusal } from './refusal.ts'
import { SyntaxFault } from './syntax.ts'

const MAX_PAGES = 100_000
const MAX_TREE_DEPTH = 64

export interface PdfPage {
  readonly ref: PdfRef
  readonly dict: PdfDict
  /** The visible box [left, bottom, right, top] in user space: CropBox within MediaBox. */
  readonly box: readonly [number, number, number, number]
  readonly rotation: 0 | 90 | 180 | 270
  readonly widthPt: number
  readonly heightPt: number
}

interface Inherited {
  readonly mediaBox: PdfValue | undefined
  readonly cropBox: PdfValue | undefined
  readonly rotate: PdfValue | undefined
}

/** All pages in order. */
export function eachPage(view: PdfView): PdfPage[] {
  const pages: PdfPage[] = []
  walkPages(view, (node, dict, inherited) => {
    pages.push(makePage(view, node, dict, inherited))
    return false
  })
  return pages
}

/** The page of this zero-based index; those before it are only counted. */
export function pageAt(view: PdfView, index: number): PdfPage {
  let count = 0
  let page: PdfPage | undefined
  walkPages(view, (node, dict, inherited) => {
    if (count++ !== index) return false
    page = makePage(view, node, dict, inherited)
    return true
  })
  if (page) return page
  if (count === 0) throw new PdfRefusal('no_pages')
  throw new PdfRefusal('page_out_of_range', `${index + 1} / ${count}`)
}

/** The page this reference names, or undefined if it is none of the document's. */
export function pageOf(view: PdfView, ref: PdfRef): PdfPage | undefined {
  let page: PdfPage | undefined
  walkPages(view, (node, dict, inherited) => {
    if (node.num !== ref.num) return false
    page = makePage(view, node, dict, inherited)
    return true
  })
  return page
}

/** True to stop. */
type PageVisitor = (node: PdfRef, dict: PdfDict, inherited: Inherited) => boolean

/** Walks the page tree in order; /Count is not believed, only the leaves are. */
function walkPages(view: PdfView, visit: PageVisitor): void {
  const root = catalogOf(view).dict.get('Pages')
  if (!isRef(root) || !isDict(resolve(view, root))) throw new SyntaxFault('the page tree is missing')
  const seen = new Set<number>()
  let count = 0
  const walk = (node: PdfValue | undefined, inherited: Inherited, depth: number): boolean => {
    if (depth > MAX_TREE_DEPTH) throw new PdfRefusal('too_complex', 'page tree depth')
    if (!isRef(node) || seen.has(node.num)) return false
    seen.add(node.num)
    const dict = resolveDict(view, node)
    if (!dict) return false
    const own: Inherited = {
      mediaBox: dict.get('MediaBox') ?? inherited.mediaBox,
      cropBox: dict.get('CropBox') ?? inherited.cropBox,
      rotate: dict.get('Rotate') ?? inherited.rotate,
    }
    const kids = resolve(view, dict.get('Kids'))
    if (Array.isArray(kids) && nameOf(resolve(view, dict.get('Type'))) !== 'Page') {
      for (const kid of kids) if (walk(kid, own, depth + 1)) return true
      return false
    }
    if (++count > MAX_PAGES) throw new PdfRefusal('too_complex', 'page count')
    return visit(node, dict, own)
  }
  walk(root, { mediaBox: undefined, cropBox: undefined, rotate: undefined }, 0)
}

function makePage(view: PdfView, ref: PdfRef, dict: PdfDict, inherited: Inherited): PdfPage {
  // Letter size is what readers assume when a page has no usable MediaBox.
  const media = boxOf(view, inherited.mediaBox) ?? [0, 0, 612, 792]
  const crop = boxOf(view, inherited.cropBox)
  const box = crop ? (intersect(media, crop) ?? media) : media
  const turn = resolve(view, inherited.rotate)
  const rotation = (
    typeof turn === 'number' && turn % 90 === 0 ? ((turn % 360) + 360) % 360 : 0
  ) as PdfPage['rotation']
  const width = box[2] - box[0]
  const height = box[3] - box[1]
  const lying = rotation === 90 || rotation === 270
  return { ref, dict, box, rotation, widthPt: lying ? height : width, heightPt: lying ? width : height }
}

type Box = readonly [number, number, number, number]

function boxOf(view: PdfView, value: PdfValue | undefined): Box | undefined {
  const array = resolve(view, value)
  if (!Array.isArray(array) || array.length < 4) return undefined
  const [a, b, c, d] = array.slice(0, 4).map((item) => resolve(view, item))
  if (typeof a !== 'number' || typeof b !== 'number' || typeof c !== 'number' || typeof d !== 'number')
    return undefined
  const box: Box = [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)]
  return box[2] > box[0] && box[3] > box[1] ? box : undefined
}

function intersect(a: Box, b: Box): Box | undefined {
  const box: Box = [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]
  return box[2] > box[0] && box[3] > box[1] ? box : undefined
}
