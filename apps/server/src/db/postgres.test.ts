import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { sql } from 'kysely'
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { newId } from '#src/ids.ts'
import { openDb, type Tx } from './db.ts'
import { type ManagedPostgres, startPostgres } from './postgres.ts'
import { removeCluster } from './postgres-place.ts'
import { migrateAll } from './prepare.ts'
import { provision } from './provision.ts'

const HOLD = join(import.meta.dirname, '../../../../testing/children/hold-postgres.ts')
const isRoot = process.getuid?.() === 0

interface Held {
  port: number
  password: string
  recovered: boolean
  pid: number
  error?: string
}

const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function folder(mode = 0o711): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'yinxin-pg-'))
  await chmod(path, mode)
  cleanUps.push(() => rm(path, { recursive: true, force: true, maxRetries: 10 }))
  return path
}

async function hold(
  dataDir: string,
  as: { uid?: number; gid?: number } = {},
): Promise<{ child: ChildProcess; said: Held }> {
  const child = spawn(process.execPath, [HOLD, dataDir], { ...as, stdio: ['ignore', 'pipe', 'inherit'] })
  cleanUps.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return { child, said: JSON.parse(line) as Held }
}

async function start(
  dataDir: string,
  options: { restartDelayMs?: number; durable?: boolean } = {},
): Promise<ManagedPostgres> {
  const postgres = await startPostgres({ dataDir, durable: false, ...options })
  cleanUps.push(() => postgres.stop())
  return postgres
}

async function connect(at: { port: number; password: string }): Promise<pg.Client> {
  const client = new pg.Client({ host: '127.0.0.1', user: 'postgres', database: 'postgres', ...at })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

describe('the embedded PostgreSQL', () => {
  it('left over by a killed server is taken over: nothing committed is lost, no lock of the dead remains', async () => {
    const dataDir = await folder()
    const { child, said } = await hold(dataDir)
    const client = await connect(said)
    await client.query('create table t (n int); insert into t values (1)')
    // A transaction that the dead server never ended, over a connection that outlives it.
    await client.query('begin; lock table t; insert into t values (2)')
    await kill(child)
    expect(() => process.kill(said.pid, 0)).not.toThrow()

    const postgres = await start(dataDir)
    expect(postgres.recovered).toBe(true)
    expect(postgres.pid()).not.toBe(said.pid)
    const next = await connect(postgres)
    expect((await next.query('select n from t for update')).rows).toEqual([{ n: 1 }])
    await next.end()
  })

  it('refuses a second server on the same folder and leaves the first alone', async () => {
    const dataDir = await folder()
    const first = await start(dataDir)
    const { said } = await hold(dataDir)
    expect(said.error).toContain(`the data folder ${dataDir} is in use by another running server`)
    const client = await connect(first)
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await client.end()
  })

  it('has one owner when two servers start together on a new folder', async () => {
    const dataDir = await folder()
    const both = await Promise.all([hold(dataDir), hold(dataDir)])
    const winners = both.filter(({ said }) => said.error === undefined)
    expect(winners).toHaveLength(1)
    const client = await connect(winners[0]?.said as Held)
    await client.end()
  })

  it('that dies is started again on the same port, and the pools go on', async () => {
    const dataDir = await folder()
    const postgres = await start(dataDir, { restartDelayMs: 600, durable: true })
    const { url, ownerUrl } = await provision(postgres)
    const roles = new pg.Client({ connectionString: ownerUrl })
    await roles.connect()
    await roles.query(
      'create role yinxin_app; create role yinxin_worker; grant yinxin_app, yinxin_worker to yinxin_server',
    )
    await roles.end()
    const db = openDb({ url })
    cleanUps.push(() => db.close())
    const ask = () => db.work(async (tx) => (await tx.selectNoFrom((eb) => eb.lit(1).as('one')).execute())[0])
    expect(await ask()).toEqual({ one: 1 })

    const before = postgres.pid() as number
    process.kill(before, 'SIGKILL')
    const refusals = new Set<string>()
    let answer: unknown
    const deadline = performance.now() + 20_000
    // A connection may answer once more before it notices.
    while ((answer === undefined || refusals.size === 0) && performance.now() < deadline) {
      answer = await ask().catch((error: { code?: string }) => void refusals.add(error.code ?? String(error)))
    }
    expect([...refusals]).toEqual(['database_unavailable'])
    expect(answer).toEqual({ one: 1 })
    expect(postgres.pid()).not.toBe(before)
  })

  it('can be an outside one whose owner may create roles but is no superuser', async () => {
    const postgres = await start(await folder())
    const client = await connect(postgres)
    await client.query(`
      create role operator login createrole nosuperuser password 'operator';
      create role service login nosuperuser password 'service'`)
    for (const name of ['main', 'keys']) await client.query(`create database ${name} owner operator`)
    await client.end()
    const at = (login: string, database: string) =>
      `postgres://${login}:${login}@127.0.0.1:${postgres.port}/${database}`
    const urls = {
      url: at('service', 'main'),
      ownerUrl: at('operator', 'main'),
      keysUrl: at('service', 'keys'),
      keysOwnerUrl: at('operator', 'keys'),
    }
    expect((await migrateAll(urls)).length).toBeGreaterThan(10)
    expect(await migrateAll(urls)).toEqual([])
    const db = openDb({ url: urls.url })
    const who = (tx: Tx) => sql<{ who: string }>`select current_user as who`.execute(tx)
    expect((await db.as(newId(), who)).rows).toEqual([{ who: 'yinxin_app' }])
    expect((await db.work(who)).rows).toEqual([{ who: 'yinxin_worker' }])
    await db.close()
  })

  it('survives a stale pid file whose id now belongs to another program', async () => {
    const dataDir = await folder()
    const first = await start(dataDir)
    await first.stop()
    await writeFile(
      join(dataDir, 'postgres', 'data', 'postmaster.pid'),
      `${process.pid}\n/nowhere\n0\n1\n\n127.0.0.1\n`,
    )
    const second = await start(dataDir)
    expect(second.recovered).toBe(false)
  })

  it('keeps its secret to itself and its words out of the terminal', async () => {
    const dataDir = await folder()
    await start(dataDir)
    expect((await stat(join(dataDir, 'postgres-secret'))).mode & 0o777).toBe(0o600)
    expect(await readFile(join(dataDir, 'postgres.log'), 'utf8')).toContain('starting PostgreSQL')
  })

  it.skipIf(!isRoot)(
    'starts for root in a folder that nobody else can enter, and finds its cluster again',
    async () => {
      const dataDir = join(await folder(0o700), 'data')
      const first = await start(dataDir)
      const place = (await readFile(join(dataDir, 'postgres-location'), 'utf8')).trim()
      expect(place).not.toContain(dataDir)
      const client = await connect(first)
      await client.query('create table kept (n int)')
      await client.end()
      await first.stop()
      const second = await start(dataDir)
      const again = await connect(second)
      expect((await again.query(`select to_regclass('kept') as kept`)).rows).toEqual([{ kept: 'kept' }])
      await again.end()
      await second.stop()
      await removeCluster(dataDir)
      await expect(stat(place)).rejects.toThrow(/ENOENT/)
    },
  )

  it.skipIf(!isRoot)('starts for an ordinary user', async () => {
    const dataDir = await folder(0o700)
    await chown(dataDir, 65534, 65534)
    const { said } = await hold(dataDir, { uid: 65534, gid: 65534 })
    expect(said.error).toBeUndefined()
    const client = await connect(said)
    await client.end()
  })
})
