/** Brings both databases up to date; the one place that names their folders and roles together. */
import { Logger, runMigrations } from 'graphile-worker'
import pg from 'pg'
import { openRolePool } from './db.ts'
import { grantMembership, KEY_MIGRATIONS, MAIN_MIGRATIONS, migrate } from './migrate.ts'
import { type DatabaseUrls, KEYS_ROLES, MAIN_ROLES } from './provision.ts'

/** Migrates the main and the keys database and returns the names of the files applied. */
export async function migrateAll(urls: DatabaseUrls): Promise<string[]> {
  const main = await migrate({
    ownerUrl: urls.ownerUrl,
    folder: MAIN_MIGRATIONS,
    serverLogin: loginOf(urls.url),
    memberOf: MAIN_ROLES,
  })
  const keys = await migrate({
    ownerUrl: urls.keysOwnerUrl,
    folder: KEY_MIGRATIONS,
    serverLogin: loginOf(urls.keysUrl),
    memberOf: KEYS_ROLES,
  })
  await prepareQueue(urls.url)
  return [...main, ...keys]
}

/** The job queue brings its own schema, which must exist before the first job is queued. */
async function prepareQueue(url: string): Promise<void> {
  const pool = openRolePool({ url, poolSize: 1 }, 'yinxin_queue')
  try {
    await runMigrations({ pgPool: pool, logger: new Logger(() => () => undefined) })
  } finally {
    await pool.end()
  }
}

/** After cloning a template: the grants on the database itself, which the clone does not inherit. */
export async function grantAfterClone(urls: DatabaseUrls): Promise<void> {
  const client = new pg.Client({ connectionString: urls.ownerUrl })
  await client.connect()
  try {
    await grantMembership(client, { serverLogin: loginOf(urls.url), memberOf: MAIN_ROLES })
  } finally {
    await client.end()
  }
}

function loginOf(url: string): string {
  return decodeURIComponent(new URL(url).username)
}
