import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import type { SignatureAlgorithm } from '@yinxin/pki'
import { z } from 'zod'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Attestation, KeyDriver, KeyFamily } from './driver.ts'
import { createDestruction, type Receipt, type ScopeKeyState } from './destruction.ts'
import { createEpochs } from './epochs.ts'
import { createFileDriver } from './file-driver.ts'
import { found } from './founding.ts'
import { createKeyCache } from './key-cache.ts'
import { openKeyFolder } from './key-folder.ts'
import { createMovingDriver } from './moving-driver.ts'
import { type AdvanceReport, createRotation, type KeyVersionState, type RotationRules } from './rotation.ts'
import { createScopeKeys } from './scope-keys.ts'
import { createScopeStore } from './scope-store.ts'
import {
  createEventSigner,
  createSigningKeys,
  type EventKeyAlgorithm,
  type EventSigner,
  type KeptSigner,
  type SigningKeyName,
} from './signing-keys.ts'
import { createKeyStore } from './store.ts'
import { createTenantKeys } from './tenant-keys.ts'
import { createVersionStore } from './version-store.ts'
import { openBytes, sealBytes } from './wrap.ts'

export type { Attestation, DriverReceipt, KeyDriver, KeyFamily } from './driver.ts'
export { createFileDriver } from './file-driver.ts'
export { createKeyCommands, type KeyStatus } from './key-commands.ts'
export { openKeyFolder } from './key-folder.ts'
export { openKeyDriver } from './open-driver.ts'
export type { AdvanceReport, KeyVersionState, RotationRules, RotationStep } from './rotation.ts'
export type { DestructionReceipt, Receipt, ScopeKeyState } from './destruction.ts'
export { accessDestroyed } from './errors.ts'
export { anyParty } from './scope-keys.ts'
export type { EventKeyAlgorithm, EventSigner, KeptSigner, SigningKeyName } from './signing-keys.ts'

/** What an object's key is bound to; a wrapped key opens for exactly this place. All are uuids. */
export interface ObjectRef {
  tenantId: string
  scopeId: string
  objectId: string
  /** For whom it is opened: only this party's wrap will do. The owner's when it is not said; `anyParty` for any. */
  partyId?: string | undefined
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
   * Makes the key of a contract (or a file, or any other scope), wrapped once for each party; the owner alone unless
   * said otherwise. Resolves once it is durable in the keys database; repeating it is harmless. Opens its own
   * transaction there.
   * @throws Refusal `content_key_missing` when the key was destroyed or is another tenant's, `tenant_key_destroyed`
   */
  createScopeKey(tenantId: string, scopeId: string, parties?: readonly string[]): Promise<void>
  /**
   * Wraps the key for one more party, opened by the wrap of `via`; durable on return, repeating it is harmless.
   * @throws Refusal `access_destroyed` when this party's access, or that of `via`, was destroyed
   */
  addParty(scopeId: string, partyId: string, how: { via: string }): Promise<void>
  /**
   * Deletes a party's wrap. When it resolves, no process opens anything for that party any more, which takes a quarter
   * of a second; the others are not affected. With the last party the contract's key is gone. Repeating it gives the same receipt.
   * @throws Refusal `content_key_missing` when this party never had access
   */
  destroyAccess(scopeId: string, partyId: string): Promise<Receipt>
  /** Deletes all wraps: nobody opens the contract any more, and a key of this scope is never made again. */
  destroyScopeKey(scopeId: string): Promise<{ receipts: Receipt[] }>
  /** Destroys the key of a tenant: all its wraps, of all contracts, are dead at once. */
  destroyTenantKey(tenantId: string): Promise<Receipt>
  scopeKeyState(scopeIds: readonly string[]): Promise<Map<string, ScopeKeyState>>
  /** A fresh key for one object, and the same key wrapped by its scope's key. */
  newObjectKey(ref: ObjectRef): Promise<{ key: KeyObject; wrapped: Buffer }>
  /**
   * @throws Refusal `content_key_missing` when the scope's key is gone, `access_destroyed` when this party's is,
   * `sealed_value_damaged` when it does not fit
   */
  openObjectKey(ref: ObjectRef, wrapped: Uint8Array): Promise<KeyObject>
  /**
   * Seals small contents for the main database under a scope's key, so that they die with it. Each label says what
   * it is, and is needed to open it. @throws as `openObjectKey`
   */
  sealForScope(
    ref: Omit<ObjectRef, 'objectId'>,
    items: readonly { label: string; content: Uint8Array }[],
  ): Promise<Buffer[]>
  openForScope(
    ref: Omit<ObjectRef, 'objectId'>,
    items: readonly { label: string; sealed: Uint8Array }[],
  ): Promise<Buffer[]>
  /** Seals a small secret for the main database. The label says what and whose it is, and is needed to open it. */
  sealSecret(label: string, content: Uint8Array): Buffer
  /** @throws Refusal `sealed_value_damaged` */
  openSecret(label: string, sealed: Uint8Array): Buffer

  /** All versions of root and epoch keys with their life so far. */
  keyVersions(): Promise<KeyVersionState[]>
  /** Of one epoch; undefined when there never was one. `destroyedAt` dates the final certificate. */
  epochState(epoch: number): Promise<KeyVersionState | undefined>
  /** Begins a new version; the rest follows by {@link Kms.advanceKeys}. Resolves to its number. */
  rotateKeys(family: KeyFamily): Promise<number>
  /** Re-wraps, closes and destroys what is due. Also runs by the clock. */
  advanceKeys(): Promise<AdvanceReport>
  /** Takes the keys over from the driver `movingFrom`; what is left of them there follows by {@link Kms.advanceKeys}. */
  moveKeys(): Promise<{ begun: string[]; report: AdvanceReport }>
  scheduleDestroy(family: KeyFamily, version: number, at: Date): Promise<void>
  /** A closed version at once, before its backup cycle has passed. @throws Refusal `key_version_in_use` */
  destroyNow(family: KeyFamily, version: number): Promise<void>
  attest(family: KeyFamily, version: number): Promise<Attestation>
  readonly driver: { kind: KeyDriver['kind']; place: string; simulated: boolean }
  /** Overwrites what is in memory. */
  close(): void
}

