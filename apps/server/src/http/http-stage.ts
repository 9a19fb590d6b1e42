/** A server with routes that misbehave on request, for the tests of this room. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { manualClock } from '#src/clock.ts'
import { type Db, openDb } from '#src/db/db.ts'
import { defineRefusals } from '#src/errors.ts'
import { newId, newToken } from '#src/ids.ts'
import { createLog } from '#src/log.ts'
import { createTestDatabase } from '../../../../testing/database.ts'
import { heldBufferBytes } from '../../../../testing/memory.ts'
import { appSignature, EMPTY_SHA256 } from './app-signature.ts'
import { createHttp, fileAnswer, type Http, pageFrom, pageOf, pageQuery, type Sealer } from './http.ts'

const refuse = defineRefusals({
  test_gone: { kind: 'gone', zh: '链接已失效', en: 'The link has ended' },
  test_unavailable: { kind: 'unavailable', zh: '稍后', en: 'Later' },
})

/** What the handlers did, for the tests to look at. */
export const seen: { handled: number; reads: number; peakBytes: number; release: () => void } = {
  handled: 0,
  reads: 0,
  peakBytes: 0,
  release: () => undefined,
}

export const clock = manualClock(new Date('2026-05-01T08:00:00Z'))
/** What was logged. */
export const lines: string[] = []
export const person = { token: newToken(), personId: newId(), accountId: newId(), sessionId: newId() }
export const other = { token: newToken(), personId: newId(), accountId: newId(), sessionId: newId() }
export const appCredential = {
  appId: 'app-one',
  secret: newToken(),
  subjectId: newId(),
  environment: 'sandbox' as const,
  active: true,
}

const secret = randomBytes(32)
const sealer: Sealer = {
  async seal(label, bytes) {
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', secret, nonce).setAAD(Buffer.from(label))
    return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
  },
  async open(label, sealed) {
    const decipher = createDecipheriv('aes-256-gcm', secret, sealed.subarray(0, 12)).setAAD(
      Buffer.from(label),
    )
    decipher.setAuthTag(sealed.subarray(-16))
    return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
  },
}

export async function openHttpStage() {
  const database = await createTestDatabase()
  const db = openDb({ url: database.url })
  const http = await createHttp({
    baseUrl: 'http://127.0.0.1',
    db,
    clock,
    log: createLog('info', { write: (line) => void lines.push(line) }),
    sealer,
    authentication: {
      async session(token) {
        const owner = [person, other].find((candidate) => candidate.token === token)
        return owner ? { kind: 'session', ...owner, subjectId: owner.personId, role: 'self' } : null
      },
      async appByAppId(appId) {
        return appId === appCredential.appId ? appCredential : null
      },
    },
  })
  declareRoutes(http, db)
  const base = `http://127.0.0.1:${await http.listen({ host: '127.0.0.1', port: 0 })}`
  return {
    db,
    http,
    base,
    post(path: string, body: unknown, headers: Record<string, string> = {}) {
      return fetch(base + path, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...headers },
      })
    },
    async close() {
      await http.close()
      await db.close()
      await database.drop()
    },
  }
}

export type HttpStage = Awaited<ReturnType<typeof openHttpStage>>

