import type { EventActor } from '@yinxin/evidence'

/**
 * Who caused an event. In the public log stands only the kind and, for an actor, its id inside the task; names
 * and subjects are salted commitments, so that the log links nobody's contracts.
 */
export type Author =
  | { kind: 'initiator'; subjectId: string; name: string; personId?: string; appId?: string }
  | { kind: 'actor'; actorId: string; subjectId: string | null; name: string; personId?: string }
  | { kind: 'visitor'; actorId: string }
  | { kind: 'system'; duty: string }

export function authorActor(author: Author): { actor: EventActor; personal: Record<string, string> } {
  switch (author.kind) {
    case 'system':
      return { actor: { kind: 'system', duty: author.duty }, personal: {} }
    case 'visitor':
      return { actor: { kind: 'visitor', id: author.actorId }, personal: {} }
    case 'initiator':
      return {
        actor: { kind: 'initiator' },
        personal: {
          '/actor/name': author.name,
          '/actor/subject': author.subjectId,
          ...(author.personId === undefined ? {} : { '/actor/person': author.personId }),
          ...(author.appId === undefined ? {} : { '/actor/app': author.appId }),
        },
      }
    case 'actor':
      return {
        actor: { kind: 'actor', id: author.actorId },
        personal: {
          '/actor/name': author.name,
          ...(author.subjectId === null ? {} : { '/actor/subject': author.subjectId }),
          ...(author.personId === undefined ? {} : { '/actor/person': author.personId }),
        },
      }
  }
}
