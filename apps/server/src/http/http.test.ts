import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bearer, clock, type HttpStage, lines, openHttpStage, seen } from './http-stage.ts'

let stage: HttpStage
let base: string

beforeAll(async () => {
  stage = await openHttpStage()
  base = stage.base
})
afterAll(() => stage.close())

describe('problems', () => {
  it('carry kind, code, language and request id, and name each wrong input', async () => {
    const answer = await stage.post(
      '/api/v1/things/abc',
      { n: 'one' },
      { ...bearer, 'accept-language': 'en' },
    )
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

  it('answer addresses that no router can read like any unknown one, without repeating them', async () => {
    for (const path of ['/api/v1/broken/%zz', `/api/v1/broken/${'TOKEN'.repeat(100)}`]) {
      const answer = await fetch(base + path)
      const text = await answer.text()
      expect(answer.headers.get('content-type')).toContain('application/problem+json')
      expect([answer.status, JSON.parse(text)]).toMatchObject([404, { code: 'route_unknown' }])
      expect(answer.headers.get('x-request-id')).toBe(JSON.parse(text).requestId)
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
      expect(text).not.toMatch(/TOKEN|%zz/)
    }
  })

  it('never log the path of a link', async () => {
    lines.length = 0
    await fetch(`${base}/api/v1/broken/TOKEN-IN-PATH`)
    expect(lines.join()).toContain('/api/v1/broken/:how')
    expect(lines.join()).not.toContain('TOKEN-IN-PATH')
  })
})

describe('what is not HTTP', () => {
  async function raw(bytes: string): Promise<{ status: number; type: string; body: { code: string } }> {
    const socket = connect(Number(new URL(base).port), '127.0.0.1')
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.write(bytes)
    await once(socket, 'close')
    const [head = '', body = ''] = Buffer.concat(chunks).toString('utf8').split('\r\n\r\n')
    return {
      status: Number(head.split(' ')[1]),
      type: /content-type: (\S+);/i.exec(head)?.[1] ?? '',
      body: JSON.parse(body),
    }
  }

  it('is answered with a problem that repeats nothing of it', async () => {
    const answer = await raw('NONSENSE <script>\r\n\r\n')
    expect(answer).toMatchObject({ status: 400, type: 'application/problem+json' })
    expect(answer.body.code).toBe('request_unreadable')
    expect(JSON.stringify(answer.body)).not.toContain('script')
  })

  it('and so are headers without end', async () => {
    const answer = await raw(`GET / HTTP/1.1\r\nhost: x\r\nx-long: ${'a'.repeat(40_000)}\r\n\r\n`)
    expect(answer).toMatchObject({ status: 431, body: { code: 'headers_too_large' } })
  })
})

describe('files', () => {
  it('are not read for those who ask for the headers only', async () => {
    const before = seen.reads
    const head = await fetch(`${base}/api/v1/content`, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '10'])
    expect(head.headers.get('etag')).toMatch(/^"[0-9a-f]{64}"$/)
    expect(seen.reads).toBe(before)
    expect(await (await fetch(`${base}/api/v1/content`)).text()).toBe('0123456789')
    expect(seen.reads).toBe(before + 1)
  })

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
    await stage.http.prune()
    const counts = await stage.db.work(async (tx) => {
      const t = tx.withTables<{ app_nonces: { nonce: string }; idempotency_keys: { key: string } }>()
      return [
        (await t.selectFrom('app_nonces').select('nonce').execute()).length,
        (await t.selectFrom('idempotency_keys').select('key').execute()).length,
      ]
    })
    expect(counts).toEqual([0, 0])
  })

  it('lets a request in flight end when it stops, and sends newcomers away by name', async () => {
    const own = await openHttpStage()
    const before = seen.handled
    const slow = own.post('/api/v1/things/abc', { n: 1, note: 'slow' }, bearer)
    const idle = await fetch(`${own.base}/api/v1/things`)
    await idle.text()
    while (seen.handled === before) await new Promise((resolve) => setTimeout(resolve, 5))
    let closed = false
    const closing = own.http.close().then(() => {
      closed = true
    })
    const late = await fetch(`${own.base}/api/v1/things`).then(
      async (answer) => ((await answer.json()) as { code: string }).code,
      () => 'refused by the socket',
    )
    expect(['shutting_down', 'refused by the socket']).toContain(late)
    expect(closed).toBe(false)
    seen.release()
    expect((await slow).status).toBe(201)
    await closing
    await own.close()
  })
})
