import type { SignatureAlgorithm } from './algorithms.ts'

/** A signer whose answer takes its time, because its key is with a remote service. */
export interface AsyncSigner {
  readonly algorithm: SignatureAlgorithm
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array
  /** Signature over the data; ECDSA in its DER form. */
  sign(data: Uint8Array): Promise<Uint8Array>
}
