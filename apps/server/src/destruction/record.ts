import type { Receipt } from '#src/kms/kms.ts'
import type { DestructionState } from './lifecycle.ts'

/** An object as it was before it went. */
export interface ShreddedObject {
  objectId: string
  /** Whose key encrypted it: the contract, or an uploaded file. */
  scopeId: string
  what: 'document' | 'upload'
  bytes: number
  ciphertextSha256: string
  replicas: { domain: string; site: string | null }[]
}

export interface Check {
  check: 'replicas-absent' | 'key-absent' | 'sample-unreadable' | 'reconcile-clean' | 'others-still-read'
  ok: boolean
  detail: string
}

/** What was found and done, step by step; grows and is never taken back. Free of content. */
export interface ShredRecord {
  history: { state: DestructionState; at: string }[]
  /** The session that asked for consent of all, in whose name the agreement goes out. */
  asker?: { sessionId: string; accountId: string; role: 'self' | 'admin' | 'member' }
  /** When all must consent and one does not: destroy at least the requester's own access. */
  otherwise?: 'own-access' | 'nothing'
  approvers?: string[]
  objects?: ShreddedObject[]
  /** A random text sealed under the contract's key before it went, to see afterwards that nothing opens it. */
  probe?: string
  receipts?: Receipt[]
  items?: { item: string; rows: number }[]
  checks?: Check[]
  keyCopies?: { name: string; site: string; state: string }[]
  /** Number of the event that each certificate stands in, by stage. */
  events?: Partial<Record<'provisional' | 'final', number>>
}

export const recordOf = (row: { record: unknown }): ShredRecord => row.record as ShredRecord
