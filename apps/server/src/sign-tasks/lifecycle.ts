/**
 * The life of a sign task as a pure state machine: `decide` turns a command into facts or a refusal,
 * `evolve` folds a fact into the state. No database, no clock: what is not here cannot decide anything.
 *
 * Rules that are choices:
 * - A signer without a field signs too; the signature is then invisible and covers every document.
 * - Copies (cc) do not wait and do not block: they are notified when the task is finished.
 * - Equal order numbers sign in parallel; without `ordered` everybody is ready at the start.
 */

export type TaskStatus = 'draft' | 'signing' | 'finished' | 'rejected' | 'canceled' | 'expired'
export type ActorStatus = 'waiting' | 'ready' | 'viewed' | 'signing' | 'signed' | 'rejected' | 'notified'

export interface ActorState {
  id: string
  role: 'sign' | 'cc'
  order: number
  status: ActorStatus
}

export interface TaskState {
  status: TaskStatus
  ordered: boolean
  deadline: Date | null
  documentCount: number
  actors: readonly ActorState[]
  /** When somebody was reminded, oldest first. */
  urgedAt: readonly Date[]
}

export type Command =
  | { kind: 'start' }
  | { kind: 'view'; actorId: string }
  | { kind: 'begin-signing'; actorId: string }
  | { kind: 'abandon-signing'; actorId: string }
  | { kind: 'sign'; actorId: string }
  | { kind: 'reject'; actorId: string; reason: string }
  | { kind: 'cancel'; reason: string }
  | { kind: 'urge' }
  | { kind: 'expire' }

export type TaskFact =
  | { kind: 'started' }
  | { kind: 'actor-ready'; actorId: string }
  | { kind: 'actor-viewed'; actorId: string }
  | { kind: 'actor-signing'; actorId: string }
  | { kind: 'actor-abandoned'; actorId: string }
  | { kind: 'actor-signed'; actorId: string }
  | { kind: 'actor-rejected'; actorId: string; reason: string }
  | { kind: 'actor-notified'; actorId: string }
  | { kind: 'urged'; actorIds: readonly string[] }
  | { kind: 'finished' }
  | { kind: 'rejected'; reason: string }
  | { kind: 'canceled'; reason: string }
  | { kind: 'expired' }

export type LifecycleRefusal =
  | 'task_not_draft'
  | 'task_not_signing'
  | 'task_without_documents'
  | 'task_without_signers'
  | 'deadline_passed'
  | 'deadline_not_reached'
  | 'actor_unknown'
  | 'actor_does_not_sign'
  | 'not_your_turn'
  | 'already_signed'
  | 'signing_in_progress'
  | 'nobody_to_urge'
  | 'urged_too_often'

export type Decision = { facts: TaskFact[] } | { refusal: LifecycleRefusal }

export const URGES_PER_DAY = 2
export const URGE_DISTANCE_MS = 2 * 3_600_000
const DAY_MS = 24 * 3_600_000

/** What a command makes of a task, or why it is refused. Expiry is decided here too: after the deadline nothing is signed. */
export function decide(state: TaskState, command: Command, now: Date): Decision {
  switch (command.kind) {
    case 'start':
      return start(state, now)
    case 'view':
    case 'begin-signing':
    case 'abandon-signing':
    case 'sign':
    case 'reject':
      return act(state, command, now)
    case 'cancel':
      if (state.status !== 'draft' && state.status !== 'signing') return { refusal: 'task_not_signing' }
      // A signature being made is not pulled away from under the signer's hand: it wins or loses the row lock.
      return { facts: [{ kind: 'canceled', reason: command.reason }] }
    case 'urge':
      return urge(state, now)
    case 'expire':
      if (state.status !== 'signing') return { refusal: 'task_not_signing' }
      if (!isOver(state, now)) return { refusal: 'deadline_not_reached' }
      return { facts: [{ kind: 'expired' }] }
  }
}

/** The state after a fact. */
export function evolve(state: TaskState, fact: TaskFact, now: Date): TaskState {
  switch (fact.kind) {
    case 'started':
      return { ...state, status: 'signing' }
    case 'actor-ready':
      return withActor(state, fact.actorId, 'ready')
    case 'actor-viewed':
      return withActor(state, fact.actorId, 'viewed')
    case 'actor-signing':
      return withActor(state, fact.actorId, 'signing')
    case 'actor-abandoned':
      return withActor(state, fact.actorId, 'viewed')
    case 'actor-signed':
      return withActor(state, fact.actorId, 'signed')
    case 'actor-rejected':
      return withActor(state, fact.actorId, 'rejected')
    case 'actor-notified':
      return withActor(state, fact.actorId, 'notified')
    case 'urged':
      return { ...state, urgedAt: [...state.urgedAt, now] }
    case 'finished':
    case 'rejected':
    case 'canceled':
    case 'expired':
      return { ...state, status: fact.kind }
  }
}

