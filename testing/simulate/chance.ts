/** Chance that repeats: everything a simulated run draws comes from its seed. */
export interface Chance {
  /** In [0, 1). */
  next(): number
  /** A whole number in [0, below). */
  below(below: number): number
  /** True with this probability. */
  hits(probability: number): boolean
  pick<T>(from: readonly T[]): T
  bytes(sizeBytes: number): Buffer
}

/** SplitMix32: short, well mixed, and the same everywhere. */
export function createChance(seed: number): Chance {
  let state = seed >>> 0
  function word(): number {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
  const next = () => word() / 2 ** 32
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    next,
    below,
    hits: (probability) => next() < probability,
    pick(from) {
      const one = from[below(from.length)]
      if (one === undefined) throw new Error('there is nothing to pick from')
      return one
    },
    bytes(sizeBytes) {
      const bytes = Buffer.allocUnsafe(sizeBytes)
      let at = 0
      for (; at + 4 <= sizeBytes; at += 4) bytes.writeUInt32LE(word(), at)
      for (; at < sizeBytes; at += 1) bytes[at] = word() & 0xff
      return bytes
    },
  }
}
