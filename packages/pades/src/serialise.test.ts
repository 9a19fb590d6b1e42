import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { samplePdf } from '../test-files.ts'
import { drawingContent, prepareAppearance, prepareSignature, type Placement } from './pades.ts'
import { dateToken, escapeName, formatNumber, Sink } from './serialise.ts'

const textOf = (bytes: Uint8Array) => new TextDecoder('latin1').decode(bytes)
const written = (write: (sink: Sink) => unknown) => {
  const sink = new Sink(1)
  write(sink)
  return textOf(sink.take())
}

describe('a sink', () => {
  it('writes integers as their decimal text, padded where asked', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        fc.integer({ min: 1, max: 16 }),
        (value, width) => {
          expect(written((sink) => sink.integer(value))).toBe(String(value))
          expect(written((sink) => sink.integer(value, width))).toBe(String(value).padStart(width, '0'))
        },
      ),
    )
    for (const edge of [0, 9, 10, 99, 100, 9_999_999_999, 10_000_000_000]) {
      expect(written((sink) => sink.integer(edge, 10))).toBe(String(edge).padStart(10, '0'))
    }
  })

  it('writes numbers and names as the functions for text do', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), fc.string(), (value, name) => {
        expect(written((sink) => sink.number(value))).toBe(formatNumber(value))
        // Characters beyond Latin-1 do not occur: names are read byte by byte.
        const latin = [...name].map((char) => String.fromCharCode(char.charCodeAt(0) & 0xff)).join('')
        expect(written((sink) => sink.name(latin))).toBe(`/${escapeName(latin)}`)
      }),
    )
  })

  it('appends after what was there, whatever is written', () => {
    expect(written((sink) => sink.ascii('a').name('B C').ref(12, 3).number(-0.5).integer(7, 3))).toBe(
      'a/B#20C12 3 R-0.5007',
    )
  })
})

describe('a date', () => {
  it('is the digits of its time in UTC', () => {
    const dates = fc.date({
      min: new Date(-62_167_219_200_000),
      max: new Date('9999-12-31T23:59:59Z'),
      noInvalidDate: true,
    })
    fc.assert(
      fc.property(dates, (at) => {
        const digits = at.toISOString().replace(/[-:T]/g, '').slice(0, 14)
        expect(dateToken(at)).toBe(`(D:${digits}Z)`)
      }),
    )
    expect(() => dateToken(new Date(Number.NaN))).toThrow(RangeError)
  })
})

describe('the rectangle of a placement', () => {
  it('keeps its fractions in all four coordinates', () => {
    const appearance = prepareAppearance(drawingContent({ widthPt: 10, heightPt: 10, items: [] }))
    const rect = { x: 20.25, y: 30.125, width: 40.5, height: 50.75 }
    const placements: Placement[] = [{ page: 0, rect, appearance }]
    const { delta } = prepareSignature(samplePdf(), { placements, signingTime: new Date(0) })
    expect(textOf(delta)).toContain('/Rect[20.25 30.125 60.75 80.875]')
  })
})
