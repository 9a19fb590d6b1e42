import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keepInside, snap } from './snap.ts'

const page = { widthPt: 595, heightPt: 842 }

describe('placing a field', () => {
  it('draws it to the edge of its neighbour and shows the line', () => {
    const { box, guides } = snap(
      { x: 103, y: 500, width: 120, height: 48 },
      [{ x: 100, y: 100, width: 90, height: 20 }],
      page,
      5,
    )
    expect(box.x).toBe(100)
    expect(guides).toEqual({ vertical: [100], horizontal: [] })
  })

  it('draws its middle to the middle of the page', () => {
    expect(snap({ x: 240, y: 50, width: 113, height: 113 }, [], page, 5).box.x).toBe((595 - 113) / 2)
  })

  it('leaves it alone out of reach', () => {
    const box = { x: 30, y: 50, width: 60, height: 20 }
    expect(snap(box, [{ x: 200, y: 300, width: 90, height: 40 }], page, 4)).toEqual({
      box,
      guides: { vertical: [], horizontal: [] },
    })
  })

  it('never lets it leave the page', () => {
    const number = fc.integer({ min: -900, max: 1800 })
    const size = fc.integer({ min: 1, max: 1200 })
    fc.assert(
      fc.property(number, number, size, size, (x, y, width, height) => {
        const box = keepInside({ x, y, width, height }, page)
        expect(box.x).toBeGreaterThanOrEqual(0)
        expect(box.y).toBeGreaterThanOrEqual(0)
        expect(box.x + box.width).toBeLessThanOrEqual(page.widthPt)
        expect(box.y + box.height).toBeLessThanOrEqual(page.heightPt)
      }),
    )
  })
})
