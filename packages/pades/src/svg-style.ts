/** Presentation properties of SVG (SVG 2 §6): attributes and the style attribute, with inheritance. */
import { type Rgba, readColour } from './svg-colour.ts'
import { malformed, type SvgElement, unsupported } from './svg-tree.ts'

export interface SvgStyle {
  readonly color: Rgba
  readonly fill: Rgba | 'none'
  readonly fillOpacity: number
  readonly fillRule: 'nonzero' | 'evenodd'
  readonly stroke: Rgba | 'none'
  readonly strokeOpacity: number
  readonly strokeWidth: number
  readonly lineCap: 0 | 1 | 2
  readonly lineJoin: 0 | 1 | 2
  readonly miterLimit: number
  readonly dashes: readonly number[]
  readonly dashOffset: number
  readonly visible: boolean
  /** Of this element alone: not inherited. */
  readonly opacity: number
  readonly displayed: boolean
}

const BLACK: Rgba = { red: 0, green: 0, blue: 0, alpha: 1 }

export const INITIAL_STYLE: SvgStyle = {
  color: BLACK,
  fill: BLACK,
  fillOpacity: 1,
  fillRule: 'nonzero',
  stroke: 'none',
  strokeOpacity: 1,
  strokeWidth: 1,
  lineCap: 0,
  lineJoin: 0,
  miterLimit: 4,
  dashes: [],
  dashOffset: 0,
  visible: true,
  opacity: 1,
  displayed: true,
}

/** They would change what is seen, and are not drawn; only the value that changes nothing is let through. */
const REFUSED: Readonly<Record<string, string>> = {
  'clip-path': 'none',
  clip: 'auto',
  mask: 'none',
  filter: 'none',
  marker: 'none',
  'marker-start': 'none',
  'marker-mid': 'none',
  'marker-end': 'none',
  'paint-order': 'normal',
  'vector-effect': 'none',
  'mix-blend-mode': 'normal',
  'transform-origin': '0 0',
  'transform-box': 'view-box',
  'backdrop-filter': 'none',
  'mask-image': 'none',
  'offset-path': 'none',
  translate: 'none',
  rotate: 'none',
  scale: 'none',
  zoom: '1',
  animation: 'none',
  transition: 'none',
}
/** Geometry in the style attribute would have to override the attributes. */
const GEOMETRY = new Set(['d', 'x', 'y', 'r', 'rx', 'ry', 'cx', 'cy', 'width', 'height', 'transform'])

/** The style of an element below one with `parent`. */
export function styleOf(element: SvgElement, parent: SvgStyle): SvgStyle {
  const declared = declarations(element)
  const style: { -readonly [Key in keyof SvgStyle]: SvgStyle[Key] } = {
    ...parent,
    opacity: 1,
    displayed: true,
  }
  const has = (property: string) => {
    const value = declared.get(property)
    return value === undefined || value === 'inherit' ? undefined : value
  }
  // The colour that `currentColor` means comes first.
  const color = has('color')
  if (color !== undefined) style.color = readColour(color, parent.color)
  for (const [key, property] of [
    ['fill', 'fill'],
    ['stroke', 'stroke'],
  ] as const) {
    const value = has(property)
    if (value !== undefined) style[key] = value === 'none' ? 'none' : readColour(value, style.color)
  }
  const set = <Key extends keyof SvgStyle>(
    key: Key,
    property: string,
    read: (value: string) => SvgStyle[Key],
  ) => {
    const value = has(property)
    if (value !== undefined) style[key] = read(value)
  }
  set('fillOpacity', 'fill-opacity', share)
  set('strokeOpacity', 'stroke-opacity', share)
  set('opacity', 'opacity', share)
  set('fillRule', 'fill-rule', (value) =>
    choice(value, 'fill-rule', { nonzero: 'nonzero', evenodd: 'evenodd' } as const),
  )
  set('strokeWidth', 'stroke-width', (value) => positive(length(value), 'stroke-width'))
  set('lineCap', 'stroke-linecap', (value) =>
    choice(value, 'stroke-linecap', { butt: 0, round: 1, square: 2 } as const),
  )
  set('lineJoin', 'stroke-linejoin', (value) =>
    choice(value, 'stroke-linejoin', { miter: 0, round: 1, bevel: 2 } as const),
  )
  set('miterLimit', 'stroke-miterlimit', (value) => {
    const limit = length(value)
    if (limit < 1) throw malformed('stroke-miterlimit')
    return limit
  })
  set('dashes', 'stroke-dasharray', dashesOf)
  set('dashOffset', 'stroke-dashoffset', length)
  set('visible', 'visibility', (value) =>
    choice(value, 'visibility', { visible: true, hidden: false, collapse: false } as const),
  )
  set('displayed', 'display', (value) => value !== 'none')
  return style
}

