import { concatBytes } from './bytes.ts'
import { EvidenceError } from './evidence-error.ts'
import type { HashReader } from './merkle.ts'

/** Hashes in a full tile (C2SP tlog-tiles). */
export const TILE_WIDTH = 256
const TILE_LEVEL_MAX = 63
const ENTRY_BYTES_MAX = 0xffff

/** A tile of hashes (`level` 0–63) or a bundle of entries; `width` below 256 means it is still partial. */
export interface Tile {
  level: number | 'entries'
  index: number
  width: number
}

/** Path of a tile under the log's prefix: `tile/<L>/<N>[.p/<W>]`, N in groups of three digits. */
export function tilePath(tile: Tile): string {
  checkTile(tile)
  const digits = String(tile.index)
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) as string[]
  const name = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/')
  return `tile/${tile.level}/${name}${tile.width < TILE_WIDTH ? `.p/${tile.width}` : ''}`
}

/** Reads such a path; null for anything that {@link tilePath} would not have written. */
export function parseTilePath(path: string): Tile | null {
  const match = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path)
  if (match === null) return null
  const tile: Tile = {
    level: match[1] === 'entries' ? 'entries' : Number(match[1]),
    index: Number((match[2] as string).replace(/[x/]/g, '')),
    width: match[3] === undefined ? TILE_WIDTH : Number(match[3]),
  }
  try {
    return tilePath(tile) === path ? tile : null
  } catch {
    return null
  }
}

/** Every tile of hashes a log of this size publishes that a log of `oldSize` did not yet. */
export function newTiles(oldSize: number, size: number): Tile[] {
  if (!isCount(oldSize) || !isCount(size) || oldSize > size)
    throw new EvidenceError('bad_tile', 'bad tree sizes')
  const tiles: Tile[] = []
  let before = oldSize
  let after = size
  for (let level = 0; level <= TILE_LEVEL_MAX && after > 0; level++) {
    if (after > before) {
      for (let index = Math.floor(before / TILE_WIDTH); index * TILE_WIDTH < after; index++) {
        tiles.push({ level, index, width: Math.min(TILE_WIDTH, after - index * TILE_WIDTH) })
      }
    }
    before = Math.floor(before / TILE_WIDTH)
    after = Math.floor(after / TILE_WIDTH)
  }
  return tiles
}

/** The bytes of a tile of hashes from stored subtrees: its i-th hash is the subtree of height 8·level. */
export function encodeTile(tile: Tile, read: HashReader): Uint8Array {
  checkTile(tile)
  const { level } = tile
  if (level === 'entries') throw new EvidenceError('bad_tile', 'a bundle of entries has no hashes')
  const first = tile.index * TILE_WIDTH
  return concatBytes(Array.from({ length: tile.width }, (_, i) => read(8 * level, first + i)))
}

/** The hashes of a tile. @throws EvidenceError `bad_tile` */
export function decodeTile(bytes: Uint8Array): Uint8Array[] {
  if (bytes.length === 0 || bytes.length % 32 !== 0 || bytes.length > TILE_WIDTH * 32) {
    throw new EvidenceError('bad_tile', 'a tile is 1 to 256 hashes')
  }
  return Array.from({ length: bytes.length / 32 }, (_, i) => bytes.subarray(32 * i, 32 * (i + 1)))
}

/** An entry bundle: every entry with its length in two bytes before it. @throws EvidenceError `bad_tile` */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length === 0 || entries.length > TILE_WIDTH)
    throw new EvidenceError('bad_tile', 'a bundle is 1 to 256 entries')
  return concatBytes(
    entries.flatMap((entry) => {
      if (entry.length > ENTRY_BYTES_MAX)
        throw new EvidenceError('bad_tile', 'entry is longer than 65535 bytes')
      return [Uint8Array.of(entry.length >> 8, entry.length & 0xff), entry]
    }),
  )
}

/** The entries of a bundle. @throws EvidenceError `bad_tile` */
export function decodeEntryBundle(bytes: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
    const end = at + 2 + length
    if (end > bytes.length) throw new EvidenceError('bad_tile', 'entry bundle is cut off')
    entries.push(bytes.subarray(at + 2, end))
    at = end
  }
  if (entries.length === 0 || entries.length > TILE_WIDTH)
    throw new EvidenceError('bad_tile', 'a bundle is 1 to 256 entries')
  return entries
}

function checkTile(tile: Tile): void {
  const { level, index, width } = tile
  if (level !== 'entries' && (!isCount(level) || level > TILE_LEVEL_MAX))
    throw new EvidenceError('bad_tile', 'bad level')
  if (!isCount(index)) throw new EvidenceError('bad_tile', 'bad tile index')
  if (!isCount(width) || width < 1 || width > TILE_WIDTH)
    throw new EvidenceError('bad_tile', 'bad tile width')
}

function isCount(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0
}
