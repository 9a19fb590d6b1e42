import { createCipheriv, createDecipheriv, createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'

/**
 * C2SP chunked encryption, instantiation Cobblestone-256 (https://c2sp.org/chunked-encryption):
 * AES-256-GCM over chunks of 16 KiB, keys by HKDF-Expand with SHA-512, key-committing, with random
 * access. The last chunk is always shorter than the others, which is how the end is known.
 */
export const chunkBytes = 16_384
export const tagBytes = 16
/** Salt and commitment, before the first chunk. */
export const headerBytes = 56
export const sealedChunkBytes = chunkBytes + tagBytes

export const saltBytes = 24
const infoPrefix = Buffer.from('c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0', 'ascii')
const emptyChunk = Buffer.alloc(0)

/** Something is wrong with the ciphertext: another key or context, changed bytes, or a part missing. */
export class CiphertextDamaged extends Error {
  override readonly name = 'CiphertextDamaged'
}

/** Size of the ciphertext of a message, header included. */
export function sealedSize(plainBytes: number): number {
  return headerBytes + plainBytes + (Math.floor(plainBytes / chunkBytes) + 1) * tagBytes
}

/** Size of the message in a ciphertext. @throws CiphertextDamaged for a size that no message gives */
export function openedSize(sealedBytes: number): number {
  const body = sealedBytes - headerBytes
  const full = Math.floor(body / sealedChunkBytes)
  const last = body - full * sealedChunkBytes
  if (body < 0 || last < tagBytes)
    throw new CiphertextDamaged(`no message has ${sealedBytes} bytes of ciphertext`)
  return full * chunkBytes + last - tagBytes
}

/** Keys of one message: seals and opens its chunks in any order. */
export interface MessageKeys {
  /** `salt ‖ commitment`, the first 56 bytes of the ciphertext. */
  readonly header: Buffer
  /** Seals chunk `index` into `into` at `at`; all chunks but the last have 16 KiB. */
  sealChunk(index: number, plain: Uint8Array, into: Uint8Array, at: number): void
  /** @throws CiphertextDamaged */
  openChunk(index: number, sealed: Uint8Array): Buffer
  /** Overwrites the derived key. */
  destroy(): void
}

/** Derives the keys of a new message. `salt` is random and never repeats under one key. */
export function newMessageKeys(key: KeyObject, context: string, salt: Uint8Array): MessageKeys {
  return derive(key, context, salt)
}

/** Derives the keys of an existing message and checks the commitment before anything is decrypted. */
export function openMessageKeys(key: KeyObject, context: string, header: Uint8Array): MessageKeys {
  if (header.length !== headerBytes) throw new CiphertextDamaged('the header is incomplete')
  const keys = derive(key, context, header.subarray(0, saltBytes))
  if (!timingSafeEqual(keys.header.subarray(saltBytes), header.subarray(saltBytes))) {
    keys.destroy()
    throw new CiphertextDamaged('the commitment does not fit the key and the context')
  }
  return keys
}

function derive(key: KeyObject, context: string, salt: Uint8Array): MessageKeys {
  if (salt.length !== saltBytes) throw new Error(`the salt has ${salt.length} bytes, not ${saltBytes}`)
  const material = expand(key, Buffer.concat([infoPrefix, salt, Buffer.from(context, 'utf8')]), 76)
  const chunkKey = material.subarray(0, 32)
  const baseNonce = material.subarray(32, 44)
  const header = Buffer.concat([salt, material.subarray(44, 76)])
  const nonce = Buffer.allocUnsafeSlow(12)

  /** base nonce XOR chunk number as a big-endian integer: the number fits the last five bytes. */
  function nonceOf(index: number): Buffer {
    if (!(index >= 0 && index < 2 ** 38)) throw new CiphertextDamaged('more chunks than the format allows')
    baseNonce.copy(nonce)
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ (index >>> 0)) >>> 0, 8)
    nonce[7] = nonce[7]! ^ Math.floor(index / 2 ** 32)
    return nonce
  }

  return {
    header,
    sealChunk(index, plain, into, at) {
      const cipher = createCipheriv('aes-256-gcm', chunkKey, nonceOf(index))
      into.set(cipher.update(plain), at)
      cipher.final()
      into.set(cipher.getAuthTag(), at + plain.length)
    },
    openChunk(index, sealed) {
      if (sealed.length < tagBytes) throw new CiphertextDamaged(`chunk ${index} is cut short`)
      const bodyEnd = sealed.length - tagBytes
      const decipher = createDecipheriv('aes-256-gcm', chunkKey, nonceOf(index), { authTagLength: tagBytes })
      decipher.setAuthTag(sealed.subarray(bodyEnd))
      const plain = decipher.update(sealed.subarray(0, bodyEnd))
      try {
        decipher.final()
      } catch {
        plain.fill(0)
        throw new CiphertextDamaged(`chunk ${index} was changed`)
      }
      return plain
    },
    destroy: () => material.fill(0),
  }
}

