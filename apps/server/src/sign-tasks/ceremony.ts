/**
 * The signer's side of a task. Every method begins with the link's token and, beyond the cover, with the
 * session's person; nothing is believed from an earlier step.
 */
import type { Ceremony, CeremonyCover, Environment } from '@yinxin/sdk/wire'
import { type Accounts, maskName, type SessionCaller, toWireIdentity } from '#src/accounts/accounts.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Evidence, NewEvent } from '#src/evidence/evidence.ts'
import type { Identity } from '#src/identity/identity.ts'
import type { Lang } from '#src/notifications/notifications.ts'
import type { Seals } from '#src/seals/seals.ts'
import { type Access, requireAccess } from './access.ts'
import { type Author, authorActor } from './author.ts'
import { consentText } from './consent.ts'
import { refuse } from './errors.ts'
import { isAwaited } from './lifecycle.ts'
import type { Links } from './links.ts'
import { nextStep, standingOf, type Visitor } from './standing.ts'
import {
  type ActorRow,
  actorOf,
  findRevision,
  insertParty,
  lockTask,
  readFields,
  readSegments,
  readTask,
  type SegmentRow,
  type Task,
  updateActor,
} from './store.ts'
import type { Transition } from './transition.ts'
import { contactOf, documentView, fieldView, maskedContact } from './views.ts'

export interface CeremonyDeps {
  db: Db
  clock: Clock
  accounts: Pick<Accounts, 'person' | 'memberships' | 'requestLoginCode' | 'logInWithCode'>
  identity: Pick<Identity, 'sendCode'>
  seals: Pick<Seals, 'usableBy' | 'signaturesOf'>
  evidence: Pick<Evidence, 'append'>
  links: Links
  transition: Transition
  access: Pick<Access, 'admit'>
  environment: () => Environment
}

/** A person who was admitted to act for an actor. */
export interface Admitted {
  task: Task
  actor: ActorRow
  visitor: Visitor
  subjectId: string
}

export type Ceremonies = ReturnType<typeof createCeremonies>

