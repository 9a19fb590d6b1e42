/** Streamed request bodies: counted and hashed as they pass, never held. */
import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { refuse } from './errors.ts'

export interface Upload extends AsyncIterable<Uint8Array> {
  /** File name from `X-File-Name`, percent-decoded; undefined when absent. */
  fileName: string | undefined
  /** From `Content-SHA256`, lower-case hex; checked against the bytes at their end. */
  expectedSha256: string | undefined
  /** What was received; complete once the iteration has ended. */
  received(): { sizeBytes: number; sha256: string }
}

/** The `Content-SHA256` header, or undefined when absent; a malformed one is refused. */
export function declaredSha256(request: FastifyRequest): string | undefined {
  const header = request.headers['content-sha256']
  if (header === undefined) return undefined
  if (typeof header !== 'string' || !/^[0-9a-f]{64}$/i.test(header)) throw refuse('upload_hash_mismatch')
  return header.toLowerCase()
}

/**
 * The body of a streaming route. Iterate it once, to its end: the last step throws when the size, the hash or
 * the declared length is wrong, so nothing may be accepted before the iteration is over.
 */
export function receiveUpload(request: FastifyRequest, limitBytes: number): Upload {
  const expectedSha256 = declaredSha256(request)
  const lengthHeader = request.headers['content-length']
  const declaredBytes = lengthHeader === undefined ? undefined : Number(lengthHeader)
  if (declaredBytes !== undefined && declaredBytes > limitBytes)
    throw refuse('upload_too_large', { limitBytes })

  const hash = createHash('sha256')
  let sizeBytes = 0
  let sha256: string | undefined

  async function* bytes(): AsyncGenerator<Uint8Array> {
    try {
      // The socket stays open when the reader stops early: the refusal still has to travel back over it.
      for await (const chunk of request.raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        sizeBytes += chunk.length
        if (sizeBytes > limitBytes) throw refuse('upload_too_large', { limitBytes })
        hash.update(chunk)
        yield chunk
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') throw refuse('upload_incomplete', {}, error)
      throw error
    }
    if (!request.raw.complete) throw refuse('upload_incomplete')
    sha256 = hash.digest('hex')
    if (expectedSha256 !== undefined && sha256 !== expectedSha256) throw refuse('upload_hash_mismatch')
  }

  const source = bytes()
  return {
    fileName: fileNameOf(request),
    expectedSha256,
    received() {
      if (sha256 === undefined) throw new Error('the upload was asked for its hash before its end')
      return { sizeBytes, sha256 }
    },
    [Symbol.asyncIterator]: () => source,
  }
}

function fileNameOf(request: FastifyRequest): string | undefined {
  const header = request.headers['x-file-name']
  if (typeof header !== 'string' || header === '') return undefined
  let name: string
  try {
    name = decodeURIComponent(header)
  } catch {
    name = header
  }
  // A name, not a path: folders and control characters are dropped.
  const base = name.split(/[\\/]/).at(-1) ?? ''
  const clean = [...base].filter((char) => char >= ' ' && char !== '\u007f').join('')
  // Cut between characters: half of a surrogate pair is no text.
  return clean.slice(0, 255).replace(/[\ud800-\udbff]$/, '') || undefined
}
