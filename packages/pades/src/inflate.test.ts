import { deflateRawSync, deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as browser from './flate.browser.ts'
import * as node from './flate.node.ts'

const plain = (bytes: Uint8Array | undefined) => (bytes ? Buffer.from(bytes).toString('hex') : undefined)

/** Compressible and incompressible data, with every kind of block. */
const packed = fc
  .record({
    data: fc.oneof(
      fc.uint8Array({ maxLength: 3000 }),
      fc
        .array(fc.constantFrom('签署', 'abcabcabc', 'x', '0 0 0 rg\n'), { maxLength: 400 })
        .map((words) => Buffer.from(words.join(''))),
    ),
    level: fc.integer({ min: 0, max: 9 }),
    strategy: fc.integer({ min: 0, max: 4 }),
  })
  .map(({ data, level, strategy }) => ({
    data: new Uint8Array(data),
    zlib: new Uint8Array(deflateSync(data, { level, strategy })),
    raw: new Uint8Array(deflateRawSync(data, { level, strategy })),
  }))

describe('inflating without zlib', () => {
  it('gives back what zlib packed, and zlib what was packed without it', () => {
    fc.assert(
      fc.property(packed, ({ data, zlib, raw }) => {
        expect(plain(browser.inflate(zlib, 1e6))).toBe(plain(data))
        expect(plain(browser.inflateRaw(raw, 1e6))).toBe(plain(data))
        expect(plain(node.inflate(browser.deflate(data), 1e6))).toBe(plain(data))
      }),
      { numRuns: 300 },
    )
  })

  it('keeps to the limit as zlib does', () => {
    fc.assert(
      fc.property(packed, fc.integer({ min: -1, max: 1 }), ({ data, zlib, raw }, more) => {
        const limit = Math.max(1, data.length + more)
        expect(plain(browser.inflate(zlib, limit))).toBe(plain(node.inflate(zlib, limit)))
        expect(plain(browser.inflateRaw(raw, limit))).toBe(plain(node.inflateRaw(raw, limit)))
      }),
      { numRuns: 300 },
    )
    const bomb = deflateSync(new Uint8Array(50_000_000))
    expect(browser.inflate(bomb, 1_000_000)).toBeUndefined()
  })

  it('accepts and refuses altered and cut data exactly as zlib does', () => {
    const change = fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }) })
    fc.assert(
      fc.property(
        packed,
        fc.array(change, { maxLength: 3 }),
        fc.option(fc.nat()),
        (streams, changes, cut) => {
          for (const kind of ['zlib', 'raw'] as const) {
            const altered = streams[kind].slice(
              0,
              cut === null ? undefined : cut % (streams[kind].length + 1),
            )
            for (const { at, to } of changes)
              if (altered.length > 0) altered[at % Math.min(altered.length, 90)] = to
            const [here, there] =
              kind === 'zlib' ? [browser.inflate, node.inflate] : [browser.inflateRaw, node.inflateRaw]
            expect(plain(here(altered, 100_000))).toBe(plain(there(altered, 100_000)))
          }
        },
      ),
      { numRuns: 5000 },
    )
  }, 120_000)

  it('says the same of any bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom([0x78, 0x9c], [0x18, 0x19], []),
        (bytes, head) => {
          const data = Uint8Array.from([...head, ...bytes])
          expect(plain(browser.inflate(data, 10_000))).toBe(plain(node.inflate(data, 10_000)))
          expect(plain(browser.inflateRaw(bytes, 10_000))).toBe(plain(node.inflateRaw(bytes, 10_000)))
        },
      ),
      { numRuns: 5000 },
    )
  }, 120_000)
})
