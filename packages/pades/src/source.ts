import { type RunningHash, type SigningDigest, startDigest } from '@yinxin/pki'
import { SyntaxFault } from './syntax.ts'

/** A file read by ranges, synchronously: an open handle, a mapped region, a slice of something larger. */
export interface PdfSource {
  readonly length: number
  /** Exactly these bytes, at most a mebibyte; they are used before the next read, so one buffer may serve all. */
  read(offset: number, length: number): Uint8Array
}

/** Parses with `use` from `from` on, on bytes that are there as far as the parser looks. */
export type Window = <T>(
  from: number,
  use: (bytes: Uint8Array) => T,
  endOf?: (result: T) => number,
  firstBytes?: number,
) => T

/** A file whose bytes are fetched where they are looked at. */
export interface SparseFile {
  /** As long as the file. What was not fetched is zero, and costs no memory until it is written. */
  readonly bytes: Uint8Array
  readonly window: Window
  /** Brings bytes in. */
  readonly load: (from: number, to: number) => void
  readonly source: PdfSource
}

/** What is fetched at least; objects lie scattered, and their neighbours are not asked for. */
const BLOCK = 4096
const WINDOW = 65_536
const MAX_READ = 1 << 20
/** A value may end in the window without being complete, if it ends this close to its edge. */
const EDGE = 64

/** Opens a source with its head and tail, where readers of PDF look first. */
export function openSparse(source: PdfSource): SparseFile {
  const bytes = new Uint8Array(source.length)
  const fetched = new Set<number>()
  const ensure = (from: number, to: number) => {
    const last = Math.ceil(Math.min(to, bytes.length) / BLOCK)
    let block = Math.floor(Math.max(0, from) / BLOCK)
    while (block < last) {
      if (fetched.has(block)) {
        block++
        continue
      }
      const at = block * BLOCK
      // Neighbouring blocks come with one question.
      while (block < last && !fetched.has(block) && block * BLOCK - at < MAX_READ) fetched.add(block++)
      const size = Math.min(block * BLOCK, bytes.length) - at
      const data = source.read(at, size)
      if (data.length !== size)
        throw new RangeError(`the source gave ${data.length} of ${size} bytes at ${at}`)
      bytes.set(data, at)
    }
  }
  ensure(0, 2048)
  ensure(bytes.length - 8192, bytes.length)
  const window: Window = (from, use, endOf, firstBytes = WINDOW) => {
    for (let size = firstBytes; ; size *= 4) {
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
  return { bytes, window, load: ensure, source }
}

const CHUNK = 1 << 20

/** A source with something appended that is in memory. */
export function extendedSource(source: PdfSource, appended: Uint8Array): PdfSource {
  return {
    length: source.length + appended.length,
    read(offset, length) {
      if (offset + length <= source.length) return source.read(offset, length)
      const from = offset - source.length
      if (from >= 0) return appended.subarray(from, from + length)
      const bytes = new Uint8Array(length)
      bytes.set(source.read(offset, -from))
      bytes.set(appended.subarray(0, length + from), -from)
      return bytes
    },
  }
}

/** Gives a range of a source to `take`, piece by piece. */
export function eachPiece(
  source: PdfSource,
  from: number,
  to: number,
  take: (piece: Uint8Array) => void,
): void {
  for (let at = from; at < to; at += CHUNK) take(source.read(at, Math.min(CHUNK, to - at)))
}

/** Hashes a whole source piece by piece. */
export function hashSource(source: PdfSource, algorithm: SigningDigest): RunningHash {
  const hash = startDigest(algorithm)
  eachPiece(source, 0, source.length, (piece) => hash.update(piece))
  return hash
}
