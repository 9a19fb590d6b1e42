/** ECDSA and Ed25519 verification over noble's arithmetic, with the acceptance rules of OpenSSL. */
import { ed25519 } from '@noble/curves/ed25519.js'
import { brainpoolP256r1, brainpoolP384r1, brainpoolP512r1 } from '@noble/curves/misc.js'
import { p256, p384, p521 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { concatBytes, equalBytes, toHex } from './bytes.ts'
import { enter, finish, integerBytes, readOnly, take } from './der-read.ts'
import { PkiError } from './errors.ts'

/** By the names that `keyFacts` gives them. SM2 is no curve for ECDSA. */
const curves = new Map([
  ['P-256', p256],
  ['P-384', p384],
  ['P-521', p521],
  ['1.3.132.0.10', secp256k1],
  ['1.3.36.3.3.2.8.1.1.7', brainpoolP256r1],
  ['1.3.36.3.3.2.8.1.1.11', brainpoolP384r1],
  ['1.3.36.3.3.2.8.1.1.13', brainpoolP512r1],
])

/**
 * ECDSA (FIPS 186-5 §6.4.2) over a digest; undefined when the curve is not known here or the key is no point on it.
 * The signature must be strict DER, as OpenSSL wants it.
 */
export function verifyEcdsa(
  curveName: string,
  point: Uint8Array,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean | undefined {
  const curve = curves.get(curveName)
  if (curve === undefined) return undefined
  try {
    curve.Point.fromBytes(point).assertValidity()
  } catch {
    // noble says by an error that the octets are no point.
    return undefined
  }
  const octets = Math.ceil(curve.Point.Fn.BITS / 8)
  const compact = compactSignature(signature, octets)
  if (compact === undefined) return false
  return curve.verify(compact, digest, point, { prehash: false, lowS: false, format: 'compact' })
}

/** r and s at full width, or undefined when the bytes are no DER of two positive numbers that fit. */
function compactSignature(der: Uint8Array, octets: number): Uint8Array | undefined {
  try {
    const cursor = enter(readOnly(der, 0x30, 'signature'))
    const numbers = [take(cursor, 0x02, 'r'), take(cursor, 0x02, 's')].map((one) => integerBytes(one))
    finish(cursor, 'the signature')
    const compact = new Uint8Array(2 * octets)
    for (const [index, number] of numbers.entries()) {
      const magnitude = number[0] === 0 ? number.subarray(1) : number
      if (number[0]! >= 0x80 || magnitude.length > octets) return undefined
      compact.set(magnitude, (index + 1) * octets - magnitude.length)
    }
    return compact
  } catch (error) {
    if (error instanceof PkiError) return undefined
    throw error
  }
}

/**
 * Ed25519 (RFC 8032 §5.1.7) without the cofactor, as OpenSSL does it: two verifiers that differ here would give one
 * file two verdicts.
 */
export function verifyEd25519Point(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false
  const { Point } = ed25519
  const order = Point.Fn.ORDER
  const s = littleEndian(signature.subarray(32))
  if (s >= order) return false
  try {
    const a = Point.fromBytes(key, true)
    const first = signature.subarray(0, 32)
    const k = littleEndian(sha512(concatBytes([first, key, message]))) % order
    const r = Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(k))
    return equalBytes(r.toBytes(), first)
  } catch {
    // noble says by an error that the key is no point.
    return false
  }
}

const littleEndian = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes.slice().reverse())}`)
