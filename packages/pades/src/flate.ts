// The one door to zlib, so that another build can bring its own.
import { constants, deflateSync, inflateSync } from 'node:zlib'

/** Deflates with the zlib header of /FlateDecode. */
export function deflate(data: Uint8Array): Uint8Array {
  return deflateSync(data, { level: 9 })
}

/** Inflates at most `limit` bytes; undefined if the data is broken or larger. */
export function inflate(data: Uint8Array, limit: number): Uint8Array | undefined {
  try {
    // SYNC_FLUSH accepts data whose end is cut off, as all viewers do.
    return inflateSync(data, { maxOutputLength: limit, finishFlush: constants.Z_SYNC_FLUSH })
  } catch {
    return undefined
  }
}
