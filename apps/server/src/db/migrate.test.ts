import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { migrate } from './migrate.ts'
import { migrateAll } from './prepare.ts'

let database: TestDatabase
const folders: string[] = []

beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(async () => {
  await database.drop()
  for (const folder of folders) await rm(folder, { recursive: true })
})

async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'yinxin-migrations-'))
  folders.push(folder)
  for (const [name, sql] of Object.entries(files)) await writeFile(join(folder, name), sql)
  return folder
}

describe('migrations', () => {
  it('apply nothing the second time', async () => {
    expect(await migrateAll(database)).toEqual([])
  })

  it('run each file once when two servers start together', async () => {
    const fresh = await createTestDatabase()
    try {
      const client = new pg.Client({ connectionString: fresh.ownerUrl })
      await client.connect()
      await client.query('drop table schema_migrations')
      const folder = await folderWith({
        '0001_x_a.sql': 'create table a (id int); select pg_sleep(0.3);',
        '0002_x_b.sql': 'create table b (id int);',
      })
      const options = { ownerUrl: fresh.ownerUrl, folder, serverLogin: 'yinxin_server', memberOf: [] }
      const applied = await Promise.all([migrate(options), migrate(options), migrate(options)])
      expect(applied.flat().sort()).toEqual(['0001_x_a.sql', '0002_x_b.sql'])
      const owner = await client.query(`select tableowner from pg_tables where tablename = 'a'`)
      expect(owner.rows).toEqual([{ tableowner: 'yinxin_owner' }])
      await client.end()
    } finally {
      await fresh.drop()
    }
  })

  it('refuse a file that was changed after it was applied, a newer database, and leave nothing of a failed file', async () => {
    const fresh = await createTestDatabase()
    try {
      const client = new pg.Client({ connectionString: fresh.ownerUrl })
      await client.connect()
      await client.query('drop table schema_migrations')
      const base = { ownerUrl: fresh.ownerUrl, serverLogin: 'yinxin_server', memberOf: [] }
      await migrate({ ...base, folder: await folderWith({ '0001_x_a.sql': 'create table a (id int);' }) })
      await expect(
        migrate({ ...base, folder: await folderWith({ '0001_x_a.sql': 'create table a (id bigint);' }) }),
      ).rejects.toThrow(/0001_x_a.sql was changed/)
      await expect(migrate({ ...base, folder: await folderWith({}) })).rejects.toThrow(/newer/)
      await expect(
        migrate({
          ...base,
          folder: await folderWith({
            '0001_x_a.sql': 'create table a (id int);',
            '0002_x_b.sql': 'create table b (id int); select 1/0;',
          }),
        }),
      ).rejects.toThrow(/0002_x_b.sql failed: division by zero/)
      const left = await client.query(
        `select to_regclass('b') as b, (select max(version) from schema_migrations) as version`,
      )
      expect(left.rows).toEqual([{ b: null, version: 1 }])
      await client.end()
    } finally {
      await fresh.drop()
    }
  })
})

describe('row-level security', () => {
  it.each(['ownerUrl', 'keysOwnerUrl'] as const)('is forced on every table (%s)', async (which) => {
    const client = new pg.Client({ connectionString: database[which] })
    await client.connect()
    const { rows } = await client.query(`
      select relname from pg_class join pg_namespace n on n.oid = relnamespace
      where n.nspname = 'public' and relkind in ('r', 'p') and relname <> 'schema_migrations'
        and not (relrowsecurity and relforcerowsecurity)`)
    await client.end()
    expect(rows).toEqual([])
  })

  it('cannot be bypassed by any role the server acts under, and none of them owns a table of ours', async () => {
    const client = new pg.Client({ connectionString: database.ownerUrl })
    await client.connect()
    const roles = await client.query(`
      select rolname from pg_roles
      where rolname in ('yinxin_app', 'yinxin_worker', 'yinxin_queue', 'yinxin_owner', 'yinxin_server')
        and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb)`)
    expect(roles.rows).toEqual([])
    const owned = await client.query(`
      select tablename, tableowner from pg_tables
      where schemaname = 'public' and tablename <> 'schema_migrations' and tableowner <> 'yinxin_owner'`)
    expect(owned.rows).toEqual([])
    await client.end()
  })
})
