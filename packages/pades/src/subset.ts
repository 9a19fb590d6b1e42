import { ascii, type PreparedObject, streamObject } from './appearance.ts'
import { formatNumber } from './serialise.ts'
import { componentsOf, type Font, requireGlyph } from './truetype.ts'

/** A font program holding only the glyphs of some text, and how the text is written with it. */
export interface FontSubset {
  readonly font: Font
  /** Hexadecimal string token of a text in this subset. */
  encode(text: string): string
  /** Advance width of a text in thousandths of the font size. */
  widthOf(text: string): number
  /** Type0 font, descendant, descriptor, font file and ToUnicode map; object 0 is the Type0 font. */
  readonly objects: readonly PreparedObject[]
}

/** Makes a subset for these texts; characters the font lacks are refused by name. */
export function subsetFont(font: Font, texts: readonly string[]): FontSubset {
  const chars = [...new Set(texts.join(''))].sort()
  const glyphs = new Map<number, number>([[0, 0]])
  const charToNew = new Map<string, number>()
  for (const char of chars) {
    const glyph = requireGlyph(font, char)
    const known = glyphs.get(glyph)
    const id = known ?? glyphs.size
    if (known === undefined) glyphs.set(glyph, id)
    charToNew.set(char, id)
  }
  // Composites pull in their parts, which may again be composites.
  for (const glyph of glyphs.keys()) {
    for (const part of componentsOf(font, glyph) ?? [])
      if (!glyphs.has(part.glyph)) glyphs.set(part.glyph, glyphs.size)
  }
  const idOf = (char: string) => {
    const id = charToNew.get(char)
    if (id === undefined) throw new RangeError(`subset was made without ${char}`)
    return id
  }
  const scale = 1000 / font.unitsPerEm
  return {
    font,
    encode: (text) => `<${[...text].map((char) => idOf(char).toString(16).padStart(4, '0')).join('')}>`,
    widthOf: (text) =>
      [...text].reduce((sum, char) => sum + font.advanceOf(requireGlyph(font, char)) * scale, 0),
    objects: fontObjects(font, [...glyphs.keys()], charToNew),
  }
}

function fontObjects(
  font: Font,
  glyphs: readonly number[],
  charToNew: ReadonlyMap<string, number>,
): PreparedObject[] {
  const program = writeProgram(font, glyphs)
  const name = `${subsetTag(program)}+${font.postScriptName}`
  const scale = 1000 / font.unitsPerEm
  const n = (value: number) => formatNumber(Math.round(value * scale))
  const widths = glyphs.map((glyph) => n(font.advanceOf(glyph))).join(' ')
  const box = font.bbox.map(n).join(' ')
  return [
    [
      ascii(`<</Type/Font/Subtype/Type0/BaseFont/${name}/Encoding/Identity-H/DescendantFonts[`),
      1,
      ascii(']/ToUnicode '),
      4,
      ascii('>>'),
    ],
    [
      ascii(
        `<</Type/Font/Subtype/CIDFontType2/BaseFont/${name}/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>` +
          `/CIDToGIDMap/Identity/DW 1000/W[0[${widths}]]/FontDescriptor `,
      ),
      2,
      ascii('>>'),
    ],
    [
      ascii(
        `<</Type/FontDescriptor/FontName/${name}/Flags 4/FontBBox[${box}]/ItalicAngle 0/Ascent ${n(font.ascent)}` +
          `/Descent ${n(font.descent)}/CapHeight ${n(font.capHeight)}/StemV 80/FontFile2 `,
      ),
      3,
      ascii('>>'),
    ],
    streamObject(`/Length1 ${program.length}`, program),
    streamObject('', ascii(toUnicode(charToNew))),
  ]
}

/** Six letters derived from the content, so that equal subsets carry equal tags (ISO 32000-2 §9.9.2). */
function subsetTag(program: Uint8Array): string {
  let hash = 0x811c9dc5
  for (const byte of program) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  let tag = ''
  for (let i = 0; i < 6; i++) {
    tag += String.fromCharCode(65 + (hash % 26))
    hash = Math.floor(hash / 26)
  }
  return tag
}

