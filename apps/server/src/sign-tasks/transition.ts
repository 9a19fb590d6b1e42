/**
 * Applies a command to a locked task: decides, then writes rows, chain events and outgoing facts together in
 * the caller's transaction. The only writer of task and actor states.
 */
import type { JsonObject } from '@yinxin/evidence'
import type { Clock } from '#src/clock.ts'
import type { Tx } from '#src/db/db.ts'
import type { Evidence, NewEvent } from '#src/evidence/evidence.ts'
import type { NewFact, Outbox } from '#src/outbox/outbox.ts'
import type { Author } from './author.ts'
import { authorActor } from './author.ts'
import { refuse } from './errors.ts'
import type { SignTaskFact } from './facts.ts'
import { type Command, decide, evolve, type TaskFact } from './lifecycle.ts'
import {
  type ActorChange,
  actorOf,
  insertParty,
  insertUrge,
  insertUsage,
  stateOf,
  type Task,
  type TaskChange,
  updateActor,
  updateTask,
} from './store.ts'

export interface TransitionDeps {
  clock: Clock
  evidence: Pick<Evidence, 'append'>
  outbox: Pick<Outbox, 'append'>
}

export interface TransitionExtras {
  /** For the command `sign`: what the act produced. */
  certificateSerial?: string
  /** Events that belong to the change and stand before those of the life cycle. */
  events?: NewEvent[]
  /** Facts that stand before those of the life cycle. */
  facts?: SignTaskFact[]
}

export type Transition = ReturnType<typeof createTransition>

export function createTransition({ clock, evidence, outbox }: TransitionDeps) {
  /** @throws the refusal of the life cycle */
  return async function transition(
    tx: Tx,
    task: Task,
    command: Command,
    author: Author,
    extras: TransitionExtras = {},
  ): Promise<TaskFact[]> {
    const now = clock.now()
    const decision = decide(stateOf(task), command, now)
    if ('refusal' in decision) throw refuse(decision.refusal)
    const events: NewEvent[] = [...(extras.events ?? [])]
    let change: TaskChange = {}
    for (const fact of decision.facts) {
      change = { ...change, ...(await writeFact(tx, task, fact, now, extras)) }
      const event = eventOf(task, fact, author)
      if (event !== null) events.push(event)
    }
    if (decision.facts.length > 0) await updateTask(tx, task.row.id, change, now)
    await evidence.append(tx, task.row.id, task.row.tenant_id, events)
    const outgoing = decision.facts.flatMap((fact) => outgoingFact(task, fact) ?? [])
    await outbox.append(tx, factsOf(task, [...(extras.facts ?? []), ...outgoing]))
    keepUp(task, decision.facts, now)
    return decision.facts
  }
}

/** As the outbox takes them. */
export function factsOf(task: Task, facts: readonly SignTaskFact[]): NewFact[] {
  return facts.map(({ type, payload }) => ({
    type,
    tenantId: task.row.tenant_id,
    subjectKey: task.row.id,
    payload: { ...payload },
  }))
}

/** Writes what a fact changes beside the task's own row, and returns what it changes there. */
async function writeFact(
  tx: Tx,
  task: Task,
  fact: TaskFact,
  now: Date,
  extras: TransitionExtras,
): Promise<TaskChange> {
  const { id, tenant_id: tenantId } = task.row
  switch (fact.kind) {
    case 'started':
      // From here on the other known parties see the task.
      for (const actor of task.actors) {
        const isOther = actor.subject_id !== null && actor.subject_id !== tenantId
        if (isOther) await insertParty(tx, id, tenantId, actor.subject_id as string)
      }
      return { status: 'signing', started_at: now }
    case 'urged':
      await insertUrge(tx, id, tenantId, now)
      return {}
    case 'finished':
      await insertUsage(tx, id, tenantId, now)
      return { status: 'finished', finished_at: now }
    case 'rejected':
    case 'canceled':
      return { status: fact.kind, end_reason: fact.reason }
    case 'expired':
      return { status: 'expired' }
    default:
      await updateActor(tx, fact.actorId, actorChange(fact, now, extras))
      return {}
  }
}

type ActorFact = Extract<TaskFact, { actorId: string }>