/** HKDF-Expand (RFC 5869 §2.3) with SHA-512; Node offers only extract and expand together. */
function expand(key: KeyObject, info: Buffer, sizeBytes: number): Buffer {
  const out = Buffer.alloc(Math.ceil(sizeBytes / 64) * 64)
  let block: Buffer = emptyChunk
  for (let at = 0, counter = 1; at < sizeBytes; at += 64, counter += 1) {
    block = createHmac('sha512', key).update(block).update(info).update(Buffer.of(counter)).digest()
    block.copy(out, at)
  }
  return out.subarray(0, sizeBytes)
}

/** Seals a message that arrives piece by piece; what comes out is ready to be written. */
export interface Sealer {
  /** Feeds plaintext and returns the whole chunks that are complete by now. */
  update(plain: Uint8Array): Buffer
  /** The last, short chunk. */
  final(): Buffer
}

export function createSealer(keys: MessageKeys): Sealer {
  const held = Buffer.alloc(chunkBytes)
  let heldBytes = 0
  let index = 0
  return {
    update(plain) {
      const chunks = Math.floor((heldBytes + plain.length) / chunkBytes)
      if (chunks === 0) {
        held.set(plain, heldBytes)
        heldBytes += plain.length
        return emptyChunk
      }
      const out = Buffer.allocUnsafeSlow(chunks * sealedChunkBytes)
      let from = 0
      for (let done = 0; done < chunks; done += 1) {
        let chunk: Uint8Array
        if (heldBytes > 0) {
          from = chunkBytes - heldBytes
          held.set(plain.subarray(0, from), heldBytes)
          heldBytes = 0
          chunk = held
        } else {
          chunk = plain.subarray(from, from + chunkBytes)
          from += chunkBytes
        }
        keys.sealChunk(index, chunk, out, done * sealedChunkBytes)
        index += 1
      }
      held.set(plain.subarray(from))
      heldBytes = plain.length - from
      return out
    },
    final() {
      const out = Buffer.allocUnsafeSlow(heldBytes + tagBytes)
      keys.sealChunk(index, held.subarray(0, heldBytes), out, 0)
      held.fill(0)
      return out
    },
  }
}

/** Seals a whole message: header and chunks. */
export function sealMessage(keys: MessageKeys, plain: Uint8Array): Buffer {
  const out = Buffer.allocUnsafeSlow(sealedSize(plain.length))
  keys.header.copy(out)
  const full = Math.floor(plain.length / chunkBytes)
  for (let index = 0; index <= full; index += 1) {
    const chunk = plain.subarray(index * chunkBytes, (index + 1) * chunkBytes)
    keys.sealChunk(index, chunk, out, headerBytes + index * sealedChunkBytes)
  }
  return out
}

/** Opens a whole message. @throws CiphertextDamaged */
export function openMessage(key: KeyObject, context: string, sealed: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(openedSize(sealed.length))
  const keys = openMessageKeys(key, context, sealed.subarray(0, headerBytes))
  try {
    let index = 0
    for (let at = headerBytes; at < sealed.length; at += sealedChunkBytes, index += 1) {
      out.set(keys.openChunk(index, sealed.subarray(at, at + sealedChunkBytes)), index * chunkBytes)
    }
    return out
  } finally {
    keys.destroy()
  }
}
