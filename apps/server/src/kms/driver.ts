/**
 * Where the keys at the top live: the root, which wraps signing keys and the key of small secrets, and one
 * key per epoch, which wraps that epoch's working key. Their bytes stay with the driver; it wraps and unwraps.
 * Versions count from 1. Every driver answers to the same suite (`driver-suite.ts`).
 */
export type KeyFamily = 'root' | 'epoch'

export type DriverKind = 'file' | 'pkcs11' | 'vault'

export interface KeyDriver {
  readonly kind: DriverKind
  /** The kinds whose versions it answers for, while keys move from one driver to another. */
  readonly keeps?: readonly DriverKind[]
  /** Where the keys are, for people: a folder, a token, an address. Never a secret. */
  readonly place: string
  /** The other end says that it is a simulator. */
  readonly simulated?: boolean
  /** The versions that can be used now, ascending. */
  versions(family: KeyFamily): Promise<number[]>
  /** Makes sure that this version exists, which is the next one or an existing one; durable on return. */
  rotate(family: KeyFamily, version: number): Promise<void>
  /** Wraps a few hundred bytes at most. The context is authenticated, not stored. */
  wrap(family: KeyFamily, version: number, context: string, bytes: Uint8Array): Promise<Buffer>
  /** @throws Refusal `root_key_missing` or `epoch_key_missing`, `sealed_value_damaged`, or that the driver is not reachable */
  unwrap(family: KeyFamily, version: number, context: string, wrapped: Uint8Array): Promise<Buffer>
  /** Destroys this version for good. Versions die in order; one that is gone already is a success. */
  destroyNow(family: KeyFamily, version: number): Promise<DriverReceipt>
  /** What the driver itself says about a key. */
  attest(family: KeyFamily, version: number): Promise<Attestation>
  /** Brings what the driver itself keeps under an older root under this one. Only the key folder does. */
  rewrapOwn?(rootVersion: number): Promise<void>
  /** The epoch key of a store from before working keys: it was used as one itself. */
  adoptEpochKey?(version: number): Promise<Buffer>
  close(): Promise<void>
}

/** How a key was destroyed, for the certificate. */
export interface DriverReceipt {
  driver: DriverKind
  place: string
  key: string
  method: 'file-overwritten-and-unlinked' | 'C_DestroyObject' | 'transit-trim'
  /** False when it was gone before this call. */
  wasPresent: boolean
}

export interface Attestation {
  driver: DriverKind
  place: string
  key: string
  algorithm: 'AES-256-GCM'
  /** Whether the key can leave the driver in the clear. */
  extractable: boolean
  /** What this driver cannot prove, in English, for the certificate's residual statement. */
  residual: string
  /** The endpoint itself says that it is a simulator. */
  simulated?: boolean
}

/** The name of a key wherever it is kept: `root-000001`, `epoch-000002`. */
export function keyName(family: KeyFamily, version: number): string {
  return `${family}-${String(version).padStart(6, '0')}`
}
