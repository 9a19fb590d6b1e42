/**
 * Who may still read a contract. Its key is wrapped once per party, so that one party's access can be destroyed
 * without hurting the others: whatever is read for somebody is read with that party's wrap alone.
 */
import { accessDestroyed, anyParty, type Kms } from '#src/kms/kms.ts'
import type { Task } from './store.ts'

export type Access = ReturnType<typeof createAccess>

/** Refuses a party whose access was destroyed, saying when. @throws `access_destroyed` */
export function requireAccess(task: Pick<Task, 'row' | 'endedAccess'>, subjectId: string): void {
  const ended = task.endedAccess.find((one) => one.subjectId === subjectId)
  if (ended === undefined) return
  throw accessDestroyed(ended.at, `/api/v1/sign-tasks/${task.row.id}/destruction`)
}

export function createAccess({ kms }: { kms: Pick<Kms, 'addParty' | 'openForScope'> }) {
  /**
   * Makes sure that a party of a started contract has a wrap of its own; the caller has checked that it is one.
   * Parties of contracts from before there were wraps get theirs here, when they first come back.
   * @throws Refusal `access_destroyed`, `content_key_missing`
   */
  async function admit(task: { id: string; tenant_id: string }, subjectId: string): Promise<void> {
    try {
      await kms.openForScope({ tenantId: task.tenant_id, scopeId: task.id, partyId: subjectId }, [])
    } catch (error) {
      if ((error as { code?: string }).code !== 'content_key_missing') throw error
      await kms.addParty(task.id, subjectId, { via: anyParty })
    }
  }

  return {
    admit,
    /** Wraps of the parties that are known at the start. */
    async admitAll(task: { id: string; tenant_id: string }, subjectIds: Iterable<string>): Promise<void> {
      for (const subjectId of new Set(subjectIds))
        await kms.addParty(task.id, subjectId, { via: task.tenant_id })
    },
  }
}
