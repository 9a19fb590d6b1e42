import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { refuse } from './errors.ts'
import type { KeyedHash } from './keyed-hash.ts'
import { lockLogin } from './login-codes.ts'
import type { AccountTables } from './tables.ts'

export const passwordGuardRules = {
  freeFailures: 5,
  firstLockMs: 30_000,
  longestLockMs: 15 * 60_000,
  forgetMs: 86_400_000,
}

/** Slows down guessing per login, for logins that exist and for those that do not alike. */
export interface PasswordGuard {
  /**
   * Counts a try as failed before the password is looked at, so that guesses sent at once are counted too.
   * Refuses while the login is locked. Opens its own transaction.
   */
  begin(login: string): Promise<void>
  /** The try was right: the count starts anew. */
  clear(tx: Tx, login: string): Promise<void>
}

export function createPasswordGuard(deps: { db: Db; clock: Clock; keyedHash: KeyedHash }): PasswordGuard {
  const hashOf = (login: string) => deps.keyedHash('login-guard', login)
  return {
    async begin(login) {
      const loginHash = await hashOf(login)
      await deps.db.work(async (tx) => {
        await lockLogin(tx, login)
        const typed = tx.$extendTables<AccountTables>()
        const now = deps.clock.now()
        const row = await typed
          .selectFrom('login_guard')
          .select(['failures', 'locked_until', 'last_failure_at'])
          .where('login_hash', '=', loginHash)
          .executeTakeFirst()
        if (row?.locked_until != null && row.locked_until > now)
          throw refuse('login_locked', {
            seconds: Math.ceil((row.locked_until.getTime() - now.getTime()) / 1000),
          })
        const isRecent =
          row !== undefined && now.getTime() - row.last_failure_at.getTime() < passwordGuardRules.forgetMs
        const failures = (isRecent ? row.failures : 0) + 1
        const values = { failures, locked_until: lockEnd(failures, now), last_failure_at: now }
        await typed
          .insertInto('login_guard')
          .values({ login_hash: loginHash, ...values })
          .onConflict((conflict) => conflict.column('login_hash').doUpdateSet(values))
          .execute()
      })
    },

    async clear(tx, login) {
      await tx
        .$extendTables<AccountTables>()
        .deleteFrom('login_guard')
        .where('login_hash', '=', await hashOf(login))
        .execute()
    },
  }
}

function lockEnd(failures: number, now: Date): Date | null {
  const over = failures - passwordGuardRules.freeFailures
  if (over < 0) return null
  const lockMs = Math.min(
    passwordGuardRules.longestLockMs,
    passwordGuardRules.firstLockMs * 2 ** Math.min(over, 20),
  )
  return new Date(now.getTime() + lockMs)
}

/** Forgets counts that a new failure would begin anew. Worker role. */
export async function forgetFailures(tx: Tx, now: Date): Promise<void> {
  await tx
    .$extendTables<AccountTables>()
    .deleteFrom('login_guard')
    .where('last_failure_at', '<', new Date(now.getTime() - passwordGuardRules.forgetMs))
    .execute()
}
