import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromScreen, inkPath, toHandwriting, toScreen } from './handwriting.ts'

const upright = { width: 700, height: 300, turned: false }
const turned = { width: 300, height: 700, turned: true }

describe('handwriting', () => {
  it('is nothing when nothing was drawn', () => {
    expect(toHandwriting([], upright)).toBeNull()
    expect(toHandwriting([[]], upright)).toBeNull()
  })

  it('comes out the same whether the phone was held upright or sideways', () => {
    const point = fc.record({
      x: fc.nat(700),
      y: fc.nat(300),
      time: fc.nat(9000),
      pressure: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(fc.array(fc.array(point, { minLength: 1 }), { minLength: 1 }), (strokes) => {
        const sideways = strokes.map((points) => points.map((p) => ({ ...p, ...toScreen(p, turned) })))
        expect(toHandwriting(sideways, turned)).toEqual(toHandwriting(strokes, upright))
      }),
    )
  })

  it('maps the writer’s left upper corner to the right upper corner of the glass', () => {
    expect(toScreen({ x: 0, y: 0 }, turned)).toEqual({ x: 300, y: 0 })
    expect(fromScreen({ x: 300, y: 700 }, turned)).toEqual({ x: 700, y: 0 })
  })

  it('keeps the pressure of a pen and counts time from the first touch', () => {
    const points = [0.2, 0.5, 0.9].map((pressure, i) => ({
      x: 10 + i * 20,
      y: 40,
      time: 5000 + i * 16,
      pressure,
    }))
    const written = toHandwriting([points], upright)
    expect(written?.strokes[0]?.points.map(({ t, pressure }) => [t, pressure])).toEqual([
      [0, 0.2],
      [16, 0.5],
      [32, 0.9],
    ])
  })

  it('thins fast strokes where the device knows no pressure', () => {
    const points = [0, 5, 10, 60, 140, 260].map((x, i) => ({ x, y: 10, time: i * 16, pressure: 0.5 }))
    const made = toHandwriting([points], upright)?.strokes[0]?.points.map((p) => p.pressure) ?? []
    expect(made.at(-1)).toBeLessThan(made[2] as number)
  })

  it('draws a dot for a single touch', () => {
    const dot = toHandwriting([[{ x: 50, y: 50, time: 0, pressure: 0.5 }]], upright)
    expect(dot && inkPath(dot)).toMatch(/^M[\d.]+ [\d.]+a/)
  })
})
