/** Browsers have neither SM2 nor SM3: the TypeScript ones of `sm2.ts` and `sm3.ts` are used there. */
import type { RunningHash } from './crypto.ts'
import type { Sm2Engine } from './sm2-keys.ts'

export const nativeSm2: Sm2Engine | undefined = undefined

export const randomBytes = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length))

export function startNativeSm3(): RunningHash {
  throw new Error('browsers have no SM3')
}
