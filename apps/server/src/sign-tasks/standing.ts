/**
 * Where a visitor of a link stands: pure, from the task, the actor and what is known of the person. The link
 * locates the task and opens nothing; the person is checked against the actor on every request.
 */
import type { CeremonyStep } from '@yinxin/sdk/wire'
import type { Membership, PersonDetails } from '#src/accounts/accounts.ts'
import { isAwaited } from './lifecycle.ts'
import type { ActorRow, TaskRow } from './store.ts'

export interface Visitor {
  person: Pick<PersonDetails, 'id' | 'name' | 'mobile' | 'email' | 'identity'>
  memberships: readonly Membership[]
}

export type Standing =
  | { kind: 'prove-identity' }
  | { kind: 'wrong-person' }
  /** This person may act for the actor; `subjectId` is whose actor it then is. */
  | { kind: 'admitted'; subjectId: string }

/** Whether a person may act as an actor. */
export function standingOf(
  actor: Pick<ActorRow, 'kind' | 'name' | 'subject_id' | 'person_id' | 'mobile' | 'email'>,
  visitor: Visitor,
): Standing {
  return actor.kind === 'person' ? personStanding(actor, visitor) : corpStanding(actor, visitor)
}

/** A person signs for itself: the named contact or the known subject, proven, and of the actor's name. */
function personStanding(
  actor: Pick<ActorRow, 'name' | 'subject_id' | 'mobile' | 'email'>,
  { person }: Visitor,
): Standing {
  const isKnown =
    actor.subject_id === null
      ? sameContact(actor.mobile, person.mobile) || sameContact(actor.email, person.email)
      : actor.subject_id === person.id
  if (!isKnown) return { kind: 'wrong-person' }
  if (!person.identity.verified) return { kind: 'prove-identity' }
  return sameName(actor.name, person.name)
    ? { kind: 'admitted', subjectId: person.id }
    : { kind: 'wrong-person' }
}

/** For a company signs any proven person who is its active member (经办人). */
function corpStanding(
  actor: Pick<ActorRow, 'name' | 'subject_id'>,
  { person, memberships }: Visitor,
): Standing {
  const corp = memberships.find((one) =>
    actor.subject_id === null ? sameName(actor.name, one.corpName) : actor.subject_id === one.corpId,
  )
  if (!person.identity.verified) return { kind: 'prove-identity' }
  return corp === undefined ? { kind: 'wrong-person' } : { kind: 'admitted', subjectId: corp.corpId }
}

function sameContact(wanted: string | null, given: string | null): boolean {
  return wanted !== null && wanted === given
}

/** Names compared without width variants and spaces: ＡＢＣ 公司 is ABC公司. */
export function sameName(a: string, b: string | null): boolean {
  return b !== null && plain(a) === plain(b)
}

function plain(name: string): string {
  return name.normalize('NFKC').replace(/\s+/gu, '')
}

/** What is next for an admitted person. */
export function nextStep(
  task: Pick<TaskRow, 'status'>,
  actor: Pick<ActorRow, 'role' | 'status'>,
): CeremonyStep {
  if (actor.status === 'rejected') return 'rejected'
  if (actor.status === 'signed') return 'done'
  if (task.status === 'finished') return 'done'
  if (task.status === 'draft') return 'wait'
  if (task.status !== 'signing') return 'closed'
  return actor.role === 'sign' && isAwaited(actor.status) ? 'read-and-sign' : 'wait'
}
