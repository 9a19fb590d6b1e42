import type { Audit } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Lang, Notifications } from '#src/notifications/notifications.ts'
import { type Apps, createApps } from './apps.ts'
import type { SessionCaller } from './caller.ts'
import { refuse } from './errors.ts'
import { createKeyedHash, type KeyedHash } from './keyed-hash.ts'
import { type Login, parseLogin } from './login.ts'
import { type CodeBudgets, createLoginCodes, forgetLoginCodes, type Stranger } from './login-codes.ts'
import { createMembers, type Members } from './members.ts'
import { createOwnPassword, type OwnPassword } from './own-password.ts'
import { createProvingAgain, type ProvingAgain } from './proving-again.ts'
import { checkPassword, hashPassword, isPassword } from './password.ts'
import { createPasswordGuard, forgetFailures } from './password-guard.ts'
import {
  type CorpDetails,
  ensureAccount,
  findAccount,
  type Membership,
  type PersonDetails,
  readCorp,
  readMemberships,
  readPerson,
  readSubject,
  type SubjectDetails,
} from './people.ts'
import { callerOfToken, endSession, forgetSessions, openSession } from './sessions.ts'
import type { AccountTables } from './tables.ts'

export type { AppDetails } from './apps.ts'
export {
  type AppCaller,
  type Caller,
  requireAdmin,
  requireCorp,
  requireSession,
  type SessionCaller,
} from './caller.ts'
export type { KeyedHash } from './keyed-hash.ts'
export * as accountWire from './wire.ts'
export { type Login, maskEmail, maskLogin, maskMobile, maskName, parseLogin, readLogin } from './login.ts'
export {
  type CorpDetails,
  type Identity,
  type Membership,
  type PersonDetails,
  type SubjectDetails,
  toWireIdentity,
  toWirePerson,
} from './people.ts'

export interface OpenedSession {
  /** Shown once: the cookie or bearer token. */
  token: string
  caller: SessionCaller
}

/** What a passed identity check establishes about a person. */
export interface ProvenPerson {
  name: string
  idType: 'id_card'
  idNumber: string
  method: string
  provider: string
  simulated: boolean
}

/** Every method opens its own transaction (worker role) unless it takes `tx`; call those before you open yours. */
export interface Accounts extends OwnPassword, ProvingAgain {
  /** The caller behind a cookie or a bearer token; null when neither opens anything. */
  authenticate(tokens: {
    cookieToken?: string | undefined
    bearerToken?: string | undefined
  }): Promise<SessionCaller | null>
  /** The caller behind one token. */
  session(token: string): Promise<SessionCaller | null>
  /** `scope` keeps codes of one purpose from opening another; the default is the ordinary log-in. */
  requestLoginCode(input: {
    login: string
    lang: Lang
    scope?: string
    /** Given when neither a session nor a link speaks for who asks. */
    stranger?: Stranger
  }): Promise<{ expiresAt: Date }>
  register(input: {
    login: string
    code: string
    password?: string | undefined
    name?: string | undefined
  }): Promise<OpenedSession>
  logInWithPassword(input: { login: string; password: string }): Promise<OpenedSession>
  /** Registers the owner of a login that is not known yet. */
  logInWithCode(input: { login: string; code: string; scope?: string }): Promise<OpenedSession>
  signOut(caller: SessionCaller): Promise<void>
  /** Lets a session act for the person itself or a company it is an active member of. */
  actAs(caller: SessionCaller, subjectId: string): Promise<SessionCaller>
  person(personId: string): Promise<PersonDetails | null>
  /** The person that owns a mobile number or mail address; null for a text that is neither. */
  personByLogin(login: string): Promise<PersonDetails | null>
  corp(corpId: string): Promise<CorpDetails | null>
  corpByCreditCode(creditCode: string): Promise<CorpDetails | null>
  subject(subjectId: string): Promise<SubjectDetails | null>
  /** Companies the person is an active member of. */
  memberships(personId: string): Promise<Membership[]>
  membership(corpId: string, personId: string): Promise<Membership | null>
  /**
   * Writes the result of a passed check; the checked name replaces the one the person gave. False, and nothing
   * written, when the person is bound to another number: signatures hang on it. Worker role.
   */
  recordPersonIdentity(tx: Tx, personId: string, proven: ProvenPerson): Promise<boolean>
  /** The sealed identity number, opened: for certificates and repeated checks alone. */
  idNumber(personId: string): Promise<string | null>
  /** Makes a company with its first administrator. Worker role. */
  createCorp(
    tx: Tx,
    input: {
      name: string
      creditCode: string
      legalRepresentative: string
      createdBy: SessionCaller
      method: string
      provider: string
      simulated: boolean
    },
  ): Promise<CorpDetails>
  members: Members
  apps: Apps
  /** An active app with its secret; what app signatures are checked by. */
  appByAppId: Apps['byAppId']
  /** HMAC under a key at rest in kms, for values too few to be hashed plainly. */
  keyedHash: KeyedHash
  /** Forgets sessions, codes and counts that are over; to be scheduled. */
  prune(): Promise<void>
}

