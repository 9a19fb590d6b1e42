import type { Handwriting } from '@yinxin/sdk/wire'

export interface InkPoint {
  x: number
  y: number
  time: number
  pressure: number
}

/** How the pad lies on the screen: `turned` when the writer holds the phone sideways. */
export interface PadLayout {
  width: number
  height: number
  turned: boolean
}

/**
 * From points on the glass to points as the writer sees them. A turned pad's writing runs down the
 * screen: its x axis is the screen's y, its y axis runs from the screen's right to its left.
 */
export function fromScreen(point: { x: number; y: number }, pad: PadLayout): { x: number; y: number } {
  return pad.turned ? { x: point.y, y: pad.width - point.x } : { x: point.x, y: point.y }
}

export function toScreen(point: { x: number; y: number }, pad: PadLayout): { x: number; y: number } {
  return pad.turned ? { x: pad.width - point.y, y: point.x } : { x: point.x, y: point.y }
}

const margin = 6

/**
 * The drawn strokes, upright and cut to their own bounds, so that a small signature fills its field
 * like a large one. Times count from the first point. A device without pressure reports one constant
 * value: then the speed of the hand stands for it, slow being heavy.
 */
export function toHandwriting(strokes: InkPoint[][], pad: PadLayout): Handwriting | null {
  const drawn = strokes.filter((points) => points.length > 0)
  const first = drawn[0]?.[0]
  if (!first) return null
  const pressures = new Set(drawn.flatMap((points) => points.map((point) => point.pressure)))
  const upright = drawn.map((points) => {
    const placed = points.map((point) => ({ ...point, ...fromScreen(point, pad) }))
    return pressures.size > 2 ? placed : withSpeedAsPressure(placed)
  })
  const all = upright.flat()
  const left = Math.min(...all.map((point) => point.x)) - margin
  const top = Math.min(...all.map((point) => point.y)) - margin
  const right = Math.max(...all.map((point) => point.x)) + margin
  const bottom = Math.max(...all.map((point) => point.y)) + margin
  return {
    width: round(right - left),
    height: round(bottom - top),
    strokes: upright.map((points) => ({
      points: points.map((point) => ({
        x: round(point.x - left),
        y: round(point.y - top),
        t: Math.max(0, Math.round(point.time - first.time)),
        pressure: Math.min(1, Math.max(0, round(point.pressure))),
      })),
    })),
  }
}

function withSpeedAsPressure(points: InkPoint[]): InkPoint[] {
  let pressure = 0.6
  return points.map((point, index) => {
    const before = points[index - 1]
    if (before) {
      const speed = Math.hypot(point.x - before.x, point.y - before.y) / Math.max(1, point.time - before.time)
      pressure = pressure * 0.6 + Math.max(0.15, Math.min(0.9, 0.85 - speed * 0.35)) * 0.4
    }
    return { ...point, pressure }
  })
}

/** The outline of the ink as one SVG path: filled discs and the quads between them, smoothed through the points. */
export function inkPath(handwriting: Handwriting): string {
  const pen = Math.max(1.2, Math.min(handwriting.width, handwriting.height * 3) / 75)
  const radius = (pressure: number) => pen * (0.45 + pressure * 0.9)
  return handwriting.strokes
    .flatMap(({ points }) => {
      const curve = smooth(points)
      return curve.flatMap((point, index) => {
        const size = radius(point.pressure)
        const next = curve[index + 1]
        const shapes = [disc(point.x, point.y, size)]
        if (next) shapes.push(quad(point, size, next, radius(next.pressure)))
        return shapes
      })
    })
    .join('')
}

export function inkSvg(handwriting: Handwriting): string {
  const { width, height } = handwriting
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}"><path d="${inkPath(handwriting)}" fill="#1c1b19"/></svg>`
}

type Point = { x: number; y: number; pressure: number }

/** Catmull-Rom through the points, four pieces for each gap. */
function smooth(points: Point[]): Point[] {
  if (points.length < 3) return points
  const at = (index: number) => points[Math.min(points.length - 1, Math.max(0, index))] as Point
  const curve: Point[] = []
  for (let index = 0; index < points.length - 1; index++) {
    const [a, b, c, d] = [at(index - 1), at(index), at(index + 1), at(index + 2)]
    for (let piece = 0; piece < 4; piece++) {
      const u = piece / 4
      const blend = (p: number, q: number, r: number, s: number) =>
        0.5 *
        (2 * q + (r - p) * u + (2 * p - 5 * q + 4 * r - s) * u * u + (3 * q - p - 3 * r + s) * u * u * u)
      curve.push({
        x: blend(a.x, b.x, c.x, d.x),
        y: blend(a.y, b.y, c.y, d.y),
        pressure: b.pressure + (c.pressure - b.pressure) * u,
      })
    }
  }
  curve.push(at(points.length - 1))
  return curve
}

function disc(x: number, y: number, r: number): string {
  return `M${round(x - r)} ${round(y)}a${round(r)} ${round(r)} 0 1 0 ${round(2 * r)} 0a${round(r)} ${round(r)} 0 1 0 ${round(-2 * r)} 0z`
}

/** Winds like {@link disc}, so that overlapping pieces add up under the nonzero rule. */
function quad(from: Point, fromSize: number, to: Point, toSize: number): string {
  const length = Math.hypot(to.x - from.x, to.y - from.y)
  if (length === 0) return ''
  const nx = (to.y - from.y) / length
  const ny = -(to.x - from.x) / length
  const corner = (point: Point, size: number) => `${round(point.x + nx * size)} ${round(point.y + ny * size)}`
  return `M${corner(from, fromSize)}L${corner(from, -fromSize)}L${corner(to, -toSize)}L${corner(to, toSize)}z`
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
