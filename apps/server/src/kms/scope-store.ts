import { sql } from 'kysely'
import type { Db, Tx } from '#src/db/db.ts'
import type { KeyTables } from './tables.ts'

export interface NewScope {
  scopeId: string
  tenantId: string
  keyId: string
  wraps: { partyId: string; epoch: number; wrapped: Buffer }[]
}

export interface WrapRow {
  partyId: string
  epoch: number
  wrapped: Buffer
  /** Null when the party's tenant key was destroyed. */
  tenantEpoch: number | null
  tenantWrapped: Buffer | null
}

export interface ScopeRow {
  scopeId: string
  tenantId: string
  keyId: string
  destroyedAt: Date | null
  wraps: WrapRow[]
  /** Parties whose access was destroyed. */
  destroyed: string[]
}

/** The SQL of contract keys. */
export function createScopeStore(db: Db) {
  return {
    /** Inserts what is new, in one statement, and returns the scopes that were. */
    insert: (scopes: readonly NewScope[], at: Date) =>
      db.work(async (tx) => {
        const wraps = scopes.flatMap((scope) =>
          scope.wraps.map((wrap) => ({ scopeId: scope.scopeId, ...wrap })),
        )
        const { rows } = await sql<{ scope_id: string }>`
          with scopes as (
            insert into scope_keys (scope_id, tenant_id, key_id, created_at)
            select scope_id, tenant_id, key_id, ${at}
            from unnest(
              ${scopes.map((one) => one.scopeId)}::uuid[],
              ${scopes.map((one) => one.tenantId)}::uuid[],
              ${scopes.map((one) => one.keyId)}::uuid[]
            ) as s (scope_id, tenant_id, key_id)
            on conflict (scope_id) do nothing
            returning scope_id
          ), wraps as (
            insert into scope_key_wraps (scope_id, party_id, epoch, wrapped, created_at)
            select scope_id, party_id, epoch, wrapped, ${at}
            from unnest(
              ${wraps.map((one) => one.scopeId)}::uuid[],
              ${wraps.map((one) => one.partyId)}::uuid[],
              ${wraps.map((one) => one.epoch)}::integer[],
              ${wraps.map((one) => one.wrapped)}::bytea[]
            ) as w (scope_id, party_id, epoch, wrapped)
            join scopes using (scope_id)
          )
          select scope_id from scopes`.execute(tx)
        return rows.map((row) => row.scope_id)
      }),

    /** Everything about these scopes, in one round trip. */
    find: (scopeIds: readonly string[]) => db.ask((tx) => findScopes(tx, scopeIds)),

    /** The same under the scope's lock, for a change in this transaction. */
    async findLocked(tx: Tx, scopeId: string): Promise<ScopeRow | undefined> {
      await tx
        .withTables<KeyTables>()
        .selectFrom('scope_keys')
        .select('scope_id')
        .where('scope_id', '=', scopeId)
        .forUpdate()
        .execute()
      return (await findScopes(tx, [scopeId])).get(scopeId)
    },

    async insertWrap(tx: Tx, row: KeyTables['scope_key_wraps']): Promise<void> {
      await tx.withTables<KeyTables>().insertInto('scope_key_wraps').values(row).execute()
    },

    /** Whose wrap it was is known before; what the row held does not come back. */
    async deleteWrap(tx: Tx, scopeId: string, partyId: string): Promise<void> {
      await tx
        .withTables<KeyTables>()
        .deleteFrom('scope_key_wraps')
        .where('scope_id', '=', scopeId)
        .where('party_id', '=', partyId)
        .execute()
    },

    async markScopeDestroyed(tx: Tx, scopeId: string, at: Date): Promise<void> {
      await tx
        .withTables<KeyTables>()
        .updateTable('scope_keys')
        .set({ destroyed_at: at })
        .where('scope_id', '=', scopeId)
        .where('destroyed_at', 'is', null)
        .execute()
    },

    async lockTenant(tx: Tx, tenantId: string) {
      return await tx
        .withTables<KeyTables>()
        .selectFrom('tenant_keys')
        .select(['epoch', 'destroyed_at'])
        .where('tenant_id', '=', tenantId)
        .forUpdate()
        .executeTakeFirst()
    },

    async destroyTenantKey(tx: Tx, tenantId: string, at: Date): Promise<void> {
      await tx
        .withTables<KeyTables>()
        .updateTable('tenant_keys')
        .set({ wrapped: null, epoch: null, destroyed_at: at })
        .where('tenant_id', '=', tenantId)
        .execute()
    },

    /** Wraps of a tenant whose key is gone are dead; they go in batches, and with the last one the contract. */
    purgeDeadWraps: (limit: number, at: Date) =>
      db.work(async (tx) => {
        const { rows } = await sql<{ scope_id: string }>`
          with dead as (
            select w.scope_id, w.party_id
            from scope_key_wraps w join tenant_keys t on t.tenant_id = w.party_id
            where t.destroyed_at is not null
            limit ${limit} for update of w skip locked
          )
          delete from scope_key_wraps w using dead
          where w.scope_id = dead.scope_id and w.party_id = dead.party_id
          returning w.scope_id`.execute(tx)
        if (rows.length > 0) {
          await sql`
            update scope_keys s set destroyed_at = ${at}
            where s.scope_id = any(${rows.map((row) => row.scope_id)}::uuid[]) and s.destroyed_at is null
              and not exists (
                select 1 from scope_key_wraps w join tenant_keys t on t.tenant_id = w.party_id
                where w.scope_id = s.scope_id and t.destroyed_at is null
              )`.execute(tx)
        }
        return rows.length
      }),

    /** With it, every process learns that what it keeps may be dead. */
    async insertTombstone(tx: Tx, row: KeyTables['key_tombstones']): Promise<void> {
      const t = tx.withTables<KeyTables>()
      await t.insertInto('key_tombstones').values(row).execute()
      await t
        .updateTable('key_destructions')
        .set((eb) => ({ n: eb('n', '+', 1) }))
        .execute()
    },

    destructions: () =>
      db.ask(async (tx) => {
        const row = await tx
          .withTables<KeyTables>()
          .selectFrom('key_destructions')
          .select('n')
          .executeTakeFirstOrThrow()
        return row.n
      }),

    async tombstones(tx: Tx, scopeId: string | null, partyId?: string) {
      let query = tx
        .withTables<KeyTables>()
        .selectFrom('key_tombstones')
        .select(['scope_id', 'party_id', 'receipt', 'receipt_sha256'])
        .where('scope_id', scopeId === null ? 'is' : '=', scopeId)
      if (partyId !== undefined) query = query.where('party_id', '=', partyId)
      return await query.orderBy('at').orderBy('party_id').execute()
    },
  }
}