/** Whether the deadline has passed. The deadline itself still counts as in time. */
export function isOver(state: Pick<TaskState, 'deadline'>, now: Date): boolean {
  return state.deadline !== null && now.getTime() > state.deadline.getTime()
}

/** Whether an actor may act now: it is asked to sign and has not yet answered. */
export function isAwaited(status: ActorStatus): boolean {
  return status === 'ready' || status === 'viewed' || status === 'signing'
}

function start(state: TaskState, now: Date): Decision {
  if (state.status !== 'draft') return { refusal: 'task_not_draft' }
  if (state.documentCount === 0) return { refusal: 'task_without_documents' }
  if (!state.actors.some((actor) => actor.role === 'sign')) return { refusal: 'task_without_signers' }
  if (isOver(state, now)) return { refusal: 'deadline_passed' }
  return { facts: [{ kind: 'started' }, ...readyNext(state)] }
}

function act(state: TaskState, command: Extract<Command, { actorId: string }>, now: Date): Decision {
  const actor = state.actors.find((one) => one.id === command.actorId)
  if (actor === undefined) return { refusal: 'actor_unknown' }
  if (actor.role !== 'sign') return { refusal: 'actor_does_not_sign' }
  if (actor.status === 'signed') return { refusal: 'already_signed' }
  if (state.status !== 'signing') return { refusal: 'task_not_signing' }
  if (!isAwaited(actor.status)) return { refusal: 'not_your_turn' }
  if (command.kind === 'view') {
    return { facts: actor.status === 'ready' ? [{ kind: 'actor-viewed', actorId: actor.id }] : [] }
  }
  if (command.kind === 'abandon-signing') {
    return { facts: actor.status === 'signing' ? [{ kind: 'actor-abandoned', actorId: actor.id }] : [] }
  }
  if (isOver(state, now)) return { refusal: 'deadline_passed' }
  switch (command.kind) {
    case 'begin-signing':
      if (actor.status === 'signing') return { refusal: 'signing_in_progress' }
      return { facts: [{ kind: 'actor-signing', actorId: actor.id }] }
    case 'sign':
      return { facts: signed(state, actor) }
    case 'reject':
      if (actor.status === 'signing') return { refusal: 'signing_in_progress' }
      return {
        facts: [
          { kind: 'actor-rejected', actorId: actor.id, reason: command.reason },
          { kind: 'rejected', reason: command.reason },
        ],
      }
  }
}

function signed(state: TaskState, actor: ActorState): TaskFact[] {
  const facts: TaskFact[] = [{ kind: 'actor-signed', actorId: actor.id }]
  const after = withActor(state, actor.id, 'signed')
  const open = after.actors.some((one) => one.role === 'sign' && one.status !== 'signed')
  if (open) return [...facts, ...readyNext(after)]
  for (const one of after.actors) {
    if (one.role === 'cc' && one.status !== 'notified')
      facts.push({ kind: 'actor-notified', actorId: one.id })
  }
  return [...facts, { kind: 'finished' }]
}

/** Who becomes ready: everybody who waits, or in an ordered task those of the lowest open order number. */
function readyNext(state: TaskState): TaskFact[] {
  const open = state.actors.filter((actor) => actor.role === 'sign' && actor.status !== 'signed')
  const turn = state.ordered ? Math.min(...open.map((actor) => actor.order)) : null
  return open
    .filter((actor) => actor.status === 'waiting' && (turn === null || actor.order === turn))
    .map((actor) => ({ kind: 'actor-ready', actorId: actor.id }))
}

function urge(state: TaskState, now: Date): Decision {
  if (state.status !== 'signing') return { refusal: 'task_not_signing' }
  const awaited = state.actors.filter((actor) => actor.role === 'sign' && isAwaited(actor.status))
  if (awaited.length === 0) return { refusal: 'nobody_to_urge' }
  const recent = state.urgedAt.filter((at) => now.getTime() - at.getTime() < DAY_MS)
  const last = state.urgedAt.at(-1)
  const tooSoon = last !== undefined && now.getTime() - last.getTime() < URGE_DISTANCE_MS
  if (tooSoon || recent.length >= URGES_PER_DAY) return { refusal: 'urged_too_often' }
  return { facts: [{ kind: 'urged', actorIds: awaited.map((actor) => actor.id) }] }
}

function withActor(state: TaskState, actorId: string, status: ActorStatus): TaskState {
  return {
    ...state,
    actors: state.actors.map((actor) => (actor.id === actorId ? { ...actor, status } : actor)),
  }
}
