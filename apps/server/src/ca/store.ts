import { sql } from 'kysely'
import { type Db, later, type Tx } from '#src/db/db.ts'
import type { CaTables, CertificateRevocationReason } from './tables.ts'

export type AuthorityRow = CaTables['ca_certificates']
export type IntentRow = CaTables['certificate_intents']
export type IssuedRow = CaTables['certificates_issued']
export type CrlRow = CaTables['ca_crls']

const typed = (tx: Tx) => tx.withTables<CaTables>()

/** The register's SQL. */
export function createCaStore(db: Db) {
  return {
    authorityCertificates: () =>
      db.work((tx) =>
        typed(tx)
          .selectFrom('ca_certificates')
          .select(['name', 'certificate', 'development', 'created_at'])
          .execute(),
      ),

    /** One statement, rows in a fixed order: of two founders at once, one wins with all of them. */
    insertAuthorityCertificates: (rows: AuthorityRow[]) =>
      db.work(async (tx) => {
        await typed(tx)
          .insertInto('ca_certificates')
          .values(rows)
          .onConflict((conflict) => conflict.column('name').doNothing())
          .execute()
      }),

    /** False when the register knows no such serial number. Revoking twice keeps the first time and reason. */
    revoke: (serial: string, reason: CertificateRevocationReason, at: Date) =>
      db.work(async (tx) => {
        const known = await typed(tx)
          .selectFrom('certificate_intents')
          .select('serial')
          .where('serial', '=', serial)
          .executeTakeFirst()
        if (known === undefined) return false
        await typed(tx)
          .insertInto('certificate_revocations')
          .values({ serial, reason, revoked_at: at })
          .onConflict((conflict) => conflict.column('serial').doNothing())
          .execute()
        return true
      }),

    /** The newest list and the number of revocations it should have. */
    newestCrl: () => db.ask(newestCrl),

    /** Runs `make` on the newest state, alone among all processes, and stores what it returns. */
    renewCrl: (
      make: (
        newest: CrlRow | undefined,
        revoked: CaTables['certificate_revocations'][],
      ) => CrlRow | undefined,
    ) =>
      db.work(async (tx) => {
        await sql`select pg_advisory_xact_lock(hashtext('ca_crls'))`.execute(tx)
        const { newest } = await newestCrl(tx)
        const revoked = await typed(tx)
          .selectFrom('certificate_revocations')
          .select(['serial', 'reason', 'revoked_at'])
          .orderBy('revoked_at')
          .orderBy('serial')
          .execute()
        const next = make(newest, revoked)
        if (next !== undefined) await typed(tx).insertInto('ca_crls').values(next).execute()
        return next ?? newest
      }),
  }
}

export type CaStore = ReturnType<typeof createCaStore>

export async function insertIntent(tx: Tx, row: IntentRow): Promise<void> {
  await later(tx, typed(tx).insertInto('certificate_intents').values(row))
}

export async function insertIssued(tx: Tx, row: IssuedRow): Promise<void> {
  await later(tx, typed(tx).insertInto('certificates_issued').values(row))
}

async function newestCrl(tx: Tx): Promise<{ newest: CrlRow | undefined; revokedCount: number }> {
  const { rows } = await sql<{ [Column in keyof CrlRow]: CrlRow[Column] | null } & { revocations: number }>`
    select newest.*, (select count(*) from certificate_revocations) as revocations
    from (values (1)) as one
    left join (
      select number, crl, revoked_count, this_update, next_update from ca_crls order by number desc limit 1
    ) as newest on true`.execute(tx)
  const { revocations, ...newest } = rows[0] as (typeof rows)[number]
  return { newest: newest.number === null ? undefined : (newest as CrlRow), revokedCount: revocations }
}
