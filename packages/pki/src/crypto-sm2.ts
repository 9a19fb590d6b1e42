/**
 * SM2 and SM3 through the platform (`#sm2`), or in TypeScript where that is missing or fails its self-test before the
 * first use.
 */
import { nativeSm2, randomBytes, startNativeSm3 } from '#sm2'
import { equalBytes, fromHex, toHex } from './bytes.ts'
import type { RunningHash, Signer } from './crypto.ts'
import { contentOf, enter, next, readOid, readOnly, readSmallInteger, take } from './der-read.ts'
import { PkiError } from './errors.ts'
import { publicKeyBits } from './extensions.ts'
import { OID } from './oids.ts'
import { keyFacts } from './public-key.ts'
import {
  defaultSm2Identity,
  isSm2Secret,
  type Sm2Identity,
  sm2Digest,
  sm2Nonces,
  sm2PublicPoint,
  sm2SignDigest,
  sm2VerifyDigest,
} from './sm2.ts'
import { type Sm2Engine, sm2Pkcs8, sm2Spki } from './sm2-keys.ts'
import { sm3, startSm3 } from './sm3.ts'

/** The private key in a PKCS#8 structure when it is an SM2 one; undefined otherwise. */
export function sm2SecretOf(pkcs8: Uint8Array): Uint8Array | undefined {
  try {
    const cursor = enter(readOnly(pkcs8, 0x30, 'private key'))
    readSmallInteger(take(cursor, 0x02, 'a version'), 'the version')
    const algorithm = enter(take(cursor, 0x30, 'a key algorithm'))
    if (readOid(take(algorithm, 0x06, 'a key algorithm')) !== OID.ecPublicKey) return undefined
    if (readOid(take(algorithm, 0x06, 'a curve')) !== OID.sm2) return undefined
    const key = enter(readOnly(contentOf(take(cursor, 0x04, 'a key')), 0x30, 'EC key'))
    next(key)
    const secret = contentOf(take(key, 0x04, 'a secret'))
    const padded = new Uint8Array(32)
    padded.set(secret, 32 - secret.length)
    return padded
  } catch (error) {
    if (error instanceof PkiError || error instanceof RangeError) return undefined
    throw error
  }
}

