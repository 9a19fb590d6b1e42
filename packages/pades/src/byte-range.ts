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
 * Digests covered ranges; the common prefix of many signatures is hashed once, as long as they are asked for
 * in the order of the file.
 */
export function rangeDigester(input: PdfInput): RangeDigest {
  const feed = (hash: RunningHash, from: number, to: number) => {
    if (input instanceof Uint8Array) hash.update(input.subarray(from, to))
    else eachPiece(input.source, from, Math.min(to, input.bytes.length), (piece) => hash.update(piece))
  }
  const running = new Map<DigestAlgorithm, { hash: RunningHash; at: number }>()
  return (coverage, algorithm) => {
    let state = running.get(algorithm)
    if (!state || state.at > coverage.gapFrom) {
      state = { hash: startDigest(algorithm), at: 0 }
      running.set(algorithm, state)
    }
    feed(state.hash, state.at, coverage.gapFrom)
    state.at = coverage.gapFrom
    const hash = state.hash.copy()
    feed(hash, coverage.gapTo, coverage.end)
    return hash.digest()
  }
}
