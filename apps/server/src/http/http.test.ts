import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { manualClock } from '#src/clock.ts'
import { type Db, openDb } from '#src/db/db.ts'
import { defineRefusals } from '#src/errors.ts'
import { newId, newToken } from '#src/ids.ts'
import { createLog } from '#src/log.ts'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { appSignature, EMPTY_SHA256 } from './app-signature.ts'
import { createHttp, fileAnswer, type Http, pageFrom, pageOf, pageQuery, type Sealer } from './http.ts'

const refuse = defineRefusals({
  test_gone: { kind: 'gone', zh: '链接已失效', en: 'The link has ended' },
  test_unavailable: { kind: 'unavailable', zh: '稍后', en: 'Later' },
})

const clock = manualClock(new Date('2026-05-01T08:00:00Z'))
const lines: string[] = []
const person = { token: newToken(), personId: newId(), accountId: newId(), sessionId: newId() }
const other = { token: newToken(), personId: newId(), accountId: newId(), sessionId: newId() }
const appCredential = {
  appId: 'app-one',
  secret: newToken(),
  subjectId: newId(),
  environment: 'sandbox' as const,
  active: true,
}

let database: TestDatabase
let db: Db
let http: Http
let base: string
let started = 0
let release: () => void = () => undefined
let peakReceived = 0

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

