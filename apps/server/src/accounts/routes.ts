import { z } from 'zod'
import { addressGroup, type Http } from '#src/http/http.ts'
import { decodeCursor, encodeCursor, pageOf, pageQuery } from '#src/http/paging.ts'
import { clearSessionCookie, setSessionCookie } from '#src/http/session-cookie.ts'
import { type Accounts, requireCorp, type SessionCaller } from './accounts.ts'
import { refuse } from './errors.ts'
import { describeMe, toWireApp, toWireAppWithSecret, toWireCorp } from './me.ts'
import { sessionRules } from './sessions.ts'
import * as wire from './wire.ts'

export interface EnvironmentFacts {
  mode: 'development' | 'sandbox' | 'production'
  developmentCa: boolean
  simulators: string[]
}

export interface AccountRoutesDeps {
  http: Http
  accounts: Accounts
  /** What the installation must say about itself wherever a person looks. */
  environment: () => EnvironmentFacts
}

/** A stranger may ask for codes and try to come in only so often per address. */
const publicPace = { max: 30, perMs: 60_000 }

export function addAccountRoutes({ http, accounts, environment }: AccountRoutesDeps): void {
  const { route } = http
  const cookie = { https: http.https, maxAgeS: sessionRules.absoluteMs / 1000 }
  const describe = (caller: SessionCaller) => describeMe(accounts, environment(), caller)

  route({
    method: 'GET',
    url: '/api/v1/environment',
    summary: 'Tells in which mode this installation runs and which of its parts only pretend.',
    access: 'public',
    answer: wire.environment,
    handle: async () => environment(),
  })

  route({
    method: 'POST',
    url: '/api/v1/login-codes',
    summary:
      'Sends a one-time code to a mobile number or mail address; the answer is the same for every one.',
    access: 'public',
    body: wire.loginCodeInput,
    answer: z.object({ expiresAt: z.iso.datetime() }),
    status: 202,
    rateLimit: publicPace,
    example: { body: { login: '13800000000' } },
    handle: async ({ body, lang, request }) => {
      const stranger = { address: addressGroup(request.ip) }
      const { expiresAt } = await accounts.requestLoginCode({ login: body.login, lang, stranger })
      return { expiresAt: expiresAt.toISOString() }
    },
  })

  route({
    method: 'POST',
    url: '/api/v1/registrations',
    summary: 'Registers the owner of a login with the code just sent, and logs in.',
    access: 'public',
    body: wire.registrationInput,
    answer: wire.openedSession,
    status: 201,
    rateLimit: publicPace,
    example: { body: { login: '13800000000', code: '123456', name: '张三' } },
    handle: async ({ body, reply }) => {
      const opened = await accounts.register(body)
      setSessionCookie(reply, opened.token, cookie)
      return { token: opened.token, me: await describe(opened.caller) }
    },
  })

  route({
    method: 'POST',
    url: '/api/v1/sessions',
    summary: 'Logs in with a password or a one-time code; a code registers a login that is not known yet.',
    access: 'public',
    body: wire.sessionInput,
    answer: wire.openedSession,
    status: 201,
    rateLimit: publicPace,
    example: { body: { login: '13800000000', code: '123456' } },
    handle: async ({ body, reply }) => {
      const opened =
        'password' in body ? await accounts.logInWithPassword(body) : await accounts.logInWithCode(body)
      setSessionCookie(reply, opened.token, cookie)
      return { token: opened.token, me: await describe(opened.caller) }
    },
  })

  route({
    method: 'DELETE',
    url: '/api/v1/sessions/current',
    summary: 'Logs out: the token opens nothing any more.',
    access: 'session',
    answer: null,
    handle: async ({ caller, reply }) => {
      await accounts.signOut(caller)
      clearSessionCookie(reply, cookie)
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/me',
    summary: 'Tells who is logged in, for whom the session acts, and which companies it may act for.',
    access: 'session',
    answer: wire.me,
    handle: async ({ caller }) => describe(caller),
  })

  route({
    method: 'PUT',
    url: '/api/v1/me/acting',
    summary: 'Lets the session act for the person itself or for one of its companies.',
    access: 'session',
    body: wire.actingInput,
    answer: wire.me,
    handle: async ({ caller, body }) => describe(await accounts.actAs(caller, body.subjectId)),
  })

  route({
    method: 'POST',
    url: '/api/v1/me/password-codes',
    summary: 'Sends a one-time code to the login of the session, with which a password can be set.',
    access: 'session',
    answer: z.object({ sentTo: z.string(), expiresAt: z.iso.datetime() }),
    status: 202,
    rateLimit: publicPace,
    handle: async ({ caller, lang }) => {
      const { sentTo, expiresAt } = await accounts.sendPasswordCode(caller, lang)
      return { sentTo, expiresAt: expiresAt.toISOString() }
    },
  })

  route({
    method: 'PUT',
    url: '/api/v1/me/password',
    summary: 'Sets or replaces the password, with the old one or a fresh code; all other sessions end.',
    access: 'session',
    body: wire.passwordInput,
    answer: null,
    rateLimit: publicPace,
    example: { body: { password: 'a new password 1', code: '123456' } },
    handle: async ({ caller, body }) => accounts.setPassword(caller, body),
  })

  addCorpRoutes(http, accounts)
  addAppRoutes(http, accounts)
}

function addCorpRoutes({ route }: Http, accounts: Accounts): void {
  const corpParams = z.object({ id: z.uuid() })

  route({
    method: 'GET',
    url: '/api/v1/corps/:id',
    summary: 'Shows the company the caller acts for.',
    access: 'caller',
    params: corpParams,
    answer: wire.corp,
    handle: async ({ caller, params }) => {
      requireCorp(caller, params.id)
      const corp = await accounts.corp(params.id)
      if (corp === null) throw refuse('corp_not_found')
      return toWireCorp(corp)
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/corps/:id/members',
    summary: 'Lists the members of the company the caller acts for.',
    access: 'caller',
    params: corpParams,
    query: pageQuery,
    answer: pageOf(wire.member),
    handle: async ({ caller, params, query }) => {
      const after = decodeCursor(query.cursor, z.tuple([z.uuid()]))?.[0] ?? null
      const { items, next } = await accounts.members.list(caller, params.id, { after, limit: query.limit })
      return { items, nextCursor: next === null ? null : encodeCursor([next]) }
    },
  })

  route({
    method: 'POST',
    url: '/api/v1/corps/:id/members',
    summary: 'Adds the owner of a login as a member, or changes the role of one.',
    access: 'session',
    params: corpParams,
    body: wire.memberInput,
    answer: wire.member,
    status: 201,
    idempotency: 'steps',
    example: { body: { login: 'li@example.com', role: 'member' } },
    handle: async ({ caller, params, body }) => accounts.members.add(caller, params.id, body),
  })

  route({
    method: 'DELETE',
    url: '/api/v1/corps/:id/members/:personId',
    summary: 'Ends a membership; the person acts for the company no more.',
    access: 'session',
    params: z.object({ id: z.uuid(), personId: z.uuid() }),
    answer: null,
    handle: async ({ caller, params }) => accounts.members.remove(caller, params.id, params.personId),
  })
}

function addAppRoutes({ route }: Http, accounts: Accounts): void {
  const appParams = z.object({ appId: z.string().max(40) })

  route({
    method: 'POST',
    url: '/api/v1/apps',
    summary: 'Creates a credential for a program of the company; the secret is shown this once.',
    access: 'session',
    body: wire.appInput,
    answer: wire.appWithSecret,
    status: 201,
    idempotency: 'steps',
    example: { body: { name: 'ERP', environment: 'sandbox' } },
    handle: async ({ caller, body, complete }) =>
      toWireAppWithSecret(
        await accounts.apps.create(caller, body, (tx, made) => complete(tx, toWireAppWithSecret(made))),
      ),
  })

  route({
    method: 'GET',
    url: '/api/v1/apps',
    summary: 'Lists the apps of the company.',
    access: 'session',
    query: pageQuery,
    answer: pageOf(wire.app),
    handle: async ({ caller, query }) => {
      const after = decodeCursor(query.cursor, z.tuple([z.string().max(40)]))?.[0] ?? null
      const { items, next } = await accounts.apps.list(caller, { after, limit: query.limit })
      return { items: items.map(toWireApp), nextCursor: next === null ? null : encodeCursor([next]) }
    },
  })

  route({
    method: 'PATCH',
    url: '/api/v1/apps/:appId',
    summary: 'Changes the callback address of an app, or switches it off and on.',
    access: 'session',
    params: appParams,
    body: wire.appChange,
    answer: wire.app,
    handle: async ({ caller, params, body }) =>
      toWireApp(await accounts.apps.change(caller, params.appId, body)),
  })

  route({
    method: 'POST',
    url: '/api/v1/apps/:appId/secret',
    summary: 'Replaces the secret of an app; the former one stops working at once.',
    access: 'session',
    params: appParams,
    answer: wire.appWithSecret,
    status: 201,
    idempotency: 'steps',
    handle: async ({ caller, params, complete }) =>
      toWireAppWithSecret(
        await accounts.apps.rotateSecret(caller, params.appId, (tx, made) =>
          complete(tx, toWireAppWithSecret(made)),
        ),
      ),
  })
}
