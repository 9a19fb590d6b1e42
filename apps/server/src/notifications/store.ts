import type { Tx } from '#src/db/db.ts'
import type { NotificationTables } from './tables.ts'

type Row = NotificationTables['notification']

export async function insertNotification(
  tx: Tx,
  row: Pick<
    Row,
    | 'id'
    | 'tenant_id'
    | 'channel'
    | 'address'
    | 'template'
    | 'lang'
    | 'purpose'
    | 'content_sealed'
    | 'about_task'
    | 'created_at'
  >,
): Promise<void> {
  await tx
    .$extendTables<NotificationTables>()
    .insertInto('notification')
    .values({
      ...row,
      status: 'queued',
      simulated: false,
      attempts: 0,
      carrier: null,
      carrier_reference: null,
      last_problem: null,
      sent_at: null,
    })
    .execute()
}

/** The message, unless it was sent or given up already. */
export async function queuedNotification(tx: Tx, id: string) {
  return tx
    .$extendTables<NotificationTables>()
    .selectFrom('notification')
    .select(['channel', 'address', 'lang', 'template', 'content_sealed', 'attempts'])
    .where('id', '=', id)
    .where('status', '=', 'queued')
    .executeTakeFirst()
}

export async function markSent(
  tx: Tx,
  id: string,
  outcome: { carrier: string; simulated: boolean; reference: string | null; at: Date; scrub: boolean },
): Promise<void> {
  await tx
    .$extendTables<NotificationTables>()
    .updateTable('notification')
    .set((eb) => ({
      status: 'sent' as const,
      carrier: outcome.carrier,
      simulated: outcome.simulated,
      carrier_reference: outcome.reference,
      sent_at: outcome.at,
      last_problem: null,
      attempts: eb('attempts', '+', 1),
      ...(outcome.scrub ? { content_sealed: null } : {}),
    }))
    .where('id', '=', id)
    .execute()
}

interface Attempt {
  carrier: string
  attempts: number
  problem: string
}

export async function noteAttempt(tx: Tx, id: string, attempt: Attempt): Promise<void> {
  await tx
    .$extendTables<NotificationTables>()
    .updateTable('notification')
    .set({ carrier: attempt.carrier, attempts: attempt.attempts, last_problem: attempt.problem })
    .where('id', '=', id)
    .execute()
}

export async function markFailed(tx: Tx, id: string, attempt: Attempt): Promise<void> {
  await tx
    .$extendTables<NotificationTables>()
    .updateTable('notification')
    .set({
      status: 'failed',
      carrier: attempt.carrier,
      attempts: attempt.attempts,
      last_problem: attempt.problem,
      content_sealed: null,
    })
    .where('id', '=', id)
    .execute()
}

/** What the local outbox holds; messages show once their delivery was run. */
export async function outboxRows(tx: Tx, filter: { to?: string; after?: Date }) {
  let query = tx
    .$extendTables<NotificationTables>()
    .selectFrom('notification')
    .select(['id', 'channel', 'address', 'content_sealed', 'created_at'])
    .where('simulated', '=', true)
    .where('status', '=', 'sent')
    .where('content_sealed', 'is not', null)
    .$narrowType<{ content_sealed: Uint8Array }>()
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(100)
  if (filter.to !== undefined) query = query.where('address', '=', filter.to)
  if (filter.after !== undefined) query = query.where('created_at', '>', filter.after)
  return query.execute()
}

/** Messages still waiting are left alone: they are yet to be delivered. */
export async function forgetBefore(tx: Tx, before: Date): Promise<void> {
  const typed = tx.$extendTables<NotificationTables>()
  await typed
    .deleteFrom('notification')
    .where('tenant_id', 'is', null)
    .where('status', '!=', 'queued')
    .where('created_at', '<', before)
    .execute()
  await typed
    .updateTable('notification')
    .set({ content_sealed: null })
    .where('content_sealed', 'is not', null)
    .where('status', '!=', 'queued')
    .where('created_at', '<', before)
    .execute()
}

/** Takes content and address out of every message about a contract; what waits is not sent any more. */
export async function forgetAbout(tx: Tx, taskId: string): Promise<number> {
  const { numUpdatedRows } = await tx
    .$extendTables<NotificationTables>()
    .updateTable('notification')
    .set((eb) => ({
      content_sealed: null,
      address: '',
      last_problem: null,
      status: eb
        .case()
        .when('status', '=', 'queued')
        .then('failed' as const)
        .else(eb.ref('status'))
        .end(),
    }))
    .where('about_task', '=', taskId)
    .executeTakeFirst()
  return Number(numUpdatedRows)
}
