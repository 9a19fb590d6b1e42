/** The basic shapes of SVG as paths, and its transforms as matrices (SVG 2 §9, §10; CSS Transforms §7). */
import svgpath from 'svgpath'
import { ellipsePath, type Matrix, type PathCommand } from './drawing.ts'
import { bounded, length } from './svg-style.ts'
import { malformed, type SvgElement, unsupported } from './svg-tree.ts'

/** What may still be drawn: one count for the whole file. */
export interface ShapeBudget {
  commands: number
}

/** The outline of an element in its own coordinates; empty for one without extent. */
export function shapeOf(element: SvgElement, budget: ShapeBudget): PathCommand[] {
  const path = outlineOf(element)
  budget.commands -= path.length
  if (budget.commands < 0) throw malformed('the paths are too long')
  return path
}

function outlineOf(element: SvgElement): PathCommand[] {
  const at = (name: string, otherwise = 0) => {
    const text = element.attributes.get(name)
    return text === undefined ? otherwise : length(text)
  }
  const size = (name: string) => {
    const value = at(name)
    if (value < 0) throw malformed(`${name} < 0`)
    return value
  }
  switch (element.name) {
    case 'path':
      return dataPath(element.attributes.get('d') ?? '')
    case 'rect':
      return rounded(at('x'), at('y'), size('width'), size('height'), element)
    case 'circle': {
      const r = size('r')
      return r === 0 ? [] : ellipsePath(at('cx'), at('cy'), r)
    }
    case 'ellipse': {
      const { rx, ry } = radii(element)
      return rx === 0 || ry === 0 ? [] : ellipsePath(at('cx'), at('cy'), rx, ry)
    }
    case 'line':
      return [
        ['M', at('x1'), at('y1')],
        ['L', at('x2'), at('y2')],
      ]
    case 'polyline':
      return points(element.attributes.get('points') ?? '', false)
    case 'polygon':
      return points(element.attributes.get('points') ?? '', true)
    default:
      throw unsupported(`<${element.name}>`)
  }
}

/** Where one radius is missing or `auto`, it is the other. */
function radii(element: SvgElement): { rx: number; ry: number } {
  const read = (name: string) => {
    const text = element.attributes.get(name)
    if (text === undefined || text.trim() === 'auto') return undefined
    const value = length(text)
    if (value < 0) throw malformed(`${name} < 0`)
    return value
  }
  const [rx, ry] = [read('rx'), read('ry')]
  return { rx: rx ?? ry ?? 0, ry: ry ?? rx ?? 0 }
}

const KAPPA = 0.5522847498307936

function rounded(x: number, y: number, width: number, height: number, element: SvgElement): PathCommand[] {
  if (width === 0 || height === 0) return []
  const wanted = radii(element)
  const rx = Math.min(wanted.rx, width / 2)
  const ry = Math.min(wanted.ry, height / 2)
  const [right, bottom] = [x + width, y + height]
  if (rx === 0 || ry === 0)
    return [['M', x, y], ['L', right, y], ['L', right, bottom], ['L', x, bottom], ['Z']]
  const [kx, ky] = [rx * (1 - KAPPA), ry * (1 - KAPPA)]
  return [
    ['M', x + rx, y],
    ['L', right - rx, y],
    ['C', right - kx, y, right, y + ky, right, y + ry],
    ['L', right, bottom - ry],
    ['C', right, bottom - ky, right - kx, bottom, right - rx, bottom],
    ['L', x + rx, bottom],
    ['C', x + kx, bottom, x, bottom - ky, x, bottom - ry],
    ['L', x, y + ry],
    ['C', x, y + ky, x + kx, y, x + rx, y],
    ['Z'],
  ]
}

function points(text: string, closed: boolean): PathCommand[] {
  const numbers =
    text.trim() === ''
      ? []
      : text
          .trim()
          .split(/\s*,\s*|\s+/)
          .map(coordinate)
  if (numbers.length % 2 !== 0) throw malformed('points')
  const path: PathCommand[] = []
  for (let i = 0; i < numbers.length; i += 2)
    path.push([i === 0 ? 'M' : 'L', numbers[i] as number, numbers[i + 1] as number])
  if (closed && path.length > 0) path.push(['Z'])
  return path
}

