/** SVG pictures as page content: vectors stay vectors. A subset is drawn, and everything outside it refused by name. */
import { ascii, type Content, type PreparedObject, streamObject } from './appearance.ts'
import type { Matrix, PathCommand } from './drawing.ts'
import { IDENTITY, multiply, type ShapeBudget, shapeOf, transformOf } from './svg-shapes.ts'
import { INITIAL_STYLE, length, type SvgStyle, styleOf } from './svg-style.ts'
import { malformed, readSvg, type SvgElement, unsupported } from './svg-tree.ts'

/** Commands of all paths together. */
const MAX_COMMANDS = 200_000

/**
 * An SVG file as page content of this width; the height follows its proportions. Drawn are paths, the basic shapes,
 * groups, transforms, the view box, fills and strokes with opacity, and the style attribute.
 * @throws PdfRefusal `svg_unsupported` (text, filters, references, scripts, …), `bad_image` (malformed or too large)
 */
export function drawSvg(bytes: Uint8Array, widthPt: number): Content {
  const root = readSvg(bytes)
  const { width, height, view } = sizeOf(root)
  const scale = widthPt / width
  const heightPt = height * scale
  // From the picture's pixels, y downward, to points, y upward.
  const toPoints: Matrix = [scale, 0, 0, -scale, 0, heightPt]
  const drawing: Drawing = {
    box: `[0 0 ${plain(widthPt)} ${plain(heightPt)}]`,
    objects: [],
    states: new Map(),
    budget: { commands: MAX_COMMANDS },
  }
  const layer: Layer = { operators: [], names: new Map() }
  drawElement(drawing, layer, root, multiply(toPoints, view), INITIAL_STYLE)
  // What leaves the picture's frame is not part of it.
  const clip = `q 0 0 ${plain(widthPt)} ${plain(heightPt)} re W n`
  return {
    widthPt,
    heightPt,
    operators: [clip, ...layer.operators, 'Q'].join('\n'),
    resources: [...layer.names].map(([name, { category, object }]) => ({ category, name, object })),
    objects: drawing.objects,
  }
}

interface Drawing {
  /** The whole picture, as the box of groups. */
  readonly box: string
  readonly objects: PreparedObject[]
  /** Graphics states by their opacities. */
  readonly states: Map<string, number>
  readonly budget: ShapeBudget
}

/** What is drawn together: the picture itself, or a group with an opacity of its own. */
interface Layer {
  readonly operators: string[]
  readonly names: Map<string, { readonly category: 'XObject' | 'ExtGState'; readonly object: number }>
}

function drawElement(
  drawing: Drawing,
  layer: Layer,
  element: SvgElement,
  outer: Matrix,
  inherited: SvgStyle,
): void {
  const style = styleOf(element, inherited)
  if (!style.displayed) return
  const matrix = multiply(outer, transformOf(element.attributes.get('transform')))
  const draw = (target: Layer) => {
    if (element.name === 'g' || element.name === 'svg') {
      for (const child of element.children) drawElement(drawing, target, child, matrix, style)
    } else drawShape(drawing, target, element, matrix, style)
  }
  if (style.opacity === 0) return
  if (style.opacity === 1) draw(layer)
  else drawGroup(drawing, layer, style.opacity, draw)
}

/** Draws into a transparency group, so that what overlaps inside shows once (ISO 32000-2 §11.6.6). */
function drawGroup(drawing: Drawing, layer: Layer, opacity: number, draw: (inner: Layer) => void): void {
  const inner: Layer = { operators: [], names: new Map() }
  draw(inner)
  if (inner.operators.length === 0) return
  const parts: (Uint8Array | number)[] = [ascii('<</Type/XObject/Subtype/Form/Group<</S/Transparency>>')]
  parts.push(ascii(`/BBox${drawing.box}/Resources<<`))
  for (const category of ['XObject', 'ExtGState'] as const) {
    const entries = [...inner.names].filter(([, entry]) => entry.category === category)
    if (entries.length === 0) continue
    parts.push(ascii(`/${category}<<`))
    for (const [name, { object }] of entries) parts.push(ascii(`/${name} `), object)
    parts.push(ascii('>>'))
  }
  const [head = new Uint8Array(0), ...stream] = streamObject('', ascii(inner.operators.join('\n')))
  // The entries of the stream follow those of the form: `<<` is there already.
  parts.push(ascii('>>'), head.subarray(2), ...stream)
  const object = drawing.objects.push(parts) - 1
  const name = `G${object}`
  layer.names.set(name, { category: 'XObject', object })
  layer.operators.push(`q ${useState(drawing, layer, opacity, opacity)} /${name} Do Q`)
}

/** Selects the opacities of fills and strokes. */
function useState(drawing: Drawing, layer: Layer, fill: number, stroke: number): string {
  const key = `/ca ${plain(fill)}/CA ${plain(stroke)}`
  let object = drawing.states.get(key)
  if (object === undefined) {
    object = drawing.objects.push([ascii(`<</Type/ExtGState${key}>>`)]) - 1
    drawing.states.set(key, object)
  }
  layer.names.set(`S${object}`, { category: 'ExtGState', object })
  return `/S${object} gs`
}

