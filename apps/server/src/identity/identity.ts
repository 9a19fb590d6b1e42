import { sql } from 'kysely'
import {
  type Accounts,
  type CorpDetails,
  type PersonDetails,
  parseLogin,
  type SessionCaller,
} from '#src/accounts/accounts.ts'
import type { Audit } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Log } from '#src/log.ts'
import { GatewayFailure, type Notifications } from '#src/notifications/notifications.ts'
import { checkCreditCode } from './credit-code.ts'
import { refuse } from './errors.ts'
import { checkIdNumber } from './id-number.ts'
import type { IdentityAnswer, IdentityClaims, IdentityProvider } from './provider.ts'
import type { IdentityTables } from './tables.ts'
import { createWillingness, forgetWillingnessCodes, type Willingness } from './willingness.ts'

export { createIdentityBureau, guardProvider } from './bureau.ts'
export { checkCreditCode } from './credit-code.ts'
export { checkIdNumber, maskIdNumber } from './id-number.ts'
export type { IdentityAnswer, IdentityClaims, IdentityProvider } from './provider.ts'
export { createIdentitySimulator } from './simulator.ts'
export type { SendCodeInput } from './willingness.ts'

export interface PersonCheck {
  result: 'passed' | 'failed'
  /** The provider's machine word for a failure. */
  reason: string | null
  simulated: boolean
  person: PersonDetails
}

export interface Identity extends Willingness {
  /**
   * Proves who the caller is: name and identity number, with the mobile number three facts instead of two.
   * A failed check is an answer, not an error. Opens its own transactions.
   */
  provePerson(
    caller: SessionCaller,
    input: { name: string; idNumber: string; mobile?: string | undefined },
  ): Promise<PersonCheck>
  /** Registers a company after the provider confirmed it; the caller, a proven person, becomes its administrator. */
  registerCorp(
    caller: SessionCaller,
    input: { name: string; creditCode: string; legalRepresentative: string },
    finish?: (tx: Tx, corp: CorpDetails) => Promise<void>,
  ): Promise<CorpDetails>
  readonly provider: IdentityProvider
  /** Forgets codes and counted attempts that are over; to be scheduled. */
  prune(): Promise<void>
}

export interface IdentityDeps {
  db: Db
  clock: Clock
  log: Log
  audit: Audit
  accounts: Accounts
  notifications: Notifications
  provider: IdentityProvider
}

/** Failed checks per person and day: guessing numbers to a name must not pay. */
const FAILURES_PER_DAY = 10

