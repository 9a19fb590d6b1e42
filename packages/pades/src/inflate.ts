/**
 * A reader of deflate (RFC 1951) that accepts exactly what zlib accepts. Most others are laxer with broken code tables,
 * and a stream that one reader refuses and another reads would give one file two verdicts.
 */

/** What a stream held. */
export interface Inflated {
  readonly bytes: Uint8Array
  /** Whether its last block ended; otherwise the data ended first. */
  readonly complete: boolean
  /** Bytes of the data that belong to the stream. */
  readonly consumed: number
}

/** The data is broken. */
class Broken extends Error {}
/** The data is at its end. */
class Ended extends Error {}
const BROKEN = new Broken()
const ENDED = new Ended()

/** Symbols by their codes: `counts[n]` codes of n bits, `symbols` in the order of the codes. */
interface Codes {
  readonly counts: Uint16Array
  readonly symbols: Uint16Array
  /** Bits of the longest code; 0 when there is none. */
  readonly longest: number
  /** For the next nine bits: symbol × 16 + length, or 0 when the code is longer or there is none. */
  readonly quick: Uint16Array
}

const MAX_BITS = 15
const QUICK_BITS = 9
const END_OF_BLOCK = 256

/** Reads a stream from its first byte; undefined if it is broken or holds more than `limit` bytes. */
export function readDeflate(data: Uint8Array, limit: number): Inflated | undefined {
  const reader = new Reader(data, limit)
  try {
    while (!reader.block());
    return reader.result(true)
  } catch (fault) {
    if (fault === ENDED) return reader.result(false)
    if (fault === BROKEN) return undefined
    throw fault
  }
}

class Reader {
  readonly #data: Uint8Array
  readonly #limit: number
  #at = 0
  #bits = 0
  #held = 0
  #out: Uint8Array
  #length = 0

  constructor(data: Uint8Array, limit: number) {
    this.#data = data
    this.#limit = limit
    this.#out = new Uint8Array(Math.min(limit, Math.max(1024, data.length * 4)))
  }

  result(complete: boolean): Inflated {
    const consumed = this.#at - (this.#held >> 3)
    return { bytes: this.#out.subarray(0, this.#length), complete, consumed }
  }

  /** Reads one block; true after the last. */
  block(): boolean {
    const last = this.#take(1) === 1
    const type = this.#take(2)
    if (type === 0) this.#stored()
    else if (type === 1) this.#compressed(FIXED_LENGTHS, FIXED_DISTANCES)
    else if (type === 2) this.#dynamic()
    else throw BROKEN
    return last
  }

  #stored(): void {
    this.#take(this.#held & 7)
    const length = this.#take(16)
    if (length !== (~this.#take(16) & 0xffff)) throw BROKEN
    // After whole bytes only: what is held was read ahead.
    this.#at -= this.#held >> 3
    this.#held = 0
    this.#bits = 0
    const part = this.#data.subarray(this.#at, this.#at + length)
    this.#reserve(part.length)
    this.#out.set(part, this.#length)
    this.#length += part.length
    this.#at += part.length
    if (part.length < length) throw ENDED
  }

  #dynamic(): void {
    const literals = this.#take(5) + 257
    const distances = this.#take(5) + 1
    const count = this.#take(4) + 4
    if (literals > 286 || distances > 30) throw BROKEN
    const order = new Uint8Array(19)
    for (let i = 0; i < count; i++) order[ORDER[i] as number] = this.#take(3)
    const codes = makeCodes(order, 'strict')
    const lengths = new Uint8Array(literals + distances)
    for (let i = 0; i < lengths.length; ) {
      // Without any code zlib takes each bit for a length of zero, and misses the end of block only then.
      const symbol = codes.longest === 0 ? this.#take(1) & 0 : this.#symbol(codes)
      if (symbol < 16) {
        lengths[i++] = symbol
        continue
      }
      if (symbol === 16 && i === 0) throw BROKEN
      const value = symbol === 16 ? (lengths[i - 1] as number) : 0
      const times = symbol === 16 ? 3 + this.#take(2) : symbol === 17 ? 3 + this.#take(3) : 11 + this.#take(7)
      if (i + times > lengths.length) throw BROKEN
      lengths.fill(value, i, i + times)
      i += times
    }
    if (lengths[END_OF_BLOCK] === 0) throw BROKEN
    this.#compressed(
      makeCodes(lengths.subarray(0, literals), 'single'),
      makeCodes(lengths.subarray(literals), 'single'),
    )
  }

