import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { moveKeys } from './keys-move.ts'
import { type ManagedPostgres, startPostgres } from './postgres.ts'
import { migrateAll } from './prepare.ts'
import { provision, superuserUrl } from './provision.ts'
import { asking } from './standby.ts'

const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function cluster(): Promise<ManagedPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'yinxin-move-'))
  await chmod(folder, 0o711)
  cleanUps.push(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }))
  const postgres = await startPostgres({ dataDir: folder, durable: false })
  cleanUps.push(() => postgres.stop())
  return postgres
}

/** An installation of before: both databases in one cluster, with some keys. */
async function oldInstallation() {
  const from = await cluster()
  await migrateAll(await provision(from))
  const keys = 300
  await inKeys(from, async (client) => {
    await client.query('insert into open_epochs values (1) on conflict do nothing')
    await client.query(
      `insert into tenant_keys (tenant_id, epoch, wrapped, created_at)
       select gen_random_uuid(), 1, sha256(n::text::bytea), '2026-03-01 12:00:00.123456+00'::timestamptz + n * interval '1 s'
       from generate_series(1, $1) n`,
      [keys],
    )
  })
  return { from, to: await cluster(), keys }
}

async function inKeys<T>(postgres: ManagedPostgres, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: superuserUrl(postgres, 'yinxin_keys') })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

const rowsOf = (postgres: ManagedPostgres) =>
  inKeys(postgres, async (client) => {
    const { rows } = await client.query<{ row: string }>(
      'select t::text as row from tenant_keys t order by 1',
    )
    return rows.map(({ row }) => row)
  })
const databases = (postgres: ManagedPostgres) =>
  asking(postgres, async (client) => {
    const { rows } = await client.query<{ name: string }>(`select datname::text as name from pg_database`)
    return rows.map(({ name }) => name)
  })

describe('moving the keys into their own cluster', () => {
  it('carries every row over unchanged, and removes the old database only then', async () => {
    const { from, to, keys } = await oldInstallation()
    const before = await rowsOf(from)
    const report = await moveKeys({ from, to })
    expect(report?.rows.tenant_keys).toBe(keys)
    expect(await rowsOf(to)).toEqual(before)
    expect(await databases(from)).not.toContain('yinxin_keys')
    expect(await moveKeys({ from, to })).toBeUndefined()
  })

  it('is repeated after a crash at either step without losing a row', async () => {
    const { from, to } = await oldInstallation()
    const before = await rowsOf(from)
    for (const step of ['copied', 'switched'] as const) {
      await expect(
        moveKeys({
          from,
          to,
          onStep: (at) => {
            if (at === step) throw new Error('killed')
          },
        }),
      ).rejects.toThrow('killed')
      expect(await rowsOf(from)).toEqual(before)
    }
    await moveKeys({ from, to })
    expect(await rowsOf(to)).toEqual(before)
    expect((await databases(to)).filter((name) => name.includes('moving'))).toEqual([])
  })

  it('removes nothing when the old database holds a row that the new one lacks', async () => {
    const { from, to } = await oldInstallation()
    await expect(
      moveKeys({
        from,
        to,
        onStep: async (at) => {
          if (at !== 'switched') return
          await inKeys(to, (client) =>
            client.query(
              'set session_replication_role = replica; delete from tenant_keys where tenant_id in (select tenant_id from tenant_keys limit 1)',
            ),
          )
        },
      }),
    ).rejects.toThrow(/1 rows of the keys database .* Nothing was removed/s)
    expect(await databases(from)).toContain('yinxin_keys')
  })
})
