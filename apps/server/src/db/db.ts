/**
 * The door to PostgreSQL: two pools that differ only in the role they act under. Every statement runs inside
 * a transaction that says for whom it acts; row-level security does the rest.
 */
import { Kysely, type Transaction } from 'kysely'
import pg from 'pg'
import type { Breaker } from '#src/breakers/breakers.ts'
import { Refusal } from '#src/errors.ts'
import { actingFor, CommitUnconfirmed, isStalePlan, leanDialect, oneStatement } from './driver.ts'
import { refuse } from './errors.ts'

export { hereOnly, later } from './driver.ts'
export type { ClusterName, DbCopy } from './copies.ts'
export { type DrillFinding, drillFindings } from './drills.ts'

/**
 * An open transaction with no tables in its type; a room types it: `const t = tx.withTables<SealTables>()`.
 * The signature is Kysely's own without its demand for an index signature, which interfaces do not have.
 */
export type Tx = {
  withTables<Tables>(): Transaction<Tables>
  $extendTables<Tables>(): Transaction<Tables>
} & Transaction<unknown>

export interface Db {
  /** App role: row-level security for one acting subject. */
  as<T>(subjectId: string, work: (tx: Tx) => Promise<T>): Promise<T>
  /** Worker role: background work and look-ups before log-in. `subjectId` sets the acting subject too. */
  work<T>(work: (tx: Tx) => Promise<T>, subjectId?: string): Promise<T>
  /**
   * The same for one statement that only reads, which saves a round trip: it begins, runs and ends in one. The
   * acting subject is set as in `as` and `work`; a second statement is an error.
   */
  askAs<T>(subjectId: string, question: (tx: Tx) => Promise<T>): Promise<T>
  ask<T>(question: (tx: Tx) => Promise<T>): Promise<T>
  /** How far the connections are used, by role. */
  pools(): { role: string; max: number; total: number; idle: number; waiting: number }[]
  close(): Promise<void>
}

/** Where a database is reached: an address, or what tells it now, because a promotion moves it. */
export type UrlSource = string | (() => string)

export function currentUrl(source: UrlSource): string {
  return typeof source === 'string' ? source : source()
}

export interface DbOptions {
  url: UrlSource
  /** Connections per role. */
  poolSize?: number
  statementTimeoutMs?: number
  /** The circuit to it, by role: for as long as it does not take connections nobody waits for one. */
  breakerOf?: (role: string) => Breaker
  /** Told of connections that break while idle. */
  onConnectionLost?: (error: Error) => void
}

/** Opens nothing yet: connections are made when first needed, and again after a loss. */
export function openDb(options: DbOptions): Db {
  const pools = {
    yinxin_app: openRolePool(options, 'yinxin_app', { pipeline: true }),
    yinxin_worker: openRolePool(options, 'yinxin_worker', { pipeline: true }),
  }
  const app = new Kysely<unknown>({
    dialect: leanDialect(pools.yinxin_app, options.breakerOf?.('yinxin_app')),
  })
  const worker = new Kysely<unknown>({
    dialect: leanDialect(pools.yinxin_worker, options.breakerOf?.('yinxin_worker')),
  })

  async function transact<T>(
    kysely: Kysely<unknown>,
    subjectId: string | undefined,
    work: (tx: Tx) => Promise<T>,
    extent: 'one-statement' | 'any' = 'any',
  ) {
    try {
      return await kysely.transaction().execute(async (tx) => {
        if (extent === 'one-statement') await tx.executeQuery(oneStatement())
        if (subjectId !== undefined) await tx.executeQuery(actingFor(subjectId))
        return await work(tx as Tx)
      })
    } catch (error) {
      throw translateDatabaseError(error)
    }
  }

  return {
    as: (subjectId, work) => transact(app, subjectId, work),
    work: (work, subjectId) => transact(worker, subjectId, work),
    askAs: (subjectId, question) => transact(app, subjectId, question, 'one-statement'),
    ask: (question) => transact(worker, undefined, question, 'one-statement'),
    pools: () =>
      Object.entries(pools).map(([role, pool]) => ({
        role,
        max: pool.options.max,
        total: pool.totalCount,
        idle: pool.idleCount,
        waiting: pool.waitingCount,
      })),
    async close() {
      await Promise.all([app.destroy(), worker.destroy()])
    },
  }
}

