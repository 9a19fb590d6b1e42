import { type RunningHash, type SigningDigest, startDigest } from '@yinxin/pki'
import { SyntaxFault } from './syntax.ts'

/** A file read by ranges, synchronously: an open handle, a mapped region, a slice of something larger. */
export interface PdfSource {
  readonly length: number
  /** Exactly these bytes, at most a mebibyte; they are used before the next read, so one buffer may serve all. */
  read(offset: number, length: number): Uint8Array
}

/** Parses with `use` from `from` on, on bytes that are there as far as the parser looks. */
export type Window = <T>(from: number, use: (bytes: Uint8Array) => T, endOf?: (result: T) => number) => T

/** A file whose bytes are fetched where they are looked at. */
export interface SparseFile {
  /** As long as the file. What was not fetched is zero, and costs no memory until it is written. */
  readonly bytes: Uint8Array
  readonly window: Window
}

const BLOCK = 65_536
/** A value may end in the window without being complete, if it ends this close to its edge. */
const EDGE = 64

/** Opens a source with its head and tail, where readers of PDF look first. */
export function openSparse(source: PdfSource): SparseFile {
  const bytes = new Uint8Array(source.length)
  const fetched = new Set<number>()
  const ensure = (from: number, to: number) => {
    for (let block = Math.floor(Math.max(0, from) / BLOCK); block * BLOCK < to; block++) {
      if (fetched.has(block)) continue
      const at = block * BLOCK
      const size = Math.min(BLOCK, bytes.length - at)
      if (size <= 0) break
      const data = source.read(at, size)
      if (data.length !== size)
        throw new RangeError(`the source gave ${data.length} of ${size} bytes at ${at}`)
      bytes.set(data, at)
      fetched.add(block)
    }
  }
  ensure(0, 2048)
  ensure(bytes.length - 8192, bytes.length)
  const window: Window = (from, use, endOf) => {
    for (let size = BLOCK; ; size *= 4) {
      const end = Math.min(bytes.length, from + size)
      // Some offsets point a little behind what they mean.
      ensure(from - EDGE, end)
      // The parser sees the end of the window as the end of the file, never the zeros behind it.
      const visible = bytes.subarray(0, end)
      try {
        const result = use(visible)
        if (end === bytes.length || !endOf || endOf(result) <= end - EDGE) return result
      } catch (fault) {
        if (!(fault instanceof SyntaxFault) || end === bytes.length) throw fault
      }
    }
  }
  return { bytes, window }
}

const CHUNK = 1 << 20

/** Hashes a whole source piece by piece. */
export function hashSource(source: PdfSource, algorithm: SigningDigest): RunningHash {
  const hash = startDigest(algorithm)
  for (let at = 0; at < source.length; at += CHUNK)
    hash.update(source.read(at, Math.min(CHUNK, source.length - at)))
  return hash
}