export function createCeremonies(deps: CeremonyDeps) {
  const { db, accounts, transition } = deps

  /** Link → task and actor; a link dies with a task that ended without a contract. */
  async function locate(token: string): Promise<{ task: Task; actor: ActorRow }> {
    return await db.work(async (tx) => {
      const { taskId, actorId } = await deps.links.resolve(tx, token)
      const task = await readTask(tx, taskId)
      const actor = actorOf(task, actorId)
      const hasEnded = ['canceled', 'expired', 'rejected'].includes(task.row.status)
      // Who rejected may still read that it did.
      if (hasEnded && actor.status !== 'rejected') throw refuse('link_ended')
      return { task, actor }
    })
  }

  async function visitorOf(caller: SessionCaller): Promise<Visitor> {
    const person = await accounts.person(caller.personId)
    if (person === null) throw refuse('sign_task_not_found')
    return { person, memberships: await accounts.memberships(caller.personId) }
  }

  /** The person behind the session, admitted as this actor. @throws `not_this_actor`, `identity_needed` */
  async function admit(caller: SessionCaller, token: string): Promise<Admitted> {
    const { task, actor } = await locate(token)
    const visitor = await visitorOf(caller)
    const standing = standingOf(actor, visitor)
    if (standing.kind === 'prove-identity') throw refuse('identity_needed')
    if (standing.kind === 'wrong-person') throw refuse('not_this_actor')
    requireAccess(task, standing.subjectId)
    return { task, actor, visitor, subjectId: standing.subjectId }
  }

  /** Ties the actor to the admitted subject and notes the first view, under the row lock. */
  async function bind(admitted: Admitted): Promise<Task> {
    const { actor, subjectId, visitor } = admitted
    // A draft may still change: it knows its actors only by what the initiator wrote.
    if (admitted.task.row.status === 'draft') return admitted.task
    const isViewed = actor.status !== 'ready'
    if (actor.subject_id === subjectId && isViewed) return admitted.task
    // Who was not known at the start gets its wrap before it becomes a party.
    await deps.access.admit(admitted.task.row, subjectId)
    return await db.work(async (tx) => {
      const task = await lockTask(tx, admitted.task.row.id)
      const current = actorOf(task, actor.id)
      // Somebody else of the same contact may have come first.
      if (current.subject_id !== null && current.subject_id !== subjectId) throw refuse('not_this_actor')
      if (current.subject_id === null) {
        const personId = current.kind === 'person' ? visitor.person.id : null
        await updateActor(tx, current.id, { subject_id: subjectId, person_id: personId })
        current.subject_id = subjectId
        current.person_id = personId
      }
      await insertParty(tx, task.row.id, task.row.tenant_id, subjectId)
      if (task.row.status === 'signing' && current.role === 'sign' && current.status === 'ready') {
        await transition(tx, task, { kind: 'view', actorId: current.id }, actorAuthor(current, visitor))
      }
      return task
    }, admitted.task.row.tenant_id)
  }

  async function view(caller: SessionCaller, token: string, lang: Lang): Promise<Ceremony> {
    const located = await locate(token)
    const visitor = await visitorOf(caller)
    const standing = standingOf(located.actor, visitor)
    if (standing.kind !== 'admitted') {
      return ceremonyOf(located.task, located.actor, visitor, standing.kind, lang)
    }
    requireAccess(located.task, standing.subjectId)
    const admitted = { ...located, visitor, subjectId: standing.subjectId }
    const task = await bind(admitted)
    const actor = actorOf(task, located.actor.id)
    return await ceremonyOf(task, actor, visitor, nextStep(task.row, actor), lang)
  }

  async function ceremonyOf(
    task: Task,
    actor: ActorRow,
    visitor: Visitor,
    step: Ceremony['step'],
    lang: Lang,
  ): Promise<Ceremony> {
    const isInside = step === 'read-and-sign' || step === 'done' || step === 'rejected'
    const isSigning = step === 'read-and-sign'
    const { person } = visitor
    return {
      step,
      cover: coverOf(task, actor),
      task: isInside ? await taskOf(task, actor) : null,
      me: {
        personId: person.id,
        name: person.name,
        contactMasked: maskedContact(person),
        identity: toWireIdentity(person.identity),
      },
      seals:
        isSigning && actor.kind === 'corp' && actor.subject_id !== null
          ? await deps.seals.usableBy(actor.subject_id, person.id)
          : [],
      signatures: isSigning && actor.kind === 'person' ? await deps.seals.signaturesOf(person.id) : [],
      consentText: consentText(
        { title: task.row.title, documentCount: task.documents.length, actor, signerName: person.name },
        lang,
      ),
    }
  }

  async function taskOf(task: Task, actor: ActorRow): Promise<NonNullable<Ceremony['task']>> {
    const fields = await db.work((tx) => readFields(tx, task.row.id))
    const signed = new Set(task.actors.filter((one) => one.status === 'signed').map((one) => one.id))
    return {
      id: task.row.id,
      title: task.row.title,
      documents: task.documents.map(documentView),
      fields: fields.map((field) => ({
        ...fieldView(field),
        mine: field.actor_id === actor.id,
        signed: signed.has(field.actor_id),
      })),
      actors: task.actors.map((one) => ({
        name: one.name,
        kind: one.kind,
        role: one.role,
        status: one.status,
        order: one.sign_order,
        mine: one.id === actor.id,
      })),
    }
  }

  function coverOf(task: Task, actor: ActorRow): CeremonyCover {
    return {
      taskTitle: task.row.title,
      initiatorName: task.row.initiator_name,
      taskStatus: task.row.status,
      deadline: task.row.deadline?.toISOString() ?? null,
      actor: {
        kind: actor.kind,
        role: actor.role,
        nameMasked: actor.kind === 'person' ? maskName(actor.name) : actor.name,
        contactMasked: maskedContact(actor),
        status: actor.status,
      },
      channel: contactOf(actor)?.channel ?? null,
      environment: deps.environment(),
    }
  }

  return {
    admit,
    bind,
    view,

    async cover(token: string): Promise<CeremonyCover> {
      const { task, actor } = await locate(token)
      return coverOf(task, actor)
    },

    /** Sends a log-in code to the actor's contact, which the visitor only sees masked. */
    async sendLoginCode(token: string, lang: Lang): Promise<{ sentTo: string; expiresAt: Date }> {
      const { actor } = await locate(token)
      const contact = requireContact(actor)
      const { expiresAt } = await accounts.requestLoginCode({
        login: contact.to,
        lang,
        scope: scopeOf(actor),
      })
      return { sentTo: maskedContact(actor) ?? '', expiresAt }
    },

    /** Logs in (or registers) the owner of the actor's contact. */
    async openSession(token: string, code: string) {
      const { actor } = await locate(token)
      const contact = requireContact(actor)
      return await accounts.logInWithCode({ login: contact.to, code, scope: scopeOf(actor) })
    },

    /** Content of a document for a bound actor. */
    async document(
      caller: SessionCaller,
      token: string,
      documentId: string,
    ): Promise<{ name: string; segments: SegmentRow[]; partyId: string }> {
      const admitted = await admit(caller, token)
      const isOpen = ['read-and-sign', 'done', 'rejected'].includes(
        nextStep(admitted.task.row, admitted.actor),
      )
      if (!isOpen) throw refuse('not_your_turn')
      const document = admitted.task.documents.find((one) => one.id === documentId)
      if (document === undefined) throw refuse('task_document_not_found')
      const segments = await db.work((tx) => readSegments(tx, documentId, document.revision))
      const partyId = admitted.subjectId
      await deps.access.admit(admitted.task.row, partyId)
      return { name: document.name, segments, partyId }
    },

    /** Records that the actor has read a document as it is now. */
    async markRead(
      caller: SessionCaller,
      token: string,
      read: { documentId: string; sha256: string },
    ): Promise<void> {
      const admitted = await admit(caller, token)
      await bind(admitted)
      await record(admitted, async (tx, task, actor) => {
        const document = task.documents.find((one) => one.id === read.documentId)
        if (document === undefined) throw refuse('task_document_not_found')
        // Another party may have signed meanwhile: what was read is then an earlier revision of the same content.
        const revision = await findRevision(tx, document.id, read.sha256)
        if (revision === null) throw refuse('document_changed')
        return {
          type: 'document.read',
          data: { actorId: actor.id, documentId: document.id, revision, sha256: read.sha256 },
        }
      })
    },

    /** Sends the willingness code to the person who is about to sign. */
    async sendSignCode(caller: SessionCaller, token: string, lang: Lang) {
      const admitted = await admit(caller, token)
      await bind(admitted)
      const contact = signingContact(admitted)
      if (contact === null) throw refuse('actor_unreachable')
      return await db.work(async (tx) => {
        const task = await lockTask(tx, admitted.task.row.id)
        const actor = actorOf(task, admitted.actor.id)
        requireTurn(task, actor)
        const sent = await deps.identity.sendCode(tx, {
          tenantId: admitted.subjectId,
          purpose: 'sign',
          actorKey: signCodeKey(actor.id, admitted.visitor.person.id),
          channel: contact.channel,
          to: contact.to,
          lang,
          taskTitle: task.row.title,
          taskId: task.row.id,
        })
        const by = authorActor(actorAuthor(actor, admitted.visitor))
        await deps.evidence.append(tx, task.row.id, task.row.tenant_id, [
          {
            type: 'code.sent',
            actor: by.actor,
            data: { actorId: actor.id, channel: contact.channel },
            personal: { ...by.personal, '/data/to': contact.to },
          },
        ])
        return { sentTo: contact.masked, expiresAt: sent.expiresAt }
      }, admitted.task.row.tenant_id)
    },

    async reject(caller: SessionCaller, token: string, reason: string, lang: Lang): Promise<Ceremony> {
      const admitted = await admit(caller, token)
      await bind(admitted)
      await db.work(async (tx) => {
        const task = await lockTask(tx, admitted.task.row.id)
        const actor = actorOf(task, admitted.actor.id)
        await transition(
          tx,
          task,
          { kind: 'reject', actorId: actor.id, reason },
          actorAuthor(actor, admitted.visitor),
        )
      }, admitted.task.row.tenant_id)
      return await view(caller, token, lang)
    },
  }

  async function record(
    admitted: Admitted,
    make: (tx: Tx, task: Task, actor: ActorRow) => Promise<Omit<NewEvent, 'actor'>>,
  ): Promise<void> {
    await db.work(async (tx: Tx) => {
      const task = await lockTask(tx, admitted.task.row.id)
      const actor = actorOf(task, admitted.actor.id)
      requireTurn(task, actor)
      const by = authorActor(actorAuthor(actor, admitted.visitor))
      const event = await make(tx, task, actor)
      await deps.evidence.append(tx, task.row.id, task.row.tenant_id, [
        { ...event, actor: by.actor, personal: { ...by.personal, ...event.personal } },
      ])
    }, admitted.task.row.tenant_id)
  }
}

