/** How SM2 keys are encoded, and what an implementation of SM2 has to offer. */
import { bitString, type Der, encode, explicit, integer, octetString, oid, sequence } from './der-write.ts'
import { OID } from './oids.ts'
import type { Sm2Identity } from './sm2.ts'

/** A way to compute SM2: the same inputs and outputs, whoever does the arithmetic. Keys are raw octets. */
export interface Sm2Engine {
  readonly name: 'native' | 'typescript'
  /** Uncompressed public point of a private key. */
  publicPoint(secret: Uint8Array): Uint8Array
  /** Signer of messages for a private key of 32 octets. */
  prepareSign(
    secret: Uint8Array,
    point: Uint8Array,
    identity: Sm2Identity,
  ): (message: Uint8Array) => Uint8Array
  /** Never throws on a bad signature or point. */
  verify(
    point: Uint8Array,
    identity: Sm2Identity,
    message: readonly Uint8Array[],
    signature: Uint8Array,
  ): boolean
}

const keyAlgorithm = encode(sequence(oid(OID.ecPublicKey), oid(OID.sm2)))

/** SubjectPublicKeyInfo of an SM2 point (GM/T 0009 §7.1). */
export const sm2Spki = (point: Uint8Array): Uint8Array => encode(sequence(keyAlgorithm, bitString(point)))

/** PKCS#8 of a private key, with its public point when that is known. */
export function sm2Pkcs8(secret: Uint8Array, point?: Uint8Array): Uint8Array {
  const parts: Der[] = [integer(1), octetString(secret)]
  if (point !== undefined) parts.push(explicit(1, bitString(point)))
  const key = sequence(...parts)
  return encode(sequence(integer(0), keyAlgorithm, octetString(encode(key))))
}
