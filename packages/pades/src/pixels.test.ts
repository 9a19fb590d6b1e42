import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { comparePictures, differencePicture, type Picture, type PixelBox } from './pades.ts'

const white = (width: number, height: number): Picture => ({
  width,
  height,
  rgba: new Uint8ClampedArray(width * height * 4).fill(255),
})
function painted(picture: Picture, { x, y, width, height }: PixelBox, level = 0): Picture {
  const rgba = Uint8ClampedArray.from(picture.rgba)
  for (let row = y; row < y + height; row++)
    rgba.fill(level, (row * picture.width + x) * 4, (row * picture.width + x + width) * 4)
  return { ...picture, rgba }
}
const inside = (x: number, y: number, box: PixelBox) =>
  x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height

describe('comparing pictures', () => {
  it('finds nothing in equal ones, nor in what nobody can see', () => {
    expect(comparePictures(white(40, 30), white(40, 30))).toEqual({ pixels: 0, boxes: [] })
    const faint = painted(white(40, 30), { x: 3, y: 3, width: 9, height: 9 }, 240)
    expect(comparePictures(white(40, 30), faint).pixels).toBe(0)
  })

  it('boxes each differing pixel, and counts them exactly', () => {
    const place = fc.record({
      x: fc.nat(180),
      y: fc.nat(180),
      width: fc.integer({ min: 1, max: 20 }),
      height: fc.integer({ min: 1, max: 20 }),
    })
    fc.assert(
      fc.property(place, place, (one, two) => {
        const before = white(200, 200)
        const after = painted(painted(before, one), two)
        const { pixels, boxes } = comparePictures(before, after)
        let count = 0
        for (let y = 0; y < 200; y++) {
          for (let x = 0; x < 200; x++) {
            if (!inside(x, y, one) && !inside(x, y, two)) continue
            count++
            expect(boxes.some((box) => inside(x, y, box))).toBe(true)
          }
        }
        expect(pixels).toBe(count)
      }),
      { numRuns: 50 },
    )
  })

  it('keeps distant places apart, and takes a missing part for a difference', () => {
    const far = painted(painted(white(300, 300), { x: 0, y: 0, width: 5, height: 5 }), {
      x: 250,
      y: 250,
      width: 9,
      height: 9,
    })
    expect(comparePictures(white(300, 300), far).boxes.length).toBe(2)
    expect(comparePictures(white(100, 100), white(100, 120)).pixels).toBe(2000)
    expect(differencePicture(white(100, 100), white(100, 120))).toMatchObject({ width: 100, height: 120 })
  })

  it('shows what differs in red and the rest pale', () => {
    const after = painted(painted(white(20, 20), { x: 0, y: 0, width: 4, height: 4 }), {
      x: 10,
      y: 10,
      width: 2,
      height: 2,
    })
    const before = painted(white(20, 20), { x: 0, y: 0, width: 4, height: 4 })
    const { rgba } = differencePicture(before, after)
    expect([...rgba.subarray((10 * 20 + 10) * 4, (10 * 20 + 10) * 4 + 3)]).toEqual([214, 40, 40])
    expect(rgba[0]).toBe(166)
    expect(rgba[19 * 4]).toBe(255)
  })
})
