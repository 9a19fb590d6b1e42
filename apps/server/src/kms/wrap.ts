import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { refuse } from './errors.ts'

const nonceBytes = 12
const tagBytes = 16

/** How much longer a sealed value is than its content: nonce and tag. */
export const sealOverheadBytes = nonceBytes + tagBytes

/**
 * AES-256-GCM under a 32-byte key: `nonce(12) ‖ ciphertext ‖ tag(16)`. The label is authenticated
 * but not stored, so that a value opens only for the purpose and the place it was sealed for.
 * Nonces are random; SP 800-38D §8.3 then allows 2^32 values under one key.
 */
export function sealBytes(key: Uint8Array, label: string, content: Uint8Array): Buffer {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.from(label, 'utf8'))
  const body = cipher.update(content)
  cipher.final()
  return Buffer.concat([nonce, body, cipher.getAuthTag()])
}

/** Opens what {@link sealBytes} made; refuses anything else. */
export function openBytes(key: Uint8Array, label: string, sealed: Uint8Array): Buffer {
  if (sealed.length < sealOverheadBytes) throw refuse('sealed_value_damaged')
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes), {
    authTagLength: tagBytes,
  })
  decipher.setAAD(Buffer.from(label, 'utf8'))
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
  const content = decipher.update(sealed.subarray(nonceBytes, sealed.length - tagBytes))
  try {
    decipher.final()
  } catch (error) {
    content.fill(0)
    throw refuse('sealed_value_damaged', {}, error)
  }
  return content
}
