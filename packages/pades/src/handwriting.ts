import { colour, type Drawing, ellipsePath, type PathCommand } from './drawing.ts'
import { PdfRefusal } from './refusal.ts'

export interface StrokePoint {
  readonly x: number
  readonly y: number
  /** Milliseconds; used for width when there is no pressure. */
  readonly t?: number
  /** 0 to 1. */
  readonly pressure?: number
}

/** One stroke as a pointing device reports it: y grows downward, as on screens. */
export interface Stroke {
  readonly points: readonly StrokePoint[]
}

export interface HandwritingOptions {
  /** The drawing keeps the proportions of the writing inside this box. */
  readonly widthPt: number
  readonly heightPt: number
  readonly color?: string
  /** Full stroke width at middle pressure; by default 1/22 of the box height. */
  readonly penPt?: number
}

const MAX_POINTS = 20_000

interface Ink {
  readonly x: number
  readonly y: number
  readonly r: number
}

/** Turns pen strokes into a smooth vector of varying width, centred in its box. */
export function drawHandwriting(strokes: readonly Stroke[], options: HandwritingOptions): Drawing {
  const { widthPt, heightPt } = options
  const all = strokes.flatMap((stroke) => stroke.points)
  if (all.length === 0) throw new PdfRefusal('bad_drawing', 'no strokes')
  if (all.length > MAX_POINTS) throw new PdfRefusal('bad_drawing', `${all.length} points`)
  if (!all.every(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)))
    throw new PdfRefusal('bad_drawing', 'coordinates')
  const pen = options.penPt ?? heightPt / 22
  const x0 = Math.min(...all.map((p) => p.x))
  const x1 = Math.max(...all.map((p) => p.x))
  const y0 = Math.min(...all.map((p) => p.y))
  const y1 = Math.max(...all.map((p) => p.y))
  const margin = pen
  const scale = Math.min(
    (widthPt - 2 * margin) / Math.max(x1 - x0, 1e-6),
    (heightPt - 2 * margin) / Math.max(y1 - y0, 1e-6),
  )
  // A single dot has no extent to scale by.
  const k = Number.isFinite(scale) && scale < 1e5 ? scale : 1
  const dx = (widthPt - (x1 - x0) * k) / 2
  const dy = (heightPt - (y1 - y0) * k) / 2
  const path: PathCommand[] = []
  for (const stroke of strokes) {
    const placed = stroke.points.map((p) => ({
      ...p,
      x: dx + (p.x - x0) * k,
      y: heightPt - dy - (p.y - y0) * k,
    }))
    path.push(...inkPath(smooth(withoutRepeats(placed), pen)))
  }
  return { widthPt, heightPt, items: [{ path, fill: colour(options.color ?? '#1c1b19') }] }
}

function withoutRepeats(points: readonly StrokePoint[]): StrokePoint[] {
  return points.filter((p, i) => {
    const before = points[i - 1]
    return !before || Math.hypot(p.x - before.x, p.y - before.y) > 0.05
  })
}

/** Radius at each point: from pressure where the device has it, else thinner where the pen was fast. */
function radii(points: readonly StrokePoint[], pen: number): number[] {
  const pressed = points.some((p) => p.pressure !== undefined && p.pressure !== 0 && p.pressure !== 0.5)
  const raw = points.map((p, i) => {
    if (pressed) return pen * (0.2 + 0.6 * Math.min(1, Math.max(0, p.pressure ?? 0.5)))
    const before = points[i - 1]
    if (!before || p.t === undefined || before.t === undefined || p.t <= before.t) return pen / 2
    const speed = Math.hypot(p.x - before.x, p.y - before.y) / (p.t - before.t)
    return pen * (0.28 + 0.34 / (1 + speed * 3))
  })
  // Three passes of neighbour averaging: ink does not jump in width.
  let widths = raw
  for (let pass = 0; pass < 3; pass++) {
    widths = widths.map((w, i) => ((widths[i - 1] ?? w) + 2 * w + (widths[i + 1] ?? w)) / 4)
  }
  return widths
}

/** Centripetal-like Catmull-Rom interpolation, sampled about every half pen width. */
function smooth(points: readonly StrokePoint[], pen: number): Ink[] {
  const widths = radii(points, pen)
  const ink: Ink[] = []
  const at = (i: number) => points[Math.min(points.length - 1, Math.max(0, i))] as StrokePoint
  for (let i = 0; i < points.length; i++) {
    const p1 = at(i)
    const r1 = widths[i] ?? pen / 2
    ink.push({ x: p1.x, y: p1.y, r: r1 })
    if (i === points.length - 1) break
    const p0 = at(i - 1)
    const p2 = at(i + 1)
    const p3 = at(i + 2)
    const r2 = widths[i + 1] ?? pen / 2
    const length = Math.hypot(p2.x - p1.x, p2.y - p1.y)
    const steps = Math.min(24, Math.max(1, Math.ceil(length / (pen * 0.6))))
    for (let s = 1; s < steps; s++) {
      const t = s / steps
      ink.push({
        x: spline(p0.x, p1.x, p2.x, p3.x, t),
        y: spline(p0.y, p1.y, p2.y, p3.y, t),
        r: r1 + (r2 - r1) * t,
      })
    }
  }
  return ink
}

function spline(a: number, b: number, c: number, d: number, t: number): number {
  return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
}

/**
 * Convex pieces of one orientation under the non-zero rule: a quadrilateral between neighbours, a disc at the
 * ends and wherever the direction turns. Overlaps therefore never cut holes.
 */
function inkPath(ink: readonly Ink[]): PathCommand[] {
  const path: PathCommand[] = []
  let heading: number | undefined
  ink.forEach((p, i) => {
    const next = ink[i + 1]
    if (!next) {
      path.push(...ellipsePath(p.x, p.y, p.r))
      return
    }
    const direction = Math.atan2(next.y - p.y, next.x - p.x)
    const turn =
      heading === undefined
        ? Math.PI
        : Math.abs(Math.atan2(Math.sin(direction - heading), Math.cos(direction - heading)))
    if (turn > 0.12) path.push(...ellipsePath(p.x, p.y, p.r))
    heading = direction
    const nx = Math.sin(direction)
    const ny = -Math.cos(direction)
    path.push(
      ['M', p.x + nx * p.r, p.y + ny * p.r],
      ['L', next.x + nx * next.r, next.y + ny * next.r],
      ['L', next.x - nx * next.r, next.y - ny * next.r],
      ['L', p.x - nx * p.r, p.y - ny * p.r],
      ['Z'],
    )
  })
  return path
}
