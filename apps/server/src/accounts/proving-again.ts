import type { Db, Tx } from '#src/db/db.ts'
import type { Lang } from '#src/notifications/notifications.ts'
import type { SessionCaller } from './caller.ts'
import { type Login, maskLogin, parseLogin } from './login.ts'
import type { LoginCodes } from './login-codes.ts'
import type { AccountTables } from './tables.ts'

/** What a code may allow, besides logging in. */
export type ProofPurpose = 'destruction' | 'export'

/** Before what cannot be undone, a session alone does not suffice: a fresh code goes to the account's own login. */
export interface ProvingAgain {
  /** `purpose` keeps the code from opening anything else. Opens its own transaction. */
  sendProof(
    caller: SessionCaller,
    purpose: ProofPurpose,
    lang: Lang,
  ): Promise<{ sentTo: string; expiresAt: Date }>
  /** Uses the code up and does the work in the same transaction (worker role). @throws Refusal `login_code_wrong` */
  withProof<T>(
    caller: SessionCaller,
    purpose: ProofPurpose,
    code: string,
    work: (tx: Tx) => Promise<T>,
  ): Promise<T>
}

export function createProvingAgain(deps: {
  db: Db
  codes: LoginCodes
  withCode: <T>(login: Login, scope: string, code: string, work: (tx: Tx) => Promise<T>) => Promise<T>
}): ProvingAgain {
  async function loginOf(caller: SessionCaller): Promise<Login> {
    const row = await deps.db.ask((tx) =>
      tx
        .$extendTables<AccountTables>()
        .selectFrom('account')
        .select(['mobile', 'email'])
        .where('id', '=', caller.accountId)
        .executeTakeFirstOrThrow(),
    )
    return parseLogin(row.mobile ?? row.email ?? '')
  }
  return {
    async sendProof(caller, purpose, lang) {
      const login = await loginOf(caller)
      const { expiresAt } = await deps.codes.request({
        login: login.value,
        lang,
        scope: `proof:${purpose}`,
        template: `${purpose}-code`,
      })
      return { sentTo: maskLogin(login.value), expiresAt }
    },
    withProof: async (caller, purpose, code, work) =>
      deps.withCode(await loginOf(caller), `proof:${purpose}`, code, work),
  }
}
