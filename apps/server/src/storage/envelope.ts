import { uuidBytes, uuidText } from './journal-record.ts'

/**
 * What stands before the ciphertext on every disk: `'YXO1' ‖ tenant 16 ‖ scope 16 ‖ object 16 ‖ wrapped key 60`.
 * With it a replica can be opened by the key store alone, even if the main database is lost.
 */
export const envelopeBytes = 112

const magic = Buffer.from('YXO1', 'ascii')
const wrappedKeyBytes = 60

export interface Envelope {
  tenantId: string
  scopeId: string
  objectId: string
  wrappedKey: Uint8Array
}

export function encodeEnvelope({ tenantId, scopeId, objectId, wrappedKey }: Envelope): Buffer {
  if (wrappedKey.length !== wrappedKeyBytes) throw new Error(`a wrapped key has ${wrappedKeyBytes} bytes`)
  return Buffer.concat([magic, uuidBytes(tenantId), uuidBytes(scopeId), uuidBytes(objectId), wrappedKey])
}

/** Undefined when these bytes are no envelope. */
export function decodeEnvelope(bytes: Uint8Array): Envelope | undefined {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (all.length < envelopeBytes || !all.subarray(0, 4).equals(magic)) return undefined
  return {
    tenantId: uuidText(all.subarray(4, 20)),
    scopeId: uuidText(all.subarray(20, 36)),
    objectId: uuidText(all.subarray(36, 52)),
    wrappedKey: Buffer.from(all.subarray(52, envelopeBytes)),
  }
}
