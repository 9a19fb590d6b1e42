import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import {
  type Appearance,
  type Drawing,
  drawCompanySeal,
  drawHandwriting,
  drawingContent,
  drawingSvg,
  drawSquareSeal,
  type Font,
  MM,
  PdfRefusal,
  parseFont,
  prepareAppearance,
  type Stroke,
} from '@yinxin/pades'
import { refuse } from './errors.ts'

/** A picture for the web and the same one for pages of PDF, both made once. */
export interface Drawn {
  svg: string
  appearance: Appearance
  widthMm: number
  heightMm: number
}

/** Strokes as the web pad gives them; y grows downward. */
export interface Handwriting {
  width: number
  height: number
  strokes: { points: { x: number; y: number; t: number; pressure: number }[] }[]
}

export type CompanySeal = {
  kind: 'official' | 'contract' | 'finance'
  corpName: string
  centerText?: string | undefined
  number?: string | undefined
}

/** The room a signature takes on a page. */
const SIGNATURE_BOX = { widthMm: 40, heightMm: 16 }
/** Less ink than this is a slip of the finger. */
const SHORTEST_SHARE = 0.02

/** Reads the Song face that seals are cut in; 15 MB, once per process. */
export function createSealFont(path?: string): () => Promise<Font> {
  let font: Promise<Font> | null = null
  return () => {
    const file =
      path ??
      createRequire(import.meta.url).resolve(
        '@expo-google-fonts/noto-serif-sc/600SemiBold/NotoSerifSC_600SemiBold.ttf',
      )
    font ??= readFile(file)
      .then((bytes) => parseFont(bytes))
      .catch((error: unknown) => {
        font = null
        throw error
      })
    return font
  }
}

export function drawCompany(font: Font, seal: CompanySeal): Drawn {
  return named(() => {
    const { kind, corpName: name, centerText, number } = seal
    return drawCompanySeal({
      font,
      kind,
      name,
      ...(centerText === undefined ? {} : { centerText }),
      ...(number === undefined ? {} : { bottomText: number }),
    })
  })
}

export function drawNameSeal(font: Font, name: string): Drawn {
  return named(() => drawSquareSeal({ font, name }))
}

/** Ink in the colour of a pen, vector with the pressure of the hand. */
export function drawSignature(handwriting: Handwriting): Drawn {
  const strokes: Stroke[] = handwriting.strokes.filter((stroke) => stroke.points.length > 0)
  const extent = inkExtent(strokes)
  if (extent < SHORTEST_SHARE * Math.max(handwriting.width, handwriting.height))
    throw refuse('handwriting_unfit')
  try {
    return drawn(
      drawHandwriting(strokes, {
        widthPt: SIGNATURE_BOX.widthMm * MM,
        heightPt: SIGNATURE_BOX.heightMm * MM,
      }),
    )
  } catch (error) {
    if (error instanceof PdfRefusal && error.code === 'bad_drawing')
      throw refuse('handwriting_unfit', {}, error)
    throw error
  }
}

function named(draw: () => Drawing): Drawn {
  try {
    return drawn(draw())
  } catch (error) {
    if (!(error instanceof PdfRefusal)) throw error
    if (error.code === 'missing_glyph') throw refuse('seal_glyph_missing', { character: error.detail }, error)
    if (error.code === 'bad_drawing') throw refuse('seal_unfit', { reason: error.detail }, error)
    throw error
  }
}

function drawn(drawing: Drawing): Drawn {
  return {
    svg: drawingSvg(drawing),
    appearance: prepareAppearance(drawingContent(drawing)),
    widthMm: drawing.widthPt / MM,
    heightMm: drawing.heightPt / MM,
  }
}

function inkExtent(strokes: readonly Stroke[]): number {
  const points = strokes.flatMap((stroke) => stroke.points)
  if (points.length === 0) return 0
  const span = (values: number[]) =>
    values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b))
  return Math.max(span(points.map((point) => point.x)), span(points.map((point) => point.y)))
}

/** A prepared appearance as bytes: JSON, with the binary parts in base64. */
export function packAppearance(appearance: Appearance): Buffer {
  const objects = appearance.objects.map((object) =>
    object.map((part) => (typeof part === 'number' ? part : Buffer.from(part).toString('base64'))),
  )
  return Buffer.from(JSON.stringify({ ...appearance, objects }), 'utf8')
}

export function unpackAppearance(bytes: Uint8Array): Appearance {
  const packed = JSON.parse(Buffer.from(bytes).toString('utf8')) as Omit<Appearance, 'objects'> & {
    objects: (number | string)[][]
  }
  const objects = packed.objects.map((object) =>
    object.map((part) => (typeof part === 'number' ? part : new Uint8Array(Buffer.from(part, 'base64')))),
  )
  return { ...packed, objects }
}
