/** What an encoded public key is, read from its DER alone: no key import, which costs more than a signature. */
import { readAlgorithmOid } from './algorithms.ts'
import { equalBytes, toHex } from './bytes.ts'
import {
  atEnd,
  enter,
  finish,
  integerBytes,
  next,
  readBitString,
  readInteger,
  readOid,
  readOnly,
  take,
} from './der-read.ts'
import { bitString, encode, oid, sequence } from './der-write.ts'
import { PkiError } from './errors.ts'
import { OID } from './oids.ts'
import { sm2Curve } from './sm2.ts'

/** Facts about a public key, for lint and reports. */
export interface KeyFacts {
  readonly type: 'rsa' | 'rsa-pss' | 'ec' | 'ed25519' | 'other'
  /** Modulus bits for RSA, curve bits for EC; 0 when unknown. */
  readonly bits: number
  /** `P-256`, `P-384`, `P-521`, `SM2`, or the object identifier of another curve. */
  readonly curve?: string
  readonly publicExponent?: bigint
  /** Whether the bits are a key at all: a point on its curve, a modulus of two odd primes as far as can be seen. */
  readonly wellFormed: boolean
}

interface Curve {
  readonly name: string
  readonly bits: number
  readonly prime: bigint
  readonly b: bigint
}

// FIPS 186-4 D.1.2 and GB/T 32918.5; a is -3 for all of them.
const curves: Record<string, Curve> = {
  [OID.p256]: {
    name: 'P-256',
    bits: 256,
    prime: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  },
  [OID.p384]: {
    name: 'P-384',
    bits: 384,
    prime: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  },
  [OID.p521]: {
    name: 'P-521',
    bits: 521,
    prime: 2n ** 521n - 1n,
    b: 0x51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
  },
  [OID.sm2]: { name: 'SM2', bits: 256, prime: sm2Curve.prime, b: sm2Curve.b },
}

/** What kind of key an SPKI holds, or undefined when it is no SubjectPublicKeyInfo. Never throws. */
export function keyFacts(spki: Uint8Array): KeyFacts | undefined {
  try {
    return readFacts(spki)
  } catch (error) {
    if (error instanceof PkiError) return undefined
    throw error
  }
}

/** All of a P-256 key in its usual encoding but the coordinates. */
const p256Header = encode(
  sequence(sequence(oid(OID.ecPublicKey), oid(OID.p256)), bitString(Uint8Array.of(4, ...new Uint8Array(64)))),
).subarray(0, 27)

function readFacts(spki: Uint8Array): KeyFacts {
  // Nearly every key that is issued for: the bytes that were compared need no reading.
  if (spki.length === 91 && equalBytes(spki.subarray(0, 27), p256Header))
    return {
      type: 'ec',
      bits: 256,
      curve: 'P-256',
      wellFormed: isOnCurve(spki.subarray(26), curves[OID.p256]!),
    }
  const cursor = enter(readOnly(spki, 0x30, 'public key'))
  const identifier = take(cursor, 0x30, 'a key algorithm')
  const key = readBitString(take(cursor, 0x03, 'the key bits'))
  finish(cursor, 'the public key')
  const algorithm = readAlgorithmOid(identifier)
  if (algorithm === OID.rsaEncryption) return rsaFacts('rsa', key)
  if (algorithm === OID.rsaPss) return rsaFacts('rsa-pss', key)
  if (algorithm === OID.ed25519) return { type: 'ed25519', bits: 256, wellFormed: key.length === 32 }
  if (algorithm !== OID.ecPublicKey) return { type: 'other', bits: 0, wellFormed: false }
  const parameters = enter(identifier)
  next(parameters)
  // Explicit curve parameters are forbidden (RFC 5480 §2.1.1): they let the key's maker choose the curve.
  if (atEnd(parameters) || parameters.source[parameters.position] !== 0x06)
    return { type: 'ec', bits: 0, wellFormed: false }
  const named = readOid(next(parameters))
  const curve = curves[named]
  if (curve === undefined) return { type: 'ec', bits: 0, curve: named, wellFormed: false }
  return { type: 'ec', bits: curve.bits, curve: curve.name, wellFormed: isOnCurve(key, curve) }
}

function rsaFacts(type: 'rsa' | 'rsa-pss', key: Uint8Array): KeyFacts {
  const cursor = enter(readOnly(key, 0x30, 'RSA key'))
  const modulus = integerBytes(take(cursor, 0x02, 'a modulus'))
  const publicExponent = readInteger(take(cursor, 0x02, 'an exponent'))
  finish(cursor, 'the RSA key')
  const magnitude = modulus[0] === 0 ? modulus.subarray(1) : modulus
  const first = magnitude[0] ?? 0
  const bits = magnitude.length * 8 - (Math.clz32(first) - 24)
  const positive = modulus[0]! < 0x80 && magnitude.length > 0
  const odd = (magnitude.at(-1) ?? 0) % 2 === 1
  return {
    type,
    bits,
    publicExponent,
    wellFormed: positive && odd && publicExponent > 1n && publicExponent % 2n === 1n,
  }
}

/** A coordinate of the point as a number; most curves have one of whole words, which are read four times as fast. */
function coordinate(point: Uint8Array, from: number, octets: number): bigint {
  if (octets % 8 !== 0) return BigInt(`0x${toHex(point.subarray(from, from + octets))}`)
  const view = new DataView(point.buffer, point.byteOffset + from, octets)
  let value = view.getBigUint64(0)
  for (let offset = 8; offset < octets; offset += 8) value = (value << 64n) | view.getBigUint64(offset)
  return value
}

/** Full point in uncompressed form that satisfies y² = x³ − 3x + b (SP 800-56A §5.6.2.3.3, without the order check: cofactor 1). */
function isOnCurve(point: Uint8Array, { bits, prime, b }: Curve): boolean {
  const octets = Math.ceil(bits / 8)
  if (point.length !== 1 + 2 * octets || point[0] !== 0x04) return false
  const x = coordinate(point, 1, octets)
  const y = coordinate(point, 1 + octets, octets)
  if (x >= prime || y >= prime) return false
  return (y * y - ((x * x - 3n) * x + b)) % prime === 0n
}
