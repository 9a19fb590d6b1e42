import { randomBytes } from 'node:crypto'
import type { Clock } from '#src/clock.ts'
import type { Epochs } from './epochs.ts'
import type { KeyCache } from './key-cache.ts'
import { isClosedVersion, type KeyStore } from './store.ts'
import { openBytes, sealBytes } from './wrap.ts'

/** Keys of tenants, made where missing. */
export interface TenantKeys {
  /**
   * Copies of the tenants' keys, to be overwritten by the caller. Who is missing in the answer had a key that was
   * destroyed.
   */
  open(tenantIds: readonly string[]): Promise<Map<string, Buffer>>
  /** A copy of one key from its row, to be overwritten by the caller. */
  unwrap(tenantId: string, epoch: number | null, wrapped: Buffer | null): Promise<Buffer>
}

export function createTenantKeys(store: KeyStore, epochs: Epochs, cache: KeyCache, clock: Clock): TenantKeys {
  async function unwrap(tenantId: string, epoch: number | null, wrapped: Buffer | null): Promise<Buffer> {
    if (epoch === null || wrapped === null) throw new Error('the key of this tenant was destroyed')
    return openBytes(await epochs.key(epoch), tenantLabel(tenantId), wrapped)
  }

  async function makeMissing(tenantIds: string[]): Promise<void> {
    const epoch = await epochs.current()
    const epochKey = await epochs.key(epoch)
    const rows = tenantIds.map((tenant_id) => {
      const key = randomBytes(32)
      const wrapped = sealBytes(epochKey, tenantLabel(tenant_id), key)
      key.fill(0)
      return { tenant_id, epoch, wrapped, created_at: clock.now(), destroyed_at: null }
    })
    await store.insertTenantKeys(rows)
  }

  return {
    unwrap,
    async open(wanted) {
      await cache.confirm()
      const keys = new Map<string, Buffer>()
      const unknown = [...new Set(wanted)].filter(
        (id) => cache.use(id, (key) => keys.set(id, Buffer.from(key))) === undefined,
      )
      if (unknown.length === 0) return keys
      const generation = cache.generation()
      let rows = await store.tenantKeys(unknown)
      const missing = unknown.filter((id) => !rows.some((row) => row.tenant_id === id))
      if (missing.length > 0) {
        await makeMissing(missing).catch(async (error: unknown) => {
          if (!isClosedVersion(error)) throw error
          await epochs.refresh()
          await makeMissing(missing)
        })
        // Read back: another process may have been first, and then its key is the tenant's.
        rows = await store.tenantKeys(unknown)
      }
      if (rows.length !== unknown.length) throw new Error('the key of a tenant vanished after it was stored')
      for (const row of rows) {
        if (row.wrapped === null) continue
        const key = await unwrap(row.tenant_id, row.epoch, row.wrapped)
        keys.set(row.tenant_id, Buffer.from(key))
        cache.put(row.tenant_id, row.tenant_id, key, generation)
      }
      return keys
    },
  }
}

/** Also what a re-wrap opens and seals. */
export const tenantLabel = (tenantId: string) => `tenant|${tenantId}`
