import { sql } from 'kysely'
import type { Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import { lockLogin } from './login-codes.ts'
import { type Login, maskEmail, maskMobile } from './login.ts'
import type { AccountTables } from './tables.ts'

/** Result of the last passed identity check. */
export interface Identity {
  verified: boolean
  verifiedAt: Date | null
  method: string | null
  provider: string | null
  simulated: boolean
}

/** A person as other rooms need it: in clear, for the platform's own use. Mask before showing. */
export interface PersonDetails {
  id: string
  name: string | null
  mobile: string | null
  email: string | null
  identity: Identity
}

export interface CorpDetails {
  id: string
  name: string
  creditCode: string
  legalRepresentative: string
  identity: Identity
}

export interface SubjectDetails {
  id: string
  kind: 'person' | 'corp'
  name: string | null
  verified: boolean
}

export interface Membership {
  corpId: string
  corpName: string
  role: 'admin' | 'member'
  /** Since when, without a break: what was granted to an earlier membership ended with it. */
  since: Date
}

const IDENTITY_COLUMNS = [
  'verified_at',
  'identity_method',
  'identity_provider',
  'identity_simulated',
] as const

/** The account of a login, made with its person when there is none yet. Worker role. */
export async function ensureAccount(
  tx: Tx,
  login: Login,
  now: Date,
): Promise<{ accountId: string; personId: string; passwordHash: string | null; created: boolean }> {
  await lockLogin(tx, login.value)
  const existing = await findAccount(tx, login)
  if (existing !== undefined) return { ...existing, created: false }
  const typed = tx.$extendTables<AccountTables>()
  const personId = newId()
  const accountId = newId()
  await typed.insertInto('subject').values({ id: personId, kind: 'person', created_at: now }).execute()
  await typed
    .insertInto('person')
    .values({
      id: personId,
      name: null,
      id_type: null,
      id_number_sealed: null,
      id_number_hash: null,
      verified_at: null,
      identity_method: null,
      identity_provider: null,
      identity_simulated: false,
      created_at: now,
    })
    .execute()
  await typed
    .insertInto('account')
    .values({
      id: accountId,
      person_id: personId,
      mobile: login.kind === 'mobile' ? login.value : null,
      email: login.kind === 'email' ? login.value : null,
      password_hash: null,
      created_at: now,
    })
    .execute()
  return { accountId, personId, passwordHash: null, created: true }
}

export async function findAccount(tx: Tx, login: Login) {
  const row = await tx
    .$extendTables<AccountTables>()
    .selectFrom('account')
    .select(['id', 'person_id', 'password_hash'])
    .where(login.kind, '=', login.value)
    .executeTakeFirst()
  return row && { accountId: row.id, personId: row.person_id, passwordHash: row.password_hash }
}

export async function readPerson(tx: Tx, personId: string): Promise<PersonDetails | null> {
  const row = await tx
    .$extendTables<AccountTables>()
    .selectFrom('person')
    .leftJoin('account', 'account.person_id', 'person.id')
    .select(['person.id', 'person.name', 'account.mobile', 'account.email', ...IDENTITY_COLUMNS])
    .where('person.id', '=', personId)
    .executeTakeFirst()
  return row === undefined
    ? null
    : { id: row.id, name: row.name, mobile: row.mobile, email: row.email, identity: toIdentity(row) }
}

export async function readCorp(tx: Tx, corpId: string): Promise<CorpDetails | null> {
  const row = await tx
    .$extendTables<AccountTables>()
    .selectFrom('corp')
    .select(['id', 'name', 'credit_code', 'legal_representative', ...IDENTITY_COLUMNS])
    .where('id', '=', corpId)
    .executeTakeFirst()
  return row === undefined
    ? null
    : {
        id: row.id,
        name: row.name,
        creditCode: row.credit_code,
        legalRepresentative: row.legal_representative,
        identity: toIdentity(row),
      }
}

export async function readSubject(tx: Tx, subjectId: string): Promise<SubjectDetails | null> {
  const row = await tx
    .$extendTables<AccountTables>()
    .selectFrom('subject')
    .leftJoin('person', 'person.id', 'subject.id')
    .leftJoin('corp', 'corp.id', 'subject.id')
    .select([
      'subject.id',
      'subject.kind',
      sql<string | null>`coalesce(corp.name, person.name)`.as('name'),
      sql<Date | null>`coalesce(corp.verified_at, person.verified_at)`.as('verified_at'),
    ])
    .where('subject.id', '=', subjectId)
    .executeTakeFirst()
  return row === undefined
    ? null
    : { id: row.id, kind: row.kind, name: row.name, verified: row.verified_at !== null }
}

export async function readMemberships(tx: Tx, personId: string): Promise<Membership[]> {
  const rows = await tx
    .$extendTables<AccountTables>()
    .selectFrom('member')
    .innerJoin('corp', 'corp.id', 'member.tenant_id')
    .select(['corp.id', 'corp.name', 'member.role', 'member.created_at'])
    .where('member.person_id', '=', personId)
    .where('member.active', '=', true)
    .orderBy('member.created_at')
    .orderBy('corp.id')
    .execute()
  return rows.map((row) => ({ corpId: row.id, corpName: row.name, role: row.role, since: row.created_at }))
}

export function toIdentity(row: {
  verified_at: Date | null
  identity_method: string | null
  identity_provider: string | null
  identity_simulated: boolean
}): Identity {
  return {
    verified: row.verified_at !== null,
    verifiedAt: row.verified_at,
    method: row.identity_method,
    provider: row.identity_provider,
    simulated: row.identity_simulated,
  }
}

/** The shape of `/api/v1`: contacts masked, times as text. */
export function toWirePerson(person: PersonDetails) {
  return {
    id: person.id,
    name: person.name,
    mobile: person.mobile === null ? null : maskMobile(person.mobile),
    email: person.email === null ? null : maskEmail(person.email),
    identity: toWireIdentity(person.identity),
  }
}

export function toWireIdentity(identity: Identity) {
  return { ...identity, verifiedAt: identity.verifiedAt?.toISOString() ?? null }
}
