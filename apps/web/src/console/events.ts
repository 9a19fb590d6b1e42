import type { WordKey } from '../words/words.tsx'

/** Words for the events of a task; a type that is not listed shows under its own name. */
const words: Record<string, WordKey> = {
  'task.created': 'event_created',
  'task.started': 'event_started',
  'document.added': 'event_documentAdded',
  'actor.ready': 'event_ready',
  'task.viewed': 'event_viewed',
  'document.read': 'event_read',
  'code.sent': 'event_codeSent',
  'consent.given': 'event_consent',
  'document.signed': 'event_documentSigned',
  'actor.signed': 'event_signed',
  'signature.failed': 'event_failed',
  'signature.given-up': 'event_failed',
  'actor.rejected': 'event_rejected',
  'actor.notified': 'event_notified',
  'task.rejected': 'event_rejected',
  'task.urged': 'event_urged',
  'task.canceled': 'event_canceled',
  'task.expired': 'event_expired',
  'task.finished': 'event_finished',
  'access.destroyed': 'event_accessDestroyed',
  'contract.destroyed': 'event_contractDestroyed',
}

export function eventWord(type: string): WordKey | null {
  return words[type] ?? null
}
