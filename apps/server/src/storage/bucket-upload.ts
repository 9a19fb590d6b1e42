import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type BodyDigests,
  type BucketAbilities,
  checkOf,
  digestBody,
  type ExpectedFacts,
  factsOf,
  requireStored,
} from './bucket-abilities.ts'
import type { BucketClient, UploadedPart } from './bucket-client.ts'
import { BucketError } from './bucket-errors.ts'

/** The protocol's least size of every part but the last. */
export const leastPartBytes = 5 << 20
const completionAttempts = 4
const readBackBytes = 4 << 20

export interface BucketUploadOptions {
  client: BucketClient
  abilities: BucketAbilities
  key: string
  partBytes: number
  /** Removes a key with everything that a versioned bucket keeps of it. */
  purge: (key: string) => Promise<void>
  onMismatch: (error: unknown) => void
}

export interface BucketUpload {
  /** Takes the parts over: they must not change afterwards. */
  write(parts: readonly Uint8Array[]): Promise<void>
  /** The object is complete under its key, and was seen to be, when it resolves with its size. */
  finish(): Promise<number>
  abort(): Promise<void>
}

/**
 * A large object: one PUT when it turns out to fit into a part, otherwise a multipart upload of which nothing is visible
 * before it is complete. One part is on its way while the next one gathers, so memory stays at two parts.
 */
export function createBucketUpload(options: BucketUploadOptions): BucketUpload {
  const { client, abilities, key, partBytes } = options
  const whole = createHash('sha256')
  const done: UploadedPart[] = []
  const digests: BodyDigests[] = []
  let gathered: Uint8Array[] = []
  let gatheredBytes = 0
  let sizeBytes = 0
  let uploadId: string | undefined
  let underway: Promise<void> = Promise.resolve()
  let failure: unknown
  let given: 'open' | 'finished' | 'aborted' = 'open'
  // From the first call that may have given the object its name.
  let mayBeVisible = false

  function requireOpen() {
    if (failure !== undefined) throw failure
    if (given !== 'open') throw new Error(`the upload of ${key} is ${given}`)
  }

  /** Sends what has gathered as the next part, after the one before it. */
  async function sendPart() {
    const body = Buffer.concat(gathered, gatheredBytes)
    gathered = []
    gatheredBytes = 0
    await underway
    requireOpen()
    underway = upload(body).catch((error: unknown) => {
      failure = error
    })
  }

  async function upload(body: Buffer) {
    uploadId ??= await client.beginUpload(key, abilities.checksum === 'sha256')
    const digest = digestBody(abilities, body)
    digests.push(digest)
    done.push(await client.uploadPart(key, uploadId, done.length + 1, body, checkOf(abilities, digest)))
  }

  async function finish(): Promise<number> {
    requireOpen()
    // 1. Small after all: one call instead of three.
    if (uploadId === undefined && done.length === 0 && gatheredBytes === sizeBytes) {
      const body = Buffer.concat(gathered, gatheredBytes)
      const digest = digestBody(abilities, body)
      mayBeVisible = true
      await client.put(key, body, checkOf(abilities, digest), abilities.conditionalPut)
      await confirm(factsOf(sizeBytes, digest), whole.digest('hex'))
      given = 'finished'
      return sizeBytes
    }
    // 2. The last part, and the object's name.
    if (gatheredBytes > 0) await sendPart()
    await underway
    requireOpen()
    mayBeVisible = true
    await complete(expectedOfParts(sizeBytes, digests), whole.digest('hex'))
    given = 'finished'
    return sizeBytes
  }

  /** An answer that got lost, or a 200 with an error in its body, says nothing: what counts is what lies there. */
  async function complete(expected: ExpectedFacts, contentSha256: string) {
    for (let attempt = 1; ; attempt += 1) {
      let problem: unknown
      try {
        await client.completeUpload(key, uploadId as string, done)
      } catch (error) {
        problem = error
      }
      const isThere = problem === undefined || (await client.head(key)) !== undefined
      if (isThere) return await confirm(expected, contentSha256)
      if (!(problem instanceof BucketError && problem.isPassing) || attempt >= completionAttempts)
        throw problem
      await pause(100 * 2 ** attempt)
    }
  }

  async function confirm(expected: ExpectedFacts, contentSha256: string) {
    try {
      await requireStored(client, abilities, key, expected, readBack, contentSha256)
    } catch (error) {
      options.onMismatch(error)
      throw error
    }
  }

  async function* readBack() {
    for (let from = 0; from < sizeBytes; from += readBackBytes)
      yield await client.get(key, { from, sizeBytes: Math.min(readBackBytes, sizeBytes - from) })
  }

  return {
    async write(parts) {
      requireOpen()
      for (const part of parts) {
        whole.update(part)
        sizeBytes += part.length
        // A piece may be longer than a part; it is cut rather than held whole.
        for (let at = 0; at < part.length; ) {
          const piece = part.subarray(at, at + partBytes - gatheredBytes)
          gathered.push(piece)
          gatheredBytes += piece.length
          at += piece.length
          if (gatheredBytes >= partBytes) await sendPart()
        }
      }
    },
    finish,
    async abort() {
      const wasFinished = given === 'finished'
      given = 'aborted'
      gathered = []
      // A part that arrives after the abort would stay behind for ever.
      await underway
      if (uploadId !== undefined) await client.abortUpload(key, uploadId)
      // A completion whose answer was lost, or an object that is not what was sent.
      if (!wasFinished && mayBeVisible) await options.purge(key)
    },
  }
}

/** S3 names an object of parts by the hash of its parts' hashes, and their number. */
function expectedOfParts(sizeBytes: number, parts: readonly BodyDigests[]): ExpectedFacts {
  const sha256 = createHash('sha256').update(Buffer.concat(parts.map((part) => part.sha256)))
  const md5s = parts.flatMap((part) => (part.md5 === undefined ? [] : [part.md5]))
  const etag = createHash('md5').update(Buffer.concat(md5s)).digest('hex')
  return {
    sizeBytes,
    sha256: `${sha256.digest('base64')}-${parts.length}`,
    ...(md5s.length === parts.length ? { etag: `${etag}-${parts.length}` } : {}),
  }
}