/** Property by value: the style attribute before presentation attributes. */
function declarations(element: SvgElement): Map<string, string> {
  const declared = new Map<string, string>()
  for (const [key, value] of element.attributes) declared.set(key, value.trim())
  const style = element.attributes.get('style')
  if (style !== undefined) {
    if (style.includes('/*') || style.includes('\\')) throw unsupported('CSS comments and escapes')
    for (const part of style.split(';')) {
      if (part.trim() === '') continue
      const at = part.indexOf(':')
      if (at === -1) throw malformed('style')
      const property = part.slice(0, at).trim().toLowerCase()
      const value = part
        .slice(at + 1)
        .replace(/!\s*important\s*$/i, '')
        .trim()
      if (GEOMETRY.has(property)) throw unsupported(`style ${property}`)
      if (/var\(|calc\(|env\(/i.test(value)) throw unsupported(`style ${property}: ${value.slice(0, 40)}`)
      declared.set(property, value)
    }
  }
  for (const [property, harmless] of Object.entries(REFUSED)) {
    const value = declared.get(property)
    if (value !== undefined && value !== harmless) throw unsupported(property)
  }
  // Whatever names something elsewhere is refused, wherever it stands.
  declared.delete('style')
  for (const [property, value] of declared)
    if (/url\s*\(/i.test(value)) throw unsupported(`${property}: url()`)
  return declared
}

function choice<Value>(text: string, property: string, values: Readonly<Record<string, Value>>): Value {
  if (!Object.hasOwn(values, text)) throw unsupported(`${property}: ${text.slice(0, 40)}`)
  return values[text] as Value
}

function share(text: string): number {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)(%?)$/i.exec(text)
  if (!match) throw malformed(`opacity ${text.slice(0, 40)}`)
  return Math.min(1, Math.max(0, Number(match[1]) / (match[2] ? 100 : 1)))
}

function dashesOf(text: string): number[] {
  if (text === 'none') return []
  const dashes = text.split(/[\s,]+/).map((part) => positive(length(part), 'stroke-dasharray'))
  if (dashes.length > 64) throw malformed('stroke-dasharray')
  return dashes.some((dash) => dash > 0) ? dashes : []
}

function positive(value: number, what: string): number {
  if (value < 0) throw malformed(what)
  return value
}

/** CSS pixels by unit (CSS Values §6.2). */
const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  px: 1,
  pt: 96 / 72,
  pc: 16,
  mm: 96 / 25.4,
  cm: 96 / 2.54,
  q: 96 / 101.6,
  in: 96,
}

/** A length in user units. @throws PdfRefusal for units that need a font or a viewport */
export function length(text: string): number {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)([a-z]*|%)$/i.exec(text.trim())
  if (!match) throw malformed(`length ${text.slice(0, 40)}`)
  const unit = UNITS[(match[2] ?? '').toLowerCase()]
  if (unit === undefined) throw unsupported(`unit ${match[2]}`)
  return bounded(Number(match[1]) * unit)
}

/** Beyond this no reader of PDF is obliged to follow. */
const LARGEST = 1e6

export function bounded(value: number): number {
  if (!Number.isFinite(value) || Math.abs(value) > LARGEST) throw malformed('a number is too large')
  return value
}
