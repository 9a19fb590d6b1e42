/** Seeded mutations of bytes, of PDF syntax and of DER trees. The same seed and case give the same mutations. */

export interface Random {
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number
  pick<T>(list: readonly T[]): T
}

/** A small generator (splitmix32) that needs no warming up, so that every case can have its own. */
export function randomOf(seed: number, index: number): Random {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0
  const next = () => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
  const below = (limit: number) => Math.floor((next() / 0x1_0000_0000) * limit)
  return {
    below,
    pick: (list) => {
      const item = list[below(list.length)]
      if (item === undefined) throw new RangeError('nothing to pick from')
      return item
    },
  }
}

const joined = (...parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts))

/** Changes some bytes, ranges or lengths, with no regard to what they mean. */
export function mutateBytes(bytes: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  const at = random.below(Math.max(1, bytes.length))
  const length = 1 + random.below(random.pick([4, 64, 2048]))
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2: {
      const changed = bytes.slice()
      for (let i = random.below(3); i >= 0; i--) {
        const place = i === 0 ? at : random.below(changed.length)
        changed[place] = (changed[place] ?? 0) ^ (1 << random.below(8))
      }
      return changed
    }
    case 3: {
      const changed = bytes.slice()
      changed.fill(random.pick([0, 0x20, 0x30, 0x7f, 0x80, 0xff]), at, at + length)
      return changed
    }
    case 4:
      return joined(bytes.subarray(0, at), bytes.subarray(at + length))
    case 5:
      return joined(bytes.subarray(0, at + length), bytes.subarray(at))
    case 6: {
      const from = random.below(other.length)
      return joined(bytes.subarray(0, at), other.subarray(from, from + length), bytes.subarray(at + length))
    }
    default:
      return bytes.slice(0, at)
  }
}

// biome-ignore format: a list of words
const TOKENS = [
  '<<', '>>', '[', ']', '(', ')', '<', '>', '/', '%', ' 0 R', 'obj', 'endobj', 'stream', 'endstream', 'xref',
  'trailer', 'startxref', '%%EOF', 'null', 'true', '-1', '0', '2147483648', '99999999999999999999', '1e400', '/Prev 9',
  '/XRefStm 9', '/Type/ObjStm', '/Type/XRef', '/Filter/FlateDecode', '/Length 9', '/Kids', '/Parent', '/ByteRange',
  '/Contents<00>', '/FT/Sig', '/V', '/Encrypt 1 0 R', '/DSS', '/AcroForm', '/DocMDP', '/SubFilter', '/ETSI.RFC3161',
]

/** Changes PDF syntax in place: a token over another, a number, a name, a reference. */
export function mutatePdf(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.below(bytes.length)
  if (random.below(3) === 0) {
    const token = Buffer.from(random.pick(TOKENS))
    const over = random.below(2) === 0 ? token.length : 0
    return joined(bytes.subarray(0, at), token, bytes.subarray(at + over))
  }
  // The next number is made another one of the same width, so that all offsets stay where they were.
  const changed = bytes.slice()
  const digit = (place: number) => {
    const byte = changed[place] ?? 0
    return byte >= 0x30 && byte <= 0x39
  }
  let from = at
  while (from < changed.length && !digit(from)) from++
  for (let i = from; i < changed.length && digit(i); i++) {
    if (random.below(2) === 0) changed[i] = 0x30 + random.below(10)
  }
  return changed
}

interface Node {
  tag: number
  body: Uint8Array | Node[]
}

/** Changes the tree of a DER value and writes all lengths anew; undefined if it is no DER. */
export function mutateDer(bytes: Uint8Array, random: Random, other: Uint8Array): Uint8Array | undefined {
  const tree = readNodes(bytes, 0)
  const [root] = tree ?? []
  if (!tree || !root) return undefined
  const places: { list: Node[]; index: number }[] = []
  const collect = (list: Node[]) => {
    for (const [index, node] of list.entries()) {
      places.push({ list, index })
      if (Array.isArray(node.body)) collect(node.body)
    }
  }
  collect(tree)
  const { list, index } = random.pick(places)
  const node = list[index]
  if (!node) return undefined
  switch (random.below(9)) {
    case 0:
      list.splice(index, 1)
      break
    case 1:
      list.splice(index, 0, node)
      break
    case 2: {
      const second = random.pick(places)
      const twin = second.list[second.index]
      // A copy: an element may be put into itself.
      if (twin) list[index] = structuredClone(twin)
      break
    }
    case 3:
      node.tag = random.pick([
        0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x13, 0x17, 0x18, 0x30, 0x31, 0xa0, 0xa1, 0x80,
      ])
      break
    case 4:
      node.body = new Uint8Array(random.pick([0, 1, 20, 5000])).fill(random.pick([0, 0x7f, 0x80, 0xff]))
      break
    case 5:
      if (!Array.isArray(node.body)) node.body = mutateBytes(node.body, random, bytes)
      else node.body.reverse()
      break
    case 6: {
      const foreign = readNodes(other, 0)
      if (foreign) list[index] = random.pick(foreign)
      break
    }
    case 7: {
      const depth = random.pick([2, 200, 20_000])
      return joined(...wrapped(writeNodes(tree), depth))
    }
    default: {
      // Deep inside, in place of this element.
      let nested: Uint8Array = new Uint8Array(0)
      for (let i = 0; i < 300; i++) nested = encode(0x30, nested)
      list[index] = { tag: 0x30, body: nested }
    }
  }
  return writeNodes(tree)
}

function wrapped(bytes: Uint8Array, depth: number): Uint8Array[] {
  const heads: Uint8Array[] = []
  let length = bytes.length
  for (let i = 0; i < depth; i++) {
    const head = header(0x30, length)
    heads.push(head)
    length += head.length
  }
  return [...heads.reverse(), bytes]
}

const MAX_DEPTH = 60

function readNodes(bytes: Uint8Array, depth: number): Node[] | undefined {
  const nodes: Node[] = []
  let at = 0
  while (at < bytes.length) {
    const tag = bytes[at] ?? 0
    const first = bytes[at + 1]
    if (first === undefined || (tag & 0x1f) === 0x1f || depth > MAX_DEPTH) return undefined
    let start = at + 2
    let length = first
    if (first >= 0x80) {
      const octets = first & 0x7f
      if (octets === 0 || octets > 4) return undefined
      length = 0
      for (let i = 0; i < octets; i++) length = length * 256 + (bytes[start + i] ?? 0)
      start += octets
    }
    const body = bytes.subarray(start, start + length)
    if (body.length < length) return undefined
    const inner = (tag & 0x20) !== 0 ? readNodes(body, depth + 1) : undefined
    nodes.push({ tag, body: inner ?? body.slice() })
    at = start + length
  }
  return nodes
}

function writeNodes(nodes: readonly Node[]): Uint8Array {
  return joined(...nodes.map(({ tag, body }) => encode(tag, Array.isArray(body) ? writeNodes(body) : body)))
}

function encode(tag: number, body: Uint8Array): Uint8Array {
  return joined(header(tag, body.length), body)
}

function header(tag: number, length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(tag, length)
  const octets: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest & 255)
  return Uint8Array.of(tag, 0x80 | octets.length, ...octets)
}
