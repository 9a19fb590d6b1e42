/** The databases and the login of the embedded cluster. An outside PostgreSQL is provisioned by its operator. */
import { createHmac } from 'node:crypto'
import pg from 'pg'
import type { ManagedPostgres } from './postgres.ts'

export interface DatabaseUrls {
  /** The server's login, which owns nothing. */
  url: string
  /** Runs the migrations. */
  ownerUrl: string
  keysUrl: string
  keysOwnerUrl: string
}

export const SERVER_LOGIN = 'yinxin_server'
export const MAIN_ROLES = ['yinxin_app', 'yinxin_worker', 'yinxin_queue']
export const KEYS_ROLES = ['yinxin_worker']

export const DATABASE_NAMES = { main: 'yinxin', keys: 'yinxin_keys' }

/** Creates what is missing: the login with its password, and both databases in one cluster. */
export async function provision(
  postgres: Address,
  names: { main: string; keys: string } = DATABASE_NAMES,
): Promise<DatabaseUrls> {
  await provisionDatabases(postgres, [names.main, names.keys])
  return databaseUrls(postgres, names)
}

/** The same for the databases of one cluster. */
export async function provisionDatabases(postgres: Address, names: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: superuserUrl(postgres, 'postgres') })
  await client.connect()
  try {
    const login = client.escapeIdentifier(SERVER_LOGIN)
    const { rowCount } = await client.query('select 1 from pg_roles where rolname = $1', [SERVER_LOGIN])
    if (rowCount === 0) await client.query(`create role ${login} login nosuperuser nobypassrls noinherit`)
    await client.query(
      `alter role ${login} password ${client.escapeLiteral(serverPassword(postgres.password))}`,
    )
    for (const name of names) {
      const existing = await client.query('select 1 from pg_database where datname = $1', [name])
      if (existing.rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)}`)
    }
  } finally {
    await client.end()
  }
}

export function databaseUrls(
  postgres: Address,
  names: { main: string; keys: string },
  keysPostgres: Address = postgres,
): DatabaseUrls {
  return {
    url: urlFor(postgres, SERVER_LOGIN, serverPassword(postgres.password), names.main),
    ownerUrl: superuserUrl(postgres, names.main),
    keysUrl: urlFor(keysPostgres, SERVER_LOGIN, serverPassword(keysPostgres.password), names.keys),
    keysOwnerUrl: superuserUrl(keysPostgres, names.keys),
  }
}

export type Address = Pick<ManagedPostgres, 'host' | 'port' | 'password'> &
  Partial<Pick<ManagedPostgres, 'socketFolder'>> & { superuser?: string }

export function superuserUrl(postgres: Address, database: string): string {
  return urlFor(postgres, postgres.superuser ?? 'postgres', postgres.password, database)
}

/** The server's login never learns the superuser's password. */
function serverPassword(secret: string): string {
  return createHmac('sha256', secret).update(SERVER_LOGIN).digest('base64url')
}

function urlFor(postgres: Address, user: string, password: string, database: string): string {
  const host = postgres.socketFolder === undefined ? postgres.host : encodeURIComponent(postgres.socketFolder)
  return `postgres://${user}:${encodeURIComponent(password)}@${host}:${postgres.port}/${database}`
}
