/**
 * Rewrites the tables of the keys database, so that dead wraps do not stay in its files for as long as PostgreSQL
 * happens to need no room.
 */
import pg from 'pg'

/** Everybody waits while a table is rewritten; who cannot have it at once tries again later. */
const LOCK_TIMEOUT_MS = 3000

/** Returns the tables with their sizes before and after. @throws what keeps a table from being rewritten */
export async function vacuumKeys(
  keysOwnerUrl: string,
): Promise<{ table: string; bytesBefore: number; bytesAfter: number }[]> {
  const client = new pg.Client({ connectionString: keysOwnerUrl })
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query(`set lock_timeout = ${LOCK_TIMEOUT_MS}`)
    const { rows } = await client.query<{ name: string; bytes: string }>(
      `select c.relname::text as name, pg_total_relation_size(c.oid)::text as bytes
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind = 'r' and n.nspname = 'public' order by 1`,
    )
    const done = []
    for (const { name, bytes } of rows) {
      const table = `public.${client.escapeIdentifier(name)}`
      await client.query(`vacuum (full) ${table}`)
      const after = await client.query<{ bytes: string }>(
        'select pg_total_relation_size($1::regclass)::text as bytes',
        [table],
      )
      done.push({ table: name, bytesBefore: Number(bytes), bytesAfter: Number(after.rows[0]?.bytes) })
    }
    return done
  } finally {
    await client.end()
  }
}
