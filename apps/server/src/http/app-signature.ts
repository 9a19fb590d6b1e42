/** Requests signed by an app: HMAC over method, path, time, nonce and body, each nonce good for one request. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import type { AppCredential, Caller } from './authentication.ts'
import { refuse } from './errors.ts'
import type { HttpTables } from './tables.ts'
import { declaredSha256 } from './upload.ts'

const TOLERANCE_MS = 5 * 60_000
/** Longer than both sides of the tolerance, so that a forgotten nonce is always stale by time. */
const NONCE_LIFE_MS = 10 * 60_000

export const EMPTY_SHA256 = createHash('sha256').digest('hex')

export interface SignedParts {
  method: string
  /** As sent, with the query. */
  path: string
  timestamp: string
  nonce: string
  bodySha256: string
}

/** Hex HMAC-SHA256 over the five parts, one per line. */
export function appSignature(secret: string, parts: SignedParts): string {
  const { method, path, timestamp, nonce, bodySha256 } = parts
  return createHmac('sha256', secret)
    .update([method.toUpperCase(), path, timestamp, nonce, bodySha256].join('\n'))
    .digest('hex')
}

export interface AppSignatures {
  /** The app that signed the request; throws a refusal when the signature does not hold. */
  verify(request: FastifyRequest): Promise<Caller>
  /** Forgets nonces that are too old to matter. */
  prune(): Promise<void>
}

export function createAppSignatures(deps: {
  db: Db
  clock: Clock
  appByAppId: (appId: string) => Promise<AppCredential | null>
}): AppSignatures {
  return {
    async verify(request) {
      const appId = headerOf(request, 'x-yinxin-app')
      const timestamp = headerOf(request, 'x-yinxin-timestamp')
      const nonce = headerOf(request, 'x-yinxin-nonce')
      const signature = headerOf(request, 'x-yinxin-signature')
      if (
        !/^\d{1,15}$/.test(timestamp) ||
        !/^[\w-]{16,64}$/.test(nonce) ||
        !/^[0-9a-f]{64}$/i.test(signature)
      ) {
        throw refuse('app_signature_invalid')
      }
      const nowMs = deps.clock.now().getTime()
      if (Math.abs(nowMs - Number(timestamp)) > TOLERANCE_MS) throw refuse('app_timestamp_stale')

      const app = await deps.appByAppId(appId)
      const expected = appSignature(app?.secret ?? '', {
        method: request.method,
        path: request.raw.url ?? '',
        timestamp,
        nonce,
        bodySha256: bodySha256Of(request),
      })
      const matches = timingSafeEqual(Buffer.from(expected, 'hex'), Buffer.from(signature, 'hex'))
      // An unknown, a switched-off and a badly signed app look the same from outside.
      if (!matches || app === null || !app.active) throw refuse('app_signature_invalid')

      // Only a valid signature uses a nonce up: nobody else can burn an app's nonces.
      const fresh = await deps.db.work(async (tx) => {
        const { numInsertedOrUpdatedRows } = await tx
          .withTables<HttpTables>()
          .insertInto('app_nonces')
          .values({ app_id: appId, nonce, expires_at: new Date(nowMs + NONCE_LIFE_MS) })
          .onConflict((conflict) => conflict.columns(['app_id', 'nonce']).doNothing())
          .executeTakeFirstOrThrow()
        return numInsertedOrUpdatedRows === 1n
      })
      if (!fresh) throw refuse('app_nonce_used')
      return { kind: 'app', appId, subjectId: app.subjectId, environment: app.environment }
    },

    async prune() {
      await deps.db.work((tx) =>
        tx
          .withTables<HttpTables>()
          .deleteFrom('app_nonces')
          .where('expires_at', '<', deps.clock.now())
          .execute(),
      )
    },
  }
}

function headerOf(request: FastifyRequest, name: string): string {
  const value = request.headers[name]
  return typeof value === 'string' ? value : ''
}

function bodySha256Of(request: FastifyRequest): string {
  if (request.bodySha256 !== undefined) return request.bodySha256
  const hasBody =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
  if (!hasBody) return EMPTY_SHA256
  const declared = declaredSha256(request)
  if (declared === undefined) throw refuse('app_signature_needs_hash')
  return declared
}
