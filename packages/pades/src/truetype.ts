import { PdfRefusal } from './refusal.ts'

/** A parsed TrueType font; tables are read in place, glyphs only when asked for. */
export interface Font {
  readonly bytes: Uint8Array
  readonly unitsPerEm: number
  readonly ascent: number
  readonly descent: number
  readonly capHeight: number
  readonly bbox: readonly [number, number, number, number]
  readonly glyphCount: number
  readonly postScriptName: string
  readonly tables: ReadonlyMap<string, { readonly offset: number; readonly length: number }>
  /** Glyph index of a code point; 0 if the font has none. */
  glyphOf(codePoint: number): number
  advanceOf(glyph: number): number
  leftBearingOf(glyph: number): number
  /** Position of the glyph's data in the file; empty for blanks. */
  glyphData(glyph: number): { readonly offset: number; readonly length: number }
}

/** Reads the directory of a TrueType font with glyf outlines (OpenType spec); the bytes are not copied. */
export function parseFont(bytes: Uint8Array): Font {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const bad = (what: string) => new PdfRefusal('bad_font', what)
  if (bytes.length < 12) throw bad('too short')
  const tag = view.getUint32(0)
  if (tag !== 0x00010000 && tag !== 0x74727565) throw bad('not a TrueType font with glyf outlines')
  const tables = new Map<string, { offset: number; length: number }>()
  const count = view.getUint16(4)
  for (let i = 0; i < count; i++) {
    const at = 12 + i * 16
    if (at + 16 > bytes.length) throw bad('table directory')
    const name = String.fromCharCode(...bytes.subarray(at, at + 4))
    const offset = view.getUint32(at + 8)
    const length = view.getUint32(at + 12)
    if (offset + length > bytes.length) throw bad(`table ${name}`)
    tables.set(name, { offset, length })
  }
  const table = (name: string) => {
    const found = tables.get(name)
    if (!found) throw bad(`table ${name} is missing`)
    return found
  }
  const head = table('head').offset
  const hhea = table('hhea').offset
  const hmtx = table('hmtx')
  const loca = table('loca')
  const glyf = table('glyf')
  const glyphCount = view.getUint16(table('maxp').offset + 4)
  const longLoca = view.getInt16(head + 50) === 1
  const metricCount = view.getUint16(hhea + 34)
  if (metricCount === 0 || hmtx.length < metricCount * 4 + (glyphCount - metricCount) * 2) throw bad('hmtx')
  if (loca.length < (glyphCount + 1) * (longLoca ? 4 : 2)) throw bad('loca')
  const os2 = tables.get('OS/2')
  const ascent = view.getInt16(hhea + 4)
  const location = (glyph: number) =>
    longLoca ? view.getUint32(loca.offset + glyph * 4) : view.getUint16(loca.offset + glyph * 2) * 2
  return {
    bytes,
    unitsPerEm: view.getUint16(head + 18),
    ascent,
    descent: view.getInt16(hhea + 6),
    capHeight: os2 && os2.length >= 90 ? view.getInt16(os2.offset + 88) : ascent,
    bbox: [
      view.getInt16(head + 36),
      view.getInt16(head + 38),
      view.getInt16(head + 40),
      view.getInt16(head + 42),
    ],
    glyphCount,
    postScriptName: readPostScriptName(view, tables.get('name')),
    tables,
    glyphOf: readCmap(view, table('cmap')),
    advanceOf: (glyph) => view.getUint16(hmtx.offset + Math.min(glyph, metricCount - 1) * 4),
    leftBearingOf: (glyph) =>
      glyph < metricCount
        ? view.getInt16(hmtx.offset + glyph * 4 + 2)
        : view.getInt16(hmtx.offset + metricCount * 4 + (glyph - metricCount) * 2),
    glyphData(glyph) {
      if (glyph < 0 || glyph >= glyphCount) throw bad(`glyph ${glyph}`)
      const from = location(glyph)
      const to = location(glyph + 1)
      if (to < from || to > glyf.length) throw bad(`glyph ${glyph}`)
      return { offset: glyf.offset + from, length: to - from }
    },
  }
}

function readPostScriptName(view: DataView, name: { offset: number; length: number } | undefined): string {
  if (!name) return 'Font'
  const count = view.getUint16(name.offset + 2)
  const strings = name.offset + view.getUint16(name.offset + 4)
  for (let i = 0; i < count; i++) {
    const at = name.offset + 6 + i * 12
    if (view.getUint16(at + 6) !== 6) continue
    const length = view.getUint16(at + 8)
    const from = strings + view.getUint16(at + 10)
    let text = ''
    for (let j = 0; j < length && from + j < view.byteLength; j++) {
      const byte = view.getUint8(from + j)
      if (byte > 32 && byte < 127 && !'[](){}<>/%'.includes(String.fromCharCode(byte)))
        text += String.fromCharCode(byte)
    }
    if (text !== '') return text
  }
  return 'Font'
}

