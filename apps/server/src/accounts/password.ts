import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { refuse } from './errors.ts'

/** log2 N = 15, r = 8, p = 1: 32 MiB and some 60 ms per try (RFC 7914 §2). */
const COST = { log2N: 15, r: 8, p: 1 }
const KEY_BYTES = 32
const MAX_LENGTH = 128

/** Refuses passwords that are guessed first. */
export function checkPassword(password: string, login: string): void {
  const length = [...password].length
  if (length < 8 || length > MAX_LENGTH || /^\d+$/.test(password) || /^(.)\1+$/u.test(password))
    throw refuse('password_weak')
  if (password.toLowerCase().includes(login.split('@')[0]!.toLowerCase())) throw refuse('password_weak')
}

/** `scrypt$15$8$1$salt$key`, so that the cost can grow and old hashes stay readable. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const key = await derive(password, salt, COST)
  return ['scrypt', COST.log2N, COST.r, COST.p, salt.toString('base64url'), key.toString('base64url')].join(
    '$',
  )
}

/** Compares in constant time. Without a hash it spends the same time and says no. */
export async function isPassword(password: string, hash: string | null): Promise<boolean> {
  if (hash === null) {
    await derive(firstOf(password, MAX_LENGTH), Buffer.alloc(16), COST)
    return false
  }
  const [scheme, log2N, r, p, salt, key] = hash.split('$')
  if (scheme !== 'scrypt' || salt === undefined || key === undefined)
    throw new Error('a stored password hash has an unknown form')
  const wanted = Buffer.from(key, 'base64url')
  const cost = { log2N: Number(log2N), r: Number(r), p: Number(p) }
  // What is longer than any password costs no more than the longest; one character too many still differs.
  const given = await derive(firstOf(password, MAX_LENGTH + 1), Buffer.from(salt, 'base64url'), cost)
  return wanted.length === given.length && timingSafeEqual(given, wanted)
}

/** Counted in characters, as {@link checkPassword} counts them. */
function firstOf(password: string, length: number): string {
  return [...password.slice(0, 2 * length)].slice(0, length).join('')
}

function derive(password: string, salt: Uint8Array, cost: typeof COST): Promise<Buffer> {
  const N = 2 ** cost.log2N
  const options = { N, r: cost.r, p: cost.p, maxmem: 256 * N * cost.r }
  return new Promise((resolve, reject) => {
    // Typed in another form (full width, composed accents) it is the same password.
    scrypt(password.normalize('NFKC'), salt, KEY_BYTES, options, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}
