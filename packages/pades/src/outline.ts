import { type PathCommand, transformPath } from './drawing.ts'
import { PdfRefusal } from './refusal.ts'
import { componentsOf, type Font } from './truetype.ts'

/** The outline of a glyph in font units, y upward, with cubic curves. */
export function glyphOutline(font: Font, glyph: number, depth = 0): PathCommand[] {
  if (depth > 8) throw new PdfRefusal('bad_font', 'composite glyph depth')
  const { offset, length } = font.glyphData(glyph)
  if (length === 0) return []
  const components = componentsOf(font, glyph)
  if (components) {
    return components.flatMap((part) =>
      transformPath(glyphOutline(font, part.glyph, depth + 1), [
        part.xx,
        part.xy,
        part.yx,
        part.yy,
        part.dx,
        part.dy,
      ]),
    )
  }
  try {
    return simpleOutline(new DataView(font.bytes.buffer, font.bytes.byteOffset + offset, length))
  } catch (fault) {
    if (fault instanceof RangeError) throw new PdfRefusal('bad_font', `outline of glyph ${glyph}`)
    throw fault
  }
}

interface Point {
  readonly x: number
  readonly y: number
  readonly on: boolean
}

function simpleOutline(view: DataView): PathCommand[] {
  const contours = view.getInt16(0)
  const ends = Array.from({ length: contours }, (_, i) => view.getUint16(10 + i * 2))
  const points = readPoints(view, 10 + contours * 2, (ends.at(-1) ?? -1) + 1)
  const path: PathCommand[] = []
  let from = 0
  for (const end of ends) {
    path.push(...contourPath(points.slice(from, end + 1)))
    from = end + 1
  }
  return path
}

function readPoints(view: DataView, instructionsAt: number, count: number): Point[] {
  let at = instructionsAt + 2 + view.getUint16(instructionsAt)
  const flags: number[] = []
  while (flags.length < count) {
    const flag = view.getUint8(at++)
    flags.push(flag)
    if ((flag & 8) !== 0)
      for (let repeat = view.getUint8(at++); repeat > 0 && flags.length < count; repeat--) flags.push(flag)
  }
  const axis = (shortBit: number, sameBit: number) => {
    let value = 0
    return flags.map((flag) => {
      if ((flag & shortBit) !== 0)
        value += (flag & sameBit) !== 0 ? view.getUint8(at++) : -view.getUint8(at++)
      else if ((flag & sameBit) === 0) {
        value += view.getInt16(at)
        at += 2
      }
      return value
    })
  }
  const xs = axis(2, 16)
  const ys = axis(4, 32)
  return flags.map((flag, i) => ({ x: xs[i] ?? 0, y: ys[i] ?? 0, on: (flag & 1) !== 0 }))
}

/** Turns quadratic splines with implied on-curve points into cubic curves. */
function contourPath(points: readonly Point[]): PathCommand[] {
  if (points.length < 2) return []
  const middle = (a: Point, b: Point): Point => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, on: true })
  const first = points.findIndex((point) => point.on)
  const a = points[0] as Point
  const start = first >= 0 ? (points[first] as Point) : middle(points.at(-1) as Point, a)
  const ordered = first >= 0 ? [...points.slice(first + 1), ...points.slice(0, first)] : [...points]
  ordered.push(start)
  const path: PathCommand[] = [['M', start.x, start.y]]
  let current = start
  let control: Point | undefined
  for (const point of ordered) {
    if (!point.on) {
      if (control) {
        const implied = middle(control, point)
        path.push(quadratic(current, control, implied))
        current = implied
      }
      control = point
      continue
    }
    path.push(control ? quadratic(current, control, point) : ['L', point.x, point.y])
    current = point
    control = undefined
  }
  path.push(['Z'])
  return path
}

function quadratic(from: Point, control: Point, to: Point): PathCommand {
  return [
    'C',
    from.x + ((control.x - from.x) * 2) / 3,
    from.y + ((control.y - from.y) * 2) / 3,
    to.x + ((control.x - to.x) * 2) / 3,
    to.y + ((control.y - to.y) * 2) / 3,
    to.x,
    to.y,
  ]
}

/** The box of a path's on- and off-curve points; enough to centre and scale characters. */
export function pathBounds(
  path: readonly PathCommand[],
): { x0: number; y0: number; x1: number; y1: number } | undefined {
  let x0 = Infinity
  let y0 = Infinity
  let x1 = -Infinity
  let y1 = -Infinity
  for (const command of path) {
    for (let i = 1; i + 1 < command.length; i += 2) {
      const x = command[i] as number
      const y = command[i + 1] as number
      x0 = Math.min(x0, x)
      x1 = Math.max(x1, x)
      y0 = Math.min(y0, y)
      y1 = Math.max(y1, y)
    }
  }
  return x1 >= x0 ? { x0, y0, x1, y1 } : undefined
}