  #compressed(lengths: Codes, distances: Codes): void {
    for (;;) {
      const symbol = this.#symbol(lengths)
      if (symbol < 256) {
        if (this.#length === this.#out.length) this.#reserve(1)
        this.#out[this.#length++] = symbol
        continue
      }
      if (symbol === END_OF_BLOCK) return
      if (symbol > 285) throw BROKEN
      const length = (LENGTH_BASE[symbol - 257] as number) + this.#take(LENGTH_EXTRA[symbol - 257] as number)
      const far = this.#symbol(distances)
      if (far > 29) throw BROKEN
      const distance = (DISTANCE_BASE[far] as number) + this.#take(DISTANCE_EXTRA[far] as number)
      if (distance > this.#length) throw BROKEN
      this.#reserve(length)
      const out = this.#out
      let to = this.#length
      for (let from = to - distance; to < this.#length + length; ) out[to++] = out[from++] as number
      this.#length = to
    }
  }

  #symbol({ counts, symbols, longest, quick }: Codes): number {
    while (this.#held < MAX_BITS && this.#at < this.#data.length) this.#more()
    const entry = quick[this.#bits & ((1 << QUICK_BITS) - 1)] as number
    if (entry !== 0 && (entry & 15) <= this.#held) {
      this.#drop(entry & 15)
      return entry >> 4
    }
    let code = 0
    let first = 0
    let index = 0
    for (let length = 1; length <= MAX_BITS; length++) {
      // Only sets of one code or none have bits that mean nothing.
      if (length > 1 && length > longest) throw BROKEN
      if (length > this.#held) throw ENDED
      code |= (this.#bits >> (length - 1)) & 1
      const count = counts[length] as number
      if (code - first < count) {
        this.#drop(length)
        return symbols[index + code - first] as number
      }
      index += count
      first = (first + count) << 1
      code <<= 1
    }
    throw BROKEN
  }

  #take(count: number): number {
    while (this.#held < count) {
      if (this.#at >= this.#data.length) throw ENDED
      this.#more()
    }
    const value = this.#bits & ((1 << count) - 1)
    this.#drop(count)
    return value
  }

  #more(): void {
    this.#bits |= (this.#data[this.#at++] as number) << this.#held
    this.#held += 8
  }

  #drop(count: number): void {
    this.#bits >>>= count
    this.#held -= count
  }

  #reserve(count: number): void {
    const needed = this.#length + count
    if (needed > this.#limit) throw BROKEN
    if (needed <= this.#out.length) return
    const grown = new Uint8Array(Math.min(this.#limit, Math.max(needed, this.#out.length * 2)))
    grown.set(this.#out.subarray(0, this.#length))
    this.#out = grown
  }
}

/**
 * Builds codes from their lengths. A set may not have more codes than fit. One with fewer is broken as well, unless
 * it has no code at all or, where a single code makes sense, one of one bit.
 */
function makeCodes(lengths: Uint8Array, incomplete: 'strict' | 'single'): Codes {
  const counts = new Uint16Array(MAX_BITS + 1)
  for (const length of lengths) (counts[length] as number)++
  counts[0] = 0
  let left = 1
  let longest = 0
  for (let length = 1; length <= MAX_BITS; length++) {
    left = left * 2 - (counts[length] as number)
    if (left < 0) throw BROKEN
    if (counts[length] !== 0) longest = length
  }
  if (left > 0 && longest > 0 && (incomplete === 'strict' || longest !== 1)) throw BROKEN
  const offsets = new Uint16Array(MAX_BITS + 2)
  for (let length = 1; length <= MAX_BITS; length++)
    offsets[length + 1] = (offsets[length] as number) + (counts[length] as number)
  const symbols = new Uint16Array(lengths.length)
  for (const [symbol, length] of lengths.entries()) {
    if (length !== 0) symbols[(offsets[length] as number)++] = symbol
  }
  return { counts, symbols, longest, quick: quickTable(counts, symbols) }
}

/** Codes come with their most significant bit first, the other bits of a stream with their least. */
function quickTable(counts: Uint16Array, symbols: Uint16Array): Uint16Array {
  const table = new Uint16Array(1 << QUICK_BITS)
  let code = 0
  let index = 0
  for (let length = 1; length <= QUICK_BITS; length++) {
    for (let i = 0; i < (counts[length] as number); i++, index++, code++) {
      let reversed = 0
      for (let bit = 0; bit < length; bit++) reversed |= ((code >> bit) & 1) << (length - 1 - bit)
      const entry = ((symbols[index] as number) << 4) | length
      for (let place = reversed; place < table.length; place += 1 << length) table[place] = entry
    }
    code <<= 1
  }
  return table
}

const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
// biome-ignore format: the table of RFC 1951 §3.2.5
const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
]
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
// biome-ignore format: the table of RFC 1951 §3.2.5
const DISTANCE_BASE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12_289, 16_385, 24_577,
]
// biome-ignore format: the table of RFC 1951 §3.2.5
const DISTANCE_EXTRA = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
]
const FIXED_LENGTHS = makeCodes(
  Uint8Array.from({ length: 288 }, (_, symbol) =>
    symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8,
  ),
  'single',
)
const FIXED_DISTANCES = makeCodes(new Uint8Array(32).fill(5), 'single')
