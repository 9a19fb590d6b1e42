import { sql } from 'kysely'
import type { KeyedHash } from '#src/accounts/accounts.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newDigits, newId } from '#src/ids.ts'
import type { Lang, Notifications } from '#src/notifications/notifications.ts'
import { judgeCode } from '#src/one-time-code.ts'
import { refuse } from './errors.ts'
import type { IdentityTables } from './tables.ts'

export const willingnessRules = { validMs: 5 * 60_000, resendAfterMs: 60_000, maxTries: 5, maxPerDay: 20 }

export interface SendCodeInput {
  /** The subject that signs. */
  tenantId: string
  purpose: 'sign'
  /** One actor of one task. A code for one opens no other. */
  actorKey: string
  channel: 'mail' | 'sms'
  to: string
  lang: Lang
  taskTitle: string
  /** The contract, with which the message is forgotten. */
  taskId?: string
}

export interface Willingness {
  /** Sends a one-time code in the caller's transaction (worker role). Paced per actor. */
  sendCode(tx: Tx, input: SendCodeInput): Promise<{ expiresAt: Date }>
  /**
   * Uses up the newest code, once. Opens its own transaction, because a wrong try must be counted even though
   * it is refused (`sign_code_wrong`, `sign_code_used`, `sign_code_tried_too_often`). The id returned names the code in evidence.
   */
  verifyCode(input: {
    purpose: 'sign'
    actorKey: string
    code: string
  }): Promise<{ codeId: string; sentAt: Date }>
}

/** Forgets codes that no pace counts any more; evidence keeps what it needs of them. Worker role. */
export async function forgetWillingnessCodes(tx: Tx, now: Date): Promise<void> {
  await tx
    .$extendTables<IdentityTables>()
    .deleteFrom('willingness_code')
    .where('created_at', '<', new Date(now.getTime() - 24 * 3_600_000))
    .execute()
}

export function createWillingness(deps: {
  db: Db
  clock: Clock
  keyedHash: KeyedHash
  notifications: Notifications
}): Willingness {
  const { db, clock, keyedHash, notifications } = deps
  const hashOf = (purpose: string, actorKey: string, code: string) =>
    keyedHash('willingness-code', `${purpose}\0${actorKey}\0${code}`)

  return {
    async sendCode(tx, input) {
      const code = newDigits(6)
      const codeHash = await hashOf(input.purpose, input.actorKey, code)
      const typed = tx.$extendTables<IdentityTables>()
      await sql`select pg_advisory_xact_lock(hashtextextended(${`willingness:${input.purpose}:${input.actorKey}`}, 0))`.execute(
        tx,
      )
      const now = clock.now()
      await checkPace(tx, input, now)
      const expiresAt = new Date(now.getTime() + willingnessRules.validMs)
      await typed
        .insertInto('willingness_code')
        .values({
          id: newId(),
          tenant_id: input.tenantId,
          purpose: input.purpose,
          actor_key: input.actorKey,
          code_hash: codeHash,
          tries: 0,
          created_at: now,
          expires_at: expiresAt,
          used_at: null,
        })
        .execute()
      await notifications.send(tx, {
        tenantId: input.tenantId,
        channel: input.channel,
        to: input.to,
        template: 'sign-code',
        params: { code, minutes: willingnessRules.validMs / 60_000, taskTitle: input.taskTitle },
        lang: input.lang,
        purpose: 'sign',
        ...(input.taskId === undefined ? {} : { about: input.taskId }),
      })
      return { expiresAt }
    },

    async verifyCode({ purpose, actorKey, code }) {
      const given = await hashOf(purpose, actorKey, code.trim())
      const now = clock.now()
      const outcome = await db.work(async (tx) => {
        const typed = tx.$extendTables<IdentityTables>()
        const row = await typed
          .selectFrom('willingness_code')
          .select(['id', 'code_hash', 'tries', 'created_at', 'expires_at', 'used_at'])
          .where('purpose', '=', purpose)
          .where('actor_key', '=', actorKey)
          .orderBy('created_at', 'desc')
          .limit(1)
          .forUpdate()
          .executeTakeFirst()
        const { verdict, change } = judgeCode(row, given, now, willingnessRules.maxTries)
        if (row === undefined) return 'wrong'
        if (change !== null) {
          await typed.updateTable('willingness_code').set(change).where('id', '=', row.id).execute()
        }
        return verdict === 'right' ? { codeId: row.id, sentAt: row.created_at } : verdict
      })
      if (outcome === 'used') throw refuse('sign_code_used')
      if (outcome === 'wrong') throw refuse('sign_code_wrong')
      if (outcome === 'spent') throw refuse('sign_code_tried_too_often')
      return outcome
    },
  }
}

async function checkPace(tx: Tx, input: SendCodeInput, now: Date): Promise<void> {
  const rows = await tx
    .$extendTables<IdentityTables>()
    .selectFrom('willingness_code')
    .select(['created_at', 'used_at'])
    .where('purpose', '=', input.purpose)
    .where('actor_key', '=', input.actorKey)
    .where('created_at', '>', new Date(now.getTime() - 24 * 3_600_000))
    .orderBy('created_at', 'desc')
    .execute()
  const [last] = rows
  // A used code needs no waiting: an act that failed after its code may be tried again at once.
  if (last !== undefined && last.used_at === null) {
    const waitMs = last.created_at.getTime() + willingnessRules.resendAfterMs - now.getTime()
    if (waitMs > 0) throw refuse('sign_code_recently_sent', { seconds: Math.ceil(waitMs / 1000) })
  }
  if (rows.length >= willingnessRules.maxPerDay) throw refuse('sign_code_too_many')
}
