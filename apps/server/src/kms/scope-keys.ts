import { createHash, randomBytes } from 'node:crypto'
import type { Clock } from '#src/clock.ts'
import { coalesce } from '#src/coalesce.ts'
import type { Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Epochs } from './epochs.ts'
import { refuse } from './errors.ts'
import type { NewScope, ScopeRow, ScopeStore, WrapRow } from './scope-store.ts'
import { isClosedVersion } from './store.ts'
import type { TenantKeys } from './tenant-keys.ts'
import { openBytes, sealBytes } from './wrap.ts'

/** For work of the platform on a contract as a whole, e.g. its evidence: any wrap that lives will do. */
export const anyParty = 'any'

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

export interface ScopeKeyRef {
  tenantId: string
  scopeId: string
  /** Only this party's wrap opens; the owner's when it is not said; {@link anyParty} for any. */
  partyId?: string | undefined
}

/**
 * Keys of contracts: made by the hundred when many contracts start at once (one statement, one commit for all that
 * wait). No contract key and no tenant key is kept in memory: each use reads the wraps again, many at once in one
 * query, so that in every process a destroyed access is gone with the commit that destroys it.
 */
export function createScopeKeys(store: ScopeStore, tenants: TenantKeys, epochs: Epochs, clock: Clock) {
  const createMany = coalesce(async (wanted: { tenantId: string; scopeId: string; parties: string[] }[]) => {
    try {
      return await insertAll(wanted)
    } catch (error) {
      // The epoch closed since this process last looked: the new one is known after looking again.
      if (!isClosedVersion(error)) throw error
      await epochs.refresh()
      return await insertAll(wanted)
    }
  })

  async function insertAll(wanted: { tenantId: string; scopeId: string; parties: string[] }[]) {
    // 1. The parties' keys, made where missing; whose key was destroyed gets no other.
    const tenantKeys = await tenants.open(wanted.flatMap((one) => one.parties))
    try {
      // 2. A random key per scope, wrapped twice for each party.
      const epoch = await epochs.current()
      const epochKey = await epochs.key(epoch)
      const scopes = new Map<string, NewScope>()
      for (const { tenantId, scopeId, parties } of wanted) {
        if (scopes.has(scopeId) || parties.some((party) => !tenantKeys.has(party))) continue
        const key = randomBytes(32)
        const wraps = [...new Set(parties)].map((partyId) => ({
          partyId,
          epoch,
          wrapped: wrapFor(tenantKeys.get(partyId)!, epochKey, { partyId, scopeId, epoch }, key),
        }))
        key.fill(0)
        scopes.set(scopeId, { scopeId, tenantId, keyId: newId(clock.now().getTime()), wraps })
      }
      // 3. Durable on return.
      const inserted = new Set(scopes.size > 0 ? await store.insert([...scopes.values()], clock.now()) : [])
      return wanted.map(({ scopeId, parties }) => {
        if (parties.some((party) => !tenantKeys.has(party))) return 'tenant-destroyed' as const
        // Of two that asked for the same scope in one batch, the second is judged like a repetition.
        return inserted.delete(scopeId) ? ('made' as const) : ('known' as const)
      })
    } finally {
      for (const key of tenantKeys.values()) key.fill(0)
    }
  }

  const findMany = coalesce(async (scopeIds: string[]) => {
    const found = await store.find([...new Set(scopeIds)])
    return scopeIds.map((id) => found.get(id))
  })

  function requireWrap(scope: ScopeRow | undefined, ref: ScopeKeyRef): WrapRow {
    if (scope === undefined || scope.tenantId !== ref.tenantId || scope.destroyedAt !== null)
      throw refuse('content_key_missing')
    if (ref.partyId === anyParty) {
      const live = scope.wraps.find((wrap) => wrap.tenantWrapped !== null)
      if (live === undefined) throw refuse('content_key_missing')
      return live
    }
    const partyId = ref.partyId ?? scope.tenantId
    const wrap = scope.wraps.find((one) => one.partyId === partyId)
    if (wrap === undefined)
      throw refuse(scope.destroyed.includes(partyId) ? 'access_destroyed' : 'content_key_missing')
    if (wrap.tenantWrapped === null) throw refuse('access_destroyed')
    return wrap
  }

  /** The key of a scope, to be overwritten by the caller. */
  async function unwrap(scopeId: string, wrap: WrapRow): Promise<Buffer> {
    const { partyId, epoch } = wrap
    const tenantKey = await tenants.unwrap(partyId, wrap.tenantEpoch, wrap.tenantWrapped)
    try {
      const inner = openBytes(await epochs.key(epoch), outerLabel(scopeId, epoch), wrap.wrapped)
      return openBytes(tenantKey, innerLabel(partyId, scopeId), inner)
    } finally {
      tenantKey.fill(0)
    }
  }

  async function use<T>(ref: ScopeKeyRef, work: (key: Buffer) => T): Promise<T> {
    const key = await openAgainIfMoved(async () => {
      const wrap = requireWrap(await findMany(ref.scopeId), ref)
      return unwrap(ref.scopeId, wrap)
    })
    try {
      return work(key)
    } finally {
      key.fill(0)
    }
  }

  /** A row that was read just before its epoch was closed has moved on; the second look finds it there. */
  async function openAgainIfMoved<T>(open: () => Promise<T>): Promise<T> {
    try {
      return await open()
    } catch (error) {
      if ((error as { code?: string }).code !== 'epoch_key_missing') throw error
      return await open()
    }
  }

  return {
    use,

    async create(tenantId: string, scopeId: string, parties: readonly string[] = [tenantId]): Promise<void> {
      const outcome = await createMany({ tenantId, scopeId, parties: [...parties] })
      if (outcome === 'made') return
      if (outcome === 'tenant-destroyed') throw refuse('tenant_key_destroyed')
      // Creating twice is harmless for the owner and refused for anybody else, and for a key that was destroyed.
      const scope = await findMany(scopeId)
      requireWrap(scope, { tenantId, scopeId, partyId: anyParty })
    },

    async addParty(
      transact: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>,
      scopeId: string,
      partyId: string,
      via: string,
    ): Promise<void> {
      const tenantKeys = await tenants.open([partyId])
      const tenantKey = tenantKeys.get(partyId)
      if (tenantKey === undefined) throw refuse('tenant_key_destroyed')
      const add = async () => {
        const epoch = await epochs.current()
        await epochs.key(epoch)
        await transact(async (tx) => {
          const scope = await store.findLocked(tx, scopeId)
          const ref = { tenantId: scope?.tenantId ?? '', scopeId }
          const wrap = requireWrap(scope, { ...ref, partyId: via })
          if (scope?.destroyed.includes(partyId)) throw refuse('access_destroyed')
          if (scope?.wraps.some((one) => one.partyId === partyId)) return
          const key = await unwrap(scopeId, wrap)
          try {
            const wrapped = wrapFor(tenantKey, await epochs.key(epoch), { partyId, scopeId, epoch }, key)
            await store.insertWrap(tx, {
              scope_id: scopeId,
              party_id: partyId,
              epoch,
              wrapped,
              created_at: clock.now(),
            })
          } finally {
            key.fill(0)
          }
        })
      }
      try {
        await add().catch(async (error: unknown) => {
          if (!isClosedVersion(error) && (error as { code?: string }).code !== 'epoch_key_missing')
            throw error
          await epochs.refresh()
          await add()
        })
      } finally {
        tenantKey.fill(0)
      }
    },

    /** Deletes the wraps of these parties (of all when not said) and leaves tombstones; repeating gives the same receipts. */
    async destroy(tx: Tx, scopeId: string, only?: string): Promise<Receipt[]> {
      const scope = await store.findLocked(tx, scopeId)
      if (scope === undefined) throw refuse('content_key_missing')
      const at = clock.now()
      const remaining = new Set(scope.wraps.map((wrap) => wrap.partyId))
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
    },

    /** Destroys the key of a tenant, and with it the tenant's access to everything. */
    async destroyTenant(tx: Tx, tenantId: string): Promise<Receipt> {
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
    },

    async states(scopeIds: readonly string[]): Promise<Map<string, ScopeKeyState>> {
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

    purgeDeadWraps: (limit: number) => store.purgeDeadWraps(limit, clock.now()),
  }
}

export type ScopeKeys = ReturnType<typeof createScopeKeys>

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

function wrapFor(
  tenantKey: Uint8Array,
  epochKey: Uint8Array,
  place: { partyId: string; scopeId: string; epoch: number },
  key: Uint8Array,
): Buffer {
  const inner = sealBytes(tenantKey, innerLabel(place.partyId, place.scopeId), key)
  return sealBytes(epochKey, outerLabel(place.scopeId, place.epoch), inner)
}

const innerLabel = (partyId: string, scopeId: string) => `scope|${partyId}|${scopeId}`
/** Also what a re-wrap opens and seals. */
export const outerLabel = (scopeId: string, epoch: number) => `epoch|${epoch}|${scopeId}`