beforeAll(async () => {
  database = await createTestDatabase()
  db = openDb({ url: database.url })
  http = await createHttp({
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
  declareRoutes(http)
  base = `http://127.0.0.1:${await http.listen({ host: '127.0.0.1', port: 0 })}`
})
afterAll(async () => {
  await http.close()
  await db.close()
  await database.drop()
})

function declareRoutes({ route }: Http) {
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
      started += 1
      expect(tx).toBeDefined()
      if (body.note === 'refuse') throw refuse('test_gone')
      if (body.note === 'slow') await new Promise<void>((resolve) => (release = resolve))
      // A field that the answer's schema does not know must never leave.
      return { subjectId: caller.subjectId, n: started, secret: 'never' } as z.input<typeof echo>
    },
  })
  route({
    method: 'POST',
    url: '/api/v1/steps',
    summary: 'Works in several transactions.',
    access: 'session',
    body: z.object({ crash: z.boolean().optional(), fail: z.boolean().optional() }),
    answer: z.object({ n: z.number() }),
    idempotency: 'steps',
    async handle({ caller, body, complete }) {
      started += 1
      const answer = { n: started }
      if (body.fail) throw refuse('test_unavailable')
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
      for await (const chunk of received) {
        expect(chunk.length).toBeGreaterThan(0)
        peakReceived = Math.max(peakReceived, process.memoryUsage().arrayBuffers)
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

const bearer = { authorization: `Bearer ${person.token}` }

function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  return fetch(base + path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  })
}

function signed(
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

describe('problems', () => {
  it('carry kind, code, language and request id, and name each wrong input', async () => {
    const answer = await post('/api/v1/things/abc', { n: 'one' }, { ...bearer, 'accept-language': 'en' })
    expect(answer.status).toBe(400)
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    expect(answer.headers.get('content-language')).toBe('en')
    const problem = await answer.json()
    expect(problem).toMatchObject({
      type: 'urn:yinxin:problem:input_invalid',
      title: 'Invalid request',
      status: 400,
      code: 'input_invalid',
      requestId: answer.headers.get('x-request-id'),
      errors: [{ path: 'body.n' }],
    })
  })

  it.each([
    ['gone', 410, 'test_gone'],
    ['unavailable', 503, 'test_unavailable'],
  ])('of kind %s have status %i', async (how, status, code) => {
    const answer = await fetch(`${base}/api/v1/broken/${how}`)
    expect(answer.status).toBe(status)
    expect(await answer.json()).toMatchObject({ code, title: expect.stringMatching(/[\u4e00-\u9fff]/) })
    expect(answer.headers.has('retry-after')).toBe(status === 503)
  })

  it.each(['bug', 'schema'])(
    'hide what went wrong inside (%s) and log it under the request id',
    async (how) => {
      lines.length = 0
      const answer = await fetch(`${base}/api/v1/broken/${how}`)
      expect(answer.status).toBe(500)
      const text = await answer.text()
      expect(JSON.parse(text)).toMatchObject({
        code: 'internal',
        requestId: answer.headers.get('x-request-id'),
      })
      expect(text).not.toMatch(/shadow|stack|Error:|\.ts/)
      expect(
        lines.some(
          (line) => line.includes(answer.headers.get('x-request-id') ?? '?') && line.includes('"err"'),
        ),
      ).toBe(true)
    },
  )

  it('answer unknown addresses, unreadable JSON, foreign types and large bodies by name', async () => {
    const code = async (answer: Promise<Response>) => {
      const response = await answer
      return [response.status, ((await response.json()) as { code: string }).code]
    }
    const send = (body: string, type: string) =>
      fetch(`${base}/api/v1/things/abc`, {
        method: 'POST',
        body,
        headers: { 'content-type': type, ...bearer },
      })
    expect(await code(fetch(`${base}/nowhere`))).toEqual([404, 'route_unknown'])
    expect(await code(send('{', 'application/json'))).toEqual([400, 'body_unreadable'])
    expect(await code(send('{"__proto__":{"n":1}}', 'application/json'))).toEqual([400, 'body_unreadable'])
    expect(await code(send('<n/>', 'text/xml'))).toEqual([415, 'media_type_unsupported'])
    expect(await code(send(`"${'x'.repeat(2_200_000)}"`, 'application/json'))).toEqual([
      413,
      'body_too_large',
    ])
  })

  it('never log the path of a link', async () => {
    lines.length = 0
    await fetch(`${base}/api/v1/broken/TOKEN-IN-PATH`)
    expect(lines.join()).toContain('/api/v1/broken/:how')
    expect(lines.join()).not.toContain('TOKEN-IN-PATH')
  })
})

describe('callers', () => {
  it('are told when they are nobody, and before their input is judged', async () => {
    const answer = await post('/api/v1/things/abc', { n: 'wrong' })
    expect([answer.status, await answer.json()]).toMatchObject([401, { code: 'not_signed_in' }])
  })

  it('with a cookie need the header that other sites cannot send', async () => {
    const cookie = { cookie: `yx_session=${person.token}` }
    expect(await (await post('/api/v1/things/abc', { n: 1 }, cookie)).json()).toMatchObject({
      code: 'csrf_header_missing',
    })
    const answer = await post('/api/v1/things/abc', { n: 1 }, { ...cookie, 'x-yinxin-request': '1' })
    expect(answer.status).toBe(201)
    expect(await answer.json()).toEqual({ subjectId: person.personId, n: started })
  })

  it('that are apps sign; wrong, stale, replayed and foreign signatures are refused', async () => {
    const path = '/api/v1/things/abc'
    const body = '{"n":1}'
    const send = (headers: Record<string, string>, content = body) =>
      fetch(base + path, {
        method: 'POST',
        body: content,
        headers: { 'content-type': 'application/json', ...headers },
      })
    const codeOf = async (answer: Promise<Response>) =>
      ((await (await answer).json()) as { code?: string }).code

    const good = signed(path, body)
    const answer = await send(good)
    expect(answer.status).toBe(201)
    expect(await answer.json()).toMatchObject({ subjectId: appCredential.subjectId })
    expect(await codeOf(send(good))).toBe('app_nonce_used')
    expect(await codeOf(send(signed(path, body, {}, 'another secret')))).toBe('app_signature_invalid')
    expect(await codeOf(send(signed(path, body), '{"n":2}'))).toBe('app_signature_invalid')
    expect(await codeOf(send(signed('/api/v1/things/abd', body)))).toBe('app_signature_invalid')
    expect(await codeOf(send(signed(path, body, { appId: 'app-two' }, '')))).toBe('app_signature_invalid')
    expect(await codeOf(send(signed(path, body, { nonce: 'short' })))).toBe('app_signature_invalid')
    expect(await codeOf(send(signed(path, body, { signature: 'zz' })))).toBe('app_signature_invalid')
    const stale = String(clock.now().getTime() - 301_000)
    expect(await codeOf(send(signed(path, body, { timestamp: stale })))).toBe('app_timestamp_stale')
    const early = String(clock.now().getTime() + 301_000)
    expect(await codeOf(send(signed(path, body, { timestamp: early })))).toBe('app_timestamp_stale')
  })

  it('use a nonce once even when two requests arrive together, and a bad signature burns none', async () => {
    const path = '/api/v1/things/abc'
    const body = '{"n":1}'
    const nonce = newToken(18)
    const send = (headers: Record<string, string>) =>
      fetch(base + path, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', ...headers },
      })
    await send(signed(path, body, { nonce, signature: '0'.repeat(64) }))
    const answers = await Promise.all([1, 2, 3].map(() => send(signed(path, body, { nonce }))))
    expect(answers.map((answer) => answer.status).sort()).toEqual([201, 401, 401])
  })

  it('cannot stay signed when switched off', async () => {
    appCredential.active = false
    const answer = await post('/api/v1/things/abc', { n: 1 }, signed('/api/v1/things/abc', '{"n":1}'))
    appCredential.active = true
    expect(answer.status).toBe(401)
  })
})

describe('idempotency keys', () => {
  const keyed = (key: string, headers = bearer) => ({ ...headers, 'idempotency-key': key })

  it('answer a repetition with the first answer', async () => {
    const first = await post('/api/v1/things/abc', { n: 1 }, keyed('k1'))
    const before = started
    const second = await post('/api/v1/things/abc', { n: 1 }, keyed('k1'))
    expect(started).toBe(before)
    expect(second.status).toBe(201)
    expect(second.headers.get('idempotency-replayed')).toBe('true')
    expect(await second.json()).toEqual(await first.json())
  })

  it('are refused for another body and are private to their owner', async () => {
    const answer = await post('/api/v1/things/abc', { n: 2 }, keyed('k1'))
    expect([answer.status, await answer.json()]).toMatchObject([409, { code: 'idempotency_key_reused' }])
    const foreign = await post(
      '/api/v1/things/abc',
      { n: 2 },
      keyed('k1', { authorization: `Bearer ${other.token}` }),
    )
    expect(foreign.status).toBe(201)
  })

  it('let one of two concurrent requests through', async () => {
    const slow = post('/api/v1/things/abc', { n: 1, note: 'slow' }, keyed('k2'))
    const before = started
    while (started === before) await new Promise((resolve) => setTimeout(resolve, 5))
    const second = await post('/api/v1/things/abc', { n: 1, note: 'slow' }, keyed('k2'))
    expect([second.status, await second.json()]).toMatchObject([409, { code: 'idempotency_in_progress' }])
    release()
    expect((await slow).status).toBe(201)
    expect(started).toBe(before + 1)
  })

  it('are free again after a refusal', async () => {
    expect((await post('/api/v1/things/abc', { n: 1, note: 'refuse' }, keyed('k3'))).status).toBe(410)
    expect((await post('/api/v1/things/abc', { n: 1, note: 'refuse' }, keyed('k3'))).status).toBe(410)
    expect((await post('/api/v1/things/abc', { n: 1 }, keyed('k3'))).status).toBe(201)
  })

  it('of work in steps survive a crash after the commit, and are free after a failure before it', async () => {
    expect((await post('/api/v1/steps', { crash: true }, keyed('s1'))).status).toBe(500)
    const before = started
    const again = await post('/api/v1/steps', { crash: true }, keyed('s1'))
    expect([again.status, await again.json(), started]).toEqual([200, { n: before }, before])
    expect((await post('/api/v1/steps', { fail: true }, keyed('s2'))).status).toBe(503)
    expect((await post('/api/v1/steps', { fail: true }, keyed('s2'))).status).toBe(503)
    expect(started).toBe(before + 2)
  })

  it('must be visible ASCII, and keep their answers sealed in the database', async () => {
    expect((await post('/api/v1/things/abc', { n: 1 }, keyed('k'.repeat(129)))).status).toBe(400)
    const { rows } = await db.as(person.personId, async (tx) => {
      const t = tx.withTables<{ idempotency_keys: { key: string; answer: Buffer } }>()
      return { rows: await t.selectFrom('idempotency_keys').select(['key', 'answer']).execute() }
    })
    expect(rows.length).toBeGreaterThan(0)
    for (const row of rows) expect(row.answer?.toString('latin1') ?? '').not.toContain(person.personId)
  })
})

describe('uploads', () => {
  const upload = (bytes: Uint8Array, headers: Record<string, string> = {}) =>
    fetch(`${base}/api/v1/uploads`, {
      method: 'POST',
      body: bytes as Uint8Array<ArrayBuffer>,
      headers: { 'content-type': 'application/pdf', ...bearer, ...headers },
    })

  it('arrive whole, with their name and hash', async () => {
    const bytes = randomBytes(3_000_000)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const answer = await upload(bytes, {
      'x-file-name': encodeURIComponent('../采购合同.pdf'),
      'content-sha256': sha256,
    })
    expect(await answer.json()).toEqual({ sizeBytes: 3_000_000, sha256, fileName: '采购合同.pdf' })
  })

  it('are refused when the hash differs, and over the declared limit at once', async () => {
    const wrong = await upload(randomBytes(1000), { 'content-sha256': '0'.repeat(64) })
    expect([wrong.status, await wrong.json()]).toMatchObject([400, { code: 'upload_hash_mismatch' }])
    const large = await upload(new Uint8Array(64_000_001))
    expect([large.status, await large.json()]).toMatchObject([413, { code: 'upload_too_large' }])
  })

  it('without a length are cut off at the limit while streaming, with flat memory', async () => {
    const chunk = randomBytes(64 * 1024)
    const before = process.memoryUsage().arrayBuffers
    peakReceived = before
    const client = httpRequest(`${base}/api/v1/uploads`, {
      method: 'POST',
      headers: { 'content-type': 'application/pdf', 'transfer-encoding': 'chunked', ...bearer },
    })
    client.on('error', () => undefined)
    const answered = once(client, 'response')
    let sent = 0
    let over = false
    answered.then(() => (over = true))
    while (!over && sent < 200_000_000) {
      sent += chunk.length
      if (!client.write(chunk)) await Promise.race([once(client, 'drain'), answered])
    }
    const [response] = await answered
    expect(response.statusCode).toBe(413)
    client.destroy()
    expect(sent).toBeLessThan(100_000_000)
    // The server held a few chunks at a time, never the 64 MB that it let pass.
    expect(peakReceived - before).toBeLessThan(16_000_000)
  })

  it('that break off are noticed and leave the server well', async () => {
    const client = httpRequest(`${base}/api/v1/uploads`, {
      method: 'POST',
      headers: { 'content-type': 'application/pdf', 'content-length': '1000000', ...bearer },
    })
    client.on('error', () => undefined)
    client.write(randomBytes(1000))
    await new Promise((resolve) => setTimeout(resolve, 50))
    client.destroy()
    expect((await upload(randomBytes(10))).status).toBe(200)
  })

  it('by an app are bound to the hash it signed', async () => {
    const bytes = randomBytes(5000)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const send = (headers: Record<string, string>, content = bytes) =>
      fetch(`${base}/api/v1/uploads`, {
        method: 'POST',
        body: content as Uint8Array<ArrayBuffer>,
        headers: { 'content-type': 'application/pdf', ...headers },
      })
    const sign = () => ({
      ...signed('/api/v1/uploads', ''),
      ...(() => {
        const nonce = newToken(18)
        const timestamp = String(clock.now().getTime())
        const parts = { method: 'POST', path: '/api/v1/uploads', timestamp, nonce, bodySha256: sha256 }
        return {
          'x-yinxin-timestamp': timestamp,
          'x-yinxin-nonce': nonce,
          'x-yinxin-signature': appSignature(appCredential.secret, parts),
        }
      })(),
    })
    expect(await (await send(sign())).json()).toMatchObject({ code: 'app_signature_needs_hash' })
    expect((await send({ ...sign(), 'content-sha256': sha256 })).status).toBe(200)
    const swapped = await send({ ...sign(), 'content-sha256': sha256 }, randomBytes(5000))
    expect(await swapped.json()).toMatchObject({ code: 'upload_hash_mismatch' })
  })
})

describe('files', () => {
  it('are given whole or in part, under a Chinese name', async () => {
    const whole = await fetch(`${base}/api/v1/content`)
    expect(await whole.text()).toBe('0123456789')
    expect(whole.headers.get('content-disposition')).toContain(
      "filename*=UTF-8''%E5%90%88%E5%90%8C%20%22%E7%94%B2%22.pdf",
    )
    const part = await fetch(`${base}/api/v1/content`, { headers: { range: 'bytes=2-4' } })
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([
      206,
      'bytes 2-4/10',
      '234',
    ])
    const tail = await fetch(`${base}/api/v1/content`, { headers: { range: 'bytes=-3' } })
    expect(await tail.text()).toBe('789')
    const beyond = await fetch(`${base}/api/v1/content`, { headers: { range: 'bytes=10-' } })
    expect(beyond.status).toBe(416)
  })
})

describe('the server', () => {
  it('limits by client address where a route says so', async () => {
    const statuses = []
    for (let n = 0; n < 3; n++)
      statuses.push((await fetch(`${base}/api/v1/limited`, { method: 'POST' })).status)
    expect(statuses).toEqual([204, 204, 429])
    const answer = await fetch(`${base}/api/v1/limited`, { method: 'POST' })
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await answer.json()).toMatchObject({ code: 'too_many_requests' })
  })

  it('keeps a sensible request id and sends the security headers', async () => {
    const answer = await fetch(`${base}/api/v1/things`, { headers: { 'x-request-id': 'my-own-id-1' } })
    expect(answer.headers.get('x-request-id')).toBe('my-own-id-1')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const strange = await fetch(`${base}/api/v1/things`, { headers: { 'x-request-id': 'a b"c' } })
    expect(strange.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('pages with an opaque cursor', async () => {
    const page = (await (await fetch(`${base}/api/v1/things?limit=2`)).json()) as {
      items: number[]
      nextCursor: string
    }
    expect(page.items).toEqual([0, 1])
    expect(page.nextCursor).toMatch(/^[\w-]+$/)
    expect((await fetch(`${base}/api/v1/things?limit=101`)).status).toBe(400)
  })

  it('describes its routes in OpenAPI 3.1', async () => {
    const document = (await (await fetch(`${base}/api/v1/openapi.json`)).json()) as {
      openapi: string
      paths: Record<string, Record<string, Record<string, unknown>>>
    }
    expect(document.openapi).toBe('3.1.0')
    const operation = document.paths['/api/v1/things/{id}']?.post
    expect(operation).toMatchObject({
      summary: 'Echoes a number.',
      tags: ['things'],
      responses: { 201: expect.anything(), default: expect.anything() },
    })
    expect(JSON.stringify(operation)).toContain('"example":{"n":3}')
    expect(document.paths['/api/v1/uploads']?.post?.requestBody).toMatchObject({
      content: { 'application/pdf': expect.anything() },
    })
  })

  it('forgets old nonces and answers when pruned', async () => {
    clock.advance(8 * 24 * 3_600_000)
    await http.prune()
    const counts = await db.work(async (tx) => {
      const t = tx.withTables<{ app_nonces: { nonce: string }; idempotency_keys: { key: string } }>()
      return [
        (await t.selectFrom('app_nonces').select('nonce').execute()).length,
        (await t.selectFrom('idempotency_keys').select('key').execute()).length,
      ]
    })
    expect(counts).toEqual([0, 0])
  })
})
