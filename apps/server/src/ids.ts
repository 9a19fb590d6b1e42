import { randomBytes, randomInt } from 'node:crypto'

/**
 * A UUID of version 7 (RFC 9562 §5.7): sorts by creation time, so that primary keys
 * append instead of scattering and cursors can page by id.
 */
export function newId(nowMs: number = Date.now()): string {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(nowMs, 0, 6)
  bytes[6] = (bytes[6]! & 0x0f) | 0x70
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** An unguessable token in base64url; 32 bytes unless told otherwise. */
export function newToken(sizeBytes = 32): string {
  return randomBytes(sizeBytes).toString('base64url')
}

/** A one-time code of decimal digits, uniformly drawn. */
export function newDigits(count = 6): string {
  return String(randomInt(10 ** count)).padStart(count, '0')
}

/** A number from 0 up to 1, to spread what would otherwise happen all at once. */
export function newChance(): number {
  return randomInt(2 ** 32) / 2 ** 32
}