function actorChange(fact: ActorFact, now: Date, extras: TransitionExtras): ActorChange {
  switch (fact.kind) {
    case 'actor-ready':
      return { status: 'ready' }
    case 'actor-viewed':
    case 'actor-abandoned':
      return { status: 'viewed' }
    case 'actor-signing':
      return { status: 'signing' }
    case 'actor-signed':
      return { status: 'signed', signed_at: now, certificate_serial: extras.certificateSerial ?? null }
    case 'actor-rejected':
      return { status: 'rejected', reject_reason: fact.reason }
    case 'actor-notified':
      return { status: 'notified' }
  }
}

/** The link of the chain that tells of a fact; facts told by a richer event of the caller have none. */
function eventOf(task: Task, fact: TaskFact, author: Author): NewEvent | null {
  const by = authorActor(author)
  const make = (type: string, data: JsonObject, personal: Record<string, string> = {}): NewEvent => ({
    type,
    actor: by.actor,
    data,
    personal: { ...by.personal, ...personal },
  })
  switch (fact.kind) {
    case 'started':
      return make('task.started', {})
    case 'actor-ready':
      return make('actor.ready', { actorId: fact.actorId })
    case 'actor-viewed':
      return make('task.viewed', { actorId: fact.actorId })
    case 'actor-signing':
    case 'actor-abandoned':
      return null
    case 'actor-signed':
      return make('actor.signed', { actorId: fact.actorId })
    case 'actor-rejected':
      return make('actor.rejected', { actorId: fact.actorId }, { '/data/reason': fact.reason })
    case 'actor-notified':
      return make('actor.notified', { actorId: fact.actorId })
    case 'urged':
      return make('task.urged', { actorIds: [...fact.actorIds] })
    case 'finished':
      return make('task.finished', {
        documents: task.documents.map((one) => ({ documentId: one.id, sha256: one.sha256 })),
      })
    case 'canceled':
      return make('task.canceled', {}, { '/data/reason': fact.reason })
    case 'rejected':
      return make('task.rejected', {})
    case 'expired':
      return make('task.expired', {})
  }
}

/** What other rooms and callbacks hear of it. */
function outgoingFact(task: Task, fact: TaskFact): SignTaskFact | null {
  const base = { taskId: task.row.id, reference: task.row.reference }
  const ofActor = (actorId: string) => {
    const actor = actorOf(task, actorId)
    return { ...base, actorId, actorRef: actor.ref, actorName: actor.name }
  }
  switch (fact.kind) {
    case 'actor-signing':
    case 'actor-abandoned':
      return null
    case 'started':
      return { type: 'sign-task.started', payload: base }
    case 'finished':
      return { type: 'sign-task.finished', payload: base }
    case 'expired':
      return { type: 'sign-task.expired', payload: base }
    case 'rejected':
      return { type: 'sign-task.rejected', payload: { ...base, reason: fact.reason } }
    case 'canceled':
      return { type: 'sign-task.canceled', payload: { ...base, reason: fact.reason } }
    case 'urged':
      return { type: 'sign-task.urged', payload: { ...base, actorIds: [...fact.actorIds] } }
    case 'actor-ready':
      return { type: 'sign-task.actor-ready', payload: ofActor(fact.actorId) }
    case 'actor-viewed':
      return { type: 'sign-task.viewed', payload: ofActor(fact.actorId) }
    case 'actor-signed':
      return { type: 'sign-task.signed', payload: ofActor(fact.actorId) }
    case 'actor-notified':
      return { type: 'sign-task.copied', payload: ofActor(fact.actorId) }
    case 'actor-rejected':
      return { type: 'sign-task.actor-rejected', payload: { ...ofActor(fact.actorId), reason: fact.reason } }
  }
}

/** Keeps the loaded task in step with what was written, for a second command in the same transaction. */
function keepUp(task: Task, facts: readonly TaskFact[], now: Date): void {
  const state = facts.reduce((at, fact) => evolve(at, fact, now), stateOf(task))
  task.row.status = state.status
  task.urgedAt = [...state.urgedAt]
  for (const actor of task.actors) {
    actor.status = state.actors.find((one) => one.id === actor.id)?.status ?? actor.status
  }
}