function drawShape(
  drawing: Drawing,
  layer: Layer,
  element: SvgElement,
  matrix: Matrix,
  style: SvgStyle,
): void {
  if (element.children.length > 0) throw unsupported(`<${element.children[0]?.name}> in <${element.name}>`)
  if (style.dashes.length > 0 && element.attributes.has('pathLength')) throw unsupported('pathLength')
  const path = shapeOf(element, drawing.budget)
  const [a, b, c, d] = matrix
  // A transform that flattens everything shows nothing (CSS Transforms §7.1).
  if (path.length === 0 || !style.visible || Math.abs(a * d - b * c) < 1e-12) return
  const fill = element.name === 'line' || style.fill === 'none' ? undefined : style.fill
  const stroke = style.stroke === 'none' || style.strokeWidth === 0 ? undefined : style.stroke
  const fillOpacity = fill ? fill.alpha * style.fillOpacity : 0
  const strokeOpacity = stroke ? stroke.alpha * style.strokeOpacity : 0
  if (fillOpacity === 0 && strokeOpacity === 0) return
  const lines = [`q ${matrix.map(plain).join(' ')} cm`]
  if ((fill && fillOpacity < 1) || (stroke && strokeOpacity < 1))
    lines.push(useState(drawing, layer, fillOpacity, strokeOpacity))
  if (fill) lines.push(`${channels(fill)} rg`)
  if (stroke) lines.push(`${channels(stroke)} RG ${strokeState(style)}`)
  const outline = path.map(pdfCommand).join('\n')
  const rule = style.fillRule === 'evenodd' ? '*' : ''
  if (fillOpacity > 0 && strokeOpacity === 1) lines.push(outline, `B${rule}`)
  else {
    // One operator for both would let the stroke knock the fill out from under it (ISO 32000-2 §11.7.4.4).
    if (fillOpacity > 0) lines.push(outline, `f${rule}`)
    if (strokeOpacity > 0) lines.push(outline, 'S')
  }
  layer.operators.push(...lines, 'Q')
}

function strokeState(style: SvgStyle): string {
  // An odd list is repeated (SVG 2 §13.5.6); readers of PDF do not agree on what it means with a phase.
  const dashes = style.dashes.length % 2 === 0 ? style.dashes : [...style.dashes, ...style.dashes]
  const round = dashes.reduce((sum, dash) => sum + dash, 0)
  // A phase is never negative in PDF.
  const phase = round > 0 ? ((style.dashOffset % round) + round) % round : 0
  const dash = dashes.length > 0 ? ` [${dashes.map(plain).join(' ')}] ${plain(phase)} d` : ''
  return `${plain(style.strokeWidth)} w ${style.lineCap} J ${style.lineJoin} j ${plain(style.miterLimit)} M${dash}`
}

function channels({ red, green, blue }: { red: number; green: number; blue: number }): string {
  return [red, green, blue].map((part) => plain(Math.round(part * 10_000) / 10_000)).join(' ')
}

function pdfCommand(command: PathCommand): string {
  switch (command[0]) {
    case 'M':
      return `${plain(command[1])} ${plain(command[2])} m`
    case 'L':
      return `${plain(command[1])} ${plain(command[2])} l`
    case 'C': {
      const [, ...numbers] = command
      return `${numbers.map(plain).join(' ')} c`
    }
    case 'Z':
      return 'h'
  }
}

/** A number without exponent, which PDF does not know; drawings may be in units of any size. */
function plain(value: number): string {
  const text = value.toFixed(7).replace(/\.?0+$/, '')
  return text === '-0' ? '0' : text
}

interface Size {
  /** In pixels. */
  readonly width: number
  readonly height: number
  /** From user space to those pixels. */
  readonly view: Matrix
}

/** The size of the picture and what its view box makes of it (SVG 2 §8.2, §8.6). */
function sizeOf(root: SvgElement): Size {
  const box = viewBoxOf(root.attributes.get('viewBox'))
  const side = (name: 'width' | 'height') => {
    const text = root.attributes.get(name)?.trim()
    // A share of something unknown says no size; the view box does.
    return text === undefined || text === 'auto' || text.endsWith('%') ? undefined : length(text)
  }
  const [ownWidth, ownHeight] = [side('width'), side('height')]
  const ratio = box ? box.width / box.height : undefined
  const width = ownWidth ?? (ownHeight !== undefined && ratio ? ownHeight * ratio : box?.width)
  const height = ownHeight ?? (ownWidth !== undefined && ratio ? ownWidth / ratio : box?.height)
  if (width === undefined || height === undefined) throw malformed('no size')
  if (!(width > 0 && height > 0) || width / height > 100 || height / width > 100)
    throw malformed(`${width} × ${height}`)
  return {
    width,
    height,
    view: box ? fit(box, width, height, root.attributes.get('preserveAspectRatio')) : IDENTITY,
  }
}

interface ViewBox {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

function viewBoxOf(text: string | undefined): ViewBox | undefined {
  if (text === undefined) return undefined
  const numbers = text
    .trim()
    .split(/\s*,\s*|\s+/)
    .map(length)
  const [x = 0, y = 0, width = 0, height = 0] = numbers
  if (numbers.length !== 4 || width <= 0 || height <= 0) throw malformed('viewBox')
  return { x, y, width, height }
}

function fit(box: ViewBox, width: number, height: number, text: string | undefined): Matrix {
  const match = /^(?:(none)|x(Min|Mid|Max)Y(Min|Mid|Max))(?:\s+(meet|slice))?$/.exec(
    (text ?? 'xMidYMid').trim(),
  )
  if (!match) throw malformed('preserveAspectRatio')
  const [, none, across, down, mode] = match
  let [sx, sy] = [width / box.width, height / box.height]
  if (none === undefined) sx = sy = mode === 'slice' ? Math.max(sx, sy) : Math.min(sx, sy)
  const share = (align: string | undefined) => (align === 'Min' ? 0 : align === 'Max' ? 1 : 0.5)
  const dx = none === undefined ? (width - box.width * sx) * share(across) : 0
  const dy = none === undefined ? (height - box.height * sy) * share(down) : 0
  return [sx, 0, 0, sy, dx - box.x * sx, dy - box.y * sy]
}
