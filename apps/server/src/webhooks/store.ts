import { type Selectable, sql } from 'kysely'
import type { Tx } from '#src/db/db.ts'
import type { CallbackStatus, CallbackStyle, WebhookTables } from './tables.ts'

export type EventRow = Selectable<WebhookTables['webhook_event']>
export type AttemptRow = Selectable<WebhookTables['webhook_attempt']>

const open = (tx: Tx) => tx.$extendTables<WebhookTables>()

const EVENT_COLUMNS = [
  'id',
  'tenant_id',
  'app_id',
  'url',
  'url_of',
  'style',
  'event',
  'payload',
  'dedup_key',
  'status',
  'attempts',
  'next_at',
  'created_at',
  'delivered_at',
] as const

export async function putStyle(
  tx: Tx,
  row: { app_id: string; tenant_id: string; style: CallbackStyle; updated_at: Date },
): Promise<void> {
  await open(tx)
    .insertInto('webhook_app')
    .values(row)
    .onConflict((conflict) =>
      conflict.column('app_id').doUpdateSet({ style: row.style, updated_at: row.updated_at }),
    )
    .execute()
}

/** Styles by app; apps that never chose one are left out. */
export async function readStyles(tx: Tx, tenantId: string): Promise<Map<string, CallbackStyle>> {
  const rows = await open(tx)
    .selectFrom('webhook_app')
    .select(['app_id', 'style'])
    .where('tenant_id', '=', tenantId)
    .execute()
  return new Map(rows.map((row) => [row.app_id, row.style]))
}

/** False when this callback was queued before. */
export async function insertEvent(tx: Tx, row: EventRow): Promise<boolean> {
  const made = await open(tx)
    .insertInto('webhook_event')
    .values({ ...row, payload: JSON.stringify(row.payload) })
    .onConflict((conflict) => conflict.columns(['app_id', 'dedup_key']).doNothing())
    .executeTakeFirstOrThrow()
  return made.numInsertedOrUpdatedRows === 1n
}

/** Worker: any event. App: those of its subject. */
export async function findEvent(tx: Tx, id: string): Promise<EventRow | undefined> {
  return await open(tx)
    .selectFrom('webhook_event')
    .select(EVENT_COLUMNS)
    .where('id', '=', id)
    .executeTakeFirst()
}

export async function updateEvent(
  tx: Tx,
  id: string,
  change: Partial<Pick<EventRow, 'status' | 'next_at' | 'delivered_at' | 'url'>>,
): Promise<void> {
  await open(tx).updateTable('webhook_event').set(change).where('id', '=', id).execute()
}

/** Writes an attempt down and counts it. */
export async function insertAttempt(tx: Tx, row: AttemptRow): Promise<void> {
  await open(tx).insertInto('webhook_attempt').values(row).execute()
  await open(tx)
    .updateTable('webhook_event')
    .set({ attempts: sql<number>`attempts + 1` })
    .where('id', '=', row.event_id)
    .execute()
}

export async function listAttempts(tx: Tx, eventId: string): Promise<AttemptRow[]> {
  return await open(tx)
    .selectFrom('webhook_attempt')
    .select(['id', 'event_id', 'tenant_id', 'at', 'duration_ms', 'status', 'problem', 'response_head'])
    .where('event_id', '=', eventId)
    .orderBy('id')
    .execute()
}

export interface EventFilter {
  appId?: string
  status?: CallbackStatus
  /** Continues after the last one seen, newest first. */
  beforeId?: string
  limit: number
}

export async function listEvents(tx: Tx, filter: EventFilter): Promise<EventRow[]> {
  let query = open(tx).selectFrom('webhook_event').select(EVENT_COLUMNS)
  if (filter.appId !== undefined) query = query.where('app_id', '=', filter.appId)
  if (filter.status !== undefined) query = query.where('status', '=', filter.status)
  if (filter.beforeId !== undefined) query = query.where('id', '<', filter.beforeId)
  return await query.orderBy('id', 'desc').limit(filter.limit).execute()
}

export interface EventSearch {
  appId: string
  style: CallbackStyle
  /** The beginning of the event's name; all events when empty. */
  eventPrefix: string
  from: Date
  to: Date
  offset: number
  limit: number
}

/** A numbered page, oldest first, with the count of all. */
export async function searchEvents(
  tx: Tx,
  search: EventSearch,
): Promise<{ rows: EventRow[]; total: number }> {
  const pattern = `${search.eventPrefix.replace(/[\\%_]/g, (one) => `\\${one}`)}%`
  const wanted = open(tx)
    .selectFrom('webhook_event')
    .where('app_id', '=', search.appId)
    .where('style', '=', search.style)
    .where('event', 'like', pattern)
    .where('created_at', '>=', search.from)
    .where('created_at', '<=', search.to)
  const { total } = await wanted
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow()
  const rows = await wanted
    .select(EVENT_COLUMNS)
    .orderBy('id')
    .offset(search.offset)
    .limit(search.limit)
    .execute()
  return { rows, total }
}

/** Empties the callbacks about a contract; what still waits is not told any more. */
export async function forgetEvents(tx: Tx, tenantId: string, taskId: string): Promise<number> {
  const { numAffectedRows } = await sql`
    update webhook_event
    set payload = jsonb_build_object('forgotten', true), next_at = null,
        status = case when status = 'waiting' then 'failed' else status end
    where tenant_id = ${tenantId} and position(${taskId} in payload::text) > 0`.execute(tx)
  return Number(numAffectedRows ?? 0)
}
