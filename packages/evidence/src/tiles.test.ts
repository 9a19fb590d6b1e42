import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256, utf8 } from './bytes.ts'
import { appendLeaves, leafHash } from './merkle.ts'
import {
  decodeEntryBundle,
  decodeTile,
  encodeEntryBundle,
  encodeTile,
  newTiles,
  parseTilePath,
  tilePath,
} from './tiles.ts'

describe('log tiles', () => {
  it('have the paths of C2SP tlog-tiles', () => {
    expect(tilePath({ level: 0, index: 1234067, width: 256 })).toBe('tile/0/x001/x234/067')
    expect(tilePath({ level: 2, index: 0, width: 1 })).toBe('tile/2/000.p/1')
    expect(tilePath({ level: 'entries', index: 273, width: 112 })).toBe('tile/entries/273.p/112')
    fc.assert(
      fc.property(
        fc.nat({ max: 63 }),
        fc.maxSafeInteger().filter((n) => n >= 0),
        fc.integer({ min: 1, max: 256 }),
        (level, index, width) => {
          expect(parseTilePath(tilePath({ level, index, width }))).toEqual({ level, index, width })
        },
      ),
    )
    for (const bad of [
      'tile/00/000',
      'tile/64/000',
      'tile/0/0',
      'tile/0/001/000',
      'tile/0/x000/000',
      'tile/0/000.p/0',
      'tile/0/000.p/256',
      'tile/0/000.p/01',
      '/tile/0/000',
      'tile/x/000',
    ]) {
      expect(parseTilePath(bad)).toBeNull()
    }
  })

  it('for 70,000 leaves are those the specification counts', () => {
    const tiles = newTiles(0, 70_000)
    const count = (level: number, full: boolean) =>
      tiles.filter((tile) => tile.level === level && (tile.width === 256) === full)
    expect(count(0, true)).toHaveLength(273)
    expect(count(0, false)).toEqual([{ level: 0, index: 273, width: 112 }])
    expect(count(1, true)).toHaveLength(1)
    expect(count(1, false)).toEqual([{ level: 1, index: 1, width: 17 }])
    expect(count(2, false)).toEqual([{ level: 2, index: 0, width: 1 }])
    expect(newTiles(0, 256)).toEqual([
      { level: 0, index: 0, width: 256 },
      { level: 1, index: 0, width: 1 },
    ])
    expect(newTiles(256, 257)).toEqual([{ level: 0, index: 1, width: 1 }])
  })

  it('hold the stored hashes of every eighth level', () => {
    const entries = Array.from({ length: 600 }, (_, i) => utf8(`entry ${i}`))
    const grown = appendLeaves(0, entries.map(leafHash), () => sha256())
    const stored = new Map(grown.nodes.map((node) => [`${node.level}/${node.index}`, node.hash]))
    const read = (level: number, index: number) => stored.get(`${level}/${index}`) as Uint8Array
    expect(decodeTile(encodeTile({ level: 0, index: 2, width: 88 }, read))).toEqual(
      entries.slice(512).map(leafHash),
    )
    const top = decodeTile(encodeTile({ level: 1, index: 0, width: 2 }, read))
    expect(top[1]).toEqual(appendLeaves(0, entries.slice(256, 512).map(leafHash), () => sha256()).root)
    expect(decodeEntryBundle(encodeEntryBundle(entries.slice(0, 256)))).toEqual(entries.slice(0, 256))
    expect(() => decodeEntryBundle(encodeEntryBundle(entries.slice(0, 2)).subarray(0, 17))).toThrow(
      expect.objectContaining({ code: 'bad_tile' }),
    )
    expect(() => encodeEntryBundle([new Uint8Array(65536)])).toThrow(
      expect.objectContaining({ code: 'bad_tile' }),
    )
  })
})
