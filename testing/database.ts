/**
 * Real PostgreSQL for tests: one cluster per run, a template migrated once, a clone per test file.
 *
 *     const database = await createTestDatabase()      // in beforeAll
 *     const db = openDb({ url: database.url })
 *     await database.drop()                            // in afterAll, after db.close()
 */
import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { inject } from 'vitest'
import { startPostgres } from '../apps/server/src/db/postgres.ts'
import { grantAfterClone, migrateAll } from '../apps/server/src/db/prepare.ts'
import { type DatabaseUrls, databaseUrls, provision } from '../apps/server/src/db/provision.ts'

/** Where the run's cluster listens; plain data, handed from the global setup to the workers. */
export interface TestCluster {
  host: string
  port: number
  password: string
  /** Set when `YINXIN_TEST_DATABASE_URL` names an outside cluster (a superuser's URL). */
  superuser: string
}

export interface TestDatabase extends DatabaseUrls {
  /** Drops both databases, closing what is still connected. */
  drop(): Promise<void>
}

const TEMPLATE = { main: 'yinxin_template', keys: 'yinxin_template_keys' }

/** Starts the cluster and migrates the template. Use {@link createTestDatabase} inside tests. */
export async function startTestCluster(): Promise<{ cluster: TestCluster; stop: () => Promise<void> }> {
  const outside = process.env.YINXIN_TEST_DATABASE_URL
  if (outside) {
    const url = new URL(outside)
    const cluster: TestCluster = {
      host: url.hostname,
      port: Number(url.port || 5432),
      password: decodeURIComponent(url.password),
      superuser: decodeURIComponent(url.username),
    }
    await dropDatabases(cluster, Object.values(TEMPLATE))
    await migrateTemplate(cluster)
    return { cluster, stop: () => dropDatabases(cluster, Object.values(TEMPLATE)) }
  }
  const folder = await mkdtemp(join(tmpdir(), `yinxin-test-${process.pid}-`))
  // PostgreSQL must be able to enter when the tests run as root.
  await chmod(folder, 0o711)
  const postgres = await startPostgres({ dataDir: folder, durable: false })
  const cluster = {
    host: postgres.host,
    port: postgres.port,
    password: postgres.password,
    superuser: 'postgres',
  }
  await migrateTemplate(cluster)
  return {
    cluster,
    async stop() {
      await postgres.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A fresh, migrated pair of databases (main and keys) cloned from the template in some hundred milliseconds. */
export async function createTestDatabase(
  cluster: TestCluster = inject('testCluster'),
): Promise<TestDatabase> {
  const name = `yinxin_${randomBytes(6).toString('hex')}`
  const names = { main: name, keys: `${name}_keys` }
  await asSuperuser(cluster, async (client) => {
    // Cheaper than the default for small databases: copied through the log instead of two checkpoints.
    await client.query(`create database ${names.main} template ${TEMPLATE.main} strategy wal_log`)
    await client.query(`create database ${names.keys} template ${TEMPLATE.keys} strategy wal_log`)
  })
  const urls = databaseUrls(cluster, names)
  await grantAfterClone(urls)
  return { ...urls, drop: () => dropDatabases(cluster, Object.values(names)) }
}

async function migrateTemplate(cluster: TestCluster): Promise<void> {
  await migrateAll(await provision(cluster, TEMPLATE))
}

async function dropDatabases(cluster: TestCluster, names: string[]): Promise<void> {
  await asSuperuser(cluster, async (client) => {
    for (const name of names) await client.query(`drop database if exists ${name} with (force)`)
  })
}

async function asSuperuser(cluster: TestCluster, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({
    host: cluster.host,
    port: cluster.port,
    user: cluster.superuser,
    password: cluster.password,
    database: 'postgres',
  })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}
