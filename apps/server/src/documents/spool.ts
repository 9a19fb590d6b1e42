import { type CipherGCM, createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { newId } from '#src/ids.ts'
import { refuse } from './errors.ts'

/** A received content, complete and counted. Give it back with `release`. */
export interface Spooled {
  sizeBytes: number
  sha256: string
  /**
   * The whole content in memory of its own, to be handed over to a thread without a copy. Call it when there is a
   * place to work on it: until then a large upload takes no memory.
   */
  load(): Promise<ArrayBuffer>
  /** The content to be stored: bytes when it waited in memory, a stream otherwise. */
  content(): Uint8Array | AsyncIterable<Uint8Array>
  release(): Promise<void>
}

/** Below this an upload stays in memory; above it waits on disk. */
const MEMORY_BYTES = 1 << 20
const WINDOW_BYTES = 1 << 20

/**
 * Receives an upload in flat memory. What does not fit waits in a file without a name, encrypted under a key that
 * lives only here: nothing unencrypted ever touches a disk, and a crash leaves nothing behind.
 */
export async function spool(
  content: AsyncIterable<Uint8Array>,
  { folder, limitBytes }: { folder: string; limitBytes: number },
): Promise<Spooled> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  let head: Uint8Array[] = []
  let overflow: Overflow | null = null
  try {
    for await (const chunk of content) {
      sizeBytes += chunk.length
      if (sizeBytes > limitBytes) throw refuse('file_too_large', { limitBytes })
      hash.update(chunk)
      if (overflow === null && sizeBytes > MEMORY_BYTES) {
        overflow = await openOverflow(folder)
        for (const earlier of head) await overflow.write(earlier)
        head = []
      }
      if (overflow === null) head.push(chunk)
      else await overflow.write(chunk)
    }
    await overflow?.finish()
  } catch (error) {
    await overflow?.close()
    throw error
  }
  const waiting = overflow
  return {
    sizeBytes,
    sha256: hash.digest('hex'),
    async load() {
      const whole = new ArrayBuffer(sizeBytes)
      let at = 0
      for await (const chunk of waiting === null ? head : waiting.read()) {
        new Uint8Array(whole).set(chunk, at)
        at += chunk.length
      }
      return whole
    },
    content: () => (waiting === null ? Buffer.concat(head) : waiting.read()),
    release: async () => waiting?.close(),
  }
}

interface Overflow {
  write(chunk: Uint8Array): Promise<void>
  finish(): Promise<void>
  /** The content in pieces; ends in an error when the file was changed in the meantime. */
  read(): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

async function openOverflow(folder: string): Promise<Overflow> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, `upload-${newId()}`)
  const handle = await open(path, 'wx+', 0o600)
  // Only the handle keeps it from now on.
  await unlink(path)
  const key = randomBytes(32)
  const nonce = randomBytes(12)
  const cipher: CipherGCM = createCipheriv('aes-256-gcm', key, nonce)
  let tag = Buffer.alloc(0)
  let end = 0
  return {
    async write(chunk) {
      end += await writeAll(handle, cipher.update(chunk), end)
    },
    async finish() {
      end += await writeAll(handle, cipher.final(), end)
      tag = cipher.getAuthTag()
    },
    async *read() {
      const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAuthTag(tag)
      const window = Buffer.alloc(WINDOW_BYTES)
      for (let at = 0; at < end; ) {
        const { bytesRead } = await handle.read(window, 0, Math.min(window.length, end - at), at)
        if (bytesRead === 0) throw new Error('the spooled upload is shorter than what was written')
        at += bytesRead
        yield decipher.update(window.subarray(0, bytesRead))
      }
      decipher.final()
    },
    async close() {
      key.fill(0)
      await handle.close()
    },
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
  return bytes.length
}
