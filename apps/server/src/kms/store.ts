import { sql } from 'kysely'
import type { Db } from '#src/db/db.ts'
import type { KeyTables } from './tables.ts'

export type SigningKeyRow = KeyTables['signing_keys']
export type TenantKeyRow = KeyTables['tenant_keys']
export type ScopeKeyRow = KeyTables['scope_keys']

/** The SQL of the keys database. Every insert yields to a row that was there first. */
export function createKeyStore(db: Db) {
  return {
    secretsKey: () =>
      db.work(async (tx) => {
        const row = await tx
          .withTables<KeyTables>()
          .selectFrom('key_store')
          .select('secrets_key')
          .executeTakeFirst()
        return row?.secrets_key
      }),

    insertSecretsKey: (wrapped: Buffer, at: Date) =>
      db.work(async (tx) => {
        await tx
          .withTables<KeyTables>()
          .insertInto('key_store')
          .values({ only_row: true, secrets_key: wrapped, created_at: at })
          .onConflict((conflict) => conflict.doNothing())
          .execute()
      }),

    signingKey: (name: string) =>
      db.work((tx) =>
        tx
          .withTables<KeyTables>()
          .selectFrom('signing_keys')
          .select(['name', 'key_id', 'algorithm', 'spki', 'wrapped', 'created_at'])
          .where('name', '=', name)
          .executeTakeFirst(),
      ),

    insertSigningKey: (row: SigningKeyRow) =>
      db.work(async (tx) => {
        await tx
          .withTables<KeyTables>()
          .insertInto('signing_keys')
          .values(row)
          .onConflict((conflict) => conflict.column('name').doNothing())
          .execute()
      }),

    tenantKeys: (tenantIds: string[]) =>
      db.work((tx) =>
        tx
          .withTables<KeyTables>()
          .selectFrom('tenant_keys')
          .select(['tenant_id', 'epoch', 'wrapped', 'created_at'])
          .where('tenant_id', '=', sql<string>`any(${tenantIds}::uuid[])`)
          .execute(),
      ),

    insertTenantKeys: (rows: TenantKeyRow[]) =>
      db.work(async (tx) => {
        await tx
          .withTables<KeyTables>()
          .insertInto('tenant_keys')
          .values(rows)
          .onConflict((conflict) => conflict.column('tenant_id').doNothing())
          .execute()
      }),

    scopeKey: (scopeId: string) =>
      db.work((tx) =>
        tx
          .withTables<KeyTables>()
          .selectFrom('scope_keys')
          .select(['scope_id', 'tenant_id', 'epoch', 'wrapped', 'created_at'])
          .where('scope_id', '=', scopeId)
          .executeTakeFirst(),
      ),

    /** Inserts what is new and returns the scopes that were inserted. */
    insertScopeKeys: (rows: ScopeKeyRow[]) =>
      db.work(async (tx) => {
        const inserted = await tx
          .withTables<KeyTables>()
          .insertInto('scope_keys')
          .values(rows)
          .onConflict((conflict) => conflict.column('scope_id').doNothing())
          .returning('scope_id')
          .execute()
        return inserted.map((row) => row.scope_id)
      }),
  }
}

export type KeyStore = ReturnType<typeof createKeyStore>
