import { encodeEntryBundle, encodeTile, type MerkleNode, parseTilePath, TILE_WIDTH } from '@yinxin/evidence'
import type { Db } from '#src/db/db.ts'
import { latestCheckpoint, readEntries, readNodes } from './log-store.ts'

/** The static files of the log as C2SP tlog-tiles names them, made from the stored nodes. */
export function createLogPages(db: Db) {
  return {
    /** A tile by its path `tile/…`; null for one the published checkpoint does not contain. */
    async tile(path: string): Promise<{ bytes: Uint8Array; isFull: boolean } | null> {
      const tile = parseTilePath(path)
      if (tile === null) return null
      return await db.work(async (tx) => {
        const size = (await latestCheckpoint(tx))?.size ?? 0
        const first = tile.index * TILE_WIDTH
        const span = tile.level === 'entries' ? 1 : 256 ** tile.level
        const published = Math.floor(size / span)
        if (first + tile.width > published) return null
        const isFull = tile.width === TILE_WIDTH
        if (tile.level === 'entries') {
          return { bytes: encodeEntryBundle(await readEntries(tx, first, tile.width)), isFull }
        }
        const level = 8 * tile.level
        const nodes: MerkleNode[] = Array.from({ length: tile.width }, (_, i) => ({
          level,
          index: first + i,
        }))
        return { bytes: encodeTile(tile, await readNodes(tx, nodes)), isFull }
      })
    },
  }
}
