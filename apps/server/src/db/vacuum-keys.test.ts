import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { vacuumKeys } from './vacuum-keys.ts'

let database: TestDatabase
let client: pg.Client
beforeAll(async () => {
  database = await createTestDatabase()
  client = new pg.Client({ connectionString: database.keysOwnerUrl })
  await client.connect()
})
afterAll(async () => {
  await client?.end()
  await database?.drop()
})

it('rewrites every table of keys, so that no dead row stays in its file, and keeps the living', async () => {
  await client.query('insert into open_epochs values (1) on conflict do nothing')
  await client.query('alter table tenant_keys no force row level security')
  await client.query(
    `insert into tenant_keys (tenant_id, epoch, wrapped, created_at)
     select gen_random_uuid(), 1, sha256(n::text::bytea), now() from generate_series(1, 2000) n`,
  )
  for (let times = 0; times < 3; times++)
    await client.query('update tenant_keys set wrapped = sha256(wrapped)')
  const rows = async () => (await client.query('select * from tenant_keys order by tenant_id')).rows
  const before = await rows()
  const report = await vacuumKeys(database.keysOwnerUrl)
  const tenants = report.find(({ table }) => table === 'tenant_keys') ?? expect.fail('not rewritten')
  expect(tenants.bytesAfter).toBeLessThan(tenants.bytesBefore / 2)
  expect(report.map(({ table }) => table)).toContain('scope_key_wraps')
  expect(await rows()).toEqual(before)
  await client.query('alter table tenant_keys force row level security')
})

it('does not make the platform wait behind somebody who holds a table', async () => {
  await client.query('begin')
  await client.query('lock table tenant_keys in access share mode')
  await expect(vacuumKeys(database.keysOwnerUrl)).rejects.toThrow(/lock timeout/)
  await client.query('rollback')
})
