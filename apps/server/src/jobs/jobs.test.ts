import { once } from 'node:events'
import { EventEmitter } from 'node:events'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { newId } from '#src/ids.ts'
import { createLog } from '#src/log.ts'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { type Db, openDb } from '../db/db.ts'
import { createJobs, type Jobs } from './jobs.ts'

let database: TestDatabase
let db: Db
let jobs: Jobs
const silent = createLog('silent')

beforeAll(async () => {
  database = await createTestDatabase()
  db = openDb({ url: database.url })
})
afterAll(async () => {
  await db.close()
  await database.drop()
})
beforeEach(() => {
  jobs = createJobs({ url: database.url, log: silent })
})
afterEach(async () => {
  await jobs.stop()
  await jobs.close()
})

const payload = z.object({ n: z.number() })

describe('jobs', () => {
  it('are queued by requests and by workers, and only when the transaction commits', async () => {
    const seen: number[] = []
    jobs.define('count', payload, async ({ n }) => void seen.push(n))
    await db.as(newId(), (tx) => jobs.enqueue(tx, 'count', { n: 1 }))
    await db.work((tx) => jobs.enqueue(tx, 'count', { n: 2 }))
    await expect(
      db.as(newId(), async (tx) => {
        await jobs.enqueue(tx, 'count', { n: 3 })
        throw new Error('midway')
      }),
    ).rejects.toThrow('midway')
    expect(await jobs.drain()).toEqual([])
    expect(seen.sort()).toEqual([1, 2])
  })

  it('replace a waiting job of the same key and wait for their time', async () => {
    const seen: number[] = []
    jobs.define('keyed', payload, async ({ n }) => void seen.push(n))
    await db.work((tx) => jobs.enqueue(tx, 'keyed', { n: 1 }, { key: 'one' }))
    await db.work((tx) => jobs.enqueue(tx, 'keyed', { n: 2 }, { key: 'one' }))
    await db.work((tx) => jobs.enqueue(tx, 'keyed', { n: 3 }, { runAt: new Date(Date.now() + 3_600_000) }))
    await jobs.drain()
    expect(seen).toEqual([2])
  })

  it('report failures to the test, keep the job for another try and refuse a malformed payload', async () => {
    jobs.define('fails', payload, async () => {
      throw new Error('not today')
    })
    await db.work((tx) => jobs.enqueue(tx, 'fails', { n: 1 }))
    await db.work((tx) => jobs.enqueue(tx, 'fails', { n: 'one' }))
    const failures = await jobs.drain()
    expect(failures.map(String).sort()[0]).toBe('Error: not today')
    expect(failures.some((failure) => failure instanceof z.ZodError)).toBe(true)
    const client = new pg.Client({ connectionString: database.ownerUrl })
    await client.connect()
    const { rows } = await client.query(
      `select attempts from graphile_worker.jobs where task_identifier = 'fails' order by id`,
    )
    expect(rows).toEqual([{ attempts: 1 }, { attempts: 1 }])
    await client.query(`select graphile_worker.complete_jobs(array_agg(id)) from graphile_worker.jobs`)
    await client.end()
  })

  it('cannot be read or changed by the role of requests', async () => {
    await expect(
      db.as(newId(), (tx) =>
        tx
          .withTables<{ 'graphile_worker.jobs': { id: number } }>()
          .selectFrom('graphile_worker.jobs')
          .select('id')
          .execute(),
      ),
    ).rejects.toThrow(/permission denied/)
  })

  it('run at once when the runner is on, go on after the database dropped every connection', async () => {
    const done = new EventEmitter()
    jobs.define('live', payload, async ({ n }) => void done.emit('done', n))
    await jobs.start({ scheduled: false })
    const first = once(done, 'done')
    await db.as(newId(), (tx) => jobs.enqueue(tx, 'live', { n: 1 }))
    expect(await first).toEqual([1])

    const client = new pg.Client({ connectionString: database.ownerUrl })
    await client.connect()
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
    )
    await client.end()
    const second = once(done, 'done')
    // A pooled connection that was cut is noticed when it is used: some requests are refused, then it works again.
    const queue = () => db.work((tx) => jobs.enqueue(tx, 'live', { n: 2 }))
    for (let refused = true, tries = 0; refused && tries < 20; tries++) {
      refused = await queue().then(
        () => false,
        (error: { code?: string }) => {
          expect(error.code).toBe('database_unavailable')
          return true
        },
      )
    }
    expect(await second).toEqual([2])
  })

  it('of a worker that died are taken over when a runner starts', async () => {
    const done = new EventEmitter()
    jobs.define('orphan', payload, async ({ n }) => void done.emit('done', n))
    await db.work((tx) => jobs.enqueue(tx, 'orphan', { n: 7 }))
    const client = new pg.Client({ connectionString: database.ownerUrl })
    await client.connect()
    await client.query(
      `update graphile_worker._private_jobs set locked_at = now(), locked_by = 'worker-of-the-dead'`,
    )
    await client.end()
    expect(await jobs.drain()).toEqual([])
    const taken = once(done, 'done')
    await jobs.start()
    expect(await taken).toEqual([7])
  })

  it('that outlive the end of their process are taken over at once, not after the grace of dead ones', async () => {
    const [leaving, staying] = [0, 1].map(() =>
      createJobs({ url: database.url, log: silent, handBackMs: 100 }),
    ) as [Jobs, Jobs]
    const begun = new EventEmitter()
    leaving.define('long', payload, async ({ n }) => {
      begun.emit('first', n)
      await new Promise(() => undefined)
    })
    staying.define('long', payload, async ({ n }) => void begun.emit('second', n))
    const first = once(begun, 'first')
    await leaving.start({ scheduled: false })
    await db.work((tx) => jobs.enqueue(tx, 'long', { n: 9 }))
    expect(await first).toEqual([9])
    await staying.start({ scheduled: false })
    try {
      const second = once(begun, 'second')
      await leaving.stop()
      await leaving.close()
      expect(await second).toEqual([9])
    } finally {
      await staying.stop()
      await staying.close()
    }
  })

  it('that take long are left to the runner that lives, also when another one starts', async () => {
    const begun = new EventEmitter()
    const runs: number[] = []
    let finish = () => {}
    const end = new Promise<void>((resolve) => (finish = resolve))
    const [one, two] = [0, 1].map(() => createJobs({ url: database.url, log: silent })) as [Jobs, Jobs]
    for (const runner of [one, two]) {
      runner.define('slow', payload, async ({ n }) => {
        runs.push(n)
        begun.emit('begun')
        await end
      })
    }
    const client = new pg.Client({ connectionString: database.ownerUrl })
    await client.connect()
    try {
      const first = once(begun, 'begun')
      await one.start({ scheduled: false })
      await db.work((tx) => jobs.enqueue(tx, 'slow', { n: 5 }))
      await first
      // As if it had run for an hour: the second one looks for the jobs of dead runners when it starts.
      await client.query(`update graphile_worker._private_jobs set locked_at = now() - interval '1 hour'`)
      await two.start({ scheduled: false })
      const { rows } = await client.query<{ locked: boolean }>(
        `select locked_by is not null as locked from graphile_worker._private_jobs`,
      )
      expect(rows).toEqual([{ locked: true }])
    } finally {
      finish()
      await one.stop()
      await two.stop()
      await Promise.all([one.close(), two.close(), client.end()])
    }
    expect(runs).toEqual([5])
  })
})
