import { refuse } from './errors.ts'

/** A logged-in person, acting for itself or for a company it belongs to. */
export interface SessionCaller {
  kind: 'session'
  sessionId: string
  accountId: string
  personId: string
  /** Whom the session acts for: the person, or a company. */
  subjectId: string
  role: 'self' | 'admin' | 'member'
}

/** A company's program. */
export interface AppCaller {
  kind: 'app'
  appId: string
  /** The company. */
  subjectId: string
  environment: 'sandbox' | 'production'
}

export type Caller = SessionCaller | AppCaller

/** Refuses apps. */
export function requireSession(caller: Caller): SessionCaller {
  if (caller.kind !== 'session') throw refuse('person_required')
  return caller
}

/** Refuses everyone but a person acting as administrator of a company; gives back the company's id. */
export function requireAdmin(caller: Caller): { corpId: string; session: SessionCaller } {
  const session = requireSession(caller)
  if (session.role !== 'admin') throw refuse('admin_required')
  return { corpId: session.subjectId, session }
}

/** Lets in who acts for this very company; for everyone else the company does not exist. */
export function requireCorp(caller: Caller, corpId: string): void {
  if (caller.subjectId !== corpId || (caller.kind === 'session' && caller.role === 'self'))
    throw refuse('corp_not_found')
}
