import { createHash, timingSafeEqual } from 'node:crypto'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import { newToken } from '#src/ids.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Webhooks } from '#src/webhooks/webhooks.ts'
import { findToken, holdToken, type TokenRow, updateToken } from './store.ts'

export const TOKEN_LIFE_MS = 2 * 3_600_000

export type Tokens = ReturnType<typeof createTokens>

/** Access tokens: one per app, the same one while it holds, good for two more hours from each request for it. */
export function createTokens(deps: {
  db: Db
  clock: Clock
  kms: Pick<Kms, 'sealSecret' | 'openSecret'>
  webhooks: Pick<Webhooks, 'useStyle'>
}) {
  const { db, clock, kms } = deps
  return {
    async issue(app: { appId: string; subjectId: string }): Promise<string> {
      const now = clock.now()
      const token = newToken(24)
      const fresh: TokenRow = {
        app_id: app.appId,
        tenant_id: app.subjectId,
        token_hash: hashOf(token),
        token_sealed: kms.sealSecret(labelOf(app.appId), Buffer.from(token, 'utf8')),
        expires_at: new Date(now.getTime() + TOKEN_LIFE_MS),
      }
      return await db.work(async (tx) => {
        const held = await holdToken(tx, fresh)
        const isNew = Buffer.from(held.token_hash).equals(fresh.token_hash)
        // A program that speaks this protocol wants its callbacks in it, too.
        if (isNew) await deps.webhooks.useStyle(tx, { appId: app.appId, tenantId: app.subjectId }, 'fasc')
        if (isNew) return token
        const kept = held.expires_at > now ? { ...held, expires_at: fresh.expires_at } : fresh
        await updateToken(tx, kept)
        return Buffer.from(kms.openSecret(labelOf(app.appId), kept.token_sealed)).toString('utf8')
      })
    },

    async isValid(appId: string, token: string): Promise<boolean> {
      const row = await db.work((tx) => findToken(tx, appId))
      return (
        row !== undefined && row.expires_at > clock.now() && timingSafeEqual(hashOf(token), row.token_hash)
      )
    },
  }
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest()
}

const labelOf = (appId: string) => `fasc-token:${appId}`
