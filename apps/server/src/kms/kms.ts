import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import type { SignatureAlgorithm } from '@yinxin/pki'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import { openEpochs } from './epochs.ts'
import { refuse } from './errors.ts'
import { openKeyFolder } from './key-folder.ts'
import { openFileRootKey, type RootKey } from './root-key.ts'
import { createScopeKeys } from './scope-keys.ts'
import {
  createEventSigner,
  createSigningKeys,
  type EventKeyAlgorithm,
  type EventSigner,
  type KeptSigner,
  type SigningKeyName,
} from './signing-keys.ts'
import { createKeyStore, type KeyStore } from './store.ts'
import { openBytes, sealBytes } from './wrap.ts'

export type { EventKeyAlgorithm, EventSigner, KeptSigner, SigningKeyName } from './signing-keys.ts'

/** What an object's key is bound to; a wrapped key opens for exactly this place. All three are uuids. */
export interface ObjectRef {
  tenantId: string
  scopeId: string
  objectId: string
}

/**
 * The only room that sees key bytes. Others get handles: signers that sign, and the keys of objects
 * as opaque {@link KeyObject}s.
 *
 * What JavaScript cannot prove: buffers are overwritten after use, but the engine may have copied
 * them before (moving collector, swap, core dump). Key objects live outside the JavaScript heap and
 * OpenSSL cleanses them when they are freed, which happens at a time of the collector's choosing.
 */
export interface Kms {
  /** A platform key by its purpose; created on first use, wrapped at rest by the root key. */
  signingKey(name: SigningKeyName, algorithm: SignatureAlgorithm): Promise<KeptSigner>
  /** A fresh key in memory for one act. Call `destroy` in a `finally`. RSA takes ~0.1 s, on another thread. */
  eventSigner(algorithm: EventKeyAlgorithm): Promise<EventSigner>
  /**
   * Makes the key of a contract (or a file, or any other scope). Resolves once it is durable in the
   * keys database; repeating it is harmless. Opens its own transaction there.
   */
  createScopeKey(tenantId: string, scopeId: string): Promise<void>
  /** A fresh key for one object, and the same key wrapped by its scope's key. */
  newObjectKey(ref: ObjectRef): Promise<{ key: KeyObject; wrapped: Buffer }>
  /** @throws Refusal `content_key_missing` when the scope's key is gone, `sealed_value_damaged` when it does not fit. */
  openObjectKey(ref: ObjectRef, wrapped: Uint8Array): Promise<KeyObject>
  /** Seals a small secret for the main database. The label says what and whose it is, and is needed to open it. */
  sealSecret(label: string, content: Uint8Array): Buffer
  /** @throws Refusal `sealed_value_damaged` */
  openSecret(label: string, sealed: Uint8Array): Buffer
  /** Overwrites what is cached. */
  close(): void
}

export interface KmsDeps {
  /** The keys database, never the main one. */
  keysDb: Db
  clock: Clock
  /** Folder of the root and epoch keys (YINXIN_KEY_DIR); created 0700, refused when looser. */
  keyDir: string
}

/** Opens the key folder and the key store, and makes sure that they belong together. */
export async function createKms({ keysDb, clock, keyDir }: KmsDeps): Promise<Kms> {
  const store = createKeyStore(keysDb)
  const folder = await openKeyFolder(keyDir)
  const inUse = (await store.secretsKey()) !== undefined
  const root = await openFileRootKey(folder, !inUse)
  // The right root key is proven before anything else is opened; in a new store its row is written last, so that
  // a store in use always has its keys in the folder.
  const known = inUse ? await openSecretsKey(store, root, folder.path) : undefined
  const epochs = await openEpochs(folder, root, !inUse)
  const secretsKey = known ?? (await createSecretsKey(store, root, clock, folder.path))
  const scopes = createScopeKeys(store, epochs, clock)
  const signing = createSigningKeys(store, root, clock)
  const sweeper = setInterval(scopes.sweep, 60_000).unref()

  return {
    signingKey: signing.signingKey,
    eventSigner: createEventSigner,
    createScopeKey: scopes.create,
    async newObjectKey(ref) {
      const bytes = randomBytes(32)
      try {
        const wrapped = await scopes.use(ref.tenantId, ref.scopeId, (key) =>
          sealBytes(key, objectLabel(ref), bytes),
        )
        return { key: createSecretKey(bytes), wrapped }
      } finally {
        bytes.fill(0)
      }
    },
    openObjectKey: (ref, wrapped) =>
      scopes.use(ref.tenantId, ref.scopeId, (key) => {
        const bytes = openBytes(key, objectLabel(ref), wrapped)
        try {
          return createSecretKey(bytes)
        } finally {
          bytes.fill(0)
        }
      }),
    sealSecret: (label, content) => sealBytes(secretsKey, secretLabel(label), content),
    openSecret: (label, sealed) => openBytes(secretsKey, secretLabel(label), sealed),
    close() {
      clearInterval(sweeper)
      scopes.clear()
      signing.clear()
      epochs.destroy()
      root.destroy()
      secretsKey.fill(0)
    },
  }
}

/** The data key for small secrets; opening it is also the proof that this root key belongs to this store. */
async function openSecretsKey(store: KeyStore, root: RootKey, path: string): Promise<Buffer> {
  const wrapped = await store.secretsKey()
  if (wrapped === undefined) throw new Error('the key store lost the row it was given')
  try {
    return await root.unwrap('secrets', wrapped)
  } catch (error) {
    throw refuse('root_key_mismatch', { path }, error)
  }
}

async function createSecretsKey(store: KeyStore, root: RootKey, clock: Clock, path: string): Promise<Buffer> {
  const fresh = randomBytes(32)
  await store.insertSecretsKey(await root.wrap('secrets', fresh), clock.now())
  fresh.fill(0)
  return openSecretsKey(store, root, path)
}

const objectLabel = (ref: ObjectRef) => `${ref.tenantId}|${ref.scopeId}|${ref.objectId}`
const secretLabel = (label: string) => `secret|${label}`
