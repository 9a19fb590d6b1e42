/** Deflate and inflate through node:zlib: what `#flate` means everywhere but in a browser. */
import { constants, deflateSync, inflateRawSync, inflateSync } from 'node:zlib'

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

/** Inflates data without a header, as ZIP has it, whole or not at all; undefined if it is broken or larger. */
export function inflateRaw(data: Uint8Array, limit: number): Uint8Array | undefined {
  try {
    const plain = inflateRawSync(data, { maxOutputLength: Math.max(1, limit) })
    return plain.length > limit ? undefined : plain
  } catch {
    return undefined
  }
}