export type ScopeStore = ReturnType<typeof createScopeStore>

async function findScopes(tx: Tx, scopeIds: readonly string[]): Promise<Map<string, ScopeRow>> {
  const { rows } = await sql<{
    scope_id: string
    tenant_id: string
    key_id: string
    destroyed_at: Date | null
    party_id: string | null
    epoch: number
    wrapped: Buffer | null
    tenant_epoch: number | null
    tenant_wrapped: Buffer | null
  }>`
    select s.scope_id, s.tenant_id, s.key_id, s.destroyed_at, w.party_id, w.epoch, w.wrapped,
      t.epoch as tenant_epoch, t.wrapped as tenant_wrapped
    from scope_keys s
      left join scope_key_wraps w on w.scope_id = s.scope_id
      left join tenant_keys t on t.tenant_id = w.party_id
    where s.scope_id = any(${scopeIds}::uuid[])
    union all
    select d.scope_id, s.tenant_id, s.key_id, s.destroyed_at, d.party_id, d.epoch, null, null, null
    from key_tombstones d join scope_keys s on s.scope_id = d.scope_id
    where d.scope_id = any(${scopeIds}::uuid[])`.execute(tx)
  const found = new Map<string, ScopeRow>()
  for (const row of rows) {
    let scope = found.get(row.scope_id)
    if (scope === undefined) {
      scope = {
        scopeId: row.scope_id,
        tenantId: row.tenant_id,
        keyId: row.key_id,
        destroyedAt: row.destroyed_at,
        wraps: [],
        destroyed: [],
      }
      found.set(row.scope_id, scope)
    }
    if (row.party_id === null) continue
    if (row.wrapped === null) scope.destroyed.push(row.party_id)
    else
      scope.wraps.push({
        partyId: row.party_id,
        epoch: row.epoch,
        wrapped: row.wrapped,
        tenantEpoch: row.tenant_epoch,
        tenantWrapped: row.tenant_wrapped,
      })
  }
  return found
}
