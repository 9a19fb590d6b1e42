/**
 * RSA verification with BigInt (RFC 8017), for places without a cryptography library. It works on public numbers
 * only, so that its time may depend on them. The bounds on keys are those of OpenSSL, so that no key takes for ever.
 */
import {
  type DigestAlgorithm,
  digestIdentifier,
  digestLength,
  isPlainPssIdentifier,
  readAlgorithmOid,
  readSignatureScheme,
} from './algorithms.ts'
import { concatBytes, equalBytes, fromHex, toHex } from './bytes.ts'
import { atEnd, encodingOf, enter, finish, integerBytes, readOnly, take } from './der-read.ts'
import { element, encode, nullValue, octetString, sequence } from './der-write.ts'
import { PkiError } from './errors.ts'
import { publicKeyBits } from './extensions.ts'
import { OID } from './oids.ts'

const MODULUS_BITS_MAX = 16_384
/** Beyond this size of the modulus an exponent may have 64 bits at most. */
const SMALL_MODULUS_BITS = 3072

interface RsaKey {
  readonly modulus: bigint
  readonly bits: number
  readonly exponent: bigint
}

/** Computes a digest; handed in, so that this file knows no implementation. */
export type DigestFunction = (algorithm: DigestAlgorithm, bytes: Uint8Array) => Uint8Array

/** The structure that a PKCS#1 v1.5 signature holds, digest included; undefined when there is none. Never throws on a bad signature. */
export function recoverDigestInfo(spki: Uint8Array, signature: Uint8Array): Uint8Array | undefined {
  const block = publicOperation(readKey(spki), signature)
  if (block === undefined || block[0] !== 0 || block[1] !== 1) return undefined
  let at = 2
  while (block[at] === 0xff) at += 1
  // RFC 8017 §9.2: at least eight octets of padding, then a zero.
  return at >= 10 && block[at] === 0 ? block.subarray(at + 1) : undefined
}

/** The structure around a digest; the parameters of its algorithm are NULL, or absent (RFC 8017 §9.2 note 1). */
export function digestInfo(algorithm: DigestAlgorithm, digest: Uint8Array, absent = false): Uint8Array {
  const bare = digestIdentifier(algorithm)
  const identifier = absent ? bare : element(0x30, bare.subarray(2), nullValue)
  return encode(sequence(identifier, octetString(digest)))
}

/** RSASSA-PKCS1-v1_5 (RFC 8017 §8.2.2), by comparing encodings. */
export function verifyPkcs1(
  spki: Uint8Array,
  algorithm: DigestAlgorithm,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  const found = recoverDigestInfo(spki, signature)
  return found !== undefined && equalBytes(found, digestInfo(algorithm, digest))
}

/** RSASSA-PSS (RFC 8017 §8.1.2) with MGF1 over the same digest. */
export function verifyPss(
  spki: Uint8Array,
  scheme: { readonly algorithm: DigestAlgorithm; readonly saltLength: number },
  digest: Uint8Array,
  signature: Uint8Array,
  hash: DigestFunction,
): boolean {
  if (!permits(spki, scheme)) return false
  const key = readKey(spki)
  const block = publicOperation(key, signature)
  if (block === undefined) return false
  return pssVerify(block, key.bits - 1, scheme, digest, hash)
}

/** EMSA-PSS-VERIFY (RFC 8017 §9.1.2). */
function pssVerify(
  block: Uint8Array,
  encodedBits: number,
  { algorithm, saltLength }: { readonly algorithm: DigestAlgorithm; readonly saltLength: number },
  digest: Uint8Array,
  hash: DigestFunction,
): boolean {
  const length = Math.ceil(encodedBits / 8)
  // One octet more than the encoded message has when its bits end at an octet.
  if (block.length > length && block[0] !== 0) return false
  const encoded = block.subarray(block.length - length)
  const hashLength = digestLength(algorithm)
  if (length < hashLength + saltLength + 2 || encoded[length - 1] !== 0xbc) return false
  const masked = encoded.slice(0, length - hashLength - 1)
  const found = encoded.subarray(length - hashLength - 1, length - 1)
  const spare = 8 * length - encodedBits
  if ((masked[0]! & (0xff00 >> spare)) !== 0 && spare > 0) return false
  const mask = mgf1(algorithm, found, masked.length, hash)
  for (let index = 0; index < masked.length; index += 1) masked[index]! ^= mask[index]!
  masked[0]! &= 0xff >> spare
  const zeros = masked.length - saltLength - 1
  for (let index = 0; index < zeros; index += 1) if (masked[index] !== 0) return false
  if (masked[zeros] !== 1) return false
  const salt = masked.subarray(zeros + 1)
  return equalBytes(found, hash(algorithm, concatBytes([new Uint8Array(8), digest, salt])))
}

function mgf1(
  algorithm: DigestAlgorithm,
  seed: Uint8Array,
  length: number,
  hash: DigestFunction,
): Uint8Array {
  const blocks: Uint8Array[] = []
  for (let counter = 0; counter * digestLength(algorithm) < length; counter += 1) {
    const octets = new Uint8Array(4)
    new DataView(octets.buffer).setUint32(0, counter)
    blocks.push(hash(algorithm, concatBytes([seed, octets])))
  }
  return concatBytes(blocks).subarray(0, length)
}

/**
 * A key that is for PSS alone may fix the digest and the shortest salt (RFC 4055 §3.3).
 * @throws PkiError `unsupported` for parameters in another encoding than their own, which another reader may refuse
 */
function permits(
  spki: Uint8Array,
  { algorithm, saltLength }: { readonly algorithm: DigestAlgorithm; readonly saltLength: number },
): boolean {
  const identifier = take(enter(readOnly(spki, 0x30, 'public key')), 0x30, 'an algorithm')
  if (readAlgorithmOid(identifier) !== OID.rsaPss) return true
  const cursor = enter(identifier)
  take(cursor, 0x06, 'an algorithm')
  const bound = atEnd(cursor) ? undefined : readSignatureScheme(identifier)
  if (!isPlainPssIdentifier(encodingOf(identifier), bound))
    throw new PkiError('unsupported', 'the key for PSS has parameters in an unusual form')
  return bound === undefined || (bound.digest === algorithm && saltLength >= (bound.saltLength ?? 0))
}

/** @throws PkiError on bytes that are no RSA key */
function readKey(spki: Uint8Array): RsaKey {
  const cursor = enter(readOnly(publicKeyBits(spki), 0x30, 'RSA key'))
  const modulus = toNumber(integerBytes(take(cursor, 0x02, 'a modulus')))
  const exponent = toNumber(integerBytes(take(cursor, 0x02, 'an exponent')))
  finish(cursor, 'the RSA key')
  return { modulus, exponent, bits: modulus.toString(2).length }
}

/** The signature raised to the public exponent, as long as the modulus; undefined when key or signature are none. */
function publicOperation({ modulus, exponent, bits }: RsaKey, signature: Uint8Array): Uint8Array | undefined {
  if (bits > MODULUS_BITS_MAX || modulus % 2n === 0n || exponent < 1n || exponent >= modulus) return undefined
  if (bits > SMALL_MODULUS_BITS && exponent >= 1n << 64n) return undefined
  const length = Math.ceil(bits / 8)
  const value = toNumber(signature)
  if (signature.length !== length || value >= modulus) return undefined
  let power = 1n
  for (const bit of exponent.toString(2)) {
    power = (power * power) % modulus
    if (bit === '1') power = (power * value) % modulus
  }
  return fromHex(power.toString(16).padStart(2 * length, '0'))
}

const toNumber = (bytes: Uint8Array): bigint => (bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`))
