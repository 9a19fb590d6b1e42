import { createHash, createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { generateSigner, type SignatureAlgorithm, type Signer, signerFromKey } from '@yinxin/pki'
import type { Clock } from '#src/clock.ts'
import type { KeyDriver } from './driver.ts'
import { isClosedVersion, type KeyStore, type SigningKeyRow } from './store.ts'

/** The platform's own signing keys; each has one purpose and is never used for another. */
export type SigningKeyName = 'ca-root' | 'ca-issuing' | 'tsa' | 'log' | 'platform-seal' | 'sla'

/** A handle: it signs, and the key behind it cannot be reached. */
export type KeptSigner = Signer & { readonly keyId: string }

/** A key for one act. After `destroy` it signs nothing more. */
export interface EventSigner {
  signer: Signer
  destroy(): void
}

export function createSigningKeys(
  store: KeyStore,
  driver: KeyDriver,
  currentRoot: () => Promise<number>,
  clock: Clock,
) {
  const opened = new Map<SigningKeyName, Promise<KeptSigner>>()

  async function open(name: SigningKeyName, algorithm: SignatureAlgorithm): Promise<KeptSigner> {
    const row = (await store.signingKey(name)) ?? (await create(name, algorithm))
    const pkcs8 = await driver.unwrap('root', row.root_version, signingLabel(row), row.wrapped)
    let key: KeyObject
    try {
      key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
    } finally {
      pkcs8.fill(0)
    }
    const signer = signerFromKey(key, row.algorithm as SignatureAlgorithm)
    return {
      algorithm: signer.algorithm,
      spki: signer.spki,
      keyId: row.key_id,
      sign: (data) => signer.sign(data),
    }
  }

  async function create(name: SigningKeyName, algorithm: SignatureAlgorithm): Promise<SigningKeyRow> {
    const { signer, privateKey } = generateSigner(algorithm)
    const spki = Buffer.from(signer.spki)
    const head = { name, algorithm, spki, key_id: createHash('sha256').update(spki).digest('hex') }
    const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' })
    const insert = async () => {
      const root_version = await currentRoot()
      const wrapped = await driver.wrap('root', root_version, signingLabel(head), pkcs8)
      await store.insertSigningKey({ ...head, wrapped, root_version, created_at: clock.now() })
    }
    try {
      // A root that closed meanwhile takes no more; the newest does.
      await insert().catch((error: unknown) => {
        if (!isClosedVersion(error)) throw error
        return insert()
      })
    } finally {
      pkcs8.fill(0)
    }
    // Read back: another process may have been first.
    const stored = await store.signingKey(name)
    if (stored === undefined) throw new Error(`the signing key ${name} vanished after it was stored`)
    return stored
  }

  return {
    async signingKey(name: SigningKeyName, algorithm: SignatureAlgorithm): Promise<KeptSigner> {
      let opening = opened.get(name)
      if (opening === undefined) {
        opening = open(name, algorithm)
        opened.set(name, opening)
        opening.catch(() => opened.delete(name))
      }
      const signer = await opening
      if (signer.algorithm !== algorithm) {
        throw new Error(`the signing key ${name} is ${signer.algorithm}, but ${algorithm} was asked for`)
      }
      return signer
    },
    clear: () => opened.clear(),
  }
}

/** What a key of one act may be: P-256 costs microseconds, RSA-2048 satisfies old verifiers. */
export type EventKeyAlgorithm = 'ecdsa-p256-sha256' | 'rsa-pkcs1-sha256'

/** A fresh key that exists in memory only and belongs to one act of signing. */
export async function createEventSigner(algorithm: EventKeyAlgorithm): Promise<EventSigner> {
  let inner: Signer | undefined =
    algorithm === 'rsa-pkcs1-sha256'
      ? signerFromKey((await generateRsa('rsa', { modulusLength: 2048 })).privateKey, algorithm)
      : generateSigner(algorithm).signer
  const spki = inner.spki
  return {
    signer: {
      algorithm,
      spki,
      sign(data) {
        if (inner === undefined) throw new Error('the key of this act has been destroyed')
        return inner.sign(data)
      },
    },
    destroy() {
      // The last reference goes; OpenSSL overwrites the key when the collector frees it.
      inner = undefined
    },
  }
}

const generateRsa = promisify(generateKeyPair)

/** The public half and the algorithm are part of the label: a swapped row does not open. */
export const signingLabel = (row: Pick<SigningKeyRow, 'name' | 'algorithm' | 'key_id'>) =>
  `signing|${row.name}|${row.algorithm}|${row.key_id}`