function coordinate(text: string): number {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) throw malformed(`number ${text.slice(0, 40)}`)
  return bounded(Number(text))
}

function dataPath(data: string): PathCommand[] {
  if (data.trim() === '' || data.trim() === 'none') return []
  const parsed = svgpath(data) as ReturnType<typeof svgpath> & { err?: string }
  // Browsers draw such a path up to its fault; half a seal is worse than none.
  if (parsed.err) throw malformed(`path: ${parsed.err}`)
  const path: PathCommand[] = []
  parsed
    .abs()
    .unshort()
    .unarc()
    .iterate((segment, _index, x, y) => {
      const [command, ...numbers] = segment as [string, ...number[]]
      const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = numbers.map(bounded)
      if (command === 'M') path.push(['M', a, b])
      else if (command === 'L') path.push(['L', a, b])
      else if (command === 'H') path.push(['L', a, y])
      else if (command === 'V') path.push(['L', x, a])
      else if (command === 'C') path.push(['C', a, b, c, d, e, f])
      // A quadratic curve is a cubic one with its control point at two thirds.
      else if (command === 'Q')
        path.push([
          'C',
          x + (2 / 3) * (a - x),
          y + (2 / 3) * (b - y),
          c + (2 / 3) * (a - c),
          d + (2 / 3) * (b - d),
          c,
          d,
        ])
      else path.push(['Z'])
    })
  return path
}

export const IDENTITY: Matrix = [1, 0, 0, 1, 0, 0]

/** First `inner`, then `outer`. */
export function multiply(outer: Matrix, inner: Matrix): Matrix {
  const [a, b, c, d, e, f] = outer
  const [g, h, i, j, k, l] = inner
  return [a * g + c * h, b * g + d * h, a * i + c * j, b * i + d * j, a * k + c * l + e, b * k + d * l + f]
}

/** The value of a transform attribute. */
export function transformOf(text: string | undefined): Matrix {
  let rest = (text ?? '').trim()
  if (rest === 'none') return IDENTITY
  let matrix = IDENTITY
  while (rest !== '') {
    const match = /^([a-z]+)\s*\(([^()]*)\)\s*,?\s*/i.exec(rest)
    if (!match) throw malformed(`transform ${rest.slice(0, 40)}`)
    const numbers = (match[2] ?? '')
      .trim()
      .split(/\s*,\s*|\s+/)
      .map(coordinate)
    matrix = multiply(matrix, single((match[1] ?? '').trim(), numbers))
    rest = rest.slice(match[0].length)
  }
  for (const part of matrix) bounded(part)
  return matrix
}

function single(name: string, numbers: readonly number[]): Matrix {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = numbers
  const count = numbers.length
  const radians = (degrees: number) => (degrees * Math.PI) / 180
  if (name === 'matrix' && count === 6) return [a, b, c, d, e, f]
  if (name === 'translate' && (count === 1 || count === 2)) return [1, 0, 0, 1, a, b]
  if (name === 'scale' && (count === 1 || count === 2)) return [a, 0, 0, count === 1 ? a : b, 0, 0]
  if (name === 'skewX' && count === 1) return [1, 0, Math.tan(radians(a)), 1, 0, 0]
  if (name === 'skewY' && count === 1) return [1, Math.tan(radians(a)), 0, 1, 0, 0]
  if (name === 'rotate' && (count === 1 || count === 3)) {
    const [cos, sin] = [Math.cos(radians(a)), Math.sin(radians(a))]
    const turn: Matrix = [cos, sin, -sin, cos, 0, 0]
    return multiply([1, 0, 0, 1, b, c], multiply(turn, [1, 0, 0, 1, -b, -c]))
  }
  throw malformed(`transform ${name}`)
}
