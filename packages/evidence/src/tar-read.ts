import { concatBytes } from './bytes.ts'
import {
  readTarHead,
  TAR_BLOCK,
  TAR_END_BYTES,
  type TarHead,
  tarHeadLength,
  tarPadding,
} from './tar-format.ts'

export interface TarEntry extends TarHead {
  /** Offset of its head. */
  offset: number
  /** Must be read to its end before the next entry is asked for. */
  content: AsyncIterable<Uint8Array>
}

export interface TarDamage {
  /** Where; and after which entry, null before the first. */
  offset: number
  after: string | null
  what: 'header' | 'padding' | 'end' | 'truncated'
}

/**
 * Reads an export archive in its one form as a stream. What is damaged is told of and skipped: the next good head is
 * looked for block by block, so that one bad block does not hide what follows.
 */
export async function* readTar(
  chunks: AsyncIterable<Uint8Array>,
  onDamage: (damage: TarDamage) => void,
): AsyncGenerator<TarEntry> {
  const input = createInput(chunks)
  let after: string | null = null
  let isLost = false
  for (;;) {
    const offset = input.offset()
    const block = await input.exactly(TAR_BLOCK)
    if (block === null) {
      onDamage({ offset, after, what: 'truncated' })
      return
    }
    if (isZero(block)) {
      const rest = await input.exactly(TAR_END_BYTES - TAR_BLOCK)
      const isEnd = rest !== null && isZero(rest) && (await input.some(1)) === null
      if (isEnd) return
      onDamage({ offset, after, what: rest === null ? 'truncated' : 'end' })
      if (rest === null) return
      isLost = true
      continue
    }
    const length = tarHeadLength(block)
    const more = length === null ? null : await input.exactly(length - TAR_BLOCK)
    const head = more === null ? null : readTarHead(concatBytes([block, more]))
    if (head === null) {
      if (!isLost) onDamage({ offset, after, what: 'header' })
      isLost = true
      continue
    }
    isLost = false
    after = head.path
    let left = head.sizeBytes
    let isCut = false
    async function* content(): AsyncGenerator<Uint8Array> {
      while (left > 0) {
        const chunk = await input.some(left)
        if (chunk === null) {
          isCut = true
          return
        }
        left -= chunk.length
        yield chunk
      }
    }
    yield { ...head, offset, content: content() }
    while (left > 0 && !isCut) {
      const skipped = await input.some(left)
      if (skipped === null) isCut = true
      else left -= skipped.length
    }
    const padding = isCut ? null : await input.exactly(tarPadding(head.sizeBytes))
    if (padding === null) {
      onDamage({ offset: input.offset(), after, what: 'truncated' })
      return
    }
    if (!isZero(padding)) onDamage({ offset: input.offset() - padding.length, after, what: 'padding' })
  }
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}

/** Pieces of wished lengths out of a stream; null at its end. */
function createInput(chunks: AsyncIterable<Uint8Array>) {
  const source = chunks[Symbol.asyncIterator]()
  let kept: Uint8Array = new Uint8Array(0)
  let taken = 0

  async function some(max: number): Promise<Uint8Array | null> {
    while (kept.length === 0) {
      const { value, done } = await source.next()
      if (done === true) return null
      kept = value
    }
    const piece = kept.subarray(0, max)
    kept = kept.subarray(piece.length)
    taken += piece.length
    return piece
  }

  return {
    some,
    offset: () => taken,
    async exactly(length: number): Promise<Uint8Array | null> {
      const parts: Uint8Array[] = []
      for (let left = length; left > 0; ) {
        const piece = await some(left)
        if (piece === null) return null
        parts.push(piece)
        left -= piece.length
      }
      return parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(parts)
    },
  }
}