function declareRoutes({ route }: Http, db: Db) {
  const echo = z.object({ subjectId: z.string(), n: z.number() })
  route({
    method: 'POST',
    url: '/api/v1/things/:id',
    summary: 'Echoes a number.',
    access: 'caller',
    params: z.object({ id: z.string().regex(/^[a-z]+$/) }),
    body: z.object({ n: z.number().int(), note: z.string().optional() }),
    answer: echo,
    status: 201,
    idempotency: 'transaction',
    example: { body: { n: 3 } },
    async handle({ caller, body, tx }) {
      seen.handled += 1
      if (tx === undefined) throw new Error('no transaction')
      if (body.note === 'refuse') throw refuse('test_gone')
      if (body.note === 'slow') await new Promise<void>((resolve) => (seen.release = resolve))
      // A field that the answer's schema does not know must never leave.
      return { subjectId: caller.subjectId, n: seen.handled, secret: 'never' } as z.input<typeof echo>
    },
  })
  route({
    method: 'POST',
    url: '/api/v1/steps',
    summary: 'Works in several transactions.',
    access: 'session',
    body: z.object({
      crash: z.boolean().optional(),
      fail: z.boolean().optional(),
      slow: z.boolean().optional(),
    }),
    answer: z.object({ n: z.number() }),
    idempotency: 'steps',
    async handle({ caller, body, complete }) {
      seen.handled += 1
      const answer = { n: seen.handled }
      if (body.fail) throw refuse('test_unavailable')
      if (body.slow) await new Promise<void>((resolve) => (seen.release = resolve))
      await db.as(caller.subjectId, (tx) => complete(tx, answer))
      if (body.crash) throw new Error('crashed after the commit')
      return answer
    },
  })
  route({
    method: 'GET',
    url: '/api/v1/things',
    summary: 'Lists numbers.',
    access: 'public',
    query: pageQuery,
    answer: pageOf(z.number()),
    async handle({ query }) {
      const rows = Array.from({ length: query.limit + 1 }, (_, index) => index)
      return pageFrom(
        rows,
        query.limit,
        (row) => [row],
        (row) => row,
      )
    },
  })
  route({
    method: 'GET',
    url: '/api/v1/broken/:how',
    summary: 'Fails.',
    access: 'public',
    params: z.object({ how: z.string() }),
    answer: z.object({ fine: z.boolean() }),
    async handle({ params }) {
      if (params.how === 'bug') throw new Error('secret detail: /etc/shadow')
      if (params.how === 'unavailable') throw refuse('test_unavailable')
      if (params.how === 'gone') throw refuse('test_gone')
      return { wrong: true } as never
    },
  })
  route({
    method: 'POST',
    url: '/api/v1/uploads',
    summary: 'Takes a file.',
    access: 'caller',
    body: 'stream',
    consumes: ['application/pdf'],
    answer: z.object({ sizeBytes: z.number(), sha256: z.string(), fileName: z.string().nullable() }),
    async handle({ upload }) {
      const received = upload(64_000_000)
      let sinceLook = 0
      for await (const chunk of received) {
        if (chunk.length === 0) throw new Error('an empty piece')
        sinceLook += chunk.length
        if (sinceLook < 4_000_000) continue
        sinceLook = 0
        seen.peakBytes = Math.max(seen.peakBytes, heldBufferBytes())
      }
      return { ...received.received(), fileName: received.fileName ?? null }
    },
  })
  route({
    method: 'GET',
    url: '/api/v1/content',
    summary: 'Gives a file.',
    access: 'public',
    answer: 'raw',
    produces: ['application/pdf'],
    async handle({ request }) {
      const bytes = Buffer.from('0123456789')
      return fileAnswer({
        range: request.headers.range,
        sizeBytes: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
        contentType: 'application/pdf',
        fileName: '合同 "甲".pdf',
        async *read(range) {
          seen.reads += 1
          yield range ? bytes.subarray(range.start, range.end + 1) : bytes
        },
      })
    },
  })
  route({
    method: 'POST',
    url: '/api/v1/limited',
    summary: 'Is limited.',
    access: 'public',
    answer: null,
    rateLimit: { max: 2, perMs: 60_000 },
    async handle() {},
  })
}

export const bearer = { authorization: `Bearer ${person.token}` }

/** The headers of an app that signs the request. */
export function signed(
  path: string,
  body: string,
  over: Partial<Record<string, string>> = {},
  secretKey = appCredential.secret,
) {
  const nonce = over.nonce ?? newToken(18)
  const timestamp = over.timestamp ?? String(clock.now().getTime())
  const parts = {
    method: 'POST',
    path,
    timestamp,
    nonce,
    bodySha256: body === '' ? EMPTY_SHA256 : createHash('sha256').update(body).digest('hex'),
  }
  return {
    'x-yinxin-app': over.appId ?? appCredential.appId,
    'x-yinxin-timestamp': timestamp,
    'x-yinxin-nonce': nonce,
    'x-yinxin-signature': over.signature ?? appSignature(secretKey, parts),
  }
}
