import { timingSafeEqual } from 'node:crypto'
import { sql } from 'kysely'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newDigits, newId } from '#src/ids.ts'
import type { Lang, Notifications } from '#src/notifications/notifications.ts'
import { refuse } from './errors.ts'
import type { KeyedHash } from './keyed-hash.ts'
import { parseLogin } from './login.ts'
import type { AccountTables } from './tables.ts'

export const loginCodeRules = {
  validMs: 5 * 60_000,
  resendAfterMs: 60_000,
  maxTries: 5,
  /** Codes per login and day, over all scopes: 100 guesses among a million. */
  maxPerDay: 20,
}

export interface LoginCodes {
  /** Sends a code to the login, whoever it belongs to, or nobody. Opens its own transaction. */
  request(input: { login: string; lang: Lang; scope?: string }): Promise<{ expiresAt: Date }>
  /**
   * Uses up the code when it is right, in the caller's transaction. The outcome is returned and not thrown,
   * because a wrong try must be counted by a commit.
   */
  use(tx: Tx, input: { login: string; scope: string; code: string }): Promise<'right' | 'wrong' | 'spent'>
}

interface Deps {
  db: Db
  clock: Clock
  notifications: Notifications
  keyedHash: KeyedHash
}

export function createLoginCodes({ db, clock, notifications, keyedHash }: Deps): LoginCodes {
  const hashOf = (login: string, scope: string, code: string) =>
    keyedHash('login-code', `${scope}\0${login}\0${code}`)

  return {
    async request({ login: text, lang, scope = 'login' }) {
      const login = parseLogin(text)
      const code = newDigits(6)
      const codeHash = await hashOf(login.value, scope, code)
      return db.work(async (tx) => {
        await lockLogin(tx, login.value)
        const now = clock.now()
        await checkPace(tx, login.value, scope, now)
        const expiresAt = new Date(now.getTime() + loginCodeRules.validMs)
        await tx
          .$extendTables<AccountTables>()
          .insertInto('login_code')
          .values({
            id: newId(),
            login: login.value,
            scope,
            code_hash: codeHash,
            tries: 0,
            created_at: now,
            expires_at: expiresAt,
            used_at: null,
          })
          .execute()
        await notifications.send(tx, {
          channel: login.channel,
          to: login.value,
          template: 'login-code',
          params: { code, minutes: loginCodeRules.validMs / 60_000 },
          lang,
          purpose: 'login',
        })
        return { expiresAt }
      })
    },

    async use(tx, { login, scope, code }) {
      const given = await hashOf(login, scope, code.trim())
      const now = clock.now()
      const typed = tx.$extendTables<AccountTables>()
      // Only the newest code counts; the lock lets guesses through one at a time.
      const row = await typed
        .selectFrom('login_code')
        .select(['id', 'code_hash', 'tries', 'expires_at', 'used_at'])
        .where('login', '=', login)
        .where('scope', '=', scope)
        .orderBy('created_at', 'desc')
        .limit(1)
        .forUpdate()
        .executeTakeFirst()
      if (row === undefined || row.used_at !== null || row.expires_at <= now) return 'wrong'
      if (row.tries >= loginCodeRules.maxTries) return 'spent'
      const isRight = timingSafeEqual(given, row.code_hash)
      await typed
        .updateTable('login_code')
        .set(isRight ? { used_at: now } : { tries: row.tries + 1 })
        .where('id', '=', row.id)
        .execute()
      if (isRight) return 'right'
      return row.tries + 1 >= loginCodeRules.maxTries ? 'spent' : 'wrong'
    },
  }
}

async function checkPace(tx: Tx, login: string, scope: string, now: Date): Promise<void> {
  const dayAgo = new Date(now.getTime() - 24 * 3_600_000)
  const typed = tx.$extendTables<AccountTables>()
  await typed.deleteFrom('login_code').where('login', '=', login).where('created_at', '<', dayAgo).execute()
  const rows = await typed
    .selectFrom('login_code')
    .select(['scope', 'created_at'])
    .where('login', '=', login)
    .orderBy('created_at', 'desc')
    .execute()
  const last = rows.find((row) => row.scope === scope)
  if (last !== undefined) {
    const waitMs = last.created_at.getTime() + loginCodeRules.resendAfterMs - now.getTime()
    if (waitMs > 0) throw refuse('login_code_recently_sent', { seconds: Math.ceil(waitMs / 1000) })
  }
  if (rows.length >= loginCodeRules.maxPerDay) throw refuse('login_code_too_many')
}

/** Serialises what happens to one login, which may have no row to lock yet. */
export async function lockLogin(tx: Tx, login: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`login:${login}`}, 0))`.execute(tx)
}
