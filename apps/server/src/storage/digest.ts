import { createHash } from 'node:crypto'
import type { BucketDigest } from './catalogue.ts'
import { uuidBytes } from './journal-record.ts'

/** The last byte of an id: ids begin with the time, only their end is evenly spread. */
export const bucketOf = (objectId: string) => Number.parseInt(objectId.slice(-2), 16)

const nothing = Buffer.alloc(32)

/** Takes one replica into the digest of its bucket. */
export function addToDigest(
  digests: Map<number, BucketDigest>,
  objectId: string,
  cipherSha256: string,
): void {
  const before = digests.get(bucketOf(objectId))
  const xor = before === undefined ? nothing : Buffer.from(before.xor, 'hex')
  const one = createHash('sha256').update(uuidBytes(objectId)).update(cipherSha256, 'hex').digest()
  for (let at = 0; at < 32; at += 1) one[at] = one[at]! ^ xor[at]!
  digests.set(bucketOf(objectId), { count: (before?.count ?? 0) + 1, xor: one.toString('hex') })
}
