import { sql } from 'kysely'
import type { Db, Tx } from '#src/db/db.ts'
import type { KeyFamily } from './driver.ts'
import type { KeyTables } from './tables.ts'

export type KeyVersionRow = KeyTables['key_versions']

/** The SQL of roots and epochs: which there were, which are open, and what still hangs on one. */
export function createVersionStore(db: Db) {
  const all = (tx: Tx) =>
    tx
      .withTables<KeyTables>()
      .selectFrom('key_versions')
      .select([
        'family',
        'version',
        'driver',
        'wrapped',
        'created_at',
        'retired_at',
        'closed_at',
        'destroy_after',
        'destroyed_at',
        'receipt',
      ])
      .orderBy('family')
      .orderBy('version')
      .execute()

  return {
    versions: (): Promise<KeyVersionRow[]> => db.ask(all),
    versionsIn: (tx: Tx): Promise<KeyVersionRow[]> => all(tx),

    /** The new version takes over; the ones before it retire. */
    async insert(
      tx: Tx,
      row: { family: KeyFamily; version: number; driver: string; wrapped: Buffer | null; at: Date },
    ): Promise<void> {
      const t = tx.withTables<KeyTables>()
      const { family, version, driver, wrapped, at } = row
      await t
        .updateTable('key_versions')
        .set({ retired_at: at })
        .where('family', '=', family)
        .where('version', '<', version)
        .where('retired_at', 'is', null)
        .execute()
      await t
        .insertInto('key_versions')
        .values({
          family,
          version,
          driver,
          wrapped,
          created_at: at,
          retired_at: null,
          closed_at: null,
          destroy_after: null,
          destroyed_at: null,
          receipt: null,
        })
        .execute()
      if (family === 'epoch') await t.insertInto('open_epochs').values({ epoch: version }).execute()
      else await t.insertInto('open_roots').values({ version }).execute()
    },

    /** The working key of an epoch from before there were any; the first to store one wins. */
    adoptWorkingKey: (epoch: number, wrapped: Buffer) =>
      db.work(async (tx) => {
        await tx
          .withTables<KeyTables>()
          .updateTable('key_versions')
          .set({ wrapped })
          .where('family', '=', 'epoch')
          .where('version', '=', epoch)
          .where('wrapped', 'is', null)
          .where('destroyed_at', 'is', null)
          .execute()
      }),

    /**
     * No row may come under this version any more. The foreign keys refuse while one is left, so a success is the
     * proof that none is. Closing twice is harmless.
     */
    close: (family: KeyFamily, version: number, at: Date, destroyAfter: Date) =>
      db.work(async (tx) => {
        const t = tx.withTables<KeyTables>()
        if (family === 'epoch') await t.deleteFrom('open_epochs').where('epoch', '=', version).execute()
        else await t.deleteFrom('open_roots').where('version', '=', version).execute()
        await t
          .updateTable('key_versions')
          .set({ closed_at: at, destroy_after: destroyAfter })
          .where('family', '=', family)
          .where('version', '=', version)
          .where('closed_at', 'is', null)
          .execute()
      }),

    setDestroyAfter: (family: KeyFamily, version: number, destroyAfter: Date) =>
      db.work(async (tx) => {
        await tx
          .withTables<KeyTables>()
          .updateTable('key_versions')
          .set({ destroy_after: destroyAfter })
          .where('family', '=', family)
          .where('version', '=', version)
          .execute()
      }),

    async markDestroyed(tx: Tx, family: KeyFamily, version: number, at: Date, receipt: string) {
      await tx
        .withTables<KeyTables>()
        .updateTable('key_versions')
        .set({ destroyed_at: at, receipt, wrapped: null })
        .where('family', '=', family)
        .where('version', '=', version)
        .where('destroyed_at', 'is', null)
        .execute()
    },

    /** Takes rows of older epochs and seals them anew; who else works on some of them is passed over. */
    rewrapScopeBatch: (
      oldest: number,
      limit: number,
      seal: (row: { id: string; wrapped: Buffer }) => { wrapped: Buffer; epoch: number },
    ) =>
      db.work(async (tx) => {
        const t = tx.withTables<KeyTables>()
        const rows = await t
          .selectFrom('scope_key_wraps')
          .select(['scope_id', 'party_id', 'wrapped'])
          .where('epoch', '=', oldest)
          .limit(limit)
          .forUpdate()
          .skipLocked()
          .execute()
        if (rows.length === 0) return 0
        const sealed = rows.map((row) => seal({ id: row.scope_id, wrapped: row.wrapped }))
        await sql`
          update scope_key_wraps w set wrapped = n.wrapped, epoch = n.epoch
          from unnest(
            ${rows.map((row) => row.scope_id)}::uuid[],
            ${rows.map((row) => row.party_id)}::uuid[],
            ${sealed.map((one) => one.wrapped)}::bytea[],
            ${sealed.map((one) => one.epoch)}::integer[]
          ) as n (scope_id, party_id, wrapped, epoch)
          where w.scope_id = n.scope_id and w.party_id = n.party_id`.execute(tx)
        return rows.length
      }),

    rewrapTenantBatch: (
      oldest: number,
      limit: number,
      seal: (row: { id: string; wrapped: Buffer }) => { wrapped: Buffer; epoch: number },
    ) =>
      db.work(async (tx) => {
        const t = tx.withTables<KeyTables>()
        const rows = await t
          .selectFrom('tenant_keys')
          .select(['tenant_id', 'wrapped'])
          .where('epoch', '=', oldest)
          .limit(limit)
          .forUpdate()
          .skipLocked()
          .execute()
        const live = rows.flatMap(({ tenant_id, wrapped }) =>
          wrapped === null ? [] : [{ id: tenant_id, ...seal({ id: tenant_id, wrapped }) }],
        )
        if (live.length === 0) return 0
        await sql`
          update tenant_keys t set wrapped = n.wrapped, epoch = n.epoch
          from unnest(
            ${live.map((one) => one.id)}::uuid[],
            ${live.map((one) => one.wrapped)}::bytea[],
            ${live.map((one) => one.epoch)}::integer[]
          ) as n (tenant_id, wrapped, epoch)
          where t.tenant_id = n.tenant_id`.execute(tx)
        return live.length
      }),

    /** Rows still under a version, exactly. */
    countUnder: (family: KeyFamily, version: number) =>
      db.ask(async (tx) => {
        const query =
          family === 'epoch'
            ? sql<{ n: number }>`
                select (select count(*) from scope_key_wraps where epoch = ${version})
                  + (select count(*) from tenant_keys where epoch = ${version}) as n`
            : sql<{ n: number }>`
                select (select count(*) from signing_keys where root_version = ${version})
                  + (select count(*) from key_store where root_version = ${version}) as n`
        return (await query.execute(tx)).rows[0]?.n ?? 0
      }),

    /** What hangs on an older root: few rows, one transaction each. */
    secretsUnder: (rootVersion: number) =>
      db.ask((tx) =>
        tx
          .withTables<KeyTables>()
          .selectFrom('key_store')
          .select(['secrets_key'])
          .where('root_version', '=', rootVersion)
          .executeTakeFirst(),
      ),
    replaceSecretsKey: (from: number, to: number, wrapped: Buffer) =>
      db.work(async (tx) => {
        await tx
          .withTables<KeyTables>()
          .updateTable('key_store')
          .set({ secrets_key: wrapped, root_version: to })
          .where('root_version', '=', from)
          .execute()
      }),
    signingKeysUnder: (rootVersion: number) =>
      db.ask((tx) =>
        tx
          .withTables<KeyTables>()
          .selectFrom('signing_keys')
          .select(['name', 'algorithm', 'key_id', 'wrapped'])
          .where('root_version', '=', rootVersion)
          .execute(),
      ),
    replaceSigningKey: (name: string, from: number, to: number, wrapped: Buffer) =>
      db.work(async (tx) => {
        await tx
          .withTables<KeyTables>()
          .updateTable('signing_keys')
          .set({ wrapped, root_version: to })
          .where('name', '=', name)
          .where('root_version', '=', from)
          .execute()
      }),
  }
}

export type VersionStore = ReturnType<typeof createVersionStore>