export function createIdentity(deps: IdentityDeps): Identity {
  const { db, clock, log, audit, accounts, provider } = deps

  /** Asks the provider outside any transaction and records what it said, passed or not. */
  async function ask(caller: SessionCaller, claims: IdentityClaims): Promise<IdentityAnswer> {
    const claimsHash = await accounts.keyedHash('identity-claims', JSON.stringify(claims))
    const checkId = newId()
    await countAttempt(caller.personId, checkId)
    let answer: IdentityAnswer
    try {
      answer = await provider.check(checkId, claims)
    } catch (error) {
      await db.work((tx) => forgetAttempt(tx, checkId))
      if (!(error instanceof GatewayFailure)) throw error
      log.warn({ provider: provider.name, problem: error.message }, 'the identity provider gave no answer')
      throw refuse('identity_provider_unavailable', {}, error)
    }
    const kind = claims.method === 'corp-3' ? 'corp' : 'person'
    await db.work(async (tx) => {
      if (answer.result === 'passed') await forgetAttempt(tx, checkId)
      await tx
        .$extendTables<IdentityTables>()
        .insertInto('identity_check')
        .values({
          id: checkId,
          tenant_id: caller.personId,
          kind,
          method: claims.method,
          provider: provider.name,
          simulated: provider.simulated,
          result: answer.result,
          reference: answer.reference,
          reason: answer.reason,
          claims_hash: claimsHash,
          created_at: clock.now(),
        })
        .execute()
      await audit.record(tx, {
        tenantId: caller.personId,
        caller,
        action: `identity.${answer.result}`,
        subjectKind: 'identity-check',
        subjectId: checkId,
        data: { kind, method: claims.method, provider: provider.name, simulated: provider.simulated },
      })
    }, caller.personId)
    return answer
  }

  /** Counts a check as failed before its answer is known, so that checks sent at once are counted too. */
  async function countAttempt(personId: string, checkId: string): Promise<void> {
    await db.work(async (tx) => {
      const typed = tx.$extendTables<IdentityTables>()
      await sql`select pg_advisory_xact_lock(hashtextextended(${`identity:${personId}`}, 0))`.execute(tx)
      const now = clock.now()
      await typed
        .deleteFrom('identity_attempt')
        .where('tenant_id', '=', personId)
        .where('created_at', '<=', new Date(now.getTime() - 86_400_000))
        .execute()
      const { attempts } = await typed
        .selectFrom('identity_attempt')
        .select((eb) => eb.fn.countAll<number>().as('attempts'))
        .where('tenant_id', '=', personId)
        .executeTakeFirstOrThrow()
      if (attempts >= FAILURES_PER_DAY) throw refuse('identity_attempts_exceeded')
      await typed
        .insertInto('identity_attempt')
        .values({ id: checkId, tenant_id: personId, created_at: now })
        .execute()
    })
  }

  async function requirePerson(personId: string): Promise<PersonDetails> {
    const person = await accounts.person(personId)
    if (person === null) throw new Error('a session belongs to a person that does not exist')
    return person
  }

  return {
    ...createWillingness({ db, clock, keyedHash: accounts.keyedHash, notifications: deps.notifications }),
    provider,

    async prune() {
      const now = clock.now()
      await db.work((tx) => forgetWillingnessCodes(tx, now))
      await db.work((tx) => forgetOldAttempts(tx, now))
    },

    async provePerson(caller, input) {
      // 1. What arithmetic can refuse costs no provider's fee.
      const checked = checkIdNumber(input.idNumber, clock.now())
      if (!checked.ok) throw refuse(`id_number_${checked.problem}`)
      // 2. Once proven, an account stays with its person: signatures hang on it.
      const proven = await accounts.idNumber(caller.personId)
      if (proven !== null && proven !== checked.idNumber) throw refuse('identity_in_use')
      // 3. Ask.
      const mobile = input.mobile === undefined ? undefined : parseLogin(input.mobile)
      if (mobile !== undefined && mobile.kind !== 'mobile') throw refuse('mobile_invalid')
      const name = plainName(input.name)
      const claims: IdentityClaims =
        mobile === undefined
          ? { method: 'person-2', name, idNumber: checked.idNumber }
          : { method: 'person-3', name, idNumber: checked.idNumber, mobile: mobile.value }
      const answer = await ask(caller, claims)
      // 4. Only a pass changes the person.
      if (answer.result === 'passed') {
        const isRecorded = await db.work((tx) =>
          accounts.recordPersonIdentity(tx, caller.personId, {
            name,
            idType: 'id_card',
            idNumber: checked.idNumber,
            method: claims.method,
            provider: provider.name,
            simulated: provider.simulated,
          }),
        )
        if (!isRecorded) throw refuse('identity_in_use')
      }
      const person = await requirePerson(caller.personId)
      return { result: answer.result, reason: answer.reason, simulated: provider.simulated, person }
    },

    async registerCorp(caller, input, finish) {
      const person = await requirePerson(caller.personId)
      if (!person.identity.verified) throw refuse('identity_unproven')
      const checked = checkCreditCode(input.creditCode)
      if (!checked.ok) throw refuse(`credit_code_${checked.problem}`)
      const claims = {
        method: 'corp-3',
        name: plainName(input.name),
        creditCode: checked.creditCode,
        legalRepresentative: plainName(input.legalRepresentative),
      } as const
      const answer = await ask(caller, claims)
      if (answer.result === 'failed')
        throw refuse('corp_identity_failed', { reason: answer.reason ?? 'mismatch' })
      return db.work(async (tx) => {
        const corp = await accounts.createCorp(tx, {
          name: claims.name,
          creditCode: claims.creditCode,
          legalRepresentative: claims.legalRepresentative,
          createdBy: caller,
          method: claims.method,
          provider: provider.name,
          simulated: provider.simulated,
        })
        await finish?.(tx, corp)
        return corp
      })
    },
  }
}

async function forgetOldAttempts(tx: Tx, now: Date): Promise<void> {
  await tx
    .$extendTables<IdentityTables>()
    .deleteFrom('identity_attempt')
    .where('created_at', '<=', new Date(now.getTime() - 86_400_000))
    .execute()
}

async function forgetAttempt(tx: Tx, checkId: string): Promise<void> {
  await tx.$extendTables<IdentityTables>().deleteFrom('identity_attempt').where('id', '=', checkId).execute()
}

/** Names are compared and printed in one form; full-width brackets of Chinese company names stay what they are. */
function plainName(name: string): string {
  return name.normalize('NFC').trim().replace(/\s+/g, ' ')
}
