import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import { refuse } from './errors.ts'
import type { KeyCache } from './key-cache.ts'
import type { ScopeStore } from './scope-store.ts'

/** Proof that a wrap was deleted: what the certificate cites. Its digest also stands in the tombstone. */
export interface DestructionReceipt {
  v: 1
  kind: 'access' | 'tenant'
  scopeId?: string
  partyId: string
  keyId?: string
  /** The epoch under which older backups still hold the wrap; it is dead everywhere once that epoch is destroyed. */
  epoch: number
  at: string
  tombstoneId: string
  /** Parties that can still read. */
  remaining?: string[]
}

export interface Receipt {
  receipt: DestructionReceipt
  sha256: string
}

export interface ScopeKeyState {
  state: 'present' | 'destroyed' | 'absent'
  /** Parties that can read now. */
  parties: string[]
  /** Parties whose access was destroyed. */
  destroyed: string[]
  keyId?: string
}

/**
 * Destroying keys of contracts and tenants. Each destruction is one commit in the keys database: the wrap goes, a
 * tombstone comes, the counter rises. It is reported only when no process can still be using what it kept.
 */
export function createDestruction({
  db,
  store,
  cache,
  clock,
}: {
  db: Db
  store: ScopeStore
  cache: KeyCache
  clock: Clock
}) {
  async function destroying<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const result = await db.work(work)
    cache.evict()
    await wait(cache.leaseMs)
    return result
  }

  /** The wraps of one party, or of all; repeating gives the same receipts. */
  async function destroyWraps(tx: Tx, scopeId: string, only?: string): Promise<Receipt[]> {
    const scope = await store.findLocked(tx, scopeId)
    if (scope === undefined) throw refuse('content_key_missing')
    const at = clock.now()
    const live = scope.wraps.filter((wrap) => wrap.tenantWrapped !== null)
    const remaining = new Set(live.map((wrap) => wrap.partyId))
    const doomed = scope.wraps.filter((wrap) => only === undefined || wrap.partyId === only)
    for (const { partyId, epoch } of doomed) {
      remaining.delete(partyId)
      await store.deleteWrap(tx, scopeId, partyId)
      const receipt: DestructionReceipt = {
        v: 1,
        kind: 'access',
        scopeId,
        partyId,
        keyId: scope.keyId,
        epoch,
        at: at.toISOString(),
        tombstoneId: newId(at.getTime()),
        remaining: [...remaining].sort(),
      }
      await store.insertTombstone(tx, tombstone(receipt))
    }
    if (remaining.size === 0) await store.markScopeDestroyed(tx, scopeId, at)
    const kept = await store.tombstones(tx, scopeId, only)
    if (only !== undefined && kept.length === 0) throw refuse('content_key_missing')
    return kept.map(readReceipt)
  }

  async function destroyTenantIn(tx: Tx, tenantId: string): Promise<Receipt> {
    const row = await store.lockTenant(tx, tenantId)
    if (row === undefined) throw refuse('content_key_missing')
    if (row.destroyed_at === null && row.epoch !== null) {
      const at = clock.now()
      await store.destroyTenantKey(tx, tenantId, at)
      const head = { v: 1, kind: 'tenant', partyId: tenantId, epoch: row.epoch } as const
      await store.insertTombstone(
        tx,
        tombstone({ ...head, at: at.toISOString(), tombstoneId: newId(at.getTime()) }),
      )
    }
    const [kept] = await store.tombstones(tx, null, tenantId)
    if (kept === undefined) throw new Error('a destroyed tenant key left no tombstone')
    return readReceipt(kept)
  }

  return {
    async destroyAccess(scopeId: string, partyId: string): Promise<Receipt> {
      const [receipt] = await destroying((tx) => destroyWraps(tx, scopeId, partyId))
      if (receipt === undefined) throw new Error('a destroyed access left no receipt')
      return receipt
    },
    destroyScopeKey: async (scopeId: string): Promise<{ receipts: Receipt[] }> => ({
      receipts: await destroying((tx) => destroyWraps(tx, scopeId)),
    }),
    destroyTenantKey: (tenantId: string) => destroying((tx) => destroyTenantIn(tx, tenantId)),

    async scopeKeyState(scopeIds: readonly string[]): Promise<Map<string, ScopeKeyState>> {
      const found = await store.find([...new Set(scopeIds)])
      return new Map(
        scopeIds.map((id): [string, ScopeKeyState] => {
          const scope = found.get(id)
          if (scope === undefined) return [id, { state: 'absent', parties: [], destroyed: [] }]
          const live = scope.wraps.filter((wrap) => wrap.tenantWrapped !== null)
          const dead = scope.wraps.filter((wrap) => wrap.tenantWrapped === null)
          const isPresent = scope.destroyedAt === null && live.length > 0
          return [
            id,
            {
              state: isPresent ? 'present' : 'destroyed',
              parties: isPresent ? live.map((wrap) => wrap.partyId).sort() : [],
              destroyed: [...scope.destroyed, ...dead.map((wrap) => wrap.partyId)].sort(),
              keyId: scope.keyId,
            },
          ]
        }),
      )
    },
  }
}

function tombstone(receipt: DestructionReceipt) {
  const text = JSON.stringify(receipt)
  return {
    id: receipt.tombstoneId,
    scope_id: receipt.scopeId ?? null,
    party_id: receipt.partyId,
    key_id: receipt.keyId ?? null,
    epoch: receipt.epoch,
    at: new Date(receipt.at),
    receipt: text,
    receipt_sha256: createHash('sha256').update(text).digest('hex'),
  }
}

function readReceipt(row: { receipt: string; receipt_sha256: string }): Receipt {
  return { receipt: JSON.parse(row.receipt) as DestructionReceipt, sha256: row.receipt_sha256 }
}
