/** Signers over keys that WebCrypto holds, extractable or not, in a browser or in Node. */
import type { SignatureAlgorithm } from './algorithms.ts'
import type { AsyncSigner } from './async-signer.ts'
import { encode, integer, sequence } from './der-write.ts'
import { PkiError } from './errors.ts'
import { toHex } from './bytes.ts'

/** WebCrypto as far as it is used here; `globalThis.crypto.subtle` everywhere. */
export interface WebCryptoKeys {
  sign(
    algorithm: { name: string; saltLength?: number; hash?: string },
    key: WebCryptoKey,
    data: Uint8Array<ArrayBuffer>,
  ): Promise<ArrayBuffer>
  exportKey(format: 'spki', key: WebCryptoKey): Promise<ArrayBuffer>
}

/** A CryptoKey, by the parts that are looked at. */
export interface WebCryptoKey {
  readonly type: string
  readonly algorithm: {
    readonly name: string
    readonly namedCurve?: string
    readonly hash?: { readonly name: string }
  }
}

/** Salt of PSS signatures made here (RFC 4055 §3.1: as long as the digest). */
const SALT_BYTES = 32

/**
 * @param subtle `crypto.subtle`
 * @throws PkiError `unsupported` for keys and digests this package does not sign with
 */
export async function signerFromCryptoKey(
  subtle: WebCryptoKeys,
  keys: { readonly privateKey: WebCryptoKey; readonly publicKey: WebCryptoKey },
): Promise<AsyncSigner> {
  const { privateKey, publicKey } = keys
  if (privateKey.type !== 'private') throw new PkiError('argument', 'a signer needs a private key')
  const algorithm = algorithmOf(privateKey)
  const spki = new Uint8Array(await subtle.exportKey('spki', publicKey))
  const { name } = privateKey.algorithm
  const parameters =
    name === 'RSA-PSS'
      ? { name, saltLength: SALT_BYTES }
      : name === 'ECDSA'
        ? { name, hash: algorithm === 'ecdsa-p384-sha384' ? 'SHA-384' : 'SHA-256' }
        : { name }
  return {
    algorithm,
    spki,
    async sign(data) {
      const made = new Uint8Array(await subtle.sign(parameters, privateKey, new Uint8Array(data)))
      return name === 'ECDSA' ? derOf(made) : made
    },
  }
}

function algorithmOf({ algorithm }: WebCryptoKey): SignatureAlgorithm {
  const { name, namedCurve = '', hash } = algorithm
  const found = known[`${name} ${name === 'ECDSA' ? namedCurve : (hash?.name ?? '')}`.trim()]
  if (found === undefined)
    throw new PkiError(
      'unsupported',
      `no signature algorithm for a key of ${name} ${hash?.name ?? namedCurve}`,
    )
  return found
}

const known: Record<string, SignatureAlgorithm> = {
  'RSASSA-PKCS1-v1_5 SHA-256': 'rsa-pkcs1-sha256',
  'RSA-PSS SHA-256': 'rsa-pss-sha256',
  'ECDSA P-256': 'ecdsa-p256-sha256',
  'ECDSA P-384': 'ecdsa-p384-sha384',
  Ed25519: 'ed25519',
}

/** WebCrypto gives both numbers of an ECDSA signature at full width, X.509 wants them in DER (RFC 3279 §2.2.3). */
function derOf(signature: Uint8Array): Uint8Array {
  const half = signature.length / 2
  const number = (bytes: Uint8Array) => integer(BigInt(`0x${toHex(bytes)}`))
  return encode(sequence(number(signature.subarray(0, half)), number(signature.subarray(half))))
}
