import type { Accounts, AppDetails, CorpDetails, SessionCaller } from './accounts.ts'
import { maskLogin } from './login.ts'
import { toWireIdentity, toWirePerson } from './people.ts'
import type { EnvironmentFacts } from './routes.ts'

/** The person behind a session, and whom it acts for, in the shape of `/api/v1`. */
export async function describeMe(accounts: Accounts, environment: EnvironmentFacts, caller: SessionCaller) {
  const [person, memberships] = await Promise.all([
    accounts.person(caller.personId),
    accounts.memberships(caller.personId),
  ])
  if (person === null) throw new Error('a session belongs to a person that does not exist')
  const login = person.mobile ?? person.email ?? ''
  const company = memberships.find((membership) => membership.corpId === caller.subjectId)
  const self = {
    kind: 'person' as const,
    subjectId: person.id,
    name: person.name ?? maskLogin(login),
    role: 'self' as const,
  }
  return {
    accountId: caller.accountId,
    login,
    person: toWirePerson(person),
    acting:
      company === undefined
        ? self
        : { kind: 'corp' as const, subjectId: company.corpId, name: company.corpName, role: company.role },
    memberships: memberships.map(({ corpId, corpName, role }) => ({ corpId, corpName, role })),
    environment,
  }
}

export function toWireCorp(corp: CorpDetails) {
  return { ...corp, identity: toWireIdentity(corp.identity) }
}

export function toWireApp(app: AppDetails) {
  return {
    appId: app.appId,
    name: app.name,
    environment: app.environment,
    callbackUrl: app.callbackUrl,
    active: app.active,
    createdAt: app.createdAt.toISOString(),
  }
}

export function toWireAppWithSecret(app: AppDetails & { secret: string }) {
  return { ...toWireApp(app), appSecret: app.secret }
}