/** A code belongs to one person acting for one actor. */
export function signCodeKey(actorId: string, personId: string): string {
  return `${actorId}/${personId}`
}

export function actorAuthor(actor: ActorRow, visitor: Visitor): Author {
  return {
    kind: 'actor',
    actorId: actor.id,
    subjectId: actor.subject_id,
    name: actor.kind === 'person' ? (visitor.person.name ?? actor.name) : actor.name,
    personId: visitor.person.id,
  }
}

function requireTurn(task: Task, actor: ActorRow): void {
  if (actor.status === 'signed') throw refuse('already_signed')
  if (task.row.status !== 'signing') throw refuse('task_not_signing')
  if (actor.role !== 'sign') throw refuse('actor_does_not_sign')
  if (!isAwaited(actor.status)) throw refuse('not_your_turn')
}

/**
 * Who signs for itself gets its code at the contact the initiator named; who acts for a company gets it at its
 * own, because the willingness to prove is that of the acting person.
 */
function signingContact({
  actor,
  visitor,
}: Admitted): { channel: 'sms' | 'mail'; to: string; masked: string } | null {
  const holder = actor.kind === 'corp' ? visitor.person : actor
  const contact = contactOf(holder)
  return contact === null ? null : { ...contact, masked: maskedContact(holder) ?? '' }
}

function requireContact(actor: ActorRow): { channel: 'sms' | 'mail'; to: string } {
  const contact = contactOf(actor)
  if (contact === null) throw refuse('actor_unreachable')
  return contact
}

function scopeOf(actor: ActorRow): string {
  return `ceremony:${actor.id}`
}
