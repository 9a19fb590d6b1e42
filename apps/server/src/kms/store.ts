import { sql } from 'kysely'
import type { Db, Tx } from '#src/db/db.ts'
import type { KeyTables } from './tables.ts'

export type SigningKeyRow = KeyTables['signing_keys']
export type TenantKeyRow = KeyTables['tenant_keys']

const KEY_LOCK = 8_420_004

/** The SQL of the store itself and of tenants' keys. Every insert yields to a row that was there first. */
export function createKeyStore(db: Db) {
  return {
    secretsKey: () =>
      db.ask((tx) =>
        tx
          .withTables<KeyTables>()
          .selectFrom('key_store')
          .select(['secrets_key', 'root_version'])
          .executeTakeFirst(),
      ),

    insertSecretsKey: (wrapped: Buffer, rootVersion: number, at: Date) =>
      db.work(async (tx) => {
        await tx
          .withTables<KeyTables>()
          .insertInto('key_store')
          .values({ only_row: true, secrets_key: wrapped, root_version: rootVersion, created_at: at })
          .onConflict((conflict) => conflict.doNothing())
          .execute()
      }),

    signingKey: (name: string) =>
      db.ask((tx) =>
        tx
          .withTables<KeyTables>()
          .selectFrom('signing_keys')
          .select(['name', 'key_id', 'algorithm', 'spki', 'wrapped', 'root_version', 'created_at'])
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
      db.ask((tx) =>
        tx
          .withTables<KeyTables>()
          .selectFrom('tenant_keys')
          .select(['tenant_id', 'epoch', 'wrapped', 'destroyed_at'])
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

    /** Founding and rotating happen in one process at a time; the lock ends with this transaction. */
    exclusively: <T>(work: (tx: Tx) => Promise<T>) =>
      db.work(async (tx) => {
        await sql`select pg_advisory_xact_lock(${KEY_LOCK})`.execute(tx)
        return await work(tx)
      }),
  }
}

export type KeyStore = ReturnType<typeof createKeyStore>

/** A row came to a root or an epoch that is no longer open for any. */
export function isClosedVersion(error: unknown): boolean {
  const { code, constraint } = error as { code?: string; constraint?: string }
  return code === '23503' && /(epoch|root_version)_fkey$/.test(constraint ?? '')
}
