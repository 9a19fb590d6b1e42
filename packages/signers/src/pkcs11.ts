/** A PKCS#11 token: what hardware modules, USB keys and SoftHSM2 speak (OASIS PKCS#11 2.40, 3.0). */
import type { Handle, IParams, Mechanism, PKCS11 } from 'pkcs11js'
import { CKA, CKK, CKM, CKO, CKR, PARAMETERS } from './pkcs11-constants.ts'
import { codeOf, isLostSession, LostLogin, openModule, type Pkcs11Binding } from './pkcs11-library.ts'
import {
  attribute,
  certificatesOf,
  findObjects,
  type Pkcs11Object,
  type Pkcs11Query,
  spkiOf,
} from './pkcs11-objects.ts'
import { openSession, type TokenChoice, type TokenFacts } from './pkcs11-session.ts'
import { SignerError } from './signer-error.ts'

export interface Pkcs11Options extends TokenChoice {
  /** Path of the module, such as `/usr/lib/softhsm/libsofthsm2.so`. */
  readonly module: string
  readonly pin: string
  /** Instead of pkcs11js. */
  readonly load?: () => Promise<Pkcs11Binding>
}

/** AES-GCM: an IV of 96 bits, and the ciphertext with its tag of 128 bits at the end. */
export interface Sealed {
  readonly iv: Uint8Array
  readonly ciphertext: Uint8Array
}

/**
 * An open token. All calls but `openPkcs11` are synchronous and run one after the other in one session; when the
 * device has lost that session they open it once more. Not for use by several threads at once.
 */
export interface Pkcs11Token {
  readonly token: TokenFacts
  /** CKM_ numbers the token offers. */
  mechanisms(): ReadonlySet<number>
  list(query?: Pkcs11Query): Pkcs11Object[]
  /** The one key that matches. @throws SignerError `key_missing` or `key_ambiguous` */
  findKey(query: Pkcs11Query): Pkcs11Object
  /** SubjectPublicKeyInfo of a private key. @throws SignerError `public_key_missing` */
  publicKey(key: Pkcs11Object): Uint8Array
  /** DER of the certificates with this id or label. */
  certificates(query?: Omit<Pkcs11Query, 'kind'>): Uint8Array[]
  /** A signature as the mechanism defines it: ECDSA as r‖s. @throws SignerError `mechanism_missing`, `key_unusable` … */
  sign(key: Pkcs11Object, mechanism: Mechanism, data: Uint8Array): Uint8Array
  /** AES-GCM with an IV from the token's own random source. */
  encrypt(key: Pkcs11Object, plaintext: Uint8Array, aad?: Uint8Array): Sealed
  /** @throws SignerError `decrypt_failed` when key, ciphertext or `aad` are not those of the encryption */
  decrypt(key: Pkcs11Object, sealed: Sealed, aad?: Uint8Array): Uint8Array
  /** A new AES-256 key that never leaves the token. */
  generateAesKey(name: { readonly label: string; readonly id?: string }): Pkcs11Object
  /** Destroys a key for good. */
  destroyKey(key: Pkcs11Object): void
  /** Bytes from the token's random source. */
  random(sizeBytes: number): Uint8Array
  close(): void
}

/** What the signer needs beyond the public interface. */
export interface Pkcs11Internals extends Pkcs11Token {
  /** Runs calls with the session and a fresh handle of the object. */
  withObject<T>(object: Pkcs11Object, act: (native: PKCS11, session: Handle, handle: Handle) => T): T
}

/** CKS_RW_USER_FUNCTIONS. */
const CKS_RW_USER = 3
const IV_BYTES = 12
const TAG_BYTES = 16

/** Opens a token and logs in. @throws SignerError that names what is missing or wrong */
export async function openPkcs11(options: Pkcs11Options): Promise<Pkcs11Token> {
  return openInternals(options)
}

