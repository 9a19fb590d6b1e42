/** As much of the tar format (POSIX.1-1988 ustar) as a backup needs: plain files and folders, names to 100 bytes. */

const BLOCK = 512

export interface TarEntry {
  path: string
  isFolder: boolean
  size: number
}

export function tarHeader({ path, isFolder, size }: TarEntry): Buffer {
  const name = isFolder ? `${path}/` : path
  if (Buffer.byteLength(name) > 100) throw new Error(`${name} is too long a name for the backup`)
  const header = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, width: number) =>
    header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at)
  header.write(name, 0)
  octal(isFolder ? 0o700 : 0o600, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(0, 136, 12)
  header.write('        ', 148)
  header.write(isFolder ? '5' : '0', 156)
  header.write('ustar\u000000', 257)
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  )
  return header
}

/** Bytes that fill the last block of a file. */
export const tarPadding = (size: number) => Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK)
export const tarEnd = () => Buffer.alloc(2 * BLOCK)

/** Reads entries one by one; `content` must be read to its end before the next one is asked for. */
export async function* readTar(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<TarEntry & { content: AsyncGenerator<Buffer> }> {
  const source = chunks[Symbol.asyncIterator]()
  let kept = Buffer.alloc(0)
  async function take(max: number, exact: boolean): Promise<Buffer> {
    while (kept.length === 0 || (exact && kept.length < max)) {
      const { value, done } = await source.next()
      if (done) throw new Error('the archive ends in the middle')
      kept = Buffer.concat([kept, value])
    }
    const taken = kept.subarray(0, max)
    kept = kept.subarray(taken.length)
    return taken
  }
  for (;;) {
    const header = await take(BLOCK, true)
    if (header.every((byte) => byte === 0)) return
    const text = (at: number, length: number) =>
      header.toString('utf8', at, at + length).replace(/\0.*$/s, '')
    const sum = Number.parseInt(text(148, 8), 8)
    const counted = header.reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 32 : byte), 0)
    if (sum !== counted) throw new Error('a header of the archive is damaged')
    const size = Number.parseInt(text(124, 12), 8)
    let left = size
    async function* content(): AsyncGenerator<Buffer> {
      while (left > 0) {
        const chunk = await take(left, false)
        left -= chunk.length
        yield chunk
      }
    }
    yield { path: text(0, 100).replace(/\/$/, ''), isFolder: text(156, 1) === '5', size, content: content() }
    if (left > 0) throw new Error('the content of an entry was not read')
    if (size % BLOCK !== 0) await take(BLOCK - (size % BLOCK), true)
  }
}
