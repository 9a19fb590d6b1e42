import { createHash } from 'node:crypto'
import type { BodyCheck, BucketClient, StoredFacts } from './bucket-client.ts'
import { BucketError, hasReason } from './bucket-errors.ts'

/** What a server was seen to do, not what its manual says. */
export interface BucketAbilities {
  /** The checksum that the server was seen to enforce on a body. */
  checksum: 'sha256' | 'md5'
  /** `If-None-Match: *` was seen to refuse a name that is taken. */
  conditionalPut: boolean
  /** HEAD tells the SHA-256 of what is stored. */
  tellsSha256: boolean
  /** The ETag is the MD5 of what is stored. */
  tellsMd5: boolean
}

/** What a writer knows about the bytes it sent. */
export interface ExpectedFacts {
  sizeBytes: number
  /** As `StoredFacts`: base64 for one body, `base64-N` for N parts. */
  sha256?: string
  /** MD5 in hex for one body, `hex-N` for N parts. */
  etag?: string
}

/** The hashes of one body, each computed once. */
export interface BodyDigests {
  sha256: Buffer
  /** Only where the server needs or tells it. */
  md5?: Buffer
}

/**
 * Finds out what the server enforces, with a small object that is removed again. A server that takes a body with a
 * wrong checksum is not to be trusted with contracts.
 * @throws BucketError `unsafe`
 */
export async function probeBucket(client: BucketClient, key: string): Promise<BucketAbilities> {
  const body = Buffer.from(`Yinxin asks what this bucket can do: ${key}`)
  const wrong = Buffer.from('another body')
  try {
    // 1. Which checksum makes it refuse?
    const sha256Enforced = await refuses(client, key, body, { sha256: sha256(wrong).toString('base64') })
    if (!sha256Enforced && !(await refuses(client, key, body, { md5: md5(wrong).toString('base64') })))
      throw new BucketError('unsafe', 'the server accepts a body whose checksum is wrong')
    const checksum = sha256Enforced ? ('sha256' as const) : ('md5' as const)
    // 2. What does it say about what it stored?
    const digests = { sha256: sha256(body), md5: md5(body) }
    await client.put(key, body, checkOf({ checksum }, digests))
    const facts = await client.head(key)
    if (facts?.sizeBytes !== body.length)
      throw new BucketError('unsafe', 'the server does not give back what it accepted')
    // 3. Does it keep a name from being taken twice?
    const conditionalPut = await refusesSecond(client, key, body, checkOf({ checksum }, digests))
    return {
      checksum,
      conditionalPut,
      tellsSha256: facts.sha256 === digests.sha256.toString('base64'),
      tellsMd5: facts.etag === digests.md5.toString('hex'),
    }
  } finally {
    await client.remove(key)
    if (await client.keepsVersions())
      for await (const version of client.versions(key)) await client.remove(key, version)
  }
}

async function refuses(client: BucketClient, key: string, body: Buffer, check: BodyCheck): Promise<boolean> {
  try {
    await client.put(key, body, check)
    return false
  } catch (error) {
    if (hasReason(error, 'checksum_refused')) return true
    // A server that does not know the header may say so.
    if (hasReason(error, 'unsupported')) return false
    throw error
  }
}

async function refusesSecond(
  client: BucketClient,
  key: string,
  body: Buffer,
  check: BodyCheck,
): Promise<boolean> {
  try {
    await client.put(key, body, check, true)
    return false
  } catch (error) {
    if (hasReason(error, 'exists')) return true
    if (hasReason(error, 'unsupported')) return false
    throw error
  }
}

export function digestBody(abilities: BucketAbilities, body: Uint8Array): BodyDigests {
  const needsMd5 = abilities.checksum === 'md5' || !abilities.tellsSha256
  return { sha256: sha256(body), ...(needsMd5 ? { md5: md5(body) } : {}) }
}

/** The checksum to send with a body. */
export function checkOf({ checksum }: Pick<BucketAbilities, 'checksum'>, digests: BodyDigests): BodyCheck {
  const payloadSha256 = digests.sha256.toString('hex')
  if (checksum === 'sha256') return { payloadSha256, sha256: digests.sha256.toString('base64') }
  if (digests.md5 === undefined) throw new Error('the MD5 that this server needs was not computed')
  return { payloadSha256, md5: digests.md5.toString('base64') }
}

/** What HEAD must say about a body that was put in one piece. */
export function factsOf(sizeBytes: number, digests: BodyDigests): ExpectedFacts {
  return {
    sizeBytes,
    sha256: digests.sha256.toString('base64'),
    ...(digests.md5 === undefined ? {} : { etag: digests.md5.toString('hex') }),
  }
}

/**
 * Whether what the server stores is what was sent, by its size and by whatever it tells about the content; where it
 * tells nothing, by reading it back.
 * @throws BucketError `missing`, `mismatch`
 */
export async function requireStored(
  client: BucketClient,
  abilities: BucketAbilities,
  key: string,
  expected: ExpectedFacts,
  readBack: () => AsyncIterable<Uint8Array>,
  contentSha256: string,
): Promise<void> {
  const facts = await client.head(key)
  if (facts === undefined) throw new BucketError('missing', `${key} is not there after it was accepted`)
  if (facts.sizeBytes !== expected.sizeBytes)
    throw new BucketError('mismatch', `${key} has ${facts.sizeBytes} of ${expected.sizeBytes} bytes`)
  const told = compare(abilities, facts, expected)
  if (told === true) return
  if (told === undefined) {
    const hash = createHash('sha256')
    for await (const piece of readBack()) hash.update(piece)
    if (hash.digest('hex') === contentSha256) return
  }
  throw new BucketError('mismatch', `${key} is stored with another content than was sent`)
}

/** Undefined when the server said nothing that could be compared. */
function compare(
  abilities: BucketAbilities,
  facts: StoredFacts,
  expected: ExpectedFacts,
): boolean | undefined {
  if (abilities.tellsSha256 && facts.sha256 !== undefined && expected.sha256 !== undefined)
    return facts.sha256 === expected.sha256
  if (abilities.tellsMd5 && expected.etag !== undefined) return facts.etag === expected.etag
  return undefined
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest()
