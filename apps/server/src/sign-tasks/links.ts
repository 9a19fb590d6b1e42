import { createHash } from 'node:crypto'
import type { Clock } from '#src/clock.ts'
import type { Tx } from '#src/db/db.ts'
import { newToken } from '#src/ids.ts'
import { refuse } from './errors.ts'
import { findLink, insertLink } from './store.ts'

const YEAR_MS = 365 * 24 * 3_600_000

export interface SigningLink {
  url: string
  token: string
  expiresAt: Date
}

export type Links = ReturnType<typeof createLinks>

/** Links to an actor's ceremony. The token is known only to who gets it; here its hash is kept. */
export function createLinks({ clock, baseUrl }: { clock: Clock; baseUrl: string }) {
  return {
    /** A fresh link; earlier ones stay good, because a message may still be on its way. */
    async issue(tx: Tx, target: { taskId: string; tenantId: string; actorId: string }): Promise<SigningLink> {
      const token = newToken()
      const now = clock.now()
      const expiresAt = new Date(now.getTime() + YEAR_MS)
      await insertLink(tx, {
        token_hash: hashToken(token),
        task_id: target.taskId,
        tenant_id: target.tenantId,
        actor_id: target.actorId,
        created_at: now,
        expires_at: expiresAt,
      })
      return { url: `${baseUrl}/s/${token}`, token, expiresAt }
    },

    /** @throws `link_unknown`, `link_ended` */
    async resolve(tx: Tx, token: string): Promise<{ taskId: string; actorId: string }> {
      const link = await findLink(tx, hashToken(token))
      if (link === undefined) throw refuse('link_unknown')
      if (link.expires_at <= clock.now()) throw refuse('link_ended')
      return { taskId: link.task_id, actorId: link.actor_id }
    },
  }
}

function hashToken(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest()
}
