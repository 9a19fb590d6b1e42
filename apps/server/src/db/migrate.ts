/**
 * Plain numbered SQL files, forward only. Each runs in its own transaction, with its version row written
 * first, under one advisory lock: two starters never run the same file, and a crash leaves whole files only.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'

const MIGRATION_LOCK = 8_420_002

export const MAIN_MIGRATIONS = join(import.meta.dirname, 'migrations')
export const KEY_MIGRATIONS = join(import.meta.dirname, 'key-migrations')

export interface MigrateOptions {
  /** A login that may create roles (or finds them created) and objects in the database. */
  ownerUrl: string
  folder: string
  /** The server's login; it becomes a member of the working roles. */
  serverLogin: string
  memberOf: string[]
}

interface MigrationFile {
  version: number
  name: string
  sql: string
  checksum: string
  /** Marked `--! login`: runs as the owner's login itself instead of the role yinxin_owner. */
  asLogin: boolean
}

/** Brings the database up to date and returns the names of the files applied now. */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const files = await readMigrations(options.folder)
  const client = new pg.Client({ connectionString: options.ownerUrl })
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK])
    await client.query(`create table if not exists schema_migrations (
      version integer primary key,
      name text not null,
      checksum text not null,
      applied_at timestamptz not null default now()
    )`)
    const pending = await pendingFiles(client, files)
    for (const file of pending) await apply(client, file)
    await grantMembership(client, options)
    return pending.map((file) => file.name)
  } finally {
    await client.end()
  }
}

/**
 * Grants that belong to the cluster or the database itself and are therefore not copied with a template:
 * repeated on every start, harmless when they exist.
 */
export async function grantMembership(
  client: pg.Client,
  options: Pick<MigrateOptions, 'serverLogin' | 'memberOf'>,
): Promise<void> {
  for (const role of options.memberOf) {
    const { rows } = await client.query<{ member: boolean }>(
      `select pg_has_role($1, $2, 'member') as member`,
      [options.serverLogin, role],
    )
    if (rows[0]?.member) continue
    await client.query(
      `grant ${client.escapeIdentifier(role)} to ${client.escapeIdentifier(options.serverLogin)}`,
    )
  }
  if (options.memberOf.includes('yinxin_queue')) {
    // The job queue keeps its own schema up to date and asks for it with `create schema if not exists`.
    const { rows } = await client.query<{ name: string }>('select current_database() as name')
    await client.query(
      `grant create on database ${client.escapeIdentifier(rows[0]?.name ?? '')} to yinxin_queue`,
    )
  }
}

async function readMigrations(folder: string): Promise<MigrationFile[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  const files = await Promise.all(
    names.map(async (name) => {
      const match = /^(\d{4})_[a-z0-9_-]+\.sql$/.exec(name)
      if (!match) throw new Error(`migration ${name}: the name must be NNNN_room_what.sql`)
      const sql = await readFile(join(folder, name), 'utf8')
      return {
        version: Number(match[1]),
        name,
        sql,
        checksum: createHash('sha256').update(sql.replaceAll('\r\n', '\n')).digest('hex'),
        asLogin: sql.startsWith('--! login'),
      }
    }),
  )
  for (const [index, file] of files.entries()) {
    if (files[index - 1]?.version === file.version)
      throw new Error(`two migrations carry the number ${file.version}`)
  }
  return files
}

async function pendingFiles(client: pg.Client, files: MigrationFile[]): Promise<MigrationFile[]> {
  const { rows } = await client.query<{ version: number; name: string; checksum: string }>(
    'select version, name, checksum from schema_migrations order by version',
  )
  const known = new Map(files.map((file) => [file.version, file]))
  for (const row of rows) {
    const file = known.get(row.version)
    if (!file) {
      throw new Error(
        `the database carries migration ${row.name}, which this release does not know: it is newer`,
      )
    }
    if (file.checksum !== row.checksum) {
      throw new Error(`migration ${row.name} was changed after it was applied; write a new one instead`)
    }
  }
  const applied = new Set(rows.map((row) => row.version))
  return files.filter((file) => !applied.has(file.version))
}

async function apply(client: pg.Client, file: MigrationFile): Promise<void> {
  await client.query('begin')
  try {
    await client.query('insert into schema_migrations (version, name, checksum) values ($1, $2, $3)', [
      file.version,
      file.name,
      file.checksum,
    ])
    if (!file.asLogin) await client.query('set local role yinxin_owner')
    await client.query(file.sql)
    await client.query('commit')
  } catch (cause) {
    await client.query('rollback')
    throw new Error(`migration ${file.name} failed: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    })
  }
}
