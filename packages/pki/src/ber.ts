/**
 * Foreign signatures in real PDFs use BER: indefinite lengths, strings in fragments, long lengths. This turns
 * such bytes into an equal DER structure and leaves the rest as it is (sets are not sorted: signed bytes stay).
 */
import { type Der, type DerNode, element, elementOf, encode } from './der-write.ts'
import { PkiError } from './errors.ts'

const maximumDepth = 48

interface Piece {
  readonly der: Der
  readonly end: number
  /** Whether the DER differs from the source. */
  readonly changed: boolean
}

/** The first element of the bytes as definite-length encoding, and where it ended in the source. */
export function normaliseBer(source: Uint8Array): { der: Uint8Array; end: number } {
  // Most containers are DER already: one pass without building anything shows it.
  const plainEnd = skipPlain(source, 0, source.length, 0)
  if (plainEnd >= 0) return { der: source.subarray(0, plainEnd), end: plainEnd }
  const piece = readPiece(source, 0, source.length, 0)
  return { der: piece.changed ? encode(piece.der) : source.subarray(0, piece.end), end: piece.end }
}

/** End of an element that needs no change, or -1 when it does, or is broken: then the careful reader speaks. */
function skipPlain(source: Uint8Array, start: number, limit: number, depth: number): number {
  if (depth > maximumDepth || start + 2 > limit) return -1
  const tag = source[start]!
  const first = source[start + 1]!
  if ((tag & 0x1f) === 0x1f || isFragmented(tag)) return -1
  let content = start + 2
  let length = first
  if (first >= 0x80) {
    const octets = first & 0x7f
    if (octets === 0 || octets > 4 || content + octets > limit || source[content] === 0) return -1
    length = 0
    for (let index = 0; index < octets; index += 1) length = length * 256 + source[content++]!
    if (length < 0x80) return -1
  }
  const end = content + length
  if (end > limit) return -1
  if ((tag & 0x20) === 0) return end
  for (let offset = content; offset < end; ) {
    offset = skipPlain(source, offset, end, depth + 1)
    if (offset < 0) return -1
  }
  return end
}

function readPiece(source: Uint8Array, start: number, limit: number, depth: number): Piece {
  if (depth > maximumDepth) throw new PkiError('der', `nested deeper than ${maximumDepth} levels`)
  if (start + 2 > limit) throw new PkiError('der', `an element is cut off at offset ${start}`)
  const tag = source[start]!
  if ((tag & 0x1f) === 0x1f) throw new PkiError('der', `a high tag number at offset ${start}`)
  const constructed = (tag & 0x20) !== 0
  const first = source[start + 1]!
  if (first === 0x80) {
    if (!constructed) throw new PkiError('der', `a primitive of indefinite length at offset ${start}`)
    const { parts, end } = readChildren(source, start + 2, limit, depth + 1, true)
    return { der: rebuild(tag, parts), end, changed: true }
  }
  const octets = first < 0x80 ? 0 : first & 0x7f
  // Up to eight octets: some writers always spend the longest form.
  if (octets > 8 || start + 2 + octets > limit) throw new PkiError('der', `a bad length at offset ${start}`)
  let length = octets === 0 ? first : 0
  for (let index = 0; index < octets; index += 1) length = length * 256 + source[start + 2 + index]!
  const content = start + 2 + octets
  const end = content + length
  if (end > limit) throw new PkiError('der', `an element at offset ${start} ends outside its parent`)
  const minimal = octets === 0 || (length >= 0x80 && source[start + 2] !== 0)
  if (!constructed) {
    const der = minimal ? source.subarray(start, end) : element(tag, source.subarray(content, end))
    return { der, end, changed: !minimal }
  }
  const { parts, changed } = readChildren(source, content, end, depth + 1, false)
  if (minimal && !changed && !isFragmented(tag))
    return { der: source.subarray(start, end), end, changed: false }
  return { der: rebuild(tag, parts), end, changed: true }
}

function readChildren(source: Uint8Array, start: number, limit: number, depth: number, untilEnd: boolean) {
  const parts: Der[] = []
  let changed = false
  let offset = start
  for (;;) {
    if (untilEnd && source[offset] === 0 && source[offset + 1] === 0 && offset + 2 <= limit)
      return { parts, end: offset + 2, changed }
    if (!untilEnd && offset === limit) return { parts, end: offset, changed }
    const piece = readPiece(source, offset, limit, depth)
    parts.push(piece.der)
    changed ||= piece.changed
    offset = piece.end
  }
}

/** Universal string types in constructed form: OCTET STRING, UTF8String, PrintableString, IA5String. */
const isFragmented = (tag: number): boolean => tag === 0x24 || tag === 0x2c || tag === 0x33 || tag === 0x36

function rebuild(tag: number, parts: readonly Der[]): DerNode {
  if (!isFragmented(tag)) return elementOf(tag, parts)
  const fragments = parts.map((part) => {
    const bytes = encode(part)
    const expected = tag === 0x24 ? 0x04 : tag & 0x1f
    if (bytes[0] !== expected) throw new PkiError('der', 'a string fragment of another type')
    const header = bytes[1]! < 0x80 ? 2 : 2 + (bytes[1]! & 0x7f)
    return bytes.subarray(header)
  })
  return elementOf(tag & 0x1f, fragments)
}