export interface KmsDeps {
  /** The keys database, never the main one. */
  keysDb: Db
  clock: Clock
  /** Folder of the driver `file` (YINXIN_KEY_DIR); created 0700, refused when looser. Not used with `driver`. */
  keyDir?: string
  /** Keeps root and epoch keys elsewhere than in a folder. Closed with the room. */
  driver?: KeyDriver
  /** The driver that the keys are moving away from, of another kind; closed with the room. */
  movingFrom?: KeyDriver | undefined
  rules?: Partial<RotationRules>
  /** How long a process may use what it keeps without looking at the keys database; a destruction takes this long. */
  leaseMs?: number
  /** With it, keys are tended every hour. */
  jobs?: Jobs
}

const dayMs = 86_400_000

/** Opens the driver and the key store, and makes sure that they belong together. */
export async function createKms({
  keysDb,
  clock,
  keyDir,
  driver: given,
  movingFrom,
  rules,
  leaseMs = 250,
  jobs,
}: KmsDeps): Promise<Kms> {
  const keyStore = createKeyStore(keysDb)
  const versions = createVersionStore(keysDb)
  const to = given ?? createFileDriver(await openKeyFolder(requireFolder(keyDir)))
  const driver =
    movingFrom === undefined
      ? to
      : createMovingDriver(movingFrom, to, async (family, version) => {
          const rows = await versions.versions()
          return rows.find((row) => row.family === family && row.version === version)?.driver
        })
  const secretsKey = await found({ keyStore, versions, driver, clock })
  const epochs = createEpochs(versions, driver, clock)
  const scopeStore = createScopeStore(keysDb)
  const cache = createKeyCache({ destructions: scopeStore.destructions, leaseMs })
  const tenants = createTenantKeys(keyStore, epochs, cache, clock)
  const scopes = createScopeKeys({ db: keysDb, store: scopeStore, tenants, epochs, cache, clock })
  const destruction = createDestruction({ db: keysDb, store: scopeStore, cache, clock })
  const currentRoot = async () =>
    Math.max(...(await versions.versions()).flatMap((row) => (row.family === 'root' ? [row.version] : [])))
  const signing = createSigningKeys(keyStore, driver, currentRoot, clock)
  const rotation = createRotation(
    { keyStore, versions, driver, epochs, scopeStore, clock },
    { epochMs: 7 * dayMs, backupCycleMs: 7 * dayMs, laggingCopies: async () => [], ...rules },
  )
  // A process that lost the database must not keep working keys of epochs that closed meanwhile.
  const sweeper = setInterval(() => {
    cache.sweep()
    epochs.refresh().catch(() => epochs.clear())
  }, 30_000).unref()
  jobs?.define('kms.tend', z.looseObject({}), async () => {
    await rotation.tend()
  })
  jobs?.schedule('kms.tend', '23 * * * *')

  return {
    signingKey: signing.signingKey,
    eventSigner: createEventSigner,
    createScopeKey: scopes.create,
    addParty: scopes.addParty,
    ...destruction,
    async newObjectKey(ref) {
      const bytes = randomBytes(32)
      try {
        const wrapped = await scopes.use(ref, (key) => sealBytes(key, objectLabel(ref), bytes))
        return { key: createSecretKey(bytes), wrapped }
      } finally {
        bytes.fill(0)
      }
    },
    openObjectKey: (ref, wrapped) =>
      scopes.use(ref, (key) => {
        const bytes = openBytes(key, objectLabel(ref), wrapped)
        try {
          return createSecretKey(bytes)
        } finally {
          bytes.fill(0)
        }
      }),
    sealForScope: (ref, items) =>
      scopes.use(ref, (key) => items.map((one) => sealBytes(key, contentLabel(ref, one.label), one.content))),
    openForScope: (ref, items) =>
      scopes.use(ref, (key) => items.map((one) => openBytes(key, contentLabel(ref, one.label), one.sealed))),
    sealSecret: (label, content) => sealBytes(secretsKey, secretLabel(label), content),
    openSecret: (label, sealed) => openBytes(secretsKey, secretLabel(label), sealed),
    keyVersions: rotation.states,
    epochState: async (epoch) =>
      (await rotation.states()).find((one) => one.family === 'epoch' && one.version === epoch),
    rotateKeys: rotation.rotate,
    advanceKeys: rotation.advance,
    moveKeys: rotation.move,
    scheduleDestroy: rotation.scheduleDestroy,
    destroyNow: rotation.destroyNow,
    attest: rotation.attest,
    driver: { kind: driver.kind, place: driver.place, simulated: driver.simulated ?? false },
    close() {
      clearInterval(sweeper)
      cache.evict()
      signing.clear()
      epochs.clear()
      secretsKey.fill(0)
      void driver.close()
    },
  }
}

function requireFolder(keyDir: string | undefined): string {
  if (keyDir === undefined) throw new Error('a key store needs a driver or a key folder')
  return keyDir
}

const objectLabel = (ref: ObjectRef) => `${ref.tenantId}|${ref.scopeId}|${ref.objectId}`
const contentLabel = (ref: Omit<ObjectRef, 'objectId'>, label: string) =>
  `content|${ref.tenantId}|${ref.scopeId}|${label}`
const secretLabel = (label: string) => `secret|${label}`
