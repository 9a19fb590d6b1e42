import { crc32, deflateSync, inflateSync } from 'node:zlib'

/**
 * The same picture in fewer bytes (PNG, ISO/IEC 15948): colours that hardly differ are joined into at most
 * 256 when there are more, rows lose their alpha and are stored as indices, deflated as tightly as it goes.
 * Takes 8-bit RGB or RGBA without interlace, which is what browsers write.
 */
export function recompressPng(png: Buffer): Buffer {
  const { width, height, channels, pixels } = decode(png)
  const count = width * height
  const palette = choosePalette(pixels, channels, count)
  const nearest = new Map<number, number>()
  const rows = Buffer.alloc(height * (width + 1))
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * channels
      const colour = ((pixels[at] ?? 0) << 16) | ((pixels[at + 1] ?? 0) << 8) | (pixels[at + 2] ?? 0)
      let index = nearest.get(colour)
      if (index === undefined) {
        index = closest(palette, colour)
        nearest.set(colour, index)
      }
      rows[y * (width + 1) + 1 + x] = index
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 3, 0, 0, 0], 8)
  const colours = Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]))
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('PLTE', colours),
    chunk('IDAT', deflateSync(rows, { level: 9, memLevel: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

interface Pixels {
  width: number
  height: number
  channels: number
  pixels: Buffer
}

export function decode(png: Buffer): Pixels {
  if (!png.subarray(0, 8).equals(signature)) throw new Error('this is no PNG')
  const width = png.readUInt32BE(16)
  const height = png.readUInt32BE(20)
  const [depth, type, , , interlace] = png.subarray(24, 29)
  const channels = type === 2 ? 3 : type === 6 ? 4 : 0
  if (depth !== 8 || channels === 0 || interlace !== 0) throw new Error('this kind of PNG is not read here')
  const data: Buffer[] = []
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at)
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') data.push(png.subarray(at + 8, at + 8 + length))
    at += length + 12
  }
  return {
    width,
    height,
    channels,
    pixels: unfilter(inflateSync(Buffer.concat(data)), width * channels, height, channels),
  }
}

/** Undoes the row filters of §9.2. */
function unfilter(raw: Buffer, rowBytes: number, height: number, step: number): Buffer {
  const out = Buffer.alloc(rowBytes * height)
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (rowBytes + 1)]
    for (let x = 0; x < rowBytes; x++) {
      const value = raw[y * (rowBytes + 1) + 1 + x] ?? 0
      const at = y * rowBytes + x
      const left = x >= step ? (out[at - step] ?? 0) : 0
      const up = y > 0 ? (out[at - rowBytes] ?? 0) : 0
      const corner = x >= step && y > 0 ? (out[at - rowBytes - step] ?? 0) : 0
      out[at] = value + predict(filter, left, up, corner)
    }
  }
  return out
}

function predict(filter: number | undefined, left: number, up: number, corner: number): number {
  if (filter === 1) return left
  if (filter === 2) return up
  if (filter === 3) return (left + up) >> 1
  if (filter !== 4) return 0
  const guess = left + up - corner
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)]
  return a <= b && a <= c ? left : b <= c ? up : corner
}

/** The most used colours; a colour near one already taken gives its place to one that is further off. */
function choosePalette(pixels: Buffer, channels: number, count: number): number[] {
  const uses = new Map<number, number>()
  for (let i = 0; i < count; i++) {
    const at = i * channels
    const colour = ((pixels[at] ?? 0) << 16) | ((pixels[at + 1] ?? 0) << 8) | (pixels[at + 2] ?? 0)
    uses.set(colour, (uses.get(colour) ?? 0) + 1)
  }
  const ranked = [...uses.entries()].sort((a, b) => b[1] - a[1]).map(([colour]) => colour)
  if (ranked.length <= 256) return ranked
  const palette: number[] = []
  for (const apart of [60, 30, 12, 4, 0]) {
    for (const colour of ranked) {
      if (palette.length === 256) return palette
      if (palette.every((taken) => distance(taken, colour) > apart * apart)) palette.push(colour)
      // The quiet tones that fill the page must be exact; the thousands of blends at edges need not.
      if (palette.length > 96 && apart === 60) break
    }
  }
  return palette
}

function closest(palette: number[], colour: number): number {
  let best = 0
  let least = Number.POSITIVE_INFINITY
  for (const [index, candidate] of palette.entries()) {
    const far = distance(candidate, colour)
    if (far < least) {
      least = far
      best = index
    }
  }
  return best
}

function distance(a: number, b: number): number {
  const red = (a >> 16) - (b >> 16)
  const green = ((a >> 8) & 255) - ((b >> 8) & 255)
  const blue = (a & 255) - (b & 255)
  return red * red + green * green + blue * blue
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const out = Buffer.alloc(body.length + 8)
  out.writeUInt32BE(data.length, 0)
  body.copy(out, 4)
  out.writeUInt32BE(crc32(body), body.length + 4)
  return out
}
