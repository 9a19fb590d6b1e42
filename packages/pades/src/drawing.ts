import type { Content } from './appearance.ts'
import { formatNumber } from './serialise.ts'

/** Move, line, cubic curve, close; coordinates in points, y upward. */
export type PathCommand =
  | readonly ['M', number, number]
  | readonly ['L', number, number]
  | readonly ['C', number, number, number, number, number, number]
  | readonly ['Z']

export type Path = readonly PathCommand[]

export interface DrawingItem {
  readonly path: Path
  /** Colours as `#rrggbb`. */
  readonly fill?: string
  readonly stroke?: string
  readonly strokeWidth?: number
}

/** A small vector picture; the same geometry goes to PDF and to SVG. */
export interface Drawing {
  readonly widthPt: number
  readonly heightPt: number
  readonly items: readonly DrawingItem[]
}

export const MM = 72 / 25.4

/** A picture as page content. */
export function drawingContent(drawing: Drawing): Content {
  const lines: string[] = []
  for (const item of drawing.items) {
    if (item.fill !== undefined) lines.push(`${rgb(item.fill)} rg`)
    if (item.stroke !== undefined) lines.push(`${rgb(item.stroke)} RG ${short(item.strokeWidth ?? 1)} w`)
    for (const command of item.path) lines.push(pdfCommand(command))
    lines.push(item.fill !== undefined ? (item.stroke !== undefined ? 'B' : 'f') : 'S')
  }
  return { ...sizeOf(drawing), operators: lines.join('\n'), resources: [], objects: [] }
}

/** The same picture as an SVG document, sized in millimetres. */
export function drawingSvg(drawing: Drawing): string {
  const { widthPt, heightPt } = drawing
  const paths = drawing.items.map((item) => {
    const d = item.path.map((command) => svgCommand(command, heightPt)).join('')
    const stroke =
      item.stroke === undefined
        ? ''
        : ` stroke="${colour(item.stroke)}" stroke-width="${short(item.strokeWidth ?? 1)}"`
    return `<path d="${d}" fill="${item.fill === undefined ? 'none' : colour(item.fill)}"${stroke}/>`
  })
  const size = `width="${short(widthPt / MM)}mm" height="${short(heightPt / MM)}mm"`
  const box = `viewBox="0 0 ${short(widthPt)} ${short(heightPt)}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${box}>${paths.join('')}</svg>`
}

function sizeOf(drawing: Drawing): { widthPt: number; heightPt: number } {
  return { widthPt: drawing.widthPt, heightPt: drawing.heightPt }
}

/** Three decimals of a point are a third of a micrometre: finer than any printer. */
function short(value: number): string {
  return formatNumber(Math.round(value * 1000) / 1000)
}

function pdfCommand(command: PathCommand): string {
  switch (command[0]) {
    case 'M':
      return `${short(command[1])} ${short(command[2])} m`
    case 'L':
      return `${short(command[1])} ${short(command[2])} l`
    case 'C':
      return `${command
        .slice(1)
        .map((n) => short(n as number))
        .join(' ')} c`
    case 'Z':
      return 'h'
  }
}

function svgCommand(command: PathCommand, height: number): string {
  if (command[0] === 'Z') return 'Z'
  const numbers = command.slice(1).map((n, i) => short(i % 2 === 0 ? (n as number) : height - (n as number)))
  return `${command[0]}${numbers.join(' ')}`
}

/** Validates `#rrggbb`, so that nothing else can slip into a file or page. */
export function colour(text: string): string {
  if (!/^#[0-9a-fA-F]{6}$/.test(text)) throw new RangeError(`colour must be #rrggbb, got ${text}`)
  return text
}

export function rgb(text: string): string {
  const value = Number.parseInt(colour(text).slice(1), 16)
  return [value >> 16, (value >> 8) & 255, value & 255]
    .map((part) => formatNumber(Math.round((part / 255) * 1000) / 1000))
    .join(' ')
}

/** An affine map [a b c d e f] as in PDF. */
export type Matrix = readonly [number, number, number, number, number, number]

export function transformPath(path: Path, m: Matrix): PathCommand[] {
  const x = (px: number, py: number) => m[0] * px + m[2] * py + m[4]
  const y = (px: number, py: number) => m[1] * px + m[3] * py + m[5]
  return path.map((command): PathCommand => {
    if (command[0] === 'Z') return command
    if (command[0] !== 'C') return [command[0], x(command[1], command[2]), y(command[1], command[2])]
    const [, a, b, c, d, e, f] = command
    return ['C', x(a, b), y(a, b), x(c, d), y(c, d), x(e, f), y(e, f)]
  })
}

/** Control length of a quarter circle drawn as one cubic curve. */
const KAPPA = 0.5522847498307936

export function ellipsePath(cx: number, cy: number, rx: number, ry = rx): PathCommand[] {
  const kx = rx * KAPPA
  const ky = ry * KAPPA
  return [
    ['M', cx + rx, cy],
    ['C', cx + rx, cy + ky, cx + kx, cy + ry, cx, cy + ry],
    ['C', cx - kx, cy + ry, cx - rx, cy + ky, cx - rx, cy],
    ['C', cx - rx, cy - ky, cx - kx, cy - ry, cx, cy - ry],
    ['C', cx + kx, cy - ry, cx + rx, cy - ky, cx + rx, cy],
    ['Z'],
  ]
}

export function rectPath(x: number, y: number, width: number, height: number): PathCommand[] {
  return [['M', x, y], ['L', x + width, y], ['L', x + width, y + height], ['L', x, y + height], ['Z']]
}

/** A five-pointed star with one point up; `radius` reaches its points. */
export function starPath(cx: number, cy: number, radius: number): PathCommand[] {
  // The inner radius of a regular pentagram is the outer one times cos 72° / cos 36°.
  const inner = (radius * Math.cos((72 * Math.PI) / 180)) / Math.cos((36 * Math.PI) / 180)
  const path: PathCommand[] = []
  for (let i = 0; i < 10; i++) {
    const r = i % 2 === 0 ? radius : inner
    const angle = Math.PI / 2 + (i * Math.PI) / 5
    path.push([i === 0 ? 'M' : 'L', cx + r * Math.cos(angle), cy + r * Math.sin(angle)])
  }
  path.push(['Z'])
  return path
}
