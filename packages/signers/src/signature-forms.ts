/** The forms a signature value comes in, and whether it is the one of a key. */
import { createPublicKey, constants, verify } from 'node:crypto'
import type { SignatureAlgorithm } from '@yinxin/pki'

/** Algorithms of keys that live elsewhere. */
export type RemoteAlgorithm = Exclude<SignatureAlgorithm, 'sm2-sm3'>

/** What the algorithm hashes with before the key is used; Ed25519 hashes inside. */
export const digestOf = (algorithm: RemoteAlgorithm): 'sha256' | 'sha384' | null =>
  algorithm === 'ed25519' ? null : algorithm === 'ecdsa-p384-sha384' ? 'sha384' : 'sha256'

/** ECDSA from r‖s (PKCS#11 §2.3.1) to ECDSA-Sig-Value (RFC 3279 §2.2.3). */
export function ecdsaToDer(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2
  const parts = [raw.subarray(0, half), raw.subarray(half)].map(derInteger)
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  // Two integers of at most 51 octets each stay below the length that needs a second octet.
  return Uint8Array.from([0x30, length, ...parts.flatMap((part) => [...part])])
}

function derInteger(magnitude: Uint8Array): Uint8Array {
  const first = magnitude.findIndex((octet) => octet !== 0)
  const value = first < 0 ? Uint8Array.of(0) : magnitude.subarray(first)
  const padding = (value[0] ?? 0) >= 0x80 ? [0] : []
  return Uint8Array.from([0x02, value.length + padding.length, ...padding, ...value])
}

/** DigestInfo of SHA-256 (RFC 8017 §9.2, note 1), which CKM_RSA_PKCS takes. */
export function sha256DigestInfo(digest: Uint8Array): Uint8Array {
  const prefix = Buffer.from('3031300d060960864801650304020105000420', 'hex')
  return Uint8Array.from([...prefix, ...digest])
}

/** Whether it is the signature of this key over the data. Never throws. */
export function isSignatureOf(
  algorithm: RemoteAlgorithm,
  spki: Uint8Array,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
    const pss = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
    return verify(digestOf(algorithm), data, algorithm === 'rsa-pss-sha256' ? pss : key, signature)
  } catch {
    return false
  }
}
