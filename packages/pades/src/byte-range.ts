import { type DigestAlgorithm, type RunningHash, startDigest } from '@yinxin/pki'
import { type PdfInput, resolve } from './file.ts'
import { hexDigit, type PdfString } from './objects.ts'
import { eachPiece } from './source.ts'
import type { FoundSignature } from './signature-fields.ts'

/** The ranges a signature covers: `[0, gapFrom)` and `[gapTo, end)`. */
export interface Coverage {
  readonly byteRange: readonly number[]
  readonly gapFrom: number
  readonly gapTo: number
  readonly end: number
  /** What is wrong with the ranges, by code; empty when they are exactly as they must be. */
  readonly faults: readonly string[]
}

/** Reads /ByteRange strictly: from 0, one gap that is exactly this signature's /Contents, inside the file. */
export function coverageOf(found: FoundSignature, fileLength: number): Coverage {
  const value = resolve(found.view, found.dict.get('ByteRange'))
  const numbers = Array.isArray(value) ? value.map((item) => resolve(found.view, item)) : []
  const byteRange = numbers.map((item) =>
    typeof item === 'number' && Number.isSafeInteger(item) ? item : -1,
  )
  const [start = -1, first = -1, second = -1, length = -1] = byteRange
  const faults: string[] = []
  const end = second + length
  if (byteRange.length !== 4 || byteRange.some((item) => item < 0)) faults.push('byterange_malformed')
  else {
    if (start !== 0) faults.push('byterange_not_from_start')
    if (second <= first || end > fileLength) faults.push('byterange_outside_file')
    const { contents } = found
    if (!contents || contents.start !== first || contents.end !== second)
      faults.push('byterange_gap_is_not_contents')
    else if (!isPlainHex(contents)) faults.push('contents_not_hexadecimal')
  }
  return { byteRange, gapFrom: first, gapTo: second, end, faults }
}

/** The gap is not signed, so it must hold nothing but the hexadecimal digits of the signature. */
function isPlainHex(contents: PdfString): boolean {
  const { source, start, end } = contents
  if (source[start] !== 0x3c || (end - start) % 2 !== 0) return false
  for (let i = start + 1; i < end - 1; i++) if (hexDigit(source[i] ?? 0) < 0) return false
  return true
}

export type RangeDigest = (coverage: Coverage, algorithm: DigestAlgorithm) => Uint8Array

/**
 * Digests covered ranges, asked for in any order. What the signatures named beforehand have in common, the file up to
 * each one's gap, is hashed once for each algorithm.
 */
export function rangeDigester(input: PdfInput, expected: readonly Coverage[]): RangeDigest {
  const feed = (hash: RunningHash, from: number, to: number) => {
    if (input instanceof Uint8Array) hash.update(input.subarray(from, to))
    else eachPiece(input.source, from, Math.min(to, input.bytes.length), (piece) => hash.update(piece))
  }
  const stops = [...new Set(expected.map(({ gapFrom }) => gapFrom))].sort((a, b) => a - b)
  const prefixesOf = (algorithm: DigestAlgorithm) => {
    const hash = startDigest(algorithm)
    let at = 0
    return new Map(
      stops.map((stop) => {
        feed(hash, at, stop)
        at = stop
        return [stop, hash.copy()]
      }),
    )
  }
  const prefixes = new Map<DigestAlgorithm, ReadonlyMap<number, RunningHash>>()
  return ({ gapFrom, gapTo, end }, algorithm) => {
    const known = prefixes.get(algorithm) ?? prefixesOf(algorithm)
    prefixes.set(algorithm, known)
    let hash = known.get(gapFrom)?.copy()
    if (hash === undefined) {
      hash = startDigest(algorithm)
      feed(hash, 0, gapFrom)
    }
    feed(hash, gapTo, end)
    return hash.digest()
  }
}