/** A pool of connections under one role; for the job queue, everyone else goes through {@link Db}. */
export function openRolePool(options: DbOptions, role: string, more: pg.PoolConfig = {}): pg.Pool {
  const pool = new pg.Pool({
    ...more,
    Client: followingClient(options.url),
    application_name: role.replace('_', '-'),
    options: `-c role=${role}`,
    max: options.poolSize ?? 10,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 30_000,
    statement_timeout: options.statementTimeoutMs ?? 30_000,
    idle_in_transaction_session_timeout: 60_000,
    types: { getTypeParser },
    // Where the primary moves, an address may lead to what has become a copy: such a connection is not kept.
    ...(typeof options.url === 'string' ? {} : { verify: refuseCopy }),
  })
  // Without a listener an idle connection that breaks would end the process.
  pool.on('error', (error) => {
    if (!pool.ending) options.onConnectionLost?.(error)
  })
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}

function refuseCopy(client: pg.PoolClient, done: (error?: Error) => void): void {
  client.query<{ copy: boolean }>('select pg_is_in_recovery() as copy').then(
    ({ rows }) =>
      done(rows[0]?.copy === false ? undefined : new Error('Connection terminated: it led to a copy')),
    (error: Error) => done(error),
  )
}

/** Asks at every new connection where the database is now. */
function followingClient(url: UrlSource): typeof pg.Client {
  return class extends pg.Client {
    constructor(config?: pg.ClientConfig) {
      super({ ...config, connectionString: currentUrl(url) })
    }
  }
}

/** bigint becomes a number, refused beyond 2^53; a date stays the text it is, because it has no time zone. */
const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: 'text' | 'binary') => {
  if (format !== 'binary' && oid === pg.types.builtins.INT8) return parseBigint
  if (format !== 'binary' && oid === pg.types.builtins.DATE) return (text: string) => text
  return pg.types.getTypeParser(oid, format as 'text')
}

function parseBigint(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value))
    throw new Error(`the database answered ${text}, which no number holds exactly`)
  return value
}

/** Errors of the socket, and what node-postgres says when a connection breaks under it. */
const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
])
const CONNECTION_TEXTS =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|not queryable|pool after calling end/

/** An open circuit to the database is the loss of it, in the same words. */
function ofTheCircuit(error: Refusal): Refusal {
  if (error.params.dependency !== 'database') return error
  return refuse(error.code === 'dependency_busy' ? 'database_busy' : 'database_unavailable', {}, error)
}

/** Turns the loss of the database into a refusal; everything else passes as it is. */
export function translateDatabaseError(error: unknown): unknown {
  if (error instanceof Refusal) return ofTheCircuit(error)
  if (!(error instanceof Error)) return error
  if (error instanceof CommitUnconfirmed) return refuse('commit_unconfirmed', {}, error)
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  // Classes 08 connection, 57P01–57P03 shutdown and start, 53 out of resources; 57014 statement and 55P03 lock timeout.
  // A database reached by its socket is missing as a file while it is down.
  const isConnect = 'syscall' in error && error.syscall === 'connect'
  if (
    isConnect ||
    CONNECTION_CODES.has(code) ||
    /^(08|57P0[1-5]|53)/.test(code) ||
    CONNECTION_TEXTS.test(error.message)
  ) {
    return refuse('database_unavailable', {}, error)
  }
  // 22021 and 22P05: a null character, which no text in PostgreSQL can hold. Only input brings one in.
  if (code === '22021' || code === '22P05') return refuse('text_not_storable', {}, error)
  if (code === '57014' || code === '55P03' || isStalePlan(error)) return refuse('database_busy', {}, error)
  return error
}
