import { createHash } from 'node:crypto'
import type { BucketDigest } from './catalogue.ts'
import { uuidBytes } from './journal-record.ts'

/** The last byte of an id: ids begin with the time, only their end is evenly spread. */
export const bucketOf = (objectId: string) => Number.parseInt(objectId.slice(-2), 16)

/** Takes one replica into the digest of its bucket. */
export function addToDigest(
  digests: Map<number, BucketDigest>,
  objectId: string,
  cipherSha256: string,
): void {
  const bucket = bucketOf(objectId)
  const one = createHash('sha256').update(uuidBytes(objectId)).update(cipherSha256, 'hex').digest('hex')
  digests.set(bucket, mergeDigests(digests.get(bucket), { count: 1, xor: one }))
}

/** The digest of two sets that have no replica in common. */
export function mergeDigests(one: BucketDigest | undefined, other: BucketDigest): BucketDigest {
  if (one === undefined) return other
  const [a, b] = [Buffer.from(one.xor, 'hex'), Buffer.from(other.xor, 'hex')]
  for (let at = 0; at < a.length; at += 1) a[at] = a[at]! ^ b[at]!
  return { count: one.count + other.count, xor: a.toString('hex') }
}