export interface AccountsDeps {
  db: Db
  clock: Clock
  kms: Kms
  audit: Audit
  notifications: Notifications
  codeBudgets: CodeBudgets
}

export function createAccounts({
  db,
  clock,
  kms,
  audit,
  notifications,
  codeBudgets,
}: AccountsDeps): Accounts {
  const keyedHash = createKeyedHash({ db, kms, clock })
  const codes = createLoginCodes({ db, clock, notifications, keyedHash, budgets: codeBudgets })
  const guard = createPasswordGuard({ db, clock, keyedHash })
  const apps = createApps({ db, clock, audit, kms })

  /** Runs `work` when the code is right; a wrong try is committed before it is refused. */
  async function withCode<T>(
    login: Login,
    scope: string,
    code: string,
    work: (tx: Tx) => Promise<T>,
  ): Promise<T> {
    const outcome = await db.work(async (tx) => {
      const verdict = await codes.use(tx, { login: login.value, scope, code })
      return verdict === 'right' ? { verdict, result: await work(tx) } : { verdict }
    })
    if (outcome.verdict === 'wrong') throw refuse('login_code_wrong')
    if (outcome.verdict === 'spent') throw refuse('login_code_tried_too_often')
    return outcome.result as T
  }

  return {
    async authenticate({ cookieToken, bearerToken }) {
      const token = bearerToken ?? cookieToken
      return token === undefined ? null : callerOfToken(db, clock, token)
    },

    session: (token) => callerOfToken(db, clock, token),
    requestLoginCode: (input) => codes.request(input),
    ...createOwnPassword({ db, clock, audit, codes, guard, withCode }),
    ...createProvingAgain({ db, codes, withCode }),

    async register({ login: text, code, password, name }) {
      const login = parseLogin(text)
      if (password !== undefined) checkPassword(password, login.value)
      const passwordHash = password === undefined ? null : await hashPassword(password)
      return withCode(login, 'login', code, async (tx) => {
        const account = await ensureAccount(tx, login, clock.now())
        // An account that a company made by adding its owner as a member has no password and may still be taken over
        // by that owner, who has just proven to be it.
        if (!account.created && (account.passwordHash !== null || (await hasSession(tx, account.accountId))))
          throw refuse('login_taken')
        const typed = tx.$extendTables<AccountTables>()
        if (passwordHash !== null)
          await typed
            .updateTable('account')
            .set({ password_hash: passwordHash })
            .where('id', '=', account.accountId)
            .execute()
        if (name !== undefined)
          await typed
            .updateTable('person')
            .set({ name: name.normalize('NFKC').trim() })
            .where('id', '=', account.personId)
            .where('verified_at', 'is', null)
            .execute()
        return openSession(tx, clock, account)
      })
    },

    async logInWithPassword({ login: text, password }) {
      const login = parseLogin(text)
      // 1. Count the try. 2. Compare, spending the same time whether the login exists. 3. Forgive what was right.
      await guard.begin(login.value)
      const account = await db.work((tx) => findAccount(tx, login))
      const isRight = await isPassword(password, account?.passwordHash ?? null)
      if (!isRight || account === undefined) throw refuse('login_failed')
      return db.work(async (tx) => {
        await guard.clear(tx, login.value)
        return openSession(tx, clock, account)
      })
    },

    async logInWithCode({ login: text, code, scope = 'login' }) {
      const login = parseLogin(text)
      return withCode(login, scope, code, async (tx) => {
        const account = await ensureAccount(tx, login, clock.now())
        await guard.clear(tx, login.value)
        return openSession(tx, clock, account)
      })
    },

    signOut: (caller) => db.work((tx) => endSession(tx, clock, caller.sessionId)),

    async actAs(caller, subjectId) {
      return db.work(async (tx) => {
        const typed = tx.$extendTables<AccountTables>()
        const isSelf = subjectId === caller.personId
        const membership = isSelf
          ? undefined
          : await typed
              .updateTable('member')
              .set((eb) => ({ accepted_at: eb.fn.coalesce('accepted_at', eb.val(clock.now())) }))
              .where('tenant_id', '=', subjectId)
              .where('person_id', '=', caller.personId)
              .where('active', '=', true)
              .returning('role')
              .executeTakeFirst()
        if (!isSelf && membership === undefined) throw refuse('acting_subject_not_found')
        await typed
          .updateTable('session')
          .set({ subject_id: subjectId })
          .where('id', '=', caller.sessionId)
          .execute()
        return { ...caller, subjectId, role: membership?.role ?? 'self' }
      })
    },

    person: (personId) => db.ask((tx) => readPerson(tx, personId)),

    async personByLogin(text) {
      const login = parseLogin(text)
      return db.work(async (tx) => {
        const account = await findAccount(tx, login)
        return account === undefined ? null : readPerson(tx, account.personId)
      })
    },

    corp: (corpId) => db.ask((tx) => readCorp(tx, corpId)),

    async corpByCreditCode(creditCode) {
      return db.work(async (tx) => {
        const row = await tx
          .$extendTables<AccountTables>()
          .selectFrom('corp')
          .select('id')
          .where('credit_code', '=', creditCode)
          .executeTakeFirst()
        return row === undefined ? null : readCorp(tx, row.id)
      })
    },

    subject: (subjectId) => db.ask((tx) => readSubject(tx, subjectId)),
    memberships: (personId) => db.work((tx) => readMemberships(tx, personId)),

    async membership(corpId, personId) {
      const all = await db.work((tx) => readMemberships(tx, personId))
      return all.find((membership) => membership.corpId === corpId) ?? null
    },

    async recordPersonIdentity(tx, personId, proven) {
      const idNumberHash = await keyedHash('id-number', `${proven.idType}\0${proven.idNumber}`)
      const changed = await tx
        .$extendTables<AccountTables>()
        .updateTable('person')
        .set({
          name: proven.name,
          id_type: proven.idType,
          id_number_sealed: kms.sealSecret(idNumberLabel(personId), Buffer.from(proven.idNumber, 'utf8')),
          id_number_hash: idNumberHash,
          verified_at: clock.now(),
          identity_method: proven.method,
          identity_provider: proven.provider,
          identity_simulated: proven.simulated,
        })
        .where('id', '=', personId)
        .where((eb) => eb.or([eb('id_number_hash', 'is', null), eb('id_number_hash', '=', idNumberHash)]))
        .executeTakeFirst()
      return changed.numUpdatedRows === 1n
    },

    async idNumber(personId) {
      const row = await db.work((tx) =>
        tx
          .$extendTables<AccountTables>()
          .selectFrom('person')
          .select('id_number_sealed')
          .where('id', '=', personId)
          .executeTakeFirst(),
      )
      if (row?.id_number_sealed == null) return null
      return Buffer.from(kms.openSecret(idNumberLabel(personId), row.id_number_sealed)).toString('utf8')
    },

    async createCorp(tx, input) {
      const typed = tx.$extendTables<AccountTables>()
      const now = clock.now()
      const id = newId()
      await typed.insertInto('subject').values({ id, kind: 'corp', created_at: now }).execute()
      const inserted = await typed
        .insertInto('corp')
        .values({
          id,
          name: input.name,
          credit_code: input.creditCode,
          legal_representative: input.legalRepresentative,
          verified_at: now,
          identity_method: input.method,
          identity_provider: input.provider,
          identity_simulated: input.simulated,
          created_by: input.createdBy.personId,
          created_at: now,
        })
        .onConflict((conflict) => conflict.column('credit_code').doNothing())
        .returning('id')
        .executeTakeFirst()
      if (inserted === undefined) throw refuse('corp_exists')
      await typed
        .insertInto('member')
        .values({
          tenant_id: id,
          person_id: input.createdBy.personId,
          role: 'admin',
          active: true,
          accepted_at: now,
          created_at: now,
        })
        .execute()
      await audit.record(tx, {
        tenantId: id,
        caller: input.createdBy,
        action: 'corp.created',
        subjectKind: 'corp',
        subjectId: id,
        data: { provider: input.provider, method: input.method, simulated: input.simulated },
      })
      const corp = await readCorp(tx, id)
      if (corp === null) throw new Error('the company just made cannot be read')
      return corp
    },

    members: createMembers({ db, clock, audit }),
    apps,
    appByAppId: (appId) => apps.byAppId(appId),
    keyedHash,

    async prune() {
      const now = clock.now()
      for (const forget of [forgetSessions, forgetLoginCodes, forgetFailures])
        await db.work((tx) => forget(tx, now))
    },
  }
}

async function hasSession(tx: Tx, accountId: string): Promise<boolean> {
  const row = await tx
    .$extendTables<AccountTables>()
    .selectFrom('session')
    .select('id')
    .where('account_id', '=', accountId)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

function idNumberLabel(personId: string): string {
  return `person:${personId}:id-number`
}
