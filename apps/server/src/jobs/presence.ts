/**
 * Tells living job runners from dead ones. A runner that was killed leaves its jobs locked; the queue itself
 * would free them only after four hours.
 */
import { EventEmitter } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'
import { currentUrl, type UrlSource } from '#src/db/db.ts'
import { newToken } from '#src/ids.ts'
import type { Log } from '#src/log.ts'

/** First half of the two-part advisory lock; the second half names the runner. */
const PRESENCE_LOCK = 8_420_003

/** Well within the grace of {@link GRACE_S}. */
const HOLD_AGAIN_MS = 1000

const SWEEP_INTERVAL_MS = 60_000
/** A worker registers a moment after it starts: younger locks of unknown workers are left alone. */
const GRACE_S = 30

export interface RunnerPresence {
  /** Handed to the queue, which reports its workers there. */
  events: EventEmitter
  /** Takes the lock that says "alive" and frees the jobs of runners that no longer hold theirs. */
  begin(): Promise<void>
  /** Frees what this runner's workers still hold; for a process that is about to end. */
  handBack(): Promise<void>
  end(): Promise<void>
}

export function createRunnerPresence({
  url,
  pool,
  log,
}: {
  url: UrlSource
  pool: pg.Pool
  log: Log
}): RunnerPresence {
  const runnerKey = Buffer.from(newToken(4), 'base64url').readUInt32BE() >>> 1
  const events = new EventEmitter()
  let client: pg.Client | undefined
  let timer: NodeJS.Timeout | undefined

  // Jobs are locked in the name of the pool, not of one of its workers.
  events.on('pool:create', ({ workerPool }: { workerPool: { id: string } }) => {
    pool
      .query('insert into job_workers (worker_id, runner_key) values ($1, $2) on conflict do nothing', [
        workerPool.id,
        runnerKey,
      ])
      .catch((error: unknown) => log.warn({ err: error }, 'a job runner could not be registered'))
  })

  /** The lock that says "alive". A connection that breaks under a runner that goes on is made again. */
  async function hold(): Promise<pg.Client> {
    const held = new pg.Client({
      connectionString: currentUrl(url),
      options: '-c role=yinxin_queue',
      keepAlive: true,
    })
    held.on('error', () => undefined)
    try {
      await held.connect()
      await held.query('select pg_advisory_lock($1::int, $2::int)', [PRESENCE_LOCK, runnerKey])
    } catch (error) {
      await held.end().catch(() => undefined)
      throw error
    }
    held.once('end', () => void holdAgain(held))
    return held
  }

  async function holdAgain(lost: pg.Client): Promise<void> {
    while (client === lost) {
      const again = await hold().catch(() => undefined)
      if (again === undefined) {
        await wait(HOLD_AGAIN_MS, undefined, { ref: false })
        continue
      }
      if (client === lost) client = again
      else await again.end().catch(() => undefined)
    }
  }

  async function sweep(graceSeconds: number): Promise<void> {
    const { rows } = await pool.query<{ worker_id: string }>(
      `with living as (
         select w.worker_id from job_workers w
         join pg_locks l on l.locktype = 'advisory' and l.granted and l.classid = $1::bigint::oid
           and l.objid = w.runner_key::bigint::oid and l.objsubid = 2
           and l.database = (select oid from pg_database where datname = current_database())
       )
       select distinct locked_by as worker_id from graphile_worker._private_jobs
       where locked_by is not null and locked_at < now() - make_interval(secs => $2)
         and locked_by not in (select worker_id from living)`,
      [PRESENCE_LOCK, graceSeconds],
    )
    if (rows.length === 0) return
    await pool.query('select graphile_worker.force_unlock_workers($1::text[])', [
      rows.map((row) => row.worker_id),
    ])
    log.info({ workers: rows.length }, 'took over the jobs of workers that died')
  }

  return {
    events,
    async begin() {
      client = await hold()
      // Pools of this runner that ended while the database was away could not take their names off the list.
      await client.query('delete from job_workers where runner_key = $1', [runnerKey])
      const others = await client.query(
        `select 1 from pg_locks where locktype = 'advisory' and granted and classid = $1::bigint::oid and objsubid = 2
           and objid <> $2::bigint::oid and database = (select oid from pg_database where datname = current_database())`,
        [PRESENCE_LOCK, runnerKey],
      )
      await sweep(others.rowCount === 0 ? 0 : GRACE_S)
      timer = setInterval(() => {
        sweep(GRACE_S).catch((error: unknown) => log.warn({ err: error }, 'sweep of dead job workers failed'))
      }, SWEEP_INTERVAL_MS)
      timer.unref()
    },
    async handBack() {
      await pool
        .query(
          `select graphile_worker.force_unlock_workers(array_agg(worker_id)) from job_workers
           where runner_key = $1 having count(*) > 0`,
          [runnerKey],
        )
        .catch((error: unknown) => log.warn({ err: error }, 'running jobs could not be handed back'))
    },
    async end() {
      clearInterval(timer)
      await pool.query('delete from job_workers where runner_key = $1', [runnerKey]).catch(() => undefined)
      const held = client
      client = undefined
      await held?.end().catch(() => undefined)
    },
  }
}
