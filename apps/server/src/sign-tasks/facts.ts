/**
 * What this room and `signing` tell the others through the outbox. Every payload names the task and the caller's own
 * reference; the fact's tenant is the initiator and its subject key the task's id.
 */
export interface SignTaskFacts {
  'sign-task.created': TaskPayload
  'sign-task.started': TaskPayload
  /** It is this actor's turn. */
  'sign-task.actor-ready': ActorPayload
  'sign-task.viewed': ActorPayload
  'sign-task.signed': ActorPayload
  'sign-task.actor-rejected': ActorPayload & { reason: string }
  /** A copy recipient has been given the finished contract. */
  'sign-task.copied': ActorPayload
  'sign-task.urged': TaskPayload & { actorIds: string[] }
  /** An automatic signature could not be made; `reason` is for people, `code` is stable. */
  'sign-task.sign-failed': ActorPayload & { reason: string; code: string }
  'sign-task.finished': TaskPayload
  'sign-task.rejected': TaskPayload & { reason: string }
  'sign-task.canceled': TaskPayload & { reason: string }
  'sign-task.expired': TaskPayload
}

export type SignTaskFactType = keyof SignTaskFacts

export interface TaskPayload {
  taskId: string
  reference: string | null
}

export interface ActorPayload extends TaskPayload {
  actorId: string
  actorRef: string
  actorName: string
}

/** A fact as `outbox.append` takes it, with the payload that belongs to its type. */
export type SignTaskFact = {
  [Type in SignTaskFactType]: { type: Type; payload: SignTaskFacts[Type] }
}[SignTaskFactType]
