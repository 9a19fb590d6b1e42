/**
 * `Idempotency-Key`: the same request sent twice is done once and answered alike. The claim and the answer
 * commit with the change they belong to, so that no crash can separate them.
 */
import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type { Clock } from '#src/clock.ts'
import { type Db, later, type Tx } from '#src/db/db.ts'
import { refuse } from './errors.ts'
import type { HttpTables } from './tables.ts'

/** How long an unfinished claim keeps others away; longer than any request may take. */
const LEASE_MS = 2 * 60_000
/** How long an answer can be asked for again. */
const LIFE_MS = 7 * 24 * 3_600_000

/** Seals stored answers, which may carry secrets shown once. `label` binds them to their key. */
export interface Sealer {
  seal(label: string, bytes: Uint8Array): Promise<Uint8Array>
  open(label: string, sealed: Uint8Array): Promise<Uint8Array>
}

export interface IdempotentRequest {
  tenantId: string
  /** The app or account that sends the key: others may use the same one. */
  credential: string
  key: string
  requestHash: string
}

export interface StoredAnswer {
  status: number
  body: unknown
}

/** Whoever holds the lease may complete the request; whoever outlasts it may lose it to the next attempt. */
export type Claim = { earlier: StoredAnswer } | { lease: Date }

/** Hash of everything that makes two requests the same. */
export function requestHash(method: string, url: string, bodySha256: string): string {
  return createHash('sha256').update(`${method}\n${url}\n${bodySha256}`).digest('hex')
}

/** The key of the header, or undefined when there is none. */
export function idempotencyKeyOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined
  if (typeof header !== 'string' || !/^[\x21-\x7e]{1,128}$/.test(header))
    throw refuse('idempotency_key_invalid')
  return header
}

export function createIdempotency({ db, clock, sealer }: { db: Db; clock: Clock; sealer: Sealer }) {
  const label = (request: IdempotentRequest) =>
    `idempotency:${request.tenantId}:${request.credential}:${request.key}`

  /** Claims the key inside `tx`; an earlier answer comes back instead. Two at once: the second is refused. */
  async function claim(tx: Tx, request: IdempotentRequest): Promise<Claim> {
    const lock = await later(
      tx,
      sql<{ taken: boolean }>`
        select pg_try_advisory_xact_lock(hashtextextended(${label(request)}, 0)) as taken`,
    )
    const now = clock.now()
    const row = await find(tx, request)
      .select(['request_hash', 'state', 'lease_until', 'status', 'answer'])
      .executeTakeFirst()
    if (!(await lock.answer()).rows[0]?.taken) throw refuse('idempotency_in_progress')
    if (row && row.request_hash !== request.requestHash) throw refuse('idempotency_key_reused')
    if (row?.state === 'done') {
      const bytes = row.answer ? await sealer.open(label(request), row.answer) : undefined
      const body: unknown = bytes ? JSON.parse(Buffer.from(bytes).toString()) : undefined
      return { earlier: { status: row.status ?? 200, body } }
    }
    if (row && row.lease_until > now) throw refuse('idempotency_in_progress')
    const lease_until = new Date(now.getTime() + LEASE_MS)
    const insertion = tx
      .withTables<HttpTables>()
      .insertInto('idempotency_keys')
      .values({
        tenant_id: request.tenantId,
        credential: request.credential,
        key: request.key,
        request_hash: request.requestHash,
        state: 'running',
        lease_until,
        status: null,
        answer: null,
        created_at: now,
      })
      .onConflict((conflict) =>
        conflict.columns(['tenant_id', 'credential', 'key']).doUpdateSet({ lease_until }),
      )
    await later(tx, insertion)
    return { lease: lease_until }
  }

  /**
   * Stores the answer, in the transaction that makes it true. An attempt that outlasted its lease and was
   * overtaken is refused, and its change with it: otherwise both would be made.
   */
  async function complete(
    tx: Tx,
    request: IdempotentRequest,
    lease: Date,
    answer: StoredAnswer,
  ): Promise<void> {
    const bytes =
      answer.body === undefined
        ? null
        : await sealer.seal(label(request), Buffer.from(JSON.stringify(answer.body)))
    const { numUpdatedRows } = await tx
      .withTables<HttpTables>()
      .updateTable('idempotency_keys')
      .set({ state: 'done', status: answer.status, answer: bytes })
      .where('tenant_id', '=', request.tenantId)
      .where('credential', '=', request.credential)
      .where('key', '=', request.key)
      .where('state', '=', 'running')
      .where('lease_until', '=', lease)
      .executeTakeFirstOrThrow()
    if (numUpdatedRows !== 1n) throw refuse('idempotency_in_progress')
  }

  /** Gives an unfinished key back after a failure, so that the caller may try again at once. */
  async function release(tx: Tx, request: IdempotentRequest, lease: Date): Promise<void> {
    await tx
      .withTables<HttpTables>()
      .deleteFrom('idempotency_keys')
      .where('tenant_id', '=', request.tenantId)
      .where('credential', '=', request.credential)
      .where('key', '=', request.key)
      .where('state', '=', 'running')
      .where('lease_until', '=', lease)
      .execute()
  }

  /** Forgets old answers. */
  async function prune(): Promise<void> {
    const before = new Date(clock.now().getTime() - LIFE_MS)
    await db.work((tx) =>
      tx.withTables<HttpTables>().deleteFrom('idempotency_keys').where('created_at', '<', before).execute(),
    )
  }

  return { claim, complete, release, prune }
}

export type Idempotency = ReturnType<typeof createIdempotency>

function find(tx: Tx, request: IdempotentRequest) {
  return tx
    .withTables<HttpTables>()
    .selectFrom('idempotency_keys')
    .where('tenant_id', '=', request.tenantId)
    .where('credential', '=', request.credential)
    .where('key', '=', request.key)
}
