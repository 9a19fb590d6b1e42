/**
 * The life of a request for destruction as a pure state machine: no database, no clock. What has begun to be shredded
 * cannot be stopped, and what has ended stays ended.
 */
export const STATES = [
  'REQUESTED',
  'CONSENT_PENDING',
  'APPROVED',
  'COOLING_OFF',
  'HOLD_CHECK',
  'SHREDDING',
  'VERIFYING',
  'DESTROYED_PROVISIONAL',
  'DESTROYED_FINAL',
  'REJECTED',
  'CANCELLED',
  'BLOCKED_BY_HOLD',
] as const
export type DestructionState = (typeof STATES)[number]

/**
 * Why: a party for itself (`own`), a company whose service ended (`term-end`), all parties together (`consent`).
 */
export type Basis = 'own' | 'term-end' | 'consent'

export interface Request {
  state: DestructionState
  basis: Basis
  /** When it may begin; set with the cooling-off. */
  dueAt: Date | null
}

export type Command =
  /** Asks the other parties; only for `consent`. */
  | { kind: 'seek-consent' }
  /** Proven person (`own`), ended service (`term-end`), or everybody's signature (`consent`). */
  | { kind: 'approve' }
  /** One party refused, or the agreement ended without everybody. */
  | { kind: 'refuse' }
  | { kind: 'cool-off'; until: Date }
  | { kind: 'cancel' }
  /** The time has come. */
  | { kind: 'proceed' }
  | { kind: 'judge-hold'; held: boolean }
  | { kind: 'shredded' }
  | { kind: 'verified' }
  /** The epoch's key is gone: no backup opens any more. */
  | { kind: 'epoch-over' }

export type LifecycleRefusal =
  | 'destruction_not_possible_now'
  | 'destruction_not_cancellable'
  | 'destruction_too_early'

export type Decision = { state: DestructionState; dueAt: Date | null } | { refusal: LifecycleRefusal }

const CANCELLABLE: readonly DestructionState[] = ['REQUESTED', 'CONSENT_PENDING', 'APPROVED', 'COOLING_OFF']
const ENDED: readonly DestructionState[] = ['DESTROYED_FINAL', 'REJECTED', 'CANCELLED', 'BLOCKED_BY_HOLD']

/** Nothing will change it any more. */
export const isEnded = (state: DestructionState) => ENDED.includes(state)
export const isCancellable = (state: DestructionState) => CANCELLABLE.includes(state)
/** Content has begun to go, so it is gone for whoever asks. */
export const isUnderShredder = (state: DestructionState) =>
  ['SHREDDING', 'VERIFYING', 'DESTROYED_PROVISIONAL', 'DESTROYED_FINAL'].includes(state)

export function decide(request: Request, command: Command, now: Date): Decision {
  const to = (state: DestructionState, dueAt = request.dueAt): Decision => ({ state, dueAt })
  const only = (from: DestructionState, decision: Decision): Decision =>
    request.state === from ? decision : { refusal: 'destruction_not_possible_now' }
  switch (command.kind) {
    case 'seek-consent':
      if (request.basis !== 'consent') return { refusal: 'destruction_not_possible_now' }
      return only('REQUESTED', to('CONSENT_PENDING'))
    case 'approve':
      return only(request.basis === 'consent' ? 'CONSENT_PENDING' : 'REQUESTED', to('APPROVED'))
    case 'refuse':
      return only('CONSENT_PENDING', to('REJECTED'))
    case 'cool-off':
      // A date that has passed is due at once; it never lies before the approval.
      return only('APPROVED', to('COOLING_OFF', command.until < now ? now : command.until))
    case 'cancel':
      return isCancellable(request.state) ? to('CANCELLED') : { refusal: 'destruction_not_cancellable' }
    case 'proceed':
      if (request.state === 'COOLING_OFF' && (request.dueAt === null || now < request.dueAt))
        return { refusal: 'destruction_too_early' }
      return only('COOLING_OFF', to('HOLD_CHECK'))
    case 'judge-hold':
      return only('HOLD_CHECK', to(command.held ? 'BLOCKED_BY_HOLD' : 'SHREDDING'))
    case 'shredded':
      return only('SHREDDING', to('VERIFYING'))
    case 'verified':
      return only('VERIFYING', to('DESTROYED_PROVISIONAL'))
    case 'epoch-over':
      return only('DESTROYED_PROVISIONAL', to('DESTROYED_FINAL'))
  }
}
