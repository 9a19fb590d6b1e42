import { randomBytes } from 'node:crypto'
import type { Clock } from '#src/clock.ts'
import { coalesce } from '#src/coalesce.ts'
import type { Epochs } from './epochs.ts'
import { refuse } from './errors.ts'
import { createKeyCache } from './key-cache.ts'
import type { KeyStore } from './store.ts'
import { openBytes, sealBytes } from './wrap.ts'

const cacheAgeMs = 5 * 60_000
const cachedScopes = 10_000
const cachedTenants = 2_000

export interface ScopeKeys {
  create(tenantId: string, scopeId: string): Promise<void>
  /** Runs `work` with the key of a scope; the bytes must not outlive the call. */
  use<T>(tenantId: string, scopeId: string, work: (key: Buffer) => T): Promise<T>
  sweep(): void
  clear(): void
}

/**
 * Keys of contracts: made by the hundred when many contracts start at once (one insert, one commit
 * for all that wait), unwrapped at most every five minutes.
 */
export function createScopeKeys(store: KeyStore, epochs: Epochs, clock: Clock): ScopeKeys {
  const scopes = createKeyCache(clock, cacheAgeMs, cachedScopes)
  const tenants = createKeyCache(clock, cacheAgeMs, cachedTenants)

  const createMany = coalesce(async (wanted: { tenantId: string; scopeId: string }[]) => {
    // 1. The tenants' keys, made where missing.
    const tenantKeys = await tenantKeysFor([...new Set(wanted.map((one) => one.tenantId))])
    const fresh = new Map<string, { tenantId: string; key: Buffer }>()
    try {
      // 2. A random key per scope, wrapped twice.
      const epoch = epochs.current()
      const rows = new Map(
        wanted.map(({ tenantId, scopeId }) => {
          const key = randomBytes(32)
          fresh.get(scopeId)?.key.fill(0)
          fresh.set(scopeId, { tenantId, key })
          const inner = sealBytes(tenantKeys.get(tenantId)!, scopeLabel(tenantId, scopeId), key)
          const wrapped = sealBytes(epochs.key(epoch), outerLabel(scopeId, epoch), inner)
          return [
            scopeId,
            { scope_id: scopeId, tenant_id: tenantId, epoch, wrapped, created_at: clock.now() },
          ]
        }),
      )
      // 3. Durable on return; only a key that is ours to use goes into the cache.
      for (const scopeId of await store.insertScopeKeys([...rows.values()])) {
        const { tenantId, key } = fresh.get(scopeId)!
        scopes.put(scopeId, tenantId, Buffer.from(key))
      }
    } finally {
      for (const { key } of fresh.values()) key.fill(0)
      for (const key of tenantKeys.values()) key.fill(0)
    }
    return wanted.map(() => undefined)
  })

  /** Copies of the tenants' keys, to be overwritten by the caller. */
  async function tenantKeysFor(tenantIds: string[]): Promise<Map<string, Buffer>> {
    const keys = new Map<string, Buffer>()
    const collect = () => {
      for (const id of tenantIds) {
        if (!keys.has(id)) tenants.use(id, (key) => keys.set(id, Buffer.from(key)))
      }
      return tenantIds.filter((id) => !keys.has(id))
    }
    const load = async (ids: string[]) => {
      for (const row of await store.tenantKeys(ids)) {
        tenants.put(
          row.tenant_id,
          row.tenant_id,
          openBytes(epochs.key(row.epoch), tenantLabel(row.tenant_id), row.wrapped),
        )
      }
    }
    let missing = collect()
    if (missing.length > 0) await load(missing)
    missing = collect()
    if (missing.length > 0) {
      const epoch = epochs.current()
      const created_at = clock.now()
      const rows = missing.map((tenant_id) => {
        const key = randomBytes(32)
        const wrapped = sealBytes(epochs.key(epoch), tenantLabel(tenant_id), key)
        key.fill(0)
        return { tenant_id, epoch, wrapped, created_at }
      })
      await store.insertTenantKeys(rows)
      // Read back: another process may have been first, and then its key is the tenant's.
      await load(missing)
      missing = collect()
    }
    if (missing.length > 0) throw new Error(`the key of tenant ${missing[0]} vanished after it was stored`)
    return keys
  }

  async function load(scopeId: string): Promise<void> {
    const row = await store.scopeKey(scopeId)
    if (row === undefined) throw refuse('content_key_missing')
    const tenantKey = (await tenantKeysFor([row.tenant_id])).get(row.tenant_id)!
    const inner = openBytes(epochs.key(row.epoch), outerLabel(scopeId, row.epoch), row.wrapped)
    try {
      scopes.put(scopeId, row.tenant_id, openBytes(tenantKey, scopeLabel(row.tenant_id, scopeId), inner))
    } finally {
      tenantKey.fill(0)
    }
  }

  async function use<T>(tenantId: string, scopeId: string, work: (key: Buffer) => T): Promise<T> {
    const guarded = (key: Buffer, ownerId: string) => {
      if (ownerId !== tenantId) throw refuse('content_key_missing')
      return { result: work(key) }
    }
    const cached = scopes.use(scopeId, guarded)
    if (cached !== undefined) return cached.result
    await load(scopeId)
    const loaded = scopes.use(scopeId, guarded)
    if (loaded === undefined) throw new Error('a key left the cache the moment it entered it')
    return loaded.result
  }

  return {
    async create(tenantId, scopeId) {
      await createMany({ tenantId, scopeId })
      // Creating twice is harmless for the owner and refused for anybody else.
      await use(tenantId, scopeId, () => undefined)
    },
    use,
    sweep() {
      scopes.sweep()
      tenants.sweep()
    },
    clear() {
      scopes.clear()
      tenants.clear()
    },
  }
}

const tenantLabel = (tenantId: string) => `tenant|${tenantId}`
const scopeLabel = (tenantId: string, scopeId: string) => `scope|${tenantId}|${scopeId}`
const outerLabel = (scopeId: string, epoch: number) => `epoch|${epoch}|${scopeId}`
