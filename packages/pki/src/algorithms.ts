/**
 * Algorithm tables. A new algorithm (Ed448) is one more line here and one more branch in `crypto.ts`.
 */
import { equalBytes } from './bytes.ts'
import type { DerElement } from './der-read.ts'
import { enter, finish, next, peek, readOid, readSmallInteger, take, takeOptional } from './der-read.ts'
import { type Der, encode, explicit, integer, nullValue, oid, sequence } from './der-write.ts'
import { OID } from './oids.ts'

/** Digests that can be verified; only SM3 and the SHA-2 ones from 256 bits are written. */
export type DigestAlgorithm =
  | 'sha1'
  | 'sha224'
  | 'sha256'
  | 'sha384'
  | 'sha512'
  | 'sha3-224'
  | 'sha3-256'
  | 'sha3-384'
  | 'sha3-512'
  | 'sm3'

interface DigestEntry {
  readonly oid: string
  readonly length: number
  /** Collisions are known or too cheap for a signature made today. */
  readonly weak: boolean
}

const digests: Record<DigestAlgorithm, DigestEntry> = {
  sha1: { oid: '1.3.14.3.2.26', length: 20, weak: true },
  sha224: { oid: '2.16.840.1.101.3.4.2.4', length: 28, weak: false },
  sha256: { oid: '2.16.840.1.101.3.4.2.1', length: 32, weak: false },
  sha384: { oid: '2.16.840.1.101.3.4.2.2', length: 48, weak: false },
  sha512: { oid: '2.16.840.1.101.3.4.2.3', length: 64, weak: false },
  'sha3-224': { oid: '2.16.840.1.101.3.4.2.7', length: 28, weak: false },
  'sha3-256': { oid: '2.16.840.1.101.3.4.2.8', length: 32, weak: false },
  'sha3-384': { oid: '2.16.840.1.101.3.4.2.9', length: 48, weak: false },
  'sha3-512': { oid: '2.16.840.1.101.3.4.2.10', length: 64, weak: false },
  sm3: { oid: '1.2.156.10197.1.401', length: 32, weak: false },
}

const digestNames = Object.keys(digests) as DigestAlgorithm[]
const digestByOid = new Map(digestNames.map((name) => [digests[name].oid, name]))
const digestDer = new Map(digestNames.map((name) => [name, encode(sequence(oid(digests[name].oid)))]))

/** Octets of a digest of this kind. */
export const digestLength = (algorithm: DigestAlgorithm): number => digests[algorithm].length
export const isWeakDigest = (algorithm: DigestAlgorithm): boolean => digests[algorithm].weak
export const digestFromOid = (dotted: string): DigestAlgorithm | undefined => digestByOid.get(dotted)
/** AlgorithmIdentifier of a digest, parameters absent (RFC 5754 §2). */
export const digestIdentifier = (algorithm: DigestAlgorithm): Uint8Array => digestDer.get(algorithm)!

/** Algorithms this package signs with. */
export type SignatureAlgorithm =
  | 'ecdsa-p256-sha256'
  | 'ecdsa-p384-sha384'
  | 'rsa-pkcs1-sha256'
  | 'rsa-pss-sha256'
  | 'ed25519'
  | 'sm2-sm3'

/** RSASSA-PSS-params with MGF1 over the same digest (RFC 4055 §3.1): what is a default is absent, as DER demands. */
function pssParameters(algorithm: DigestAlgorithm, saltLength: number, withNull: boolean): Der {
  const identifier = sequence(oid(digests[algorithm].oid), ...(withNull ? [nullValue] : []))
  return sequence(
    ...(algorithm === 'sha1'
      ? []
      : [explicit(0, identifier), explicit(1, sequence(oid(OID.mgf1), identifier))]),
    ...(saltLength === 20 ? [] : [explicit(2, integer(saltLength))]),
  )
}

/** Whether the AlgorithmIdentifier of a key for PSS has no parameters, or plain ones in the one encoding they have. */
export function isPlainPssIdentifier(identifier: Uint8Array, scheme: SignatureScheme | undefined): boolean {
  if (scheme === undefined) return equalBytes(encode(sequence(oid(OID.rsaPss))), identifier)
  const { kind, digest, saltLength = 20 } = scheme
  if (kind !== 'rsa-pss' || digest === undefined) return false
  return [true, false].some((withNull) =>
    equalBytes(encode(sequence(oid(OID.rsaPss), pssParameters(digest, saltLength, withNull))), identifier),
  )
}

/** SM2 with SM3, parameters absent (GM/T 0006; RFC 8998 §3.2). */
const sm2WithSm3 = '1.2.156.10197.1.501'

const signatureIdentifiers: Record<SignatureAlgorithm, Uint8Array> = {
  'ecdsa-p256-sha256': encode(sequence(oid('1.2.840.10045.4.3.2'))),
  'ecdsa-p384-sha384': encode(sequence(oid('1.2.840.10045.4.3.3'))),
  'rsa-pkcs1-sha256': encode(sequence(oid('1.2.840.113549.1.1.11'), nullValue)),
  'rsa-pss-sha256': encode(sequence(oid(OID.rsaPss), pssParameters('sha256', 32, true))),
  ed25519: encode(sequence(oid(OID.ed25519))),
  'sm2-sm3': encode(sequence(oid(sm2WithSm3))),
}

/** AlgorithmIdentifier of a signature algorithm. */
export const signatureIdentifier = (algorithm: SignatureAlgorithm): Uint8Array =>
  signatureIdentifiers[algorithm]