export const typescriptSm2: Sm2Engine = {
  name: 'typescript',
  publicPoint: sm2PublicPoint,
  prepareSign: (secret, point, identity) => (message) => {
    const e = sm2Digest(point, identity, [message])
    return sm2SignDigest(secret, e, sm2Nonces(secret, e, randomBytes(32)))
  },
  verify: (point, identity, message, signature) =>
    sm2VerifyDigest(point, sm2Digest(point, identity, message), signature),
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

/** The example of GB/T 32918.5-2017 annex A: key pair, message under the default identity, signature. */
export const sm2Example = {
  secret: fromHex('3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8'),
  point: fromHex(
    '0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13',
  ),
  message: ascii('message digest'),
  za: 'b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3',
  signature: fromHex(
    '3046022100f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3022100b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa',
  ),
} as const

/** Why an engine may not be used, or undefined when it does what the standards' examples say. */
export function sm2Fault(engine: Sm2Engine): string | undefined {
  const { secret, point, message, signature } = sm2Example
  const altered = signature.map((octet, index) => (index === 40 ? octet ^ 1 : octet))
  try {
    if (!equalBytes(engine.publicPoint(secret), point)) return 'the public key of the standard is another'
    if (!engine.verify(point, defaultSm2Identity, [message], signature))
      return 'the signature of the standard does not verify'
    if (engine.verify(point, defaultSm2Identity, [message], altered)) return 'an altered signature verifies'
    if (engine.verify(point, 'somebody else', [message], signature)) return 'another identity verifies'
    if (engine.verify(point, defaultSm2Identity, [message, message], signature))
      return 'another message verifies'
    const made = engine.prepareSign(secret, point, defaultSm2Identity)(message)
    // The other implementation judges, so that a fault common to signing and verifying shows.
    if (!typescriptSm2.verify(point, defaultSm2Identity, [message], made))
      return 'its own signature does not verify'
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function sm3Fault(): string | undefined {
  try {
    for (const text of ['abc', 'abcd'.repeat(16), 'x'.repeat(1000)])
      if (!equalBytes(startNativeSm3().update(ascii(text)).digest(), sm3(ascii(text))))
        return 'SM3 digests differ'
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Which implementations are in use, and why not the platform's own. */
export interface Sm2Status {
  readonly sm2: 'native' | 'typescript'
  readonly sm3: 'native' | 'typescript'
  readonly fault?: string
}

let chosen: { readonly engine: Sm2Engine; readonly status: Sm2Status } | undefined

/** Chosen once, at first use, by self-test. @throws Error when even the TypeScript one fails it: a broken runtime */
function choose() {
  if (chosen !== undefined) return chosen
  if (toHex(sm3(ascii('abc'))) !== '66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0')
    throw new Error('SM3 fails its self-test')
  const digestFault = sm3Fault()
  const native: Sm2Engine | undefined = nativeSm2
  const fault = digestFault ?? (native === undefined ? 'this platform has no SM2' : sm2Fault(native))
  const engine = native !== undefined && fault === undefined ? native : typescriptSm2
  const own = fault === undefined ? undefined : sm2Fault(typescriptSm2)
  if (own !== undefined) throw new Error(`SM2 fails its self-test: ${own}`)
  const status: Sm2Status = {
    sm2: engine.name,
    sm3: digestFault === undefined ? 'native' : 'typescript',
    ...(fault === undefined ? {} : { fault }),
  }
  chosen = { engine, status }
  return chosen
}

/** Which SM2 and SM3 are used here. Servers say so at start: the TypeScript one is slower and not constant in time. */
export const sm2Status = (): Sm2Status => choose().status

/** SM3 by the chosen implementation, still open. */
export const startSm3Digest = (): RunningHash =>
  choose().status.sm3 === 'typescript' ? startSm3() : startNativeSm3()

/** SM3 digest by the chosen implementation. */
export function sm3Digest(chunks: readonly Uint8Array[]): Uint8Array {
  const state = startSm3Digest()
  for (const chunk of chunks) state.update(chunk)
  return new Uint8Array(state.digest())
}

/** Checks an SM2 signature over content. The key must lie on the SM2 curve. */
export function sm2Check(
  spki: Uint8Array,
  content: readonly Uint8Array[],
  signature: Uint8Array,
  identity: Sm2Identity = defaultSm2Identity,
): boolean {
  const facts = keyFacts(spki)
  if (facts?.curve !== 'SM2' || !facts.wellFormed) return false
  return choose().engine.verify(publicKeyBits(spki), identity, content, signature)
}

/** A signer over an SM2 private key of 32 octets. @throws PkiError `argument` */
export function sm2SignerFromSecret(secret: Uint8Array, identity: Sm2Identity = defaultSm2Identity): Signer {
  if (!isSm2Secret(secret)) throw new PkiError('argument', 'the bytes are no SM2 private key')
  const { engine } = choose()
  const point = engine.publicPoint(secret)
  const sign = engine.prepareSign(secret, point, identity)
  return { algorithm: 'sm2-sm3', spki: sm2Spki(point), sign }
}

/** A signer from a PKCS#8 structure with an SM2 key. @throws PkiError `unsupported` when it holds another key */
export function sm2SignerFromPkcs8(pkcs8: Uint8Array, identity: Sm2Identity = defaultSm2Identity): Signer {
  const secret = sm2SecretOf(pkcs8)
  if (secret === undefined) throw new PkiError('unsupported', 'the private key is no SM2 key')
  return sm2SignerFromSecret(secret, identity)
}

/** A new SM2 key: its signer and its PKCS#8. Works with either implementation. */
export function generateSm2Key(identity: Sm2Identity = defaultSm2Identity): {
  readonly signer: Signer
  readonly pkcs8: Uint8Array
} {
  let secret: Uint8Array
  do secret = new Uint8Array(randomBytes(32))
  while (!isSm2Secret(secret))
  const signer = sm2SignerFromSecret(secret, identity)
  return { signer, pkcs8: sm2Pkcs8(secret, publicKeyBits(signer.spki)) }
}
