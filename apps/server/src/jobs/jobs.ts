/**
 * Work that outlives a request. A job is queued in the transaction that makes it necessary and runs at least
 * once, also over the death of this process or a restart of the database.
 */
import { setTimeout as wait } from 'node:timers/promises'
import {
  Logger,
  parseCronItems,
  type Runner,
  run,
  runOnce,
  type TaskList,
  type WorkerEvents,
} from 'graphile-worker'
import { sql } from 'kysely'
import type { z } from 'zod'
import { later, openRolePool, type Tx, type UrlSource } from '#src/db/db.ts'
import type { Log } from '#src/log.ts'
import { createRunnerPresence } from './presence.ts'

export interface JobHelpers {
  jobId: string
  /** 1 on the first try. */
  attempt: number
  maxAttempts: number
}

export interface EnqueueOptions {
  /** At most one waiting job carries a key; queuing it again replaces payload and time. */
  key?: string
  runAt?: Date
  /** Tries before the job is given up; 25 when not said, over about three days. */
  maxAttempts?: number
}

export interface Jobs {
  /** Once per kind, before {@link Jobs.start}. */
  define<Schema extends z.ZodType>(
    kind: string,
    schema: Schema,
    handler: (payload: z.output<Schema>, helpers: JobHelpers) => Promise<void>,
  ): void
  /** Inside the caller's transaction. The payload must be JSON and free of secrets. */
  enqueue(tx: Tx, kind: string, payload: unknown, options?: EnqueueOptions): Promise<void>
  /** Queues a defined job with the payload `{}` by the clock, e.g. every night at three: `0 3 * * *` (UTC). Its schema must let unknown fields pass. */
  schedule(kind: string, cron: string): void
  /** Runs jobs until {@link Jobs.stop}; `scheduled` says whether this process also queues by the clock. */
  start(options?: { scheduled?: boolean }): Promise<void>
  /** Takes no more and lets running jobs end, for so long; {@link Jobs.close} hands back what runs still. */
  stop(): Promise<void>
  /** For tests: runs what is due until nothing is, and returns the errors met on the way. */
  drain(): Promise<unknown[]>
  /** What waits, runs and was given up, by kind. */
  measure(): Promise<QueueState[]>
  /** Releases the connections. */
  close(): Promise<void>
}

export interface QueueState {
  kind: string
  /** Due and not taken yet. */
  waiting: number
  running: number
  /** Every try failed: nobody will try again. */
  givenUp: number
  /** For how many seconds the oldest of those waiting is due. */
  oldestS: number
}

export interface JobsOptions {
  url: UrlSource
  log: Log
  /** Jobs at a time in this process. */
  concurrency?: number
  /** How long a stop waits for running jobs. */
  handBackMs?: number
}

/** Below what supervisors grant a process to end. */
const HAND_BACK_MS = 20_000

