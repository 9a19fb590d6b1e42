/** Reads an SVG file as a small tree. What could reach outside, act, or grow without end is refused by name. */
import { SaxesParser } from 'saxes'
import { PdfRefusal } from './refusal.ts'

export interface SvgElement {
  readonly name: string
  /** Attributes without a namespace of their own. */
  readonly attributes: ReadonlyMap<string, string>
  readonly children: SvgElement[]
}

export const SVG_LIMITS = { bytes: 1024 * 1024, depth: 32, elements: 20_000 } as const

const SVG = 'http://www.w3.org/2000/svg'
const XLINK = 'http://www.w3.org/1999/xlink'

/** Names what a drawing holds that is not drawn. */
export const unsupported = (what: string): PdfRefusal => new PdfRefusal('svg_unsupported', what)
/** Says what is wrong with a drawing. */
export const malformed = (what: string): PdfRefusal => new PdfRefusal('bad_image', `SVG: ${what}`)

const DRAWN = new Set(['svg', 'g', 'path', 'rect', 'circle', 'ellipse', 'line', 'polyline', 'polygon'])
/** They describe and draw nothing; nor does anything in them. */
const SILENT = new Set(['title', 'desc', 'metadata'])

/** @throws PdfRefusal `svg_unsupported` for what is not drawn, `bad_image` for what is no SVG or too large */
export function readSvg(bytes: Uint8Array): SvgElement {
  if (bytes.length > SVG_LIMITS.bytes) throw malformed(`${bytes.length} > ${SVG_LIMITS.bytes} bytes`)
  const parser = new SaxesParser({ xmlns: true, position: false })
  const open: SvgElement[] = []
  let root: SvgElement | undefined
  let count = 0
  let depth = 0
  // Inside an element that draws nothing, this deep.
  let silentFrom = 0
  let fault: PdfRefusal | undefined
  const refuse = (refusal: PdfRefusal) => {
    fault ??= refusal
  }
  parser.on('doctype', () => refuse(unsupported('DOCTYPE')))
  parser.on('processinginstruction', ({ target }) => refuse(unsupported(`<?${target}?>`)))
  parser.on('xmldecl', ({ encoding }) => {
    if (encoding !== undefined && !/^utf-?8$/i.test(encoding)) refuse(unsupported(`encoding ${encoding}`))
  })
  parser.on('error', (error) => refuse(malformed(error.message)))
  parser.on('opentag', ({ local, uri, attributes }) => {
    depth++
    if (++count > SVG_LIMITS.elements) refuse(malformed(`> ${SVG_LIMITS.elements} elements`))
    if (depth > SVG_LIMITS.depth) refuse(malformed(`depth > ${SVG_LIMITS.depth}`))
    if (fault || silentFrom > 0) return
    // Editors leave notes in namespaces of their own; they show nothing, and nothing in them does.
    if (SILENT.has(local) || (uri !== SVG && root)) {
      silentFrom = depth
      return
    }
    if (uri !== SVG) return refuse(malformed('the root is no <svg>'))
    if (local === 'defs') {
      // An empty one is common; what would stand in it is not drawn by itself, and is refused where it is used.
      silentFrom = depth
      return
    }
    if (!DRAWN.has(local) || (local === 'svg' && root)) return refuse(unsupported(`<${local}>`))
    if (!root && local !== 'svg') return refuse(malformed('the root is no <svg>'))
    const own = new Map<string, string>()
    for (const { local: key, uri: space, prefix, value } of Object.values(attributes)) {
      if (space === XLINK || key === 'href') return refuse(unsupported('href'))
      if (/^on/i.test(key)) return refuse(unsupported(`script (${key})`))
      if (space === '' && prefix === '') own.set(key, value)
    }
    const element: SvgElement = { name: local, attributes: own, children: [] }
    open.at(-1)?.children.push(element)
    root ??= element
    open.push(element)
  })
  parser.on('closetag', () => {
    if (silentFrom === 0) open.pop()
    else if (silentFrom === depth) silentFrom = 0
    depth--
  })
  feed(parser, textOf(bytes), () => fault)
  if (fault) throw fault
  if (!root) throw malformed('no <svg>')
  return root
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw malformed('not UTF-8')
  }
}

/** In pieces, so that a file that is refused at its start costs no more than that. */
function feed(
  parser: SaxesParser<{ xmlns: true; position: false }>,
  text: string,
  fault: () => unknown,
): void {
  for (let at = 0; at < text.length && !fault(); at += 16_384) parser.write(text.slice(at, at + 16_384))
  if (!fault()) parser.close()
}
