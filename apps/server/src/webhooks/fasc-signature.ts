/**
 * The signature of the FASC 5.1 protocol, the same for requests and callbacks: sorted `key=value` pairs, hashed,
 * then HMAC-SHA256 under a key that is itself an HMAC of the timestamp.
 */
import { createHash, createHmac } from 'node:crypto'

/** The pairs as they are signed: sorted by key, empty values left out, nothing URL-encoded. */
export function fascSignText(pairs: Record<string, string>): string {
  return Object.entries(pairs)
    .filter(([, value]) => value.trim() !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join('&')
}

/** Lower-case hex. `pairs` holds the X-FASC headers without the signature, and `bizContent`. */
export function fascSignature(secret: string, timestamp: string, pairs: Record<string, string>): string {
  const digest = createHash('sha256').update(fascSignText(pairs), 'utf8').digest('hex')
  const key = createHmac('sha256', secret).update(timestamp, 'utf8').digest()
  return createHmac('sha256', key).update(digest, 'utf8').digest('hex')
}
