import { crc32, deflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { decode, recompressPng } from './png.ts'

/** A PNG of 8-bit RGB whose rows all use one filter. */
function makePng(
  width: number,
  height: number,
  filter: number,
  colourAt: (x: number, y: number) => number[],
): Buffer {
  const row = (y: number) => Buffer.from(Array.from({ length: width }, (_, x) => colourAt(x, y)).flat())
  const rows: Buffer[] = []
  for (let y = 0; y < height; y++) {
    const [line, above] = [row(y), y > 0 ? row(y - 1) : Buffer.alloc(width * 3)]
    const filtered = line.map((value, i) => {
      const left = i >= 3 ? (line[i - 3] ?? 0) : 0
      if (filter === 1) return value - left
      if (filter === 2) return value - (above[i] ?? 0)
      if (filter === 3) return value - ((left + (above[i] ?? 0)) >> 1)
      return value
    })
    rows.push(Buffer.from([filter]), Buffer.from(filtered))
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data])
    const ends = Buffer.alloc(8)
    ends.writeUInt32BE(data.length, 0)
    ends.writeUInt32BE(crc32(body), 4)
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)])
  }
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat(rows))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

const striped = (x: number, y: number) => [(x * 40) & 255, (y * 70) & 255, ((x + y) * 13) & 255]

describe('pictures of the tour', () => {
  it.each([0, 1, 2, 3])('are read whichever row filter the browser chose (%i)', (filter) => {
    const { width, height, pixels } = decode(makePng(7, 5, filter, striped))
    expect([width, height]).toEqual([7, 5])
    expect([...pixels.subarray((2 * 7 + 3) * 3, (2 * 7 + 3) * 3 + 3)]).toEqual(striped(3, 2))
  })

  it('keep every colour exactly when there are no more than 256', () => {
    const small = recompressPng(makePng(7, 5, 0, striped))
    const palette = small.subarray(small.indexOf('PLTE') + 4)
    const idat = small.indexOf('IDAT')
    expect(small[25], 'indexed colour').toBe(3)
    expect(idat).toBeGreaterThan(0)
    const colours = new Set(Array.from({ length: 35 }, (_, i) => striped(i % 7, Math.floor(i / 7)).join()))
    const stored = Array.from({ length: colours.size }, (_, i) =>
      [...palette.subarray(i * 3, i * 3 + 3)].join(),
    )
    expect(new Set(stored)).toEqual(colours)
  })

  it('refuses what is no PNG', () => {
    expect(() => recompressPng(Buffer.from('GIF89a'))).toThrow(/no PNG/)
  })
})
