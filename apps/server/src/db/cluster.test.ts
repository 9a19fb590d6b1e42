import { randomUUID } from 'node:crypto'
import { chmod, cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#src/clock.ts'
import { type Cluster, type ClusterOptions, startCluster } from './cluster.ts'
import { type CopyCounts, planClusters } from './copies.ts'
import { hereOnly, openDb } from './db.ts'
import { readLease, writeLease } from './lease.ts'
import { provision, superuserUrl } from './provision.ts'
import { findPlace, removeCluster } from './postgres-place.ts'
import { asking } from './standby.ts'

const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function newPlan(counts: CopyCounts) {
  const root = await mkdtemp(join(tmpdir(), 'yinxin-copies-'))
  await chmod(root, 0o711)
  const folders = {
    dataDir: join(root, 'data'),
    recoveryDir: join(root, 'recovery'),
    keysDir: join(root, 'keys'),
    keysRecoveryDir: join(root, 'keys-recovery'),
  }
  const plan = planClusters(folders, counts).main
  cleanUps.push(async () => {
    for (const { home } of plan.copies) await removeCluster(home)
    await rm(root, { recursive: true, force: true, maxRetries: 10 })
  })
  return plan
}

interface Told {
  event: string
  detail: Record<string, unknown>
}

async function start(plan: ClusterOptions['plan'], options: Partial<ClusterOptions> = {}) {
  const told: Told[] = []
  const cluster = await startCluster({
    plan,
    clock: systemClock,
    sync: { onLoss: 'wait', waitMs: 1000 },
    durable: false,
    // Nothing survives a power cut in this test, but commits wait for the other site as they do in earnest.
    settings: { synchronous_commit: 'on', shared_buffers: '16MB' },
    onEvent: (event, detail) => told.push({ event, detail }),
    ...options,
  })
  cleanUps.push(() => cluster.stop())
  const saw = async (event: string) => {
    // A server whose files are gone looks at its lock file once a minute, and ends then.
    const deadline = performance.now() + 90_000
    while (performance.now() < deadline) {
      if (told.some((one) => one.event === event)) return
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    throw new Error(`${event} never happened: ${JSON.stringify(told)}`)
  }
  return { cluster, told, saw }
}

/** A table and a pool that follows the primary. */
async function withTable(cluster: Cluster) {
  const { ownerUrl } = await provision(cluster.primary())
  const client = new pg.Client({ connectionString: ownerUrl })
  await client.connect()
  await client.query(`
    create role yinxin_app; create role yinxin_worker; grant yinxin_app, yinxin_worker to yinxin_server;
    create table acts (id uuid primary key);
    grant select, insert on acts to yinxin_worker`)
  await client.end()
  return followingDb(cluster)
}

function followingDb(cluster: Cluster) {
  const url = () => {
    const { password, ...at } = cluster.primary()
    const own = new URL(superuserUrl({ ...at, password, port: cluster.primary().port }, 'yinxin'))
    return own.toString()
  }
  const db = openDb({ url })
  cleanUps.push(() => db.close())
  return db
}

const act = (id: string) => sql`insert into acts values (${id})`
type Db = ReturnType<typeof openDb>
const write = (db: Db, id: string) => db.work(async (tx) => void (await act(id).execute(tx)))
const idsOf = (db: Db) =>
  db.work(async (tx) => (await sql<{ id: string }>`select id from acts`.execute(tx)).rows.map(({ id }) => id))

async function settled(cluster: Cluster) {
  const deadline = performance.now() + 60_000
  for (;;) {
    const copies = await cluster.copies()
    if (copies.every(({ state, lagBytes }) => ['running', 'streaming'].includes(state) && lagBytes === 0))
      return copies
    if (performance.now() > deadline) throw new Error(`never settled: ${JSON.stringify(copies)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** The process by which a standby receives; stopped, the standby looks like one behind a cut line. */
async function receiverOf(cluster: Cluster, name: string): Promise<number> {
  const copy = cluster.plan.copies.find((one) => one.name === name)
  if (copy === undefined) throw new Error(name)
  const { folder } = await findPlace(copy.home)
  const port = Number((await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8')).split('\n')[3])
  return await asking({ port, password: cluster.primary().password }, async (client) => {
    const { rows } = await client.query<{ pid: number }>('select pid from pg_stat_wal_receiver')
    if (rows[0] === undefined) throw new Error(`${name} receives nothing`)
    return rows[0].pid
  })
}

/** Its primary's end may have ended it already. */
function wake(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

describe('a cluster with copies', () => {
  it('follows a promotion after kill -9 under load: every acknowledged commit is there, on one primary', async () => {
    const plan = await newPlan({ primary: 1, recovery: 1 })
    const { cluster } = await start(plan, { restartDelayMs: 60_000 })
    const db = await withTable(cluster)
    cluster.beginCopies()
    expect(await cluster.copiesReady(60_000)).toBe(true)
    const acknowledged: string[] = []
    const refused = new Set<string>()
    let killed = false
    const writer = async () => {
      while (acknowledged.length < 400) {
        const id = randomUUID()
        await write(db, id).then(
          () => acknowledged.push(id),
          (error: { code?: string }) => refused.add(error.code ?? String(error)),
        )
        if (acknowledged.length >= 200 && !killed) {
          killed = true
          process.kill(cluster.primary().pid() as number, 'SIGKILL')
        }
      }
    }
    const writers = Promise.all([writer(), writer(), writer(), writer()])
    while (!killed) await new Promise((resolve) => setTimeout(resolve, 5))
    const promotion = await cluster.promote({ reason: 'test' })
    expect(promotion).toMatchObject({ from: 'main-p1', to: 'main-r1', term: 2, timeline: 2 })
    // Writers go on by themselves; their commits wait until the old primary follows as a standby.
    await writers
    const found = new Set(await idsOf(db))
    expect(acknowledged.filter((id) => !found.has(id))).toEqual([])
    expect([...refused]).toEqual(expect.arrayContaining(['database_unavailable']))
    expect(
      [...refused].filter((code) => !['database_unavailable', 'commit_unconfirmed'].includes(code)),
    ).toEqual([])
    const copies = await settled(cluster)
    expect(copies.map(({ name, role, sync }) => [name, role, sync])).toEqual([
      ['main-p1', 'standby', true],
      ['main-r1', 'primary', false],
    ])
    // The next start knows the new primary by its lease.
    await db.close()
    await cluster.stop()
    const again = await start(plan)
    expect(again.cluster.primaryName()).toBe('main-r1')
    again.cluster.beginCopies()
    expect(await again.cluster.copiesReady(60_000)).toBe(true)
    expect((await idsOf(followingDb(again.cluster))).length).toBe(found.size)
  })

  it('with two copies in each site promotes the most advanced, and refuses one that is behind', async () => {
    const plan = await newPlan({ primary: 2, recovery: 2 })
    const { cluster } = await start(plan)
    const db = await withTable(cluster)
    cluster.beginCopies()
    expect(await cluster.copiesReady(60_000)).toBe(true)
    await settled(cluster)
    const stopped = await receiverOf(cluster, 'main-r1')
    process.kill(stopped, 'SIGSTOP')
    try {
      // One copy of the other site is enough.
      await write(db, randomUUID())
      await expect(cluster.promote({ to: 'main-r1', reason: 'test' })).rejects.toThrow(/is behind main-[pr]2/)
      await expect(cluster.promote({ to: 'main-x', reason: 'test' })).rejects.toMatchObject({
        code: 'promotion_no_such_copy',
      })
      expect(cluster.primaryName()).toBe('main-p1')
      process.kill(cluster.primary().pid() as number, 'SIGKILL')
      const { to } = await cluster.promote({ reason: 'test' })
      expect(['main-p2', 'main-r2']).toContain(to)
    } finally {
      wake(stopped)
    }
    expect(await idsOf(db)).toHaveLength(1)
    const copies = await settled(cluster)
    expect(copies).toHaveLength(4)
  })

  it('lets a commit end unconfirmed when no copy in the other site answers, and what may stay here commits at once', async () => {
    const plan = await newPlan({ primary: 1, recovery: 1 })
    const { cluster, saw } = await start(plan)
    const db = await withTable(cluster)
    cluster.beginCopies()
    await cluster.copiesReady(60_000)
    await settled(cluster)
    const stopped = await receiverOf(cluster, 'main-r1')
    process.kill(stopped, 'SIGSTOP')
    const [open, local] = [randomUUID(), randomUUID()]
    try {
      const waiting = write(db, open)
      await db.work(async (tx) => {
        await hereOnly(tx)
        await act(local).execute(tx)
      })
      await expect(waiting).rejects.toMatchObject({ code: 'commit_unconfirmed', kind: 'unavailable' })
      await saw('database.commits-unconfirmed')
    } finally {
      process.kill(stopped, 'SIGCONT')
    }
    // It was written here; asking again finds it.
    expect((await idsOf(db)).sort()).toEqual([open, local].sort())
    await settled(cluster)
    await write(db, randomUUID())
  })

  it('goes on without the other site only by policy, says so, and returns to waiting by itself', async () => {
    const plan = await newPlan({ primary: 1, recovery: 1 })
    const { cluster, saw } = await start(plan, { sync: { onLoss: 'degrade', waitMs: 1000 } })
    const db = await withTable(cluster)
    cluster.beginCopies()
    await cluster.copiesReady(60_000)
    await settled(cluster)
    const stopped = await receiverOf(cluster, 'main-r1')
    process.kill(stopped, 'SIGSTOP')
    try {
      await write(db, randomUUID())
      await saw('database.sync-degraded')
      expect(cluster.degradedSince()).toBeInstanceOf(Date)
      expect((await cluster.copies()).find(({ name }) => name === 'main-r1')).toMatchObject({
        state: 'down',
        sync: false,
      })
    } finally {
      process.kill(stopped, 'SIGCONT')
    }
    await saw('database.sync-restored')
    expect(cluster.degradedSince()).toBeUndefined()
    expect((await settled(cluster)).map(({ sync }) => sync)).toEqual([false, true])
  })

  it('makes a copy anew whose files are gone or whose log is no longer kept', async () => {
    const plan = await newPlan({ primary: 1, recovery: 1 })
    const { cluster, told, saw } = await start(plan)
    await withTable(cluster)
    cluster.beginCopies()
    await cluster.copiesReady(60_000)
    await settled(cluster)
    const copy = plan.copies[1]
    const { folder } = await findPlace(copy?.home ?? '')
    await rm(join(folder, 'data'), { recursive: true, force: true })
    await saw('database.copy-remade')
    told.length = 0
    await saw('database.copy-made')
    await settled(cluster)
    // The slot is lost: the primary has thrown away what the standby would need.
    told.length = 0
    await asking(cluster.primary(), (client) =>
      client.query(`select pg_terminate_backend(active_pid, 5000), pg_drop_replication_slot(slot_name)
        from pg_replication_slots where slot_name = 'copy_main_r1'`),
    ).catch(() => undefined)
    await settled(cluster)
  }, 180_000)

  it('finishes a promotion that a crash cut off after the lease was written, and never starts a primary of the past', async () => {
    const plan = await newPlan({ primary: 1, recovery: 1 })
    const first = await start(plan)
    await write(await withTable(first.cluster), randomUUID())
    first.cluster.beginCopies()
    await first.cluster.copiesReady(60_000)
    await settled(first.cluster)
    await first.cluster.stop()
    const past = (await findPlace(plan.copies[0].home)).folder
    await cp(join(past, 'data'), join(past, 'kept'), { recursive: true, preserveTimestamps: true })

    const lease = await readLease(plan.leaseFolders, 'main')
    if (lease === undefined) throw new Error('no lease')
    await writeLease(plan.leaseFolders, { ...lease, term: 2, primary: 'main-r1' })
    const second = await start(plan)
    expect(second.told.map(({ event }) => event)).toContain('database.promotion-finished')
    expect(second.cluster.lease()).toMatchObject({ term: 2, primary: 'main-r1', timeline: 2 })
    expect(await idsOf(followingDb(second.cluster))).toHaveLength(1)
    second.cluster.beginCopies()
    await second.cluster.copiesReady(60_000)
    await settled(second.cluster)
    await second.cluster.stop()

    // Somebody points the lease back at a folder of before: the timeline gives it away.
    await writeLease(plan.leaseFolders, { ...second.cluster.lease(), term: 3, primary: 'main-p1' })
    await rm(join(past, 'data'), { recursive: true })
    const { user } = await findPlace(plan.copies[0].home)
    await cp(join(past, 'kept'), join(past, 'data'), { recursive: true, preserveTimestamps: true })
    if (user) await chownAll(join(past, 'data'), user)
    await expect(start(plan)).rejects.toThrow(/as it was before a promotion/)
    // And a primary whose folder is gone is never replaced by an empty one.
    await rm(join(past, 'data'), { recursive: true })
    await expect(start(plan)).rejects.toThrow(/does not start .*yinxin db promote/s)
  })
})

async function chownAll(folder: string, user: { uid: number; gid: number }): Promise<void> {
  const { execFileSync } = await import('node:child_process')
  execFileSync('chown', ['-R', `${user.uid}:${user.gid}`, folder])
}