/** The digest that goes with a signature algorithm in CMS (RFC 5754; RFC 8419 §3.1 for Ed25519). */
export function digestForSigning(algorithm: SignatureAlgorithm): 'sha256' | 'sha384' | 'sha512' | 'sm3' {
  if (algorithm === 'sm2-sm3') return 'sm3'
  if (algorithm === 'ecdsa-p384-sha384') return 'sha384'
  return algorithm === 'ed25519' ? 'sha512' : 'sha256'
}

/** A signature algorithm as read from a structure. */
export interface SignatureScheme {
  readonly kind: 'rsa-pkcs1' | 'rsa-pss' | 'ecdsa' | 'ed25519' | 'sm2' | 'unsupported'
  /** Absent when another field of the structure names it, as CMS does for plain RSA and EC keys. */
  readonly digest?: DigestAlgorithm
  readonly saltLength?: number
  readonly oid: string
  /** For people and reports, such as `ecdsa-sha256`. */
  readonly name: string
}

const schemeByOid = new Map<string, SignatureScheme>()
function define(dotted: string, kind: SignatureScheme['kind'], digest?: DigestAlgorithm): void {
  const name = digest === undefined ? kind : `${kind}-${digest}`
  schemeByOid.set(dotted, { kind, oid: dotted, name, ...(digest === undefined ? {} : { digest }) })
}
define(OID.rsaEncryption, 'rsa-pkcs1')
define('1.2.840.113549.1.1.5', 'rsa-pkcs1', 'sha1')
define('1.3.14.3.2.29', 'rsa-pkcs1', 'sha1')
define('1.2.840.113549.1.1.14', 'rsa-pkcs1', 'sha224')
define('1.2.840.113549.1.1.11', 'rsa-pkcs1', 'sha256')
define('1.2.840.113549.1.1.12', 'rsa-pkcs1', 'sha384')
define('1.2.840.113549.1.1.13', 'rsa-pkcs1', 'sha512')
define('2.16.840.1.101.3.4.3.13', 'rsa-pkcs1', 'sha3-224')
define('2.16.840.1.101.3.4.3.14', 'rsa-pkcs1', 'sha3-256')
define('2.16.840.1.101.3.4.3.15', 'rsa-pkcs1', 'sha3-384')
define('2.16.840.1.101.3.4.3.16', 'rsa-pkcs1', 'sha3-512')
define(OID.ecPublicKey, 'ecdsa')
define('1.2.840.10045.4.1', 'ecdsa', 'sha1')
define('1.2.840.10045.4.3.1', 'ecdsa', 'sha224')
define('1.2.840.10045.4.3.2', 'ecdsa', 'sha256')
define('1.2.840.10045.4.3.3', 'ecdsa', 'sha384')
define('1.2.840.10045.4.3.4', 'ecdsa', 'sha512')
define('2.16.840.1.101.3.4.3.9', 'ecdsa', 'sha3-224')
define('2.16.840.1.101.3.4.3.10', 'ecdsa', 'sha3-256')
define('2.16.840.1.101.3.4.3.11', 'ecdsa', 'sha3-384')
define('2.16.840.1.101.3.4.3.12', 'ecdsa', 'sha3-512')
define(OID.ed25519, 'ed25519')
// GM/T 0010 names the key's algorithm in a container and leaves the digest to the signer's other field.
define(sm2WithSm3, 'sm2', 'sm3')
define(OID.sm2, 'sm2')
define(OID.sm2Signature, 'sm2')

/** Object identifier at the head of an AlgorithmIdentifier. */
export function readAlgorithmOid(identifier: DerElement): string {
  return readOid(take(enter(identifier), 0x06, 'an algorithm'))
}

/** Reads the AlgorithmIdentifier of a signature. Unknown ones are described, not refused. */
export function readSignatureScheme(identifier: DerElement): SignatureScheme {
  const cursor = enter(identifier)
  const dotted = readOid(take(cursor, 0x06, 'a signature algorithm'))
  if (dotted !== OID.rsaPss)
    return schemeByOid.get(dotted) ?? { kind: 'unsupported', oid: dotted, name: dotted }
  if (peek(cursor) !== 0x30) return { kind: 'unsupported', oid: dotted, name: 'rsa-pss without parameters' }
  return readPssParameters(next(cursor))
}

/** RSASSA-PSS-params (RFC 4055 §3.1). Its defaults are SHA-1 and 20 octets. */
function readPssParameters(parameters: DerElement): SignatureScheme {
  const cursor = enter(parameters)
  const hash = takeOptional(cursor, 0xa0)
  const mask = takeOptional(cursor, 0xa1)
  const salt = takeOptional(cursor, 0xa2)
  const trailer = takeOptional(cursor, 0xa3)
  finish(cursor, 'PSS parameters')
  const digest = hash === undefined ? 'sha1' : digestFromOid(readAlgorithmOid(next(enter(hash))))
  let maskDigest: DigestAlgorithm | undefined = 'sha1'
  if (mask !== undefined) {
    const inner = enter(next(enter(mask)))
    const generator = readOid(take(inner, 0x06, 'a mask generation function'))
    maskDigest =
      generator === OID.mgf1 ? digestFromOid(readAlgorithmOid(take(inner, 0x30, 'its digest'))) : undefined
  }
  const saltLength = salt === undefined ? 20 : readSmallInteger(next(enter(salt)), 'the salt length')
  const plain = trailer === undefined || readSmallInteger(next(enter(trailer)), 'the trailer field') === 1
  if (digest === undefined || digest !== maskDigest || !plain)
    return { kind: 'unsupported', oid: OID.rsaPss, name: 'rsa-pss with unusual parameters' }
  return { kind: 'rsa-pss', digest, saltLength, oid: OID.rsaPss, name: `rsa-pss-${digest}` }
}
