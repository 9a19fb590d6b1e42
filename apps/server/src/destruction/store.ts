import { type Selectable, sql } from 'kysely'
import type { Tx } from '#src/db/db.ts'
import { isEnded } from './lifecycle.ts'
import type { DestructionTables } from './tables.ts'

export type DestructionRow = Selectable<DestructionTables['destruction']>
export type CertificateRow = Selectable<DestructionTables['destruction_certificate']>
export type HoldRow = Selectable<DestructionTables['legal_hold']>
export type MediumRow = Selectable<DestructionTables['retired_medium']>

const open = (tx: Tx) => tx.$extendTables<DestructionTables>()
const rows = (tx: Tx) => open(tx).selectFrom('destruction').selectAll()

/** Placing a hold and starting to shred exclude each other. */
export async function lockContract(tx: Tx, taskId: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`destruction:${taskId}`}, 0))`.execute(tx)
}

export async function insertRequest(
  tx: Tx,
  row: DestructionTables['destruction'] extends infer R ? Omit<R, 'attempts'> : never,
): Promise<void> {
  await open(tx)
    .insertInto('destruction')
    .values({ ...row, attempts: 0, record: JSON.stringify(row.record) })
    .execute()
}

export async function findRequest(tx: Tx, id: string): Promise<DestructionRow | undefined> {
  return await rows(tx).where('id', '=', id).executeTakeFirst()
}

export async function lockRequest(tx: Tx, id: string): Promise<DestructionRow | undefined> {
  return await rows(tx).where('id', '=', id).forUpdate().executeTakeFirst()
}

export async function findByAgreement(tx: Tx, agreementTaskId: string): Promise<DestructionRow | undefined> {
  return await rows(tx).where('agreement_task_id', '=', agreementTaskId).forUpdate().executeTakeFirst()
}

/** False when the request has its agreement already, or no longer wants one (app role, of who asked). */
export async function linkAgreement(tx: Tx, id: string, agreementTaskId: string): Promise<boolean> {
  const { numUpdatedRows } = await open(tx)
    .updateTable('destruction')
    .set({ agreement_task_id: agreementTaskId })
    .where('id', '=', id)
    .where('state', '=', 'REQUESTED')
    .where('agreement_task_id', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** Newest first, as far as the transaction's subject may see them. */
export async function requestsOf(tx: Tx, taskId: string): Promise<DestructionRow[]> {
  return await rows(tx).where('task_id', '=', taskId).orderBy('id', 'desc').execute()
}

export async function requestsBy(tx: Tx, tenantId: string, limit: number): Promise<DestructionRow[]> {
  return await rows(tx).where('tenant_id', '=', tenantId).orderBy('id', 'desc').limit(limit).execute()
}

/** Requests on their way, which go on now; all of them, so that none can keep another waiting. */
export async function activeRequests(tx: Tx, now: Date): Promise<string[]> {
  const found = await open(tx)
    .selectFrom('destruction')
    .select('id')
    .where((where) =>
      where.or([
        where.and([where('state', '=', 'COOLING_OFF'), where('due_at', '<=', now)]),
        where.and([where('state', '=', 'REQUESTED'), where('basis', '=', 'consent')]),
        where('state', 'in', ['HOLD_CHECK', 'SHREDDING', 'VERIFYING']),
      ]),
    )
    .where(isTimeToTry(now))
    .orderBy('id')
    .execute()
  return found.map((row) => row.id)
}

/** Every request that has not come to its end, the one that is due first in front; ids and states, nothing of content. */
export async function openRequests(tx: Tx, limit: number) {
  const found = await open(tx)
    .selectFrom('destruction')
    .select([
      'id',
      'task_id',
      'basis',
      'extent',
      'state',
      'requested_at',
      'due_at',
      'attempts',
      'problem',
      'next_try_at',
    ])
    .where('ended_at', 'is', null)
    .orderBy('due_at', (order) => order.asc().nullsLast())
    .orderBy('id')
    .limit(limit)
    .execute()
  return found.map((row) => ({
    id: row.id,
    taskId: row.task_id,
    basis: row.basis,
    extent: row.extent,
    state: row.state,
    requestedAt: row.requested_at,
    dueAt: row.due_at,
    attempts: row.attempts,
    problem: row.problem,
    nextTryAt: row.next_try_at,
  }))
}

/** How many requests have not come to their end, by state. */
export async function openRequestCounts(
  tx: Tx,
): Promise<{ state: DestructionRow['state']; count: number }[]> {
  return await open(tx)
    .selectFrom('destruction')
    .select((of) => ['state' as const, of.fn.countAll<number>().as('count')])
    .where('ended_at', 'is', null)
    .groupBy('state')
    .orderBy('state')
    .execute()
}

/** Requests whose certificate was entered and is not complete, whichever state they have come to. */
export async function uncertifiedRequests(tx: Tx, now: Date): Promise<string[]> {
  const found = await open(tx)
    .selectFrom('destruction_certificate')
    .innerJoin('destruction', 'destruction.id', 'destruction_certificate.destruction_id')
    .select('destruction_id')
    .where('pdf', 'is', null)
    .where(isTimeToTry(now))
    .distinct()
    .execute()
  return found.map((row) => row.destruction_id)
}

/** Requests that wait for the end of their epochs, in pages by id. */
export async function provisionalRequests(
  tx: Tx,
  now: Date,
  afterId: string,
  limit: number,
): Promise<string[]> {
  const found = await open(tx)
    .selectFrom('destruction')
    .select('id')
    .where('state', '=', 'DESTROYED_PROVISIONAL')
    .where('id', '>', afterId)
    .where(isTimeToTry(now))
    .orderBy('id')
    .limit(limit)
    .execute()
  return found.map((row) => row.id)
}

const isTimeToTry = (now: Date) =>
  sql<boolean>`(destruction.next_try_at is null or destruction.next_try_at <= ${now})`

export async function updateRequest(
  tx: Tx,
  id: string,
  change: Partial<Omit<DestructionRow, 'id' | 'record'>> & { record?: unknown },
  at: Date,
): Promise<void> {
  const { record, ...rest } = change
  await open(tx)
    .updateTable('destruction')
    .set({
      ...rest,
      ...(record === undefined ? {} : { record: JSON.stringify(record) }),
      ...(change.state !== undefined && isEnded(change.state) ? { ended_at: at } : {}),
      updated_at: at,
    })
    .where('id', '=', id)
    .execute()
}

const certificates = (tx: Tx) => open(tx).selectFrom('destruction_certificate').selectAll()

export async function insertCertificate(tx: Tx, row: CertificateRow): Promise<void> {
  await open(tx).insertInto('destruction_certificate').values(row).execute()
}

export async function updateCertificate(
  tx: Tx,
  row: Pick<CertificateRow, 'destruction_id' | 'stage'>,
  change: Partial<Pick<CertificateRow, 'entry' | 'timestamp_token' | 'proof' | 'pdf'>>,
): Promise<void> {
  await open(tx)
    .updateTable('destruction_certificate')
    .set(change)
    .where('destruction_id', '=', row.destruction_id)
    .where('stage', '=', row.stage)
    .execute()
}

/** The final certificate before the provisional one. */
export async function certificatesOf(tx: Tx, destructionId: string): Promise<CertificateRow[]> {
  return await certificates(tx).where('destruction_id', '=', destructionId).orderBy('stage').execute()
}

const holds = (tx: Tx) => open(tx).selectFrom('legal_hold').selectAll()

export async function holdsOf(tx: Tx, taskId: string): Promise<HoldRow[]> {
  return await holds(tx).where('task_id', '=', taskId).orderBy('id').execute()
}

export async function activeHolds(tx: Tx): Promise<HoldRow[]> {
  return await holds(tx).where('released_at', 'is', null).orderBy('id').execute()
}

export async function isHeld(tx: Tx, taskId: string): Promise<boolean> {
  const row = await holds(tx)
    .where('task_id', '=', taskId)
    .where('released_at', 'is', null)
    .executeTakeFirst()
  return row !== undefined
}

export async function insertHold(tx: Tx, row: HoldRow): Promise<void> {
  await open(tx).insertInto('legal_hold').values(row).execute()
}

export async function lockHold(tx: Tx, id: string): Promise<HoldRow | undefined> {
  return await holds(tx).where('id', '=', id).forUpdate().executeTakeFirst()
}

export async function updateHold(tx: Tx, id: string, change: Partial<HoldRow>): Promise<void> {
  await open(tx).updateTable('legal_hold').set(change).where('id', '=', id).execute()
}

export async function recordTermEnd(tx: Tx, row: DestructionTables['service_term']): Promise<void> {
  await open(tx)
    .insertInto('service_term')
    .values(row)
    .onConflict((conflict) =>
      conflict.column('tenant_id').doUpdateSet({
        ended_at: row.ended_at,
        recorded_by: row.recorded_by,
        recorded_at: row.recorded_at,
      }),
    )
    .execute()
}

export async function termEndOf(tx: Tx, tenantId: string): Promise<Date | null> {
  const row = await open(tx)
    .selectFrom('service_term')
    .select('ended_at')
    .where('tenant_id', '=', tenantId)
    .executeTakeFirst()
  return row?.ended_at ?? null
}

export async function insertMedium(tx: Tx, row: MediumRow): Promise<void> {
  await open(tx).insertInto('retired_medium').values(row).execute()
}

export async function listMedia(tx: Tx): Promise<MediumRow[]> {
  return await open(tx).selectFrom('retired_medium').selectAll().orderBy('retired_at', 'desc').execute()
}
