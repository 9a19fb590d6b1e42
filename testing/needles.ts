/** Looks for very many byte strings in very many bytes: one pass over the bytes, however many strings there are. */

export interface Needle {
  what: string
  bytes: Buffer
}

export interface NeedleSearch {
  /** What of all needles occurs in these bytes. */
  in(bytes: Uint8Array): Set<string>
}

const PREFIX_BYTES = 4
const FILTER_BITS = 24

/** Every needle has four bytes at least. */
export function searchFor(needles: readonly Needle[]): NeedleSearch {
  const byPrefix = new Map<number, Needle[]>()
  const filter = new Uint8Array(1 << FILTER_BITS)
  for (const needle of needles) {
    if (needle.bytes.length < PREFIX_BYTES) throw new Error(`a needle of ${needle.what} is too short`)
    const prefix = needle.bytes.readUInt32LE(0)
    filter[slotOf(prefix)] = 1
    const same = byPrefix.get(prefix)
    if (same) same.push(needle)
    else byPrefix.set(prefix, [needle])
  }
  return {
    in(bytes) {
      const found = new Set<string>()
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      let prefix = 0
      for (let at = 0; at < buffer.length; at++) {
        // The four bytes that end here, first one lowest.
        prefix = (prefix >>> 8) | ((buffer[at] as number) << 24)
        if (at < PREFIX_BYTES - 1 || filter[slotOf(prefix)] === 0) continue
        const start = at - PREFIX_BYTES + 1
        for (const { what, bytes: needle } of byPrefix.get(prefix >>> 0) ?? []) {
          if (found.has(what)) continue
          if (buffer.subarray(start, start + needle.length).equals(needle)) found.add(what)
        }
      }
      return found
    },
  }
}

const slotOf = (prefix: number) => Math.imul(prefix, 0x9e3779b1) >>> (32 - FILTER_BITS)
