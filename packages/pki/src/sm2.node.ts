/**
 * SM2 and SM3 through node:crypto. OpenSSL's one-call interface knows no identity in Node; its streaming one signs the
 * SM3 digest of whatever it was fed, so that Z_A, computed here, goes in first. That is observed, not documented: hence
 * the self-test in `crypto-sm2.ts`.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  createSign,
  createVerify,
  type KeyObject,
  randomBytes as nodeRandomBytes,
} from 'node:crypto'
import type { RunningHash } from './crypto.ts'
import { publicKeyBits } from './extensions.ts'
import { sm2IdentityInput } from './sm2.ts'
import { type Sm2Engine, sm2Pkcs8, sm2Spki } from './sm2-keys.ts'

/** Random octets fit for keys. */
export const randomBytes = (length: number): Uint8Array => new Uint8Array(nodeRandomBytes(length))

/** @throws Error on a platform without SM3 */
export const startNativeSm3 = (): RunningHash => createHash('sm3')

export const nativeSm2: Sm2Engine = {
  name: 'native',
  publicPoint(secret) {
    const pkcs8 = sm2Pkcs8(secret) as Buffer
    const key = createPublicKey(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))
    return new Uint8Array(publicKeyBits(key.export({ format: 'der', type: 'spki' })))
  },
  prepareSign(secret, point, identity) {
    const pkcs8 = sm2Pkcs8(secret, point) as Buffer
    const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
    const za = createHash('sm3').update(sm2IdentityInput(point, identity)).digest()
    return (message) => new Uint8Array(createSign('sm3').update(za).update(message).sign(key))
  },
  verify(point, identity, message, signature) {
    let key: KeyObject
    try {
      key = createPublicKey({ key: sm2Spki(point) as Buffer, format: 'der', type: 'spki' })
    } catch {
      // No point of the curve.
      return false
    }
    const verifier = createVerify('sm3')
    verifier.update(createHash('sm3').update(sm2IdentityInput(point, identity)).digest())
    for (const chunk of message) verifier.update(chunk)
    try {
      return verifier.verify(key, signature)
    } catch {
      // OpenSSL reports some malformed signatures as errors instead of as false.
      return false
    }
  },
}
