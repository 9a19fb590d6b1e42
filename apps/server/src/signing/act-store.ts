import { later, type Tx } from '#src/db/db.ts'
import type { SigningTables } from './tables.ts'

export interface NewAttempt {
  taskId: string
  actorId: string
  tenantId: string
  attemptId: string
  holder: string
  freeSign: boolean
  at: Date
  leaseUntil: Date
  intent: Record<string, unknown>
}

const open = (tx: Tx) => tx.$extendTables<SigningTables>()

/** The act of an actor; null before its first attempt. The caller holds the task's row lock. */
export async function readAct(tx: Tx, taskId: string, actorId: string) {
  const row = await open(tx)
    .selectFrom('sign_act')
    .select(['attempt_id', 'holder', 'status', 'lease_until', 'result'])
    .where('task_id', '=', taskId)
    .where('actor_id', '=', actorId)
    .executeTakeFirst()
  return row ?? null
}

/** Writes the intent of a new attempt over a failed or abandoned one. */
export async function intendAct(tx: Tx, attempt: NewAttempt): Promise<void> {
  const row = {
    attempt_id: attempt.attemptId,
    holder: attempt.holder,
    status: 'intended' as const,
    free_sign: attempt.freeSign,
    intended_at: attempt.at,
    lease_until: attempt.leaseUntil,
    intent: JSON.stringify(attempt.intent),
    failure: null,
  }
  const intention = open(tx)
    .insertInto('sign_act')
    .values({
      task_id: attempt.taskId,
      actor_id: attempt.actorId,
      tenant_id: attempt.tenantId,
      attempts: 1,
      certificate_serial: null,
      certificate: null,
      result: null,
      done_at: null,
      ...row,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['task_id', 'actor_id'])
        .doUpdateSet((eb) => ({ ...row, attempts: eb('sign_act.attempts', '+', 1) })),
    )
  await later(tx, intention)
}

/** Ends an attempt as done; the function returned tells false when it no longer owned the act. */
export async function finishAct(
  tx: Tx,
  attempt: { taskId: string; actorId: string; attemptId: string },
  done: { certificateSerial: string; certificateDer: Uint8Array; result: unknown; at: Date },
): Promise<() => Promise<boolean>> {
  const end = open(tx)
    .updateTable('sign_act')
    .set({
      status: 'done',
      certificate_serial: done.certificateSerial,
      certificate: Buffer.from(done.certificateDer),
      result: JSON.stringify(done.result),
      done_at: done.at,
    })
    .where('task_id', '=', attempt.taskId)
    .where('actor_id', '=', attempt.actorId)
    .where('attempt_id', '=', attempt.attemptId)
    .where('status', '=', 'intended')
  const { answer } = await later(tx, end)
  return async () => (await answer()).rowCount === 1
}

/** Ends an attempt as failed; false when it no longer owns the act. */
export async function failAct(
  tx: Tx,
  attempt: { taskId: string; actorId: string; attemptId: string },
  failure: string,
): Promise<boolean> {
  const { numUpdatedRows } = await open(tx)
    .updateTable('sign_act')
    .set({ status: 'failed', failure })
    .where('task_id', '=', attempt.taskId)
    .where('actor_id', '=', attempt.actorId)
    .where('attempt_id', '=', attempt.attemptId)
    .where('status', '=', 'intended')
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** DER of the certificates of a task's finished acts. */
export async function actCertificates(tx: Tx, taskId: string): Promise<Uint8Array[]> {
  const rows = await open(tx)
    .selectFrom('sign_act')
    .select('certificate')
    .where('task_id', '=', taskId)
    .where('status', '=', 'done')
    .orderBy('done_at')
    .execute()
  return rows.flatMap((row) => (row.certificate === null ? [] : [row.certificate]))
}
