import {
  colour,
  type Drawing,
  type DrawingItem,
  ellipsePath,
  MM,
  type PathCommand,
  rectPath,
  starPath,
  transformPath,
} from './drawing.ts'
import { glyphOutline, pathBounds } from './outline.ts'
import { PdfRefusal } from './refusal.ts'
import { type Font, requireGlyph } from './truetype.ts'

/** The vermilion of seal ink. */
export const SEAL_RED = '#c3272b'

export type CompanySealKind = 'official' | 'contract' | 'finance' | 'invoice' | 'hr' | 'custom'

export interface CompanySealOptions {
  /** The full registered name, 4 to 28 characters, on the upper arc. */
  readonly name: string
  readonly kind?: CompanySealKind
  /** The straight line under the star; by default the words of the kind. */
  readonly centerText?: string
  /** Small text on the lower arc, usually the seal's number. */
  readonly bottomText?: string
  /** 40 mm by default; 45 mm at most. */
  readonly diameterMm?: number
  readonly color?: string
  /** A Song-style face gives the usual look. */
  readonly font: Font
}

const KIND_TEXT: Record<CompanySealKind, string> = {
  official: '',
  contract: '合同专用章',
  finance: '财务专用章',
  invoice: '发票专用章',
  hr: '人事专用章',
  custom: '',
}

/** Radii and sizes of a 40 mm seal in millimetres; everything scales with the diameter. */
const ROUND = { border: 1.1, gap: 1.0, charHeight: 5.4, star: 7, centerHeight: 3.9, bottomHeight: 2.1 }

/** The round seal of a company: ring, star, name on the upper arc, words of its kind under the star. */
export function drawCompanySeal(options: CompanySealOptions): Drawing {
  const { font, name } = options
  const chars = [...name.trim()]
  if (chars.length < 4 || chars.length > 28) {
    throw new PdfRefusal('bad_drawing', `name of ${chars.length} characters; 4 to 28 fit a seal`)
  }
  const diameterMm = options.diameterMm ?? 40
  if (!(diameterMm >= 20 && diameterMm <= 45))
    throw new PdfRefusal('bad_drawing', `diameter ${diameterMm} mm`)
  const fill = colour(options.color ?? SEAL_RED)
  const mm = (diameterMm / 40) * MM
  const size = diameterMm * MM
  const centre = size / 2

  const ring = ellipsePath(centre, centre, centre - (ROUND.border * mm) / 2)
  const paths: PathCommand[] = starPath(centre, centre, ROUND.star * mm)
  const outer = centre - (ROUND.border + ROUND.gap) * mm
  paths.push(...upperArc(font, chars, centre, outer, mm))
  const words = options.centerText ?? KIND_TEXT[options.kind ?? 'official']
  if (words !== '')
    paths.push(
      ...straightLine(font, [...words], centre, centre - 10.6 * mm, ROUND.centerHeight * mm, 19 * mm),
    )
  if (options.bottomText)
    paths.push(...lowerArc(font, [...options.bottomText], centre, outer + 0.35 * mm, mm))
  const items: DrawingItem[] = [
    { path: ring, stroke: fill, strokeWidth: ROUND.border * mm },
    { path: paths, fill },
  ]
  return { widthPt: size, heightPt: size, items }
}

/** Characters stand radially on the upper arc, evenly spread and symmetric about the top; long names are condensed. */
function upperArc(
  font: Font,
  chars: readonly string[],
  centre: number,
  outer: number,
  mm: number,
): PathCommand[] {
  const count = chars.length
  const height = (count > 18 ? ROUND.charHeight * (1 - (count - 18) * 0.012) : ROUND.charHeight) * mm
  const middle = outer - height / 2
  // The arc grows with the name up to 260°, which leaves the foot of the seal open.
  // Short names are spaced wider, so that they do not huddle at the top.
  const step = Math.min(27 + Math.max(0, 8 - count) * 2.5, 260 / count)
  const room = ((step * Math.PI) / 180) * (outer - height)
  const width = Math.min(height * 0.86, room * 0.95)
  return chars.flatMap((char, i) => {
    const angle = (((count - 1) / 2 - i) * step * Math.PI) / 180
    const outline = fitGlyph(font, char, width, height)
    const cos = Math.cos(angle)
    const sin = Math.sin(angle)
    return transformPath(outline, [cos, sin, -sin, cos, centre - middle * sin, centre + middle * cos])
  })
}

