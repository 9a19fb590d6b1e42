import type { Accounts, Caller } from '#src/accounts/accounts.ts'
import type { Author } from './author.ts'

/** Who creates and steers a task. */
export interface Initiator {
  subjectId: string
  kind: 'person' | 'corp'
  name: string
  author: Author
}

/** The acting subject of a caller, with its name for links, messages and the record. */
export async function initiatorOf(accounts: Pick<Accounts, 'subject'>, caller: Caller): Promise<Initiator> {
  const subject = await accounts.subject(caller.subjectId)
  const name = subject?.name ?? ''
  return {
    subjectId: caller.subjectId,
    kind: subject?.kind ?? 'person',
    name,
    author: authorOf(caller, name),
  }
}

export function authorOf(caller: Caller, name: string): Author {
  return {
    kind: 'initiator',
    subjectId: caller.subjectId,
    name,
    ...(caller.kind === 'session' ? { personId: caller.personId } : { appId: caller.appId }),
  }
}