function toUnicode(charToNew: ReadonlyMap<string, number>): string {
  const hex = (value: number) => value.toString(16).padStart(4, '0')
  const lines = [...charToNew].map(([char, id]) => {
    let units = ''
    for (let i = 0; i < char.length; i++) units += hex(char.charCodeAt(i))
    return `<${hex(id)}> <${units}>`
  })
  const blocks: string[] = []
  // A bfchar block holds at most 100 entries.
  for (let i = 0; i < lines.length; i += 100) {
    const part = lines.slice(i, i + 100)
    blocks.push(`${part.length} beginbfchar\n${part.join('\n')}\nendbfchar`)
  }
  return [
    '/CIDInit /ProcSet findresource begin 12 dict begin begincmap',
    '/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def',
    '/CMapName /Adobe-Identity-UCS def /CMapType 2 def',
    '1 begincodespacerange <0000> <ffff> endcodespacerange',
    ...blocks,
    'endcmap CMapName currentdict /CMap defineresource pop end end',
  ].join('\n')
}

/** Writes a TrueType program with the glyphs in the given order (the first must be .notdef). */
function writeProgram(font: Font, glyphs: readonly number[]): Uint8Array {
  const order = new Map(glyphs.map((glyph, id) => [glyph, id]))
  const count = glyphs.length
  const bodies = glyphs.map((glyph) => glyphBody(font, glyph, order))
  const loca = new DataView(new ArrayBuffer((count + 1) * 4))
  let length = 0
  bodies.forEach((body, id) => {
    loca.setUint32(id * 4, length)
    length += (body.length + 3) & ~3
  })
  loca.setUint32(count * 4, length)
  const glyf = new Uint8Array(length)
  bodies.forEach((body, id) => {
    glyf.set(body, loca.getUint32(id * 4))
  })
  const hmtx = new DataView(new ArrayBuffer(count * 4))
  glyphs.forEach((glyph, id) => {
    hmtx.setUint16(id * 4, font.advanceOf(glyph))
    hmtx.setInt16(id * 4 + 2, font.leftBearingOf(glyph))
  })
  const head = copyTable(font, 'head')
  new DataView(head.buffer).setInt16(50, 1)
  new DataView(head.buffer).setUint32(8, 0)
  const hhea = copyTable(font, 'hhea')
  new DataView(hhea.buffer).setUint16(34, count)
  const maxp = copyTable(font, 'maxp')
  new DataView(maxp.buffer).setUint16(4, count)
  const tables: [string, Uint8Array][] = [
    ['glyf', glyf],
    ['head', head],
    ['hhea', hhea],
    ['hmtx', new Uint8Array(hmtx.buffer)],
    ['loca', new Uint8Array(loca.buffer)],
    ['maxp', maxp],
  ]
  // Hinting programs, where the font has any, belong to the glyphs that call them.
  for (const name of ['cvt ', 'fpgm', 'prep'])
    if (font.tables.has(name)) tables.push([name, copyTable(font, name)])
  return assemble(tables.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function copyTable(font: Font, name: string): Uint8Array {
  const table = font.tables.get(name)
  return table ? font.bytes.slice(table.offset, table.offset + table.length) : new Uint8Array(0)
}

function glyphBody(font: Font, glyph: number, order: ReadonlyMap<number, number>): Uint8Array {
  const { offset, length } = font.glyphData(glyph)
  const components = componentsOf(font, glyph)
  if (!components) return font.bytes.subarray(offset, offset + length)
  const body = font.bytes.slice(offset, offset + length)
  const view = new DataView(body.buffer)
  for (const part of components) view.setUint16(part.glyphAt, order.get(part.glyph) ?? 0)
  return body
}

function assemble(tables: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  const headerLength = 12 + tables.length * 16
  const total = tables.reduce((sum, [, data]) => sum + ((data.length + 3) & ~3), headerLength)
  const out = new Uint8Array(total)
  const view = new DataView(out.buffer)
  const power = 2 ** Math.floor(Math.log2(tables.length))
  view.setUint32(0, 0x00010000)
  view.setUint16(4, tables.length)
  view.setUint16(6, power * 16)
  view.setUint16(8, Math.log2(power))
  view.setUint16(10, (tables.length - power) * 16)
  let at = headerLength
  let headAt = 0
  tables.forEach(([name, data], i) => {
    const entry = 12 + i * 16
    out.set(ascii(name), entry)
    out.set(data, at)
    view.setUint32(entry + 4, checksum(view, at, data.length))
    view.setUint32(entry + 8, at)
    view.setUint32(entry + 12, data.length)
    if (name === 'head') headAt = at
    at += (data.length + 3) & ~3
  })
  // checkSumAdjustment makes the sum of the whole file the magic number of the format.
  view.setUint32(headAt + 8, (0xb1b0afba - checksum(view, 0, total)) >>> 0)
  return out
}

function checksum(view: DataView, from: number, length: number): number {
  let sum = 0
  for (let i = from; i < from + length; i += 4) sum = (sum + view.getUint32(i)) >>> 0
  return sum
}