export function createJobs({ url, log, concurrency = 4, handBackMs = HAND_BACK_MS }: JobsOptions): Jobs {
  const pool = openRolePool(
    {
      url,
      poolSize: concurrency + 3,
      onConnectionLost: (error) => log.warn({ err: error }, 'queue connection lost'),
    },
    'yinxin_queue',
  )
  const presence = createRunnerPresence({ url, pool, log })
  const tasks: TaskList = {}
  const schedules: { task: string; match: string }[] = []
  const failures: unknown[] = []
  let running: { stop(): Promise<void> } | undefined
  let ending: Promise<void> | undefined
  let isAbandoned = false

  const base = { pgPool: pool, noHandleSignals: true, logger: quietLogger(log) }

  /** Runs until told to stop; a runner that gives up because the database went away is started again. */
  async function supervise(scheduled: boolean): Promise<{ stop(): Promise<void> }> {
    let stopping = false
    let runner: Runner | undefined
    const begin = async (): Promise<Runner> => {
      await presence.begin()
      return await run({
        ...base,
        concurrency,
        taskList: tasks,
        events: presence.events as WorkerEvents,
        pollInterval: 2000,
        // In groups their failure ends the runner, which is begun again; one by one nobody would catch it.
        preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
        parsedCronItems: parseCronItems(scheduled ? schedules : []),
      })
    }
    runner = await begin()
    const loop = (async () => {
      for (let attempt = 0; !stopping; attempt++) {
        try {
          runner ??= await begin()
          attempt = 0
          await runner.promise
        } catch (error) {
          if (!stopping) log.warn({ err: error, attempt }, 'job runner ended; starting it again')
        }
        runner = undefined
        await presence.end()
        if (!stopping) await wait(Math.min(250 * 2 ** attempt, 10_000))
      }
    })()
    return {
      async stop() {
        stopping = true
        await runner
          ?.stop()
          .catch((error: unknown) => log.warn({ err: error }, 'job runner did not stop cleanly'))
        await loop
      },
    }
  }

  return {
    define(kind, schema, handler) {
      if (tasks[kind]) throw new Error(`the job ${kind} is defined twice`)
      tasks[kind] = async (payload, { job }) => {
        try {
          await handler(schema.parse(payload), {
            jobId: String(job.id),
            attempt: job.attempts,
            maxAttempts: job.max_attempts,
          })
        } catch (error) {
          failures.push(error)
          if (failures.length > 100) failures.shift()
          log.warn({ kind, jobId: job.id, attempt: job.attempts, err: error }, 'job failed')
          throw error
        }
      }
    },

    async enqueue(tx, kind, payload, options = {}) {
      const statement = sql`select enqueue_job(
        ${kind}, ${JSON.stringify(payload)}::json, ${options.key ?? null}::text,
        ${options.runAt ?? null}::timestamptz, ${options.maxAttempts ?? null}::integer)`
      await later(tx, statement)
    },

    schedule(kind, cron) {
      if (!tasks[kind]) throw new Error(`the job ${kind} is scheduled before it is defined`)
      schedules.push({ task: kind, match: cron })
    },

    async start({ scheduled = true } = {}) {
      if (running) throw new Error('the jobs are running already')
      running = await supervise(scheduled)
    },

    async stop() {
      ending ??= (async () => {
        const timer = new AbortController()
        const late = wait(handBackMs, true, { signal: timer.signal, ref: false }).catch(() => false)
        const isLate = await Promise.race([running?.stop().then(() => false), late])
        timer.abort()
        if (isLate) log.warn({ room: 'jobs' }, 'jobs still run; another process takes them over')
        isAbandoned = isLate === true
        running = undefined
        ending = undefined
      })()
      await ending
    },

    async drain() {
      failures.length = 0
      await runOnce({ ...base, concurrency: 1, taskList: tasks })
      return failures.splice(0)
    },

    async measure() {
      const { rows } = await pool.query<QueueState>(
        `select t.identifier as kind,
           count(*) filter (where j.locked_at is null and j.attempts < j.max_attempts and j.run_at <= now())::int as waiting,
           count(*) filter (where j.locked_at is not null)::int as running,
           count(*) filter (where j.locked_at is null and j.attempts >= j.max_attempts)::int as "givenUp",
           coalesce(extract(epoch from now() - min(j.run_at) filter (
             where j.locked_at is null and j.attempts < j.max_attempts and j.run_at <= now())), 0)::float8 as "oldestS"
         from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
         group by 1 order by 1`,
      )
      return rows
    },

    async close() {
      await presence.handBack()
      await presence.end()
      // What runs still holds a connection, which ends with the process.
      const closed = pool.end()
      if (!isAbandoned) await closed
    },
  }
}

/** The queue's own talk: only warnings and errors are kept, and failing jobs are told of above. */
function quietLogger(log: Log): Logger {
  return new Logger(() => (level, message) => {
    if (level === 'error' && !message.startsWith('Failed task')) log.warn({ room: 'jobs' }, message)
  })
}
