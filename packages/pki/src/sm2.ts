/**
 * SM2 signatures (GB/T 32918.2-2016) on the recommended curve (GB/T 32918.5-2017) in plain TypeScript. Correct, but
 * not constant in time: BigInt arithmetic takes as long as its numbers need. The platform's own implementation is
 * used where it passes its self-test (`crypto-sm2.ts`).
 */
import { fromHex, toHex } from './bytes.ts'
import { enter, finish, readInteger, readOnly, take } from './der-read.ts'
import { encode, integer, sequence } from './der-write.ts'
import { PkiError } from './errors.ts'
import { hmacSm3, sm3 } from './sm3.ts'

const p = 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn
const n = 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n
export const sm2Curve = {
  prime: p,
  order: n,
  b: 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n,
  baseX: 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n,
  baseY: 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n,
} as const

/** Who signs, as it enters the signature. The standard's default unless two parties agreed on another. */
export type Sm2Identity = string | Uint8Array
export const defaultSm2Identity = '1234567812345678'

const toNumber = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes)}`)
const toBytes = (value: bigint): Uint8Array => fromHex(value.toString(16).padStart(64, '0'))
const mod = (value: bigint, modulus: bigint): bigint => {
  const rest = value % modulus
  return rest < 0n ? rest + modulus : rest
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [low, high, x, y] = [mod(value, modulus), modulus, 1n, 0n]
  while (low > 0n) {
    const quotient = high / low
    ;[low, high, x, y] = [high - quotient * low, low, y - quotient * x, x]
  }
  return mod(y, modulus)
}

/** Jacobian coordinates: (x / z², y / z³); z = 0 is the point at infinity. */
interface Point {
  readonly x: bigint
  readonly y: bigint
  readonly z: bigint
}
const infinity: Point = { x: 1n, y: 1n, z: 0n }
const base: Point = { x: sm2Curve.baseX, y: sm2Curve.baseY, z: 1n }

/** Doubling for a = −3. */
function double({ x, y, z }: Point): Point {
  const delta = (z * z) % p
  const gamma = (y * y) % p
  const beta = (x * gamma) % p
  const alpha = (3n * (x - delta) * (x + delta)) % p
  const x3 = mod(alpha * alpha - 8n * beta, p)
  return {
    x: x3,
    y: mod(alpha * (4n * beta - x3) - 8n * gamma * gamma, p),
    z: mod((y + z) * (y + z) - gamma - delta, p),
  }
}

function add(left: Point, right: Point): Point {
  if (left.z === 0n) return right
  if (right.z === 0n) return left
  const leftZ2 = (left.z * left.z) % p
  const rightZ2 = (right.z * right.z) % p
  const u = (left.x * rightZ2) % p
  const s = (left.y * rightZ2 * right.z) % p
  const h = mod(right.x * leftZ2 - u, p)
  const r = mod(right.y * leftZ2 * left.z - s, p)
  if (h === 0n) return r === 0n ? double(left) : infinity
  const h2 = (h * h) % p
  const h3 = (h * h2) % p
  const v = (u * h2) % p
  const x = mod(r * r - h3 - 2n * v, p)
  return { x, y: mod(r * (v - x) - s * h3, p), z: (left.z * right.z * h) % p }
}

/** The sum of each point times its scalar, four bits at a time, all with the same doublings. */
function multiply(...terms: readonly (readonly [Point, bigint])[]): Point {
  const tables = terms.map(([point]) => {
    const table = [infinity]
    for (let times = 1; times < 16; times += 1) table.push(add(table[times - 1]!, point))
    return table
  })
  let sum = infinity
  for (let shift = 252n; shift >= 0n; shift -= 4n) {
    for (let twice = 0; twice < 4; twice += 1) sum = double(sum)
    for (const [index, [, scalar]] of terms.entries())
      sum = add(sum, tables[index]![Number((scalar >> shift) & 15n)]!)
  }
  return sum
}

function affine({ x, y, z }: Point): { x: bigint; y: bigint } {
  const inverted = inverse(z, p)
  const square = (inverted * inverted) % p
  return { x: (x * square) % p, y: (y * square * inverted) % p }
}

/** A point from its uncompressed form; undefined when it is none of this curve. */
function readPoint(bytes: Uint8Array): Point | undefined {
  if (bytes.length !== 65 || bytes[0] !== 4) return undefined
  const [x, y] = [toNumber(bytes.subarray(1, 33)), toNumber(bytes.subarray(33))]
  const onCurve = x < p && y < p && mod(y * y - ((x * x - 3n) * x + sm2Curve.b), p) === 0n
  return onCurve ? { x, y, z: 1n } : undefined
}

/** A private key as a number from 1 to n − 2 (GB/T 32918.1 §6.1). @throws PkiError `argument` */
function readScalar(secret: Uint8Array): bigint {
  const d = secret.length === 32 ? toNumber(secret) : 0n
  if (d < 1n || d > n - 2n) throw new PkiError('argument', 'the bytes are no SM2 private key')
  return d
}

/** Whether these 32 octets may be a private key; the few that may not are drawn again. */
export const isSm2Secret = (secret: Uint8Array): boolean =>
  secret.length === 32 && toNumber(secret) >= 1n && toNumber(secret) <= n - 2n

/** The public point of a private key, uncompressed: 65 octets. @throws PkiError `argument` */
export function sm2PublicPoint(secret: Uint8Array): Uint8Array {
  const { x, y } = affine(multiply([base, readScalar(secret)]))
  return Uint8Array.of(4, ...toBytes(x), ...toBytes(y))
}

/**
 * What SM3 has to digest to give Z_A (GB/T 32918.2 §5.5): length and identity, curve, base point, public key.
 * @throws PkiError `argument` for an identity of more than 8191 octets
 */
export function sm2IdentityInput(point: Uint8Array, identity: Sm2Identity): Uint8Array {
  const id = typeof identity === 'string' ? new TextEncoder().encode(identity) : identity
  if (id.length > 8191) throw new PkiError('argument', 'an SM2 identity has at most 8191 octets')
  const bits = id.length * 8
  const input = new Uint8Array(2 + id.length + 6 * 32)
  input.set([bits >> 8, bits & 0xff])
  input.set(id, 2)
  input.set(curveConstants, 2 + id.length)
  input.set(point.subarray(1), 2 + id.length + 4 * 32)
  return input
}
const curveConstants = Uint8Array.from(
  [p - 3n, sm2Curve.b, sm2Curve.baseX, sm2Curve.baseY].flatMap((value) => [...toBytes(value)]),
)

/** Digest e of Z_A and the message, which is what is signed (GB/T 32918.2 §6.1). */
export function sm2Digest(
  point: Uint8Array,
  identity: Sm2Identity,
  message: readonly Uint8Array[],
): Uint8Array {
  return sm3(sm3(sm2IdentityInput(point, identity)), ...message)
}

/**
 * Nonces for one signature, as RFC 6979 §3.2 derives them, with HMAC-SM3: a repeated or guessable one gives the key
 * away. `entropy` is added to what they are derived from (§3.6).
 */
export function* sm2Nonces(secret: Uint8Array, e: Uint8Array, entropy: Uint8Array): Generator<bigint> {
  const reduced = toBytes(toNumber(e) % n)
  let key: Uint8Array = new Uint8Array(32)
  let value: Uint8Array = new Uint8Array(32).fill(1)
  for (const octet of [0, 1]) {
    key = hmacSm3(key, value, Uint8Array.of(octet), secret, reduced, entropy)
    value = hmacSm3(key, value)
  }
  for (;;) {
    value = hmacSm3(key, value)
    const nonce = toNumber(value)
    if (nonce >= 1n && nonce < n) yield nonce
    key = hmacSm3(key, value, Uint8Array.of(0))
    value = hmacSm3(key, value)
  }
}

/**
 * Signs the digest e (GB/T 32918.2 §6.1). @param nonces tried in turn until one serves
 * @returns SEQUENCE of r and s, DER (GM/T 0009 §7.3)
 */
export function sm2SignDigest(secret: Uint8Array, e: Uint8Array, nonces: Iterable<bigint>): Uint8Array {
  const d = readScalar(secret)
  for (const k of nonces) {
    const r = (toNumber(e) + affine(multiply([base, k])).x) % n
    if (r === 0n || r + k === n) continue
    const s = mod(inverse(1n + d, n) * (k - r * d), n)
    if (s !== 0n) return encode(sequence(integer(r), integer(s)))
  }
  throw new PkiError('argument', 'no nonce made a signature')
}

/** Whether the key of the point made this signature of the digest e (GB/T 32918.2 §7.1). Never throws. */
export function sm2VerifyDigest(point: Uint8Array, e: Uint8Array, signature: Uint8Array): boolean {
  const key = readPoint(point)
  const pair = readSignature(signature)
  if (key === undefined || pair === undefined) return false
  const { r, s } = pair
  const t = (r + s) % n
  if (t === 0n) return false
  const sum = multiply([base, s], [key, t])
  return sum.z !== 0n && (toNumber(e) + affine(sum).x) % n === r
}

function readSignature(signature: Uint8Array): { r: bigint; s: bigint } | undefined {
  try {
    const cursor = enter(readOnly(signature, 0x30, 'SM2 signature'))
    const r = readInteger(take(cursor, 0x02, 'r'))
    const s = readInteger(take(cursor, 0x02, 's'))
    finish(cursor, 'the signature')
    return r >= 1n && r < n && s >= 1n && s < n ? { r, s } : undefined
  } catch (error) {
    if (error instanceof PkiError) return undefined
    throw error
  }
}
