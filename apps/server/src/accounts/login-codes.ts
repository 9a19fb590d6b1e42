import { sql } from 'kysely'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newDigits, newId } from '#src/ids.ts'
import type { Lang, Notifications } from '#src/notifications/notifications.ts'
import { judgeCode } from '#src/one-time-code.ts'
import { refuse } from './errors.ts'
import type { KeyedHash } from './keyed-hash.ts'
import { parseLogin } from './login.ts'
import type { AccountTables } from './tables.ts'

export const loginCodeRules = {
  validMs: 5 * 60_000,
  resendAfterMs: 60_000,
  maxTries: 5,
  /**
   * Codes per day: strangers' per login over all scopes, the owner's per scope. With five tries each, that is 100
   * guesses among a million.
   */
  maxPerDay: 20,
}

/** How many codes strangers may have sent in an hour, to whichever logins. */
export interface CodeBudgets {
  perAddress: number
  altogether: number
}

/** Someone without a session or a link, known by where the request came from. */
export interface Stranger {
  address: string
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

export type CodeTemplate = 'login-code' | 'destruction-code' | 'export-code'

export interface LoginCodes {
  /**
   * Sends a code to the login, whoever it belongs to, or nobody. Opens its own transaction. What a stranger asks for
   * counts against budgets of its own, so that it cannot use up the owner's.
   */
  request(input: {
    login: string
    lang: Lang
    scope?: string
    /** Worded for what the code allows, so that nobody gives one away for another. */
    template?: CodeTemplate
    stranger?: Stranger
  }): Promise<{ expiresAt: Date }>
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
  budgets: CodeBudgets
}

export function createLoginCodes({ db, clock, notifications, keyedHash, budgets }: Deps): LoginCodes {
  const hashOf = (login: string, scope: string, code: string) =>
    keyedHash('login-code', `${scope}\0${login}\0${code}`)

  return {
    async request({ login: text, lang, scope = 'login', template = 'login-code', stranger }) {
      const login = parseLogin(text)
      const code = newDigits(6)
      const codeHash = await hashOf(login.value, scope, code)
      const askedFrom = stranger ? await keyedHash('code-asker', stranger.address) : null
      return db.work(async (tx) => {
        await lockLogin(tx, login.value)
        const now = clock.now()
        await checkPace(tx, { login: login.value, scope, isStranger: askedFrom !== null }, now)
        if (askedFrom !== null) await checkBudgets(tx, askedFrom, budgets, now)
        const expiresAt = new Date(now.getTime() + loginCodeRules.validMs)
        await tx
          .$extendTables<AccountTables>()
          .insertInto('login_code')
          .values({
            id: newId(),
            login: login.value,
            scope,
            code_hash: codeHash,
            asked_from: askedFrom,
            tries: 0,
            created_at: now,
            expires_at: expiresAt,
            used_at: null,
          })
          .execute()
        await notifications.send(tx, {
          channel: login.channel,
          to: login.value,
          template,
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
      const { verdict, change } = judgeCode(row, given, now, loginCodeRules.maxTries)
      if (row !== undefined && change !== null) {
        await typed.updateTable('login_code').set(change).where('id', '=', row.id).execute()
      }
      // For a log-in a code used already is none.
      return verdict === 'used' ? 'wrong' : verdict
    },
  }
}

async function checkPace(
  tx: Tx,
  asked: { login: string; scope: string; isStranger: boolean },
  now: Date,
): Promise<void> {
  const rows = await tx
    .$extendTables<AccountTables>()
    .selectFrom('login_code')
    .select(['scope', 'created_at', 'asked_from'])
    .where('login', '=', asked.login)
    .where('created_at', '>=', new Date(now.getTime() - DAY_MS))
    .orderBy('created_at', 'desc')
    .execute()
  const last = rows.find((row) => row.scope === asked.scope)
  if (last !== undefined) {
    const waitMs = last.created_at.getTime() + loginCodeRules.resendAfterMs - now.getTime()
    if (waitMs > 0) throw refuse('login_code_recently_sent', { seconds: Math.ceil(waitMs / 1000) })
  }
  const counted = rows.filter((row) =>
    asked.isStranger ? row.asked_from !== null : row.asked_from === null && row.scope === asked.scope,
  )
  if (counted.length >= loginCodeRules.maxPerDay) throw refuse('login_code_too_many')
}

async function checkBudgets(tx: Tx, askedFrom: Buffer, budgets: CodeBudgets, now: Date): Promise<void> {
  // One address at a time, or requests sent at once would not see each other.
  await sql`select pg_advisory_xact_lock(hashtextextended(${`code-asker:${askedFrom.toString('hex')}`}, 0))`.execute(
    tx,
  )
  const counts = await tx
    .$extendTables<AccountTables>()
    .selectFrom('login_code')
    .select((eb) => [
      eb.fn.countAll<number>().as('altogether'),
      eb.fn.countAll<number>().filterWhere('asked_from', '=', askedFrom).as('own'),
    ])
    .where('asked_from', 'is not', null)
    .where('created_at', '>', new Date(now.getTime() - HOUR_MS))
    .executeTakeFirstOrThrow()
  if (counts.own >= budgets.perAddress) throw refuse('login_code_address_budget')
  if (counts.altogether >= budgets.altogether) throw refuse('login_code_budget')
}

/** Forgets codes that no pace counts any more. Worker role. */
export async function forgetLoginCodes(tx: Tx, now: Date): Promise<void> {
  await tx
    .$extendTables<AccountTables>()
    .deleteFrom('login_code')
    .where('created_at', '<', new Date(now.getTime() - DAY_MS))
    .execute()
}

/** Serialises what happens to one login, which may have no row to lock yet. */
export async function lockLogin(tx: Tx, login: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`login:${login}`}, 0))`.execute(tx)
}
