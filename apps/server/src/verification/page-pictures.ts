/** Draws pages of a PDF as pictures, before and after a revision, for people to compare. Runs in a worker thread. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createCanvas } from '@napi-rs/canvas'
import {
  comparePictures,
  differencePicture,
  type PageChange,
  type Picture,
  type PictureDifference,
} from '@yinxin/pades'
import type { PDFDocumentProxy, PDFPageProxy } from 'pdfjs-dist/types/src/display/api.js'

/** Enough to read a page of text by; a larger page is drawn coarser. */
const SCALE = 1.5
const MAX_SIDE = 2200

export interface ComparedPage {
  change: PageChange
  /** PNG; null where the page was not there. */
  before: Uint8Array | null
  after: Uint8Array | null
  /** PNG: the later page, pale, with what differs in red. Null where there is only one of both. */
  difference: Uint8Array | null
  /** Null where there is nothing to compare. */
  found: PictureDifference | null
  widthPx: number
  heightPx: number
}

/** Draws the pages of these changes, one after the other, so that the memory of one is enough. */
export async function* comparePages(
  pdf: Uint8Array,
  changes: readonly PageChange[],
): AsyncGenerator<ComparedPage> {
  const opened = new Map<number, PDFDocumentProxy>()
  const open = async (sizeBytes: number) => {
    const known = opened.get(sizeBytes)
    if (known) return known
    // Changes come by revision; more than the two files of one are never needed together.
    for (const [size, old] of opened) {
      if (opened.size < 2) break
      opened.delete(size)
      await old.loadingTask.destroy()
    }
    const document = await openPdf(pdf.subarray(0, sizeBytes))
    opened.set(sizeBytes, document)
    return document
  }
  try {
    for (const change of changes) {
      const before = change.before === null ? null : await draw(await open(change.beforeBytes), change.before)
      const after = change.after === null ? null : await draw(await open(change.afterBytes), change.after)
      const both = before !== null && after !== null ? { before, after } : null
      yield {
        change,
        before: before && png(before),
        after: after && png(after),
        difference: both && png(differencePicture(both.before, both.after)),
        found: both && comparePictures(both.before, both.after),
        widthPx: Math.max(before?.width ?? 0, after?.width ?? 0),
        heightPx: Math.max(before?.height ?? 0, after?.height ?? 0),
      }
    }
  } finally {
    for (const document of opened.values()) await document.loadingTask.destroy()
  }
}

async function openPdf(pdf: Uint8Array): Promise<PDFDocumentProxy> {
  const { getDocument, VerbosityLevel } = await import('pdfjs-dist/legacy/build/pdf.mjs')
  const folder = dirname(createRequire(import.meta.url).resolve('pdfjs-dist/package.json'))
  const inFolder = (name: string) => `${join(folder, name)}/`
  return await getDocument({
    // pdf.js keeps what it is given, so it gets a copy.
    data: Uint8Array.from(pdf),
    verbosity: VerbosityLevel.ERRORS,
    cMapUrl: inFolder('cmaps'),
    cMapPacked: true,
    standardFontDataUrl: inFolder('standard_fonts'),
    wasmUrl: inFolder('wasm'),
    iccUrl: inFolder('iccs'),
    disableFontFace: true,
    useSystemFonts: false,
    enableXfa: false,
  }).promise
}

type Drawable = Parameters<PDFPageProxy['render']>[0]['canvas']

async function draw(document: PDFDocumentProxy, index: number): Promise<Picture> {
  const page = await document.getPage(index + 1)
  const natural = page.getViewport({ scale: 1 })
  const scale = Math.min(SCALE, MAX_SIDE / Math.max(natural.width, natural.height))
  const viewport = page.getViewport({ scale })
  const [width, height] = [Math.max(1, Math.ceil(viewport.width)), Math.max(1, Math.ceil(viewport.height))]
  const canvas = createCanvas(width, height)
  // pdf.js is typed for a browser's canvas; this one has the same methods.
  await page.render({ canvas: canvas as unknown as Drawable, viewport }).promise
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height)
  page.cleanup()
  return { width, height, rgba: data }
}

function png({ width, height, rgba }: Picture): Uint8Array {
  const canvas = createCanvas(width, height)
  const context = canvas.getContext('2d')
  const image = context.createImageData(width, height)
  image.data.set(rgba)
  context.putImageData(image, 0, 0)
  return canvas.encodeSync('png')
}