function readCmap(view: DataView, cmap: { offset: number; length: number }): (codePoint: number) => number {
  const count = view.getUint16(cmap.offset + 2)
  let best: { offset: number; format: number } | undefined
  for (let i = 0; i < count; i++) {
    const at = cmap.offset + 4 + i * 8
    const platform = view.getUint16(at)
    const encoding = view.getUint16(at + 2)
    if (platform !== 0 && !(platform === 3 && (encoding === 1 || encoding === 10))) continue
    const offset = cmap.offset + view.getUint32(at + 4)
    const format = view.getUint16(offset)
    if (format === 12 || (format === 4 && best?.format !== 12)) best = { offset, format }
  }
  if (!best) throw new PdfRefusal('bad_font', 'no Unicode cmap of format 4 or 12')
  const { offset, format } = best
  return format === 12 ? (code) => lookup12(view, offset, code) : (code) => lookup4(view, offset, code)
}

function lookup12(view: DataView, offset: number, code: number): number {
  let low = 0
  let high = view.getUint32(offset + 12) - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const at = offset + 16 + middle * 12
    if (code < view.getUint32(at)) high = middle - 1
    else if (code > view.getUint32(at + 4)) low = middle + 1
    else return view.getUint32(at + 8) + code - view.getUint32(at)
  }
  return 0
}

function lookup4(view: DataView, offset: number, code: number): number {
  if (code > 0xffff) return 0
  const segX2 = view.getUint16(offset + 6)
  const ends = offset + 14
  let low = 0
  let high = segX2 / 2 - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (view.getUint16(ends + middle * 2) < code) low = middle + 1
    else high = middle
  }
  const start = ends + segX2 + 2 + low * 2
  if (view.getUint16(start) > code) return 0
  const delta = view.getUint16(start + segX2)
  const rangeAt = start + segX2 * 2
  const range = view.getUint16(rangeAt)
  if (range === 0) return (code + delta) & 0xffff
  const glyph = view.getUint16(rangeAt + range + (code - view.getUint16(start)) * 2)
  return glyph === 0 ? 0 : (glyph + delta) & 0xffff
}

/** The glyph of a character, or a refusal that names it: never an empty box in a contract. */
export function requireGlyph(font: Font, char: string): number {
  const code = char.codePointAt(0) ?? 0
  const glyph = font.glyphOf(code)
  if (glyph === 0) {
    throw new PdfRefusal('missing_glyph', `${char} (U+${code.toString(16).toUpperCase().padStart(4, '0')})`)
  }
  return glyph
}

/** The component glyphs of a composite, with their transforms; undefined for a simple glyph. */
export function componentsOf(font: Font, glyph: number): Component[] | undefined {
  const { offset, length } = font.glyphData(glyph)
  if (length < 10) return undefined
  const view = new DataView(font.bytes.buffer, font.bytes.byteOffset + offset, length)
  if (view.getInt16(0) >= 0) return undefined
  const parts: Component[] = []
  let at = 10
  for (;;) {
    const flags = view.getUint16(at)
    const part = { glyphAt: at + 2, glyph: view.getUint16(at + 2), xx: 1, xy: 0, yx: 0, yy: 1, dx: 0, dy: 0 }
    at += 4
    const words = (flags & 1) !== 0
    if ((flags & 2) !== 0) {
      part.dx = words ? view.getInt16(at) : view.getInt8(at)
      part.dy = words ? view.getInt16(at + 2) : view.getInt8(at + 1)
    }
    at += words ? 4 : 2
    const f2dot14 = () => {
      at += 2
      return view.getInt16(at - 2) / 16384
    }
    if ((flags & 8) !== 0) part.xx = part.yy = f2dot14()
    else if ((flags & 0x40) !== 0) {
      part.xx = f2dot14()
      part.yy = f2dot14()
    } else if ((flags & 0x80) !== 0) {
      part.xx = f2dot14()
      part.xy = f2dot14()
      part.yx = f2dot14()
      part.yy = f2dot14()
    }
    parts.push(part)
    if ((flags & 0x20) === 0 || parts.length > 64) return parts
  }
}

export interface Component {
  /** Where the component's glyph index stands inside the glyph data. */
  readonly glyphAt: number
  readonly glyph: number
  xx: number
  xy: number
  yx: number
  yy: number
  dx: number
  dy: number
}
