import { type Content, streamObject } from './appearance.ts'
import { unfilterPng } from './filters.ts'
import { inflate } from '#flate'
import { PdfRefusal } from './refusal.ts'
import { formatNumber } from './serialise.ts'

/** Pixels as red, green, blue, and alpha apart where the picture has it. */
export interface Pixels {
  readonly width: number
  readonly height: number
  readonly rgb: Uint8Array
  readonly alpha: Uint8Array | undefined
}

const MAX_SIDE = 8192
const MAX_PIXELS = 16_000_000
const bad = (what: string) => new PdfRefusal('bad_image', what)

/** Decodes an 8-bit, non-interlaced PNG: grey, RGB, palette, with or without alpha. */
export function decodePng(bytes: Uint8Array): Pixels {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 33 || view.getUint32(0) !== 0x89504e47 || view.getUint32(4) !== 0x0d0a1a0a)
    throw bad('not a PNG')
  let header: { width: number; height: number; type: number } | undefined
  let palette = new Uint8Array(0)
  let transparency: Uint8Array | undefined
  const data: Uint8Array[] = []
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at)
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8))
    const from = at + 8
    if (from + length + 4 > bytes.length) throw bad('cut off')
    const body = bytes.subarray(from, from + length)
    if (type === 'IHDR') header = readHeader(view, from)
    else if (type === 'PLTE') palette = Uint8Array.from(body)
    else if (type === 'tRNS') transparency = body
    else if (type === 'IDAT') data.push(body)
    else if (type === 'IEND') break
    at = from + length + 4
  }
  if (!header || data.length === 0) throw bad('no picture data')
  const { width, height, type } = header
  const channels = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[type] ?? 0
  const row = width * channels
  const packed = inflate(joined(data), height * (row + 1))
  if (!packed || packed.length < height * (row + 1)) throw bad('picture data')
  return split(unfilterPng(packed, row, channels), width, height, type, palette, transparency)
}

function readHeader(view: DataView, at: number): { width: number; height: number; type: number } {
  const width = view.getUint32(at)
  const height = view.getUint32(at + 4)
  const type = view.getUint8(at + 9)
  if (width === 0 || height === 0 || width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS) {
    throw bad(`${width} × ${height} pixels`)
  }
  if (view.getUint8(at + 8) !== 8) throw bad('only 8 bits per channel')
  if (![0, 2, 3, 4, 6].includes(type)) throw bad('colour type')
  if (view.getUint8(at + 12) !== 0) throw bad('interlaced')
  return { width, height, type }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    out.set(chunk, at)
    at += chunk.length
  }
  return out
}

function split(
  raw: Uint8Array,
  width: number,
  height: number,
  type: number,
  palette: Uint8Array,
  transparency: Uint8Array | undefined,
): Pixels {
  const count = width * height
  const rgb = new Uint8Array(count * 3)
  const hasAlpha = type >= 4 || (type === 3 && transparency !== undefined)
  const alpha = hasAlpha ? new Uint8Array(count).fill(255) : undefined
  for (let i = 0; i < count; i++) {
    let r: number
    let g: number
    let b: number
    if (type === 3) {
      const index = raw[i] as number
      if (index * 3 + 2 >= palette.length) throw bad('palette index')
      r = palette[index * 3] as number
      g = palette[index * 3 + 1] as number
      b = palette[index * 3 + 2] as number
      if (alpha) alpha[i] = transparency?.[index] ?? 255
    } else if (type === 0 || type === 4) {
      const step = type === 4 ? 2 : 1
      r = g = b = raw[i * step] as number
      if (alpha) alpha[i] = raw[i * step + 1] as number
    } else {
      const step = type === 6 ? 4 : 3
      r = raw[i * step] as number
      g = raw[i * step + 1] as number
      b = raw[i * step + 2] as number
      if (alpha) alpha[i] = raw[i * step + 3] as number
    }
    rgb[i * 3] = r
    rgb[i * 3 + 1] = g
    rgb[i * 3 + 2] = b
  }
  return { width, height, rgb, alpha }
}

/** A PNG as page content of this width; the height follows its proportions. Deflated once, here. */
export function drawPng(bytes: Uint8Array, widthPt: number): Content {
  const { width, height, rgb, alpha } = decodePng(bytes)
  const heightPt = (widthPt * height) / width
  const size = `/Type/XObject/Subtype/Image/Width ${width}/Height ${height}/BitsPerComponent 8`
  const [head, ...image] = streamObject(`${size}/ColorSpace/DeviceRGB`, rgb)
  const objects = [[...(head ? [head] : []), ...image]] as (Uint8Array | number)[][]
  if (alpha) {
    const entries = new TextEncoder().encode('<</SMask ')
    const rest = head?.subarray(2) ?? new Uint8Array(0)
    objects[0] = [entries, 1, rest, ...image]
    objects.push(streamObject(`${size}/ColorSpace/DeviceGray`, alpha))
  }
  return {
    widthPt,
    heightPt,
    operators: `q ${formatNumber(widthPt)} 0 0 ${formatNumber(heightPt)} 0 0 cm /Im Do Q`,
    resources: [{ category: 'XObject', name: 'Im', object: 0 }],
    objects,
  }
}