export async function openInternals(options: Pkcs11Options): Promise<Pkcs11Internals> {
  const module = await openModule(options.module, options.load)
  let session: ReturnType<typeof openSession>
  try {
    session = openSession(module, options, options.pin)
  } catch (error) {
    module.release()
    throw error
  }
  const handles = new WeakMap<Pkcs11Object, { handle: Handle; generation: number }>()

  function one(native: PKCS11, open: Handle, query: Pkcs11Query) {
    const found = findObjects(native, open, query)
    const [first, second] = found
    const asked = [query.kind, query.label, query.id].filter((part) => part !== undefined).join(' ')
    // Without login private objects are not refused but unseen.
    if (first === undefined && native.C_GetSessionInfo(open).state !== CKS_RW_USER) throw new LostLogin()
    if (first === undefined) throw new SignerError('key_missing', asked)
    if (second !== undefined)
      throw new SignerError(
        'key_ambiguous',
        found.map(({ object }) => `${object.label} [${object.id}]`).join(', '),
      )
    handles.set(first.object, { handle: first.handle, generation: session.generation })
    return first
  }

  /** The handle found with the object, or found again by label and id in a newer session. */
  function handleOf(native: PKCS11, open: Handle, object: Pkcs11Object): Handle {
    const known = handles.get(object)
    if (known !== undefined && known.generation === session.generation) return known.handle
    const { kind, label, id } = object
    const again = one(native, open, { kind, label, id })
    handles.set(object, { handle: again.handle, generation: session.generation })
    return again.handle
  }

  const withObject: Pkcs11Internals['withObject'] = (object, act) =>
    session.run((native, open) => act(native, open, handleOf(native, open, object)))

  const random = (sizeBytes: number): Uint8Array =>
    session.run((native, open) => new Uint8Array(native.C_GenerateRandom(open, Buffer.alloc(sizeBytes))))

  const gcm = (iv: Uint8Array, aad: Uint8Array | undefined): Mechanism => ({
    mechanism: CKM.aesGcm,
    parameter: {
      type: PARAMETERS.aesGcm240,
      iv: Buffer.from(iv),
      ivBits: IV_BYTES * 8,
      ...(aad === undefined ? {} : { aad: Buffer.from(aad) }),
      tagBits: TAG_BYTES * 8,
    } as IParams,
  })

  return {
    token: session.token,
    withObject,
    random,
    mechanisms: () => session.run((native) => new Set(native.C_GetMechanismList(session.slot))),
    list: (query = {}) =>
      session.run((native, open) =>
        findObjects(native, open, query).map(({ handle, object }) => {
          handles.set(object, { handle, generation: session.generation })
          return object
        }),
      ),
    findKey: (query) => session.run((native, open) => one(native, open, query).object),
    publicKey: (object) =>
      withObject(object, (native, open, handle) => spkiOf(native, open, { handle, object })),
    certificates: (query = {}) => session.run((native, open) => certificatesOf(native, open, query)),
    sign: (key, mechanism, data) =>
      withObject(key, (native, open, handle) => {
        native.C_SignInit(open, mechanism, handle)
        if (attribute(native, open, handle, CKA.alwaysAuthenticate)?.[0] === 1)
          session.authenticateUse(native, open)
        return new Uint8Array(native.C_Sign(open, Buffer.from(data), Buffer.alloc(SIGNATURE_BYTES_MAX)))
      }),
    encrypt: (key, plaintext, aad) => {
      const iv = random(IV_BYTES)
      return withObject(key, (native, open, handle) => {
        native.C_EncryptInit(open, gcm(iv, aad), handle)
        const room = Buffer.alloc(plaintext.length + TAG_BYTES)
        return { iv, ciphertext: new Uint8Array(native.C_Encrypt(open, Buffer.from(plaintext), room)) }
      })
    },
    decrypt: (key, { iv, ciphertext }, aad) => {
      if (iv.length !== IV_BYTES || ciphertext.length < TAG_BYTES)
        throw new SignerError(
          'decrypt_failed',
          `${iv.length} bytes of IV, ${ciphertext.length} of ciphertext`,
        )
      return withObject(key, (native, open, handle) => {
        native.C_DecryptInit(open, gcm(iv, aad), handle)
        try {
          // Some modules ask for room for the tag too before they take it off.
          const room = Buffer.alloc(ciphertext.length + TAG_BYTES)
          return new Uint8Array(native.C_Decrypt(open, Buffer.from(ciphertext), room))
        } catch (error) {
          if (isLostSession(error) || codeOf(error) === CKR.deviceError) throw error
          // Modules have no common word for a wrong tag: SoftHSM2 says CKR_GENERAL_ERROR, others
          // CKR_ENCRYPTED_DATA_INVALID or CKR_AEAD_DECRYPT_FAILED.
          const detail = error instanceof Error ? error.message : String(error)
          throw new SignerError('decrypt_failed', detail, { cause: error })
        }
      })
    },
    generateAesKey: ({ label, id }) => {
      const name = id ?? Buffer.from(random(16)).toString('hex')
      return session.run((native, open) => {
        if (findObjects(native, open, { kind: 'secret', label }).length > 0)
          throw new SignerError('key_exists', label)
        native.C_GenerateKey(open, { mechanism: CKM.aesKeyGen }, [
          { type: CKA.class, value: CKO.secretKey },
          { type: CKA.keyType, value: CKK.aes },
          { type: CKA.valueLength, value: 32 },
          { type: CKA.label, value: label },
          { type: CKA.id, value: Buffer.from(name, 'hex') },
          { type: CKA.token, value: true },
          { type: CKA.private, value: true },
          { type: CKA.sensitive, value: true },
          { type: CKA.extractable, value: false },
          { type: CKA.encrypt, value: true },
          { type: CKA.decrypt, value: true },
        ])
        return one(native, open, { kind: 'secret', label, id: name }).object
      })
    },
    destroyKey: (key) => {
      withObject(key, (native, open, handle) => native.C_DestroyObject(open, handle))
      handles.delete(key)
    },
    close: () => {
      session.close()
      module.release()
    },
  }
}

/** RSA with 16384 bits. */
const SIGNATURE_BYTES_MAX = 2048
