import { randomBytes } from 'node:crypto'
import type { Clock } from '#src/clock.ts'
import { coalesce } from '#src/coalesce.ts'
import type { Db } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Epochs } from './epochs.ts'
import { refuse } from './errors.ts'
import type { KeyCache } from './key-cache.ts'
import type { NewScope, ScopeRow, ScopeStore, WrapRow } from './scope-store.ts'
import { isClosedVersion } from './store.ts'
import type { TenantKeys } from './tenant-keys.ts'
import { openBytes, sealBytes } from './wrap.ts'

/** For work of the platform on a contract as a whole, e.g. its evidence: any wrap that lives will do. */
export const anyParty = 'any'

export interface ScopeKeyDeps {
  db: Db
  store: ScopeStore
  tenants: TenantKeys
  epochs: Epochs
  cache: KeyCache
  clock: Clock
}

export interface ScopeKeyRef {
  tenantId: string
  scopeId: string
  /** Only this party's wrap opens; the owner's when it is not said; {@link anyParty} for any. */
  partyId?: string | undefined
}

/**
 * Keys of contracts: made by the hundred when many contracts start at once (one statement, one commit for all that
 * wait), kept for a while under the rules of {@link KeyCache}.
 */
export function createScopeKeys({ db, store, tenants, epochs, cache, clock }: ScopeKeyDeps) {
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
    const generation = cache.generation()
    const fresh = new Map<string, { tenantId: string; key: Buffer }>()
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
        fresh.set(scopeId, { tenantId, key })
        scopes.set(scopeId, { scopeId, tenantId, keyId: newId(clock.now().getTime()), wraps })
      }
      // 3. Durable on return.
      const inserted = new Set(scopes.size > 0 ? await store.insert([...scopes.values()], clock.now()) : [])
      for (const scopeId of inserted) {
        const { tenantId, key } = fresh.get(scopeId)!
        const isOwners = scopes.get(scopeId)?.wraps.some((wrap) => wrap.partyId === tenantId)
        if (isOwners) cache.put(cacheId({ scopeId }), tenantId, Buffer.from(key), generation)
      }
      return wanted.map(({ scopeId, parties }) => {
        if (parties.some((party) => !tenantKeys.has(party))) return 'tenant-destroyed' as const
        // Of two that asked for the same scope in one batch, the second is judged like a repetition.
        return inserted.delete(scopeId) ? ('made' as const) : ('known' as const)
      })
    } finally {
      for (const key of tenantKeys.values()) key.fill(0)
      for (const { key } of fresh.values()) key.fill(0)
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
    await cache.confirm()
    const id = cacheId(ref)
    const fits = (key: Buffer, ownerId: string) => {
      if (ownerId !== ref.tenantId) throw refuse('content_key_missing')
      return { result: work(key) }
    }
    // For the contract as a whole the owner's will do when it is at hand.
    const kept =
      cache.use(id, fits) ??
      (ref.partyId === anyParty ? cache.use(cacheId({ scopeId: ref.scopeId }), fits) : undefined)
    if (kept !== undefined) return kept.result
    const generation = cache.generation()
    const key = await openAgainIfMoved(async () =>
      unwrap(ref.scopeId, requireWrap(await findMany(ref.scopeId), ref)),
    )
    try {
      return work(key)
    } finally {
      cache.put(id, ref.tenantId, key, generation)
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

    async addParty(scopeId: string, partyId: string, { via }: { via: string }): Promise<void> {
      const tenantKeys = await tenants.open([partyId])
      const tenantKey = tenantKeys.get(partyId)
      if (tenantKey === undefined) throw refuse('tenant_key_destroyed')
      const add = async () => {
        const epoch = await epochs.current()
        await epochs.key(epoch)
        await db.work(async (tx) => {
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
  }
}

export type ScopeKeys = ReturnType<typeof createScopeKeys>

function wrapFor(
  tenantKey: Uint8Array,
  epochKey: Uint8Array,
  place: { partyId: string; scopeId: string; epoch: number },
  key: Uint8Array,
): Buffer {
  const inner = sealBytes(tenantKey, innerLabel(place.partyId, place.scopeId), key)
  return sealBytes(epochKey, outerLabel(place.scopeId, place.epoch), inner)
}

/** The owner's stands under the scope alone. */
const cacheId = ({ scopeId, partyId = '' }: { scopeId: string; partyId?: string | undefined }) =>
  `${scopeId}|${partyId}`
const innerLabel = (partyId: string, scopeId: string) => `scope|${partyId}|${scopeId}`
/** Also what a re-wrap opens and seals. */
export const outerLabel = (scopeId: string, epoch: number) => `epoch|${epoch}|${scopeId}`
