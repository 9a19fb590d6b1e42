/**
 * The one door to cryptography. `#crypto` is node:crypto, or in a browser (export condition `browser`) plain
 * TypeScript and noble; nothing else in this package knows which.
 */
import type { SignatureAlgorithm } from './algorithms.ts'
import type { Sm2Identity } from './sm2.ts'

export {
  checkSignature,
  checkSignatureOfDigest,
  digest,
  generateSigner,
  signerFromKey,
  signerFromPem,
  startDigest,
} from '#crypto'

/** Bytes in one piece or in several that follow each other, such as the two ranges of a signed PDF. */
export type Content = Uint8Array | readonly Uint8Array[]

/** A digest that is still open. */
export interface RunningHash {
  update(chunk: Uint8Array): RunningHash
  /** Closes it. */
  digest(): Uint8Array
  /** The same state once more, so that both can go on differently. */
  copy(): RunningHash
}

/** A private key seen from outside: it can sign, and its public half is known. */
export interface Signer {
  readonly algorithm: SignatureAlgorithm
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array
  /** Signature over the data; ECDSA in its DER form. Synchronous. */
  sign(data: Uint8Array): Uint8Array
}

/** What a signer over SM2 may be told; other algorithms do not look at it. */
export interface Sm2Options {
  /** The signer's identity in Z_A; `1234567812345678` unless told otherwise. */
  readonly sm2Identity?: Sm2Identity
}

/** Why a signature could not be confirmed. */
export type SignatureCheck = 'good' | 'bad' | 'unsupported' | 'content-required'
