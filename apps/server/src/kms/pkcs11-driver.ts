import { openPkcs11, type Pkcs11Object, type Pkcs11Token, SignerError } from '@yinxin/signers'
import { type DriverReceipt, type KeyDriver, type KeyFamily, keyName } from './driver.ts'
import { refuse } from './errors.ts'

const ivBytes = 12
const tagBytes = 16

export interface Pkcs11DriverOptions {
  module: string
  tokenLabel: string
  pin: string
  /** Before the names of the keys, so that installations can share a token. */
  prefix?: string
}

/**
 * The driver `pkcs11`: roots and epoch keys are AES-256 keys that never leave the token; destroying one is
 * C_DestroyObject. Wrapped values are `iv ‖ ciphertext ‖ tag` of CKM_AES_GCM.
 */
export async function openPkcs11Driver(options: Pkcs11DriverOptions): Promise<KeyDriver> {
  const { module, tokenLabel, pin, prefix = 'yinxin' } = options
  const place = `pkcs11:token=${tokenLabel}`
  let token: Pkcs11Token
  try {
    token = await openPkcs11({ module, tokenLabel, pin })
  } catch (error) {
    throw translate(error)
  }

  const label = (family: KeyFamily, version: number) => `${prefix}-${keyName(family, version)}`

  function keyOf(family: KeyFamily, version: number): Pkcs11Object {
    try {
      return token.findKey({ kind: 'secret', label: label(family, version) })
    } catch (error) {
      if (!(error instanceof SignerError) || error.code !== 'key_missing') throw error
      throw family === 'root'
        ? refuse('root_key_missing', { path: place }, error)
        : refuse('epoch_key_missing', { epoch: version }, error)
    }
  }

  /** Calls to the token are synchronous; what it says in its own words becomes a refusal. */
  async function withToken<T>(work: () => T): Promise<T> {
    try {
      return work()
    } catch (error) {
      throw translate(error)
    }
  }

  function translate(error: unknown): unknown {
    if (!(error instanceof SignerError)) return error
    const params = { place, reason: error.message }
    if (error.code === 'decrypt_failed') return refuse('sealed_value_damaged', {}, error)
    if (/^pin_/.test(error.code)) return refuse('key_driver_forbidden', params, error)
    if (/_missing$|device_removed/.test(error.code)) return refuse('key_driver_unreachable', params, error)
    return refuse('key_driver_failed', params, error)
  }

  return {
    kind: 'pkcs11',
    place,
    versions: (family) =>
      withToken(() => {
        const pattern = new RegExp(`^${escapeRegExp(prefix)}-${family}-(\\d{6,})$`)
        return token
          .list({ kind: 'secret' })
          .flatMap((object) => pattern.exec(object.label)?.[1] ?? [])
          .map(Number)
          .sort((a, b) => a - b)
      }),
    rotate: (family, version) =>
      withToken(() => {
        try {
          token.generateAesKey({ label: label(family, version) })
        } catch (error) {
          if (!(error instanceof SignerError) || error.code !== 'key_exists') throw error
        }
      }),
    wrap: (family, version, context, bytes) =>
      withToken(() => {
        const { iv, ciphertext } = token.encrypt(keyOf(family, version), bytes, Buffer.from(context, 'utf8'))
        return Buffer.concat([iv, ciphertext])
      }),
    unwrap: (family, version, context, wrapped) =>
      withToken(() => {
        const key = keyOf(family, version)
        if (wrapped.length < ivBytes + tagBytes) throw refuse('sealed_value_damaged')
        const sealed = { iv: wrapped.subarray(0, ivBytes), ciphertext: wrapped.subarray(ivBytes) }
        const opened = token.decrypt(key, sealed, Buffer.from(context, 'utf8'))
        return Buffer.from(opened.buffer, opened.byteOffset, opened.byteLength)
      }),
    destroyNow: (family, version) =>
      withToken((): DriverReceipt => {
        const name = label(family, version)
        const there = token.list({ kind: 'secret', label: name })
        for (const object of there) token.destroyKey(object)
        if (token.list({ kind: 'secret', label: name }).length > 0)
          throw refuse('key_driver_failed', { place, reason: `the token still shows ${name}` })
        return {
          driver: 'pkcs11',
          place,
          key: name,
          method: 'C_DestroyObject',
          wasPresent: there.length > 0,
        }
      }),
    attest: (family, version) =>
      withToken(() => {
        const key = keyOf(family, version)
        return {
          driver: 'pkcs11',
          place: `${place};manufacturer=${token.token.manufacturer};model=${token.token.model};serial=${token.token.serial}`,
          key: key.label,
          algorithm: 'AES-256-GCM',
          // openPkcs11 makes keys sensitive and not extractable, and the token keeps them so.
          extractable: false,
          residual:
            'Copies that the token itself makes, such as encrypted backups of a hardware module, are outside the driver; destroy those with it.',
        } as const
      }),
    close: async () => token.close(),
  }
}

const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
