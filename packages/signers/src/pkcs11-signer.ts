/** A signer of @yinxin/pki over a private key on a PKCS#11 token. */
import { createHash } from 'node:crypto'
import type { IParams, Mechanism } from 'pkcs11js'
import { keyFacts, type Signer } from '@yinxin/pki'
import { chainFor } from './certificate-chain.ts'
import type { Pkcs11Token } from './pkcs11.ts'
import { CKG, CKM, PARAMETERS } from './pkcs11-constants.ts'
import type { Pkcs11Object } from './pkcs11-objects.ts'
import {
  digestOf,
  ecdsaToDer,
  isSignatureOf,
  type RemoteAlgorithm,
  sha256DigestInfo,
} from './signature-forms.ts'
import { SignerError } from './signer-error.ts'

export interface Pkcs11KeyChoice {
  readonly label?: string
  /** CKA_ID in hexadecimal. */
  readonly id?: string
  /** Inferred from the key; given only to ask for PSS with an RSA key. */
  readonly algorithm?: RemoteAlgorithm
}

export interface Pkcs11Signer extends Signer {
  readonly algorithm: RemoteAlgorithm
  readonly key: Pkcs11Object
  /** DER: the key's certificate and those above it, as far as the token holds them; empty when it holds none. */
  readonly certificates: readonly Uint8Array[]
}

/**
 * A signer over the private key that matches. Every signature is checked with the public key before it is given out.
 * @throws SignerError `key_missing`, `key_ambiguous`, `algorithm_unsupported`, `mechanism_missing` or `public_key_missing`
 */
export function pkcs11Signer(token: Pkcs11Token, choice: Pkcs11KeyChoice): Pkcs11Signer {
  const { label, id } = choice
  const key = token.findKey({
    kind: 'private',
    ...(label === undefined ? {} : { label }),
    ...(id === undefined ? {} : { id }),
  })
  const spki = token.publicKey(key)
  const algorithm = algorithmFor(spki, choice.algorithm)
  const command = commandFor(algorithm, token.mechanisms())
  return {
    algorithm,
    spki,
    key,
    certificates: chainFor(spki, token.certificates()) ?? [],
    sign(data) {
      const { mechanism, input } = command(data)
      const raw = token.sign(key, mechanism, input)
      const signature = algorithm.startsWith('ecdsa') ? ecdsaToDer(raw) : raw
      // A fault in the device must not leave it: one wrong RSA signature can give away the key.
      if (!isSignatureOf(algorithm, spki, data, signature))
        throw new SignerError('signature_wrong', key.label)
      return signature
    },
  }
}

/** The algorithm of a key, or the one asked for if the key can. @throws SignerError `algorithm_unsupported` */
export function algorithmFor(spki: Uint8Array, asked?: RemoteAlgorithm): RemoteAlgorithm {
  const facts = keyFacts(spki)
  const possible: RemoteAlgorithm[] =
    facts?.type === 'rsa'
      ? ['rsa-pkcs1-sha256', 'rsa-pss-sha256']
      : facts?.type === 'rsa-pss'
        ? ['rsa-pss-sha256']
        : facts?.type === 'ed25519'
          ? ['ed25519']
          : facts?.curve === 'P-256'
            ? ['ecdsa-p256-sha256']
            : facts?.curve === 'P-384'
              ? ['ecdsa-p384-sha384']
              : []
  const chosen = asked ?? possible[0]
  if (chosen === undefined || !possible.includes(chosen))
    throw new SignerError(
      'algorithm_unsupported',
      `${asked ?? ''} ${facts?.type ?? '?'} ${facts?.curve ?? ''}`.trim(),
    )
  return chosen
}

type Command = (data: Uint8Array) => { mechanism: Mechanism; input: Uint8Array }

/** Which mechanism, over what. Hashing here and not on the token sends it 32 bytes, whatever is signed. */
function commandFor(algorithm: RemoteAlgorithm, offered: ReadonlySet<number>): Command {
  const hashed = (data: Uint8Array) =>
    new Uint8Array(
      createHash(digestOf(algorithm) ?? 'sha256')
        .update(data)
        .digest(),
    )
  const candidates: Record<RemoteAlgorithm, [number, (mechanism: number) => Command][]> = {
    'rsa-pkcs1-sha256': [
      [
        CKM.rsaPkcs,
        (mechanism) => (data) => ({ mechanism: { mechanism }, input: sha256DigestInfo(hashed(data)) }),
      ],
      [CKM.sha256RsaPkcs, (mechanism) => (data) => ({ mechanism: { mechanism }, input: data })],
    ],
    'rsa-pss-sha256': [
      [
        CKM.rsaPss,
        (mechanism) => (data) => ({ mechanism: { mechanism, parameter: pss }, input: hashed(data) }),
      ],
      [
        CKM.sha256RsaPss,
        (mechanism) => (data) => ({ mechanism: { mechanism, parameter: pss }, input: data }),
      ],
    ],
    'ecdsa-p256-sha256': [
      [CKM.ecdsa, (mechanism) => (data) => ({ mechanism: { mechanism }, input: hashed(data) })],
    ],
    'ecdsa-p384-sha384': [
      [CKM.ecdsa, (mechanism) => (data) => ({ mechanism: { mechanism }, input: hashed(data) })],
    ],
    ed25519: [[CKM.eddsa, (mechanism) => (data) => ({ mechanism: { mechanism }, input: data })]],
  }
  for (const [mechanism, make] of candidates[algorithm]) if (offered.has(mechanism)) return make(mechanism)
  throw new SignerError('mechanism_missing', algorithm)
}

const pss: IParams = {
  type: PARAMETERS.rsaPss,
  hashAlg: CKM.sha256,
  mgf: CKG.mgf1Sha256,
  saltLen: 32,
} as IParams
