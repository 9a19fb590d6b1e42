/**
 * Moves the keys database of an older installation out of the main cluster into its own: copied under a passing
 * name, compared row by row, renamed in one step, and only then removed from where it was. A crash at any point
 * leaves either the old one untouched or the new one whole.
 */
import { createHash } from 'node:crypto'
import pg from 'pg'
import { KEY_MIGRATIONS, migrate } from './migrate.ts'
import type { ManagedPostgres } from './postgres.ts'
import { KEYS_ROLES, provisionDatabases, SERVER_LOGIN, superuserUrl } from './provision.ts'
import { asking, connectTo } from './standby.ts'

const NAME = 'yinxin_keys'
const PASSING = 'yinxin_keys_moving'

/** What a test may stop at. */
export type MoveStep = 'prepared' | 'copying' | 'copied' | 'switched' | 'removed'

export interface MoveReport {
  /** Rows by table. */
  rows: Record<string, number>
  sha256: string
}

interface MoveOptions {
  from: ManagedPostgres
  to: ManagedPostgres
  onStep?: (step: MoveStep) => Promise<void> | void
}

/** Returns undefined when there was nothing to move. Nobody else may use either database meanwhile. */
export async function moveKeys({ from, to, onStep }: MoveOptions): Promise<MoveReport | undefined> {
  if (!(await exists(from, NAME))) return undefined
  // 1. The old one in today's shape, so that both have the same tables.
  const migrateKeys = (postgres: ManagedPostgres, database: string) =>
    migrate({
      ownerUrl: superuserUrl(postgres, database),
      folder: KEY_MIGRATIONS,
      serverLogin: SERVER_LOGIN,
      memberOf: KEYS_ROLES,
    })
  await migrateKeys(from, NAME)

  if (!(await exists(to, NAME))) {
    // 2. A fresh copy beside its place; what an interrupted try left is thrown away.
    await asking(to, async (client) => {
      await client.query(`drop database if exists ${PASSING} with (force)`)
    })
    await provisionDatabases(to, [PASSING])
    await migrateKeys(to, PASSING)
    await onStep?.('prepared')
    const source = await connectTo(from, NAME)
    const target = await connectTo(to, PASSING)
    try {
      await copyTables(source, target, () => onStep?.('copying'))
      const [was, is] = [await describe(source), await describe(target)]
      if (was.sha256 !== is.sha256) {
        throw new Error('the copied keys differ from the original; nothing was switched')
      }
    } finally {
      await Promise.all([source.end(), target.end()])
    }
    await onStep?.('copied')
    // 3. The switch, on disk before anything is removed.
    await asking(to, async (client) => {
      await client.query(`alter database ${PASSING} rename to ${NAME}`)
      await client.query('checkpoint')
    })
  }
  await onStep?.('switched')

  // 4. The old one goes only while every row of it is in the new one.
  const source = await connectTo(from, NAME)
  const target = await connectTo(to, NAME)
  let report: MoveReport
  try {
    await migrateKeys(to, NAME)
    report = await describe(source)
    const missing = await missingRows(source, target)
    if (missing > 0) {
      throw new Error(
        `${missing} rows of the keys database in the main cluster are not in the keys cluster: an older release wrote keys after the move. Nothing was removed`,
      )
    }
  } finally {
    await Promise.all([source.end(), target.end()])
  }
  await asking(from, async (client) => {
    await client.query(`drop database ${NAME} with (force)`)
  })
  await onStep?.('removed')
  return report
}

async function exists(postgres: ManagedPostgres, database: string): Promise<boolean> {
  return await asking(postgres, async (client) => {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [database])
    return rowCount !== 0
  })
}

/** Tables of the rooms; the list of migrations is written by the migrations themselves. */
async function tablesOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select c.relname::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and n.nspname = 'public' and c.relname <> 'schema_migrations' order by 1`,
  )
  return rows.map(({ name }) => name)
}

const BATCH_ROWS = 5000

/** One transaction, so that the target holds all or nothing. */
async function copyTables(
  source: pg.Client,
  target: pg.Client,
  onTable: () => Promise<void> | void,
): Promise<void> {
  await target.query('begin')
  // Rows arrive table by table: references and guards were checked when they were first written.
  await target.query('set local session_replication_role = replica')
  for (const table of await tablesOf(source)) {
    const name = pg.escapeIdentifier(table)
    const { rows: columns } = await source.query<{ name: string }>(
      `select attname::text as name from pg_attribute
       where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = '' order by attnum`,
      [`public.${name}`],
    )
    const list = columns.map((column) => pg.escapeIdentifier(column.name)).join(', ')
    await target.query(`delete from ${name}`)
    await source.query('begin isolation level repeatable read read only')
    await source.query(`declare moved no scroll cursor for select to_jsonb(t)::text as row from ${name} t`)
    for (;;) {
      const { rows } = await source.query<{ row: string }>(`fetch ${BATCH_ROWS} from moved`)
      if (rows.length === 0) break
      await target.query(
        `insert into ${name} (${list}) overriding system value
         select ${list} from jsonb_populate_recordset(null::${name}, $1::jsonb)`,
        [`[${rows.map(({ row }) => row).join(',')}]`],
      )
    }
    await source.query('commit')
    await onTable()
  }
  const { rows: sequences } = await source.query<{ name: string; value: string }>(
    `select format('%I.%I', schemaname, sequencename) as name, last_value::text as value
     from pg_sequences where last_value is not null`,
  )
  for (const { name, value } of sequences) {
    await target.query('select setval($1::regclass, $2::bigint)', [name, value])
  }
  await target.query('commit')
}

async function rowHashes(client: pg.Client, table: string): Promise<string[]> {
  const { rows } = await client.query<{ hash: string }>(
    `select encode(sha256(convert_to(to_jsonb(t)::text, 'UTF8')), 'hex') as hash
     from ${pg.escapeIdentifier(table)} t order by 1`,
  )
  return rows.map(({ hash }) => hash)
}

/** Counts and one hash over every row of every table. */
async function describe(client: pg.Client): Promise<MoveReport> {
  const rows: Record<string, number> = {}
  const hash = createHash('sha256')
  for (const table of await tablesOf(client)) {
    const hashes = await rowHashes(client, table)
    rows[table] = hashes.length
    hash.update(`${table} ${hashes.length}\n`)
    for (const one of hashes) hash.update(`${one}\n`)
  }
  return { rows, sha256: hash.digest('hex') }
}

async function missingRows(source: pg.Client, target: pg.Client): Promise<number> {
  let missing = 0
  for (const table of await tablesOf(source)) {
    const there = new Set(await rowHashes(target, table))
    for (const hash of await rowHashes(source, table)) if (!there.has(hash)) missing += 1
  }
  return missing
}