/** Small characters on the lower arc, read from left to right with their feet outward. */
function lowerArc(
  font: Font,
  chars: readonly string[],
  centre: number,
  outer: number,
  mm: number,
): PathCommand[] {
  const height = ROUND.bottomHeight * mm
  const middle = outer - height / 2
  const step = Math.min(8, 80 / chars.length)
  const width = ((step * Math.PI) / 180) * middle * 0.74
  return chars.flatMap((char, i) => {
    const angle = ((i - (chars.length - 1) / 2) * step * Math.PI) / 180
    const outline = fitGlyph(font, char, width, height)
    const cos = Math.cos(angle)
    const sin = Math.sin(angle)
    return transformPath(outline, [cos, sin, -sin, cos, centre + middle * sin, centre - middle * cos])
  })
}

function straightLine(
  font: Font,
  chars: readonly string[],
  centre: number,
  y: number,
  height: number,
  room: number,
): PathCommand[] {
  const step = Math.min(height * 1.02, room / chars.length)
  const width = Math.min(height * 0.94, step * 0.94)
  return chars.flatMap((char, i) => {
    const x = centre + (i - (chars.length - 1) / 2) * step
    return transformPath(fitGlyph(font, char, width, height), [1, 0, 0, 1, x, y])
  })
}

/**
 * A character's outline in a box of this size centred on the origin. The em square is mapped to the box,
 * so strokes of neighbours stay alike; digits and letters, which are narrower, keep their proportion.
 */
function fitGlyph(font: Font, char: string, width: number, height: number): PathCommand[] {
  const glyph = requireGlyph(font, char)
  const outline = glyphOutline(font, glyph)
  const em = font.unitsPerEm
  const bounds = pathBounds(outline)
  if (!bounds) return []
  const advance = font.advanceOf(glyph)
  if (advance > em * 0.9) {
    // Ideographs fill about 92 % of their square around its centre.
    const sx = width / (em * 0.93)
    const sy = height / (em * 0.93)
    return transformPath(outline, [sx, 0, 0, sy, (-advance / 2) * sx, -em * 0.38 * sy])
  }
  const sy = height / font.capHeight
  const sx = Math.min(sy, width / Math.max(advance, 1))
  const y = ((bounds.y0 + bounds.y1) / 2) * sy
  return transformPath(outline, [sx, 0, 0, sy, (-(bounds.x0 + bounds.x1) / 2) * sx, -y])
}

export interface SquareSealOptions {
  /** A personal name of 2 to 4 characters, with or without a final 印. */
  readonly name: string
  /** 18 mm by default. */
  readonly sizeMm?: number
  readonly color?: string
  /** Red characters on paper (朱文, default) or white on red (白文). */
  readonly style?: 'positive' | 'negative'
  readonly font: Font
}

/** The square seal of a person or legal representative: the name and 印 in two columns, read from the right. */
export function drawSquareSeal(options: SquareSealOptions): Drawing {
  const { font } = options
  const name = [...options.name.trim()]
  if (name.length < 2 || name.length > 6)
    throw new PdfRefusal('bad_drawing', `name of ${name.length} characters`)
  const fill = colour(options.color ?? SEAL_RED)
  const size = (options.sizeMm ?? 18) * MM
  const columns = squareColumns(name)
  const border = size * 0.05
  const inset = border + size * 0.045
  const box = size - 2 * inset
  const columnWidth = box / columns.length
  const glyphs: PathCommand[] = []
  columns.forEach((chars, column) => {
    const cell = box / chars.length
    chars.forEach((char, row) => {
      const x = size - inset - (column + 0.5) * columnWidth
      const y = size - inset - (row + 0.5) * cell
      glyphs.push(...transformPath(fitGlyph(font, char, columnWidth * 0.94, cell * 0.94), [1, 0, 0, 1, x, y]))
    })
  })
  if (options.style === 'negative') {
    return {
      widthPt: size,
      heightPt: size,
      items: [
        { path: rectPath(0, 0, size, size), fill },
        { path: glyphs, fill: '#ffffff' },
      ],
    }
  }
  const frame = rectPath(border / 2, border / 2, size - border, size - border)
  return {
    widthPt: size,
    heightPt: size,
    items: [
      { path: frame, stroke: fill, strokeWidth: border },
      { path: glyphs, fill },
    ],
  }
}

/** 张三 → 张三 | 之印; 王小明 → 王 小 | 明 印; 欧阳小明 → 欧阳 | 小明. Columns from the right. */
function squareColumns(name: readonly string[]): string[][] {
  const chars = [...name]
  if (chars.length === 2) chars.push('之', '印')
  else if (chars.length === 3 || chars.length === 5) chars.push('印')
  const half = chars.length / 2
  return [chars.slice(0, half), chars.slice(half)]
}
