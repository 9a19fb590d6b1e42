/** Who sends a request: a session (cookie or bearer token) or an app (signed request). */
import type { FastifyRequest } from 'fastify'
import type { AppSignatures } from './app-signature.ts'
import { refuse } from './errors.ts'

export type SessionCaller = {
  kind: 'session'
  sessionId: string
  accountId: string
  personId: string
  /** The person, or the company the session acts for. */
  subjectId: string
  role: 'self' | 'admin' | 'member'
}
export type AppCaller = {
  kind: 'app'
  appId: string
  subjectId: string
  environment: 'sandbox' | 'production'
}
/** The accounts room's own type fits this one. */
export type Caller = SessionCaller | AppCaller

export interface AppCredential {
  appId: string
  secret: string
  /** The company the app belongs to. */
  subjectId: string
  environment: 'sandbox' | 'production'
  active: boolean
}

/** What the accounts room gives. */
export interface Authentication {
  session(token: string): Promise<SessionCaller | null>
  appByAppId(appId: string): Promise<AppCredential | null>
}

/** Who may use a route. `caller` = session or app; `optional` = public, but knows who it is when told. */
export type Access = 'public' | 'optional' | 'session' | 'app' | 'caller'

export const SESSION_COOKIE = 'yx_session'

/** Resolves the caller as the route demands, or throws the refusal that says what is missing. */
export async function authenticate(
  request: FastifyRequest,
  access: Access,
  deps: { authentication: Authentication; appSignatures: AppSignatures },
): Promise<Caller | null> {
  if (access === 'public') return null
  const caller = await callerOf(request, deps)
  if (caller === null) {
    if (access === 'optional') return null
    throw refuse('not_signed_in')
  }
  if (access === 'session' && caller.kind !== 'session') throw refuse('session_required')
  if (access === 'app' && caller.kind !== 'app') throw refuse('app_required')
  return caller
}

async function callerOf(
  request: FastifyRequest,
  deps: { authentication: Authentication; appSignatures: AppSignatures },
): Promise<Caller | null> {
  if (request.headers['x-yinxin-app'] !== undefined) return await deps.appSignatures.verify(request)
  const bearer = /^Bearer ([\w-]{20,200})$/.exec(request.headers.authorization ?? '')?.[1]
  if (bearer !== undefined) return await deps.authentication.session(bearer)
  const cookie = request.cookies[SESSION_COOKIE]
  if (cookie === undefined || cookie === '') return null
  const caller = await deps.authentication.session(cookie)
  // Other sites can make a browser send the cookie, but no header of their own choice.
  const changes = request.method !== 'GET' && request.method !== 'HEAD'
  if (caller && changes && request.headers['x-yinxin-request'] !== '1') throw refuse('csrf_header_missing')
  return caller
}
