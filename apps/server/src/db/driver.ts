/**
 * Kysely's way to the connections, with fewer round trips than its own: each statement is planned once per
 * connection, and the beginning of a transaction travels with its first statement.
 */
import { createHash } from 'node:crypto'
import {
  AbortedTransactionError,
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from 'kysely'
import pg from 'pg'
import type { Breaker } from '#src/breakers/breakers.ts'

/** Texts that get a plan of their own; inserts of ever other lengths must not fill the server's memory. */
const PLANNED_TEXTS_MAX = 800

/** The pool must be opened with `pipeline: true`. */
export function leanDialect(pool: pg.Pool, breaker?: Breaker): Dialect {
  return {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => createDriver(pool, breaker),
    createIntrospector: (kysely: Kysely<unknown>) => new PostgresIntrospector(kysely),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  }
}

/** Statements to be sent together with the next one, in a transaction that has just begun. */
const opening = new WeakSet<CompiledQuery>()

/** Says for whom a transaction acts. Local to it: a pooled connection never remembers the last tenant. */
export function actingFor(subjectId: string): CompiledQuery {
  const query = CompiledQuery.raw(`select set_config('app.subject', ${pg.escapeLiteral(subjectId)}, true)`)
  opening.add(query)
  return query
}

/** Makes a transaction read, and end with its first statement in the same breath; a second one is an error. */
export function oneStatement(): CompiledQuery {
  const query = CompiledQuery.raw('')
  single.add(query)
  return query
}
const single = new WeakSet<CompiledQuery>()

/** Statements that nobody waits for, and where their answers go. */
const unhurried = new WeakMap<CompiledQuery, (answer: Promise<pg.QueryResult>) => void>()

/** A builder of Kysely, or a piece of its `sql`. */
interface Statement<Row> {
  compile(executor: Kysely<unknown>): CompiledQuery<Row>
}

/** Sends what waits, and nothing else. */
const flush = CompiledQuery.raw('')

/**
 * Lets a statement travel with the next one of its transaction, or with the commit, instead of waiting for its
 * answer. Order and atomicity are those of the calls: later statements see its effects, and its failure is the
 * error of the next statement that is awaited, or of the commit. Who needs
 * the answer after all gets it by asking, at no cost once a later statement has taken this one along.
 */
export async function later<Row>(
  tx: Kysely<unknown>,
  statement: Statement<Row>,
): Promise<{ answer: () => Promise<pg.QueryResult & { rows: Row[] }> }> {
  const query = statement.compile(tx)
  let sent: Promise<pg.QueryResult> | undefined
  unhurried.set(query, (answer) => {
    sent = answer
  })
  await tx.executeQuery(query)
  return {
    async answer() {
      if (sent === undefined) await tx.executeQuery(flush)
      return (await sent) as pg.QueryResult & { rows: Row[] }
    },
  }
}

/**
 * Committed on this server, while no copy in the other site has confirmed it: the wait was cancelled. The change
 * is there and stays unless this server is lost before a copy has caught up.
 */
export class CommitUnconfirmed extends Error {
  override readonly name = 'CommitUnconfirmed'
}

/** What PostgreSQL says, as a warning beside a successful answer, when the wait for a copy is cancelled. */
const UNCONFIRMED = /canceling (the )?wait for synchronous replication/

/**
 * Lets this transaction commit without the copy in the other site: for sessions, counters and the like, whose
 * loss together with this server would hurt nobody. Never for anything a person or a program was promised.
 */
export async function hereOnly(tx: Kysely<unknown>): Promise<void> {
  await tx.executeQuery(localCommit)
}
const localCommit = CompiledQuery.raw('set local synchronous_commit = local')
opening.add(localCommit)

interface LeanConnection extends DatabaseConnection {
  begin(): void
  end(command: 'commit' | 'rollback'): Promise<void>
  release(): void
}

function createDriver(pool: pg.Pool, breaker?: Breaker): Driver {
  const connect = () => pool.connect()
  const nameOf = createNames()
  const connections = new WeakMap<pg.PoolClient, LeanConnection>()
  const lean = (connection: DatabaseConnection) => connection as LeanConnection
  return {
    init: async () => {},
    async acquireConnection() {
      const client = await (breaker === undefined ? connect() : breaker.run(connect))
      const connection = connections.get(client) ?? openConnection(client, nameOf)
      connections.set(client, connection)
      return connection
    },
    beginTransaction: async (connection) => lean(connection).begin(),
    commitTransaction: (connection) => lean(connection).end('commit'),
    rollbackTransaction: (connection) => lean(connection).end('rollback'),
    releaseConnection: async (connection) => lean(connection).release(),
    destroy: () => pool.end(),
  }
}

function openConnection(client: pg.PoolClient, nameOf: (text: string) => string | undefined): LeanConnection {
  /** What waits to travel with the next statement. */
  let ahead: string[] = []
  let waiting: CompiledQuery[] = []
  /** Sent without anybody waiting: what they failed of is told by the next that is awaited. */
  let unheard: Promise<unknown>[] = []
  let isBroken = false
  /** In a transaction of one statement: its end, once the statement is on its way. */
  let isSingle = false
  let ending: Promise<{ command: string }> | undefined
  /** Set by a warning that came with the answer of a commit. */
  let isUnconfirmed = false
  client.on('notice', ({ message }) => {
    if (message !== undefined && UNCONFIRMED.test(message)) isUnconfirmed = true
  })
  /** Plans of before a change of tables are left behind under their old names. */
  let generation = 0

  /** Nothing can run between the two: in a block that could not be opened every statement fails. */
  function sendAhead(): void {
    if (ahead.length === 0) return
    const text = ahead.join('; ')
    ahead = []
    // A connection that breaks here fails the statement behind it, which somebody awaits.
    client.query(text).catch(() => undefined)
  }

  function query({ sql: text, parameters }: CompiledQuery): Promise<pg.QueryResult> {
    const name = nameOf(text)
    const values = [...parameters]
    const answer =
      name === undefined
        ? client.query(text, values)
        : client.query({ name: `${name}.${generation}`, text, values })
    answer.catch((error: unknown) => {
      if (isStalePlan(error)) generation += 1
    })
    return answer
  }

  function sendWaiting(): void {
    for (const one of waiting.splice(0)) {
      const answer = query(one)
      unheard.push(answer)
      unhurried.get(one)?.(answer)
    }
  }

  /** Sends everything that waits, and what `last` sends, in one breath. */
  function together<T>(last: () => T): T {
    const { stream } = client.connection
    stream.cork()
    try {
      sendAhead()
      sendWaiting()
      return last()
    } finally {
      stream.uncork()
    }
  }

  /** What broke a block: the first failure in it, not those that follow from it. */
  async function cause(before: readonly Promise<unknown>[]): Promise<unknown> {
    const outcomes = await Promise.allSettled(before)
    return outcomes.find((one) => one.status === 'rejected')?.reason
  }

  async function send(statement: CompiledQuery): Promise<pg.QueryResult> {
    if (ending !== undefined) throw new Error('this transaction was opened for one statement')
    // A single select is a transaction by itself.
    const isBare = isSingle && ahead.length === 1 && /^\s*select\b/i.test(statement.sql)
    if (isBare) ahead = []
    const answer = together(() => {
      const sent = query(statement)
      if (isSingle) {
        ending = isBare ? sent.catch(() => ({ command: 'ROLLBACK' })) : client.query('commit')
        // Awaited by `end`, which comes later than a statement that fails.
        ending.catch(() => undefined)
      }
      return sent
    })
    const before = unheard
    unheard = []
    try {
      return await answer
    } catch (error) {
      throw (await cause(before)) ?? error
    }
  }

  return {
    begin() {
      ahead = ['begin']
      waiting = []
      unheard = []
      isSingle = false
      ending = undefined
      isUnconfirmed = false
    },
    async end(command) {
      if (command === 'rollback') waiting = []
      if (ahead.length > 0 && waiting.length === 0) {
        // Nothing was sent since the beginning, so there is nothing to end.
        ahead = []
        return
      }
      try {
        const answer = await (ending ?? together(() => client.query(command)))
        // A block that an error has aborted answers COMMIT with ROLLBACK.
        if (command === 'commit' && answer.command === 'ROLLBACK') throw new AbortedTransactionError()
        if (command === 'commit' && isUnconfirmed) {
          throw new CommitUnconfirmed('committed here; no copy in the other site has confirmed it')
        }
      } catch (error) {
        if (error instanceof CommitUnconfirmed) throw error
        if (!(error instanceof AbortedTransactionError)) isBroken = true
        throw (await cause(unheard)) ?? error
      }
    },
    release() {
      client.release(isBroken)
    },
    async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
      if (single.has(query)) {
        isSingle = true
        ahead[0] = 'begin read only'
        return { rows: [] }
      }
      if (ahead.length > 0 && opening.has(query)) {
        ahead.push(query.sql)
        return { rows: [] }
      }
      if (query === flush) {
        together(() => undefined)
        return { rows: [] }
      }
      if (unhurried.has(query)) {
        if (isSingle) throw new Error('this transaction was opened for one statement')
        waiting.push(query)
        return { rows: [] }
      }
      const { command, rowCount, rows } = await send(query)
      const isChange = ['INSERT', 'UPDATE', 'DELETE', 'MERGE'].includes(command)
      return { rows, ...(isChange ? { numAffectedRows: BigInt(rowCount ?? 0) } : {}) }
    },
    streamQuery() {
      throw new Error('rows are not streamed here')
    },
  }
}

/** A name per text, the same on every connection; none when there are too many texts. */
function createNames(): (text: string) => string | undefined {
  const names = new Map<string, string>()
  return (text) => {
    const known = names.get(text)
    if (known !== undefined || names.size >= PLANNED_TEXTS_MAX) return known
    const name = createHash('sha256').update(text).digest('base64url').slice(0, 22)
    names.set(text, name)
    return name
  }
}

/** A migration by another process changed the columns under a plan; the next try plans anew. */
export function isStalePlan(error: unknown): boolean {
  return error instanceof Error && /cached plan must not change result type/.test(error.message)
}
