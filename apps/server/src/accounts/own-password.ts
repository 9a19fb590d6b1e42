import type { Audit } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Lang } from '#src/notifications/notifications.ts'
import type { SessionCaller } from './caller.ts'
import { refuse } from './errors.ts'
import { type Login, maskLogin, parseLogin } from './login.ts'
import type { LoginCodes } from './login-codes.ts'
import { checkPassword, hashPassword, isPassword } from './password.ts'
import type { PasswordGuard } from './password-guard.ts'
import { endOtherSessions } from './sessions.ts'
import type { AccountTables } from './tables.ts'

/** Keeps codes that were asked for here from opening anything else. */
const SCOPE = 'password'

export interface OwnPassword {
  /** Sends a code to the login of the session's account. Opens its own transaction. */
  sendPasswordCode(caller: SessionCaller, lang: Lang): Promise<{ sentTo: string; expiresAt: Date }>
  /**
   * Sets or replaces the password; a session alone does not suffice, the old password or a code must go with it.
   * Every other session of the account ends. Opens its own transactions.
   */
  setPassword(
    caller: SessionCaller,
    input: { password: string } & ({ oldPassword: string } | { code: string }),
  ): Promise<void>
}

export function createOwnPassword(deps: {
  db: Db
  clock: Clock
  audit: Audit
  codes: LoginCodes
  guard: PasswordGuard
  withCode: <T>(login: Login, scope: string, code: string, work: (tx: Tx) => Promise<T>) => Promise<T>
}): OwnPassword {
  const { db, clock, audit, codes, guard, withCode } = deps

  async function accountOf(caller: SessionCaller): Promise<{ login: Login; passwordHash: string | null }> {
    const row = await db.ask((tx) =>
      tx
        .$extendTables<AccountTables>()
        .selectFrom('account')
        .select(['mobile', 'email', 'password_hash'])
        .where('id', '=', caller.accountId)
        .executeTakeFirstOrThrow(),
    )
    return { login: parseLogin(row.mobile ?? row.email ?? ''), passwordHash: row.password_hash }
  }

  async function store(tx: Tx, caller: SessionCaller, passwordHash: string): Promise<void> {
    await tx
      .$extendTables<AccountTables>()
      .updateTable('account')
      .set({ password_hash: passwordHash })
      .where('id', '=', caller.accountId)
      .execute()
    // Whoever came in with the old password, or by a stolen session, is out.
    await endOtherSessions(tx, clock, caller)
    await audit.record(tx, {
      tenantId: caller.personId,
      caller,
      action: 'account.password-set',
      subjectKind: 'account',
      subjectId: caller.accountId,
    })
  }

  return {
    async sendPasswordCode(caller, lang) {
      const { login } = await accountOf(caller)
      const { expiresAt } = await codes.request({ login: login.value, lang, scope: SCOPE })
      return { sentTo: maskLogin(login.value), expiresAt }
    },

    async setPassword(caller, input) {
      const { login, passwordHash } = await accountOf(caller)
      checkPassword(input.password, login.value)
      if ('code' in input) {
        const hash = await hashPassword(input.password)
        await withCode(login, SCOPE, input.code, (tx) => store(tx, caller, hash))
        return
      }
      // Counted before it is looked at, like every try of a password.
      await guard.begin(login.value)
      if (!(await isPassword(input.oldPassword, passwordHash))) throw refuse('old_password_wrong')
      const hash = await hashPassword(input.password)
      await db.work(async (tx) => {
        await guard.clear(tx, login.value)
        await store(tx, caller, hash)
      })
    },
  }
}
