/** Deflate and inflate where there is no zlib: what `#flate` means in a browser. */
import { zlibSync } from 'fflate'
import { readDeflate } from './inflate.ts'

/** Deflates with the zlib header of /FlateDecode. */
export const deflate = (data: Uint8Array): Uint8Array => zlibSync(data, { level: 9 })

/** Inflates at most `limit` bytes; undefined if the data is broken or larger. Data whose end is cut off is accepted. */
export function inflate(data: Uint8Array, limit: number): Uint8Array | undefined {
  // zlib waits for the rest of a header that is cut off.
  if (data.length < 2) return new Uint8Array(0)
  const [method = 0, flags = 0] = data
  // RFC 1950 §2.2: deflate, a window of 32 KB at most, no preset dictionary.
  if ((method & 0x0f) !== 8 || method >> 4 > 7 || ((method << 8) | flags) % 31 !== 0) return undefined
  if ((flags & 0x20) !== 0) return data.length < 6 ? new Uint8Array(0) : undefined
  const result = readDeflate(data.subarray(2), limit)
  if (result === undefined) return undefined
  const sum = data.subarray(2 + result.consumed, 2 + result.consumed + 4)
  if (result.complete && sum.length === 4) {
    const expected = new DataView(sum.buffer, sum.byteOffset).getUint32(0)
    if (adler32(result.bytes) !== expected) return undefined
  }
  return result.bytes
}

/** Inflates data without a header, as ZIP has it, whole or not at all; undefined if it is broken or larger. */
export function inflateRaw(data: Uint8Array, limit: number): Uint8Array | undefined {
  const result = readDeflate(data, limit)
  return result?.complete ? result.bytes : undefined
}

/** RFC 1950 §8. */
function adler32(bytes: Uint8Array): number {
  let low = 1
  let high = 0
  for (let at = 0; at < bytes.length; ) {
    // As many as cannot overflow 32 bits.
    const end = Math.min(bytes.length, at + 5552)
    for (; at < end; at++) {
      low += bytes[at] as number
      high += low
    }
    low %= 65_521
    high %= 65_521
  }
  return ((high << 16) | low) >>> 0
}
