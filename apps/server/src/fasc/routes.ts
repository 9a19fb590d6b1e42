/** The protocol over HTTP: forms in, `{code, msg, data}` out; and the two addresses that files travel by. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Readable } from 'node:stream'
import { Refusal } from '#src/errors.ts'
import type { Http } from '#src/http/http.ts'
import { contentDisposition, fileAnswer } from '#src/http/range.ts'
import { receiveUpload } from '#src/http/upload.ts'
import type { Log } from '#src/log.ts'
import { FAILURE, failureOf, SUCCESS } from './codes.ts'
import { refuse } from './errors.ts'
import type { Fasc } from './fasc.ts'

const PREFIX = '/api/v5'
const FORM_LIMIT_BYTES = 4 * 1024 * 1024

export function addFascRoutes({ http, fasc, log }: { http: Http; fasc: Fasc; log: Log }): void {
  http.app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'buffer', bodyLimit: FORM_LIMIT_BYTES },
      (_request, body, done) => done(null, body),
    )
    scope.addContentTypeParser('*', (_request, _payload, done) => done(refuse('fasc_form_invalid')))
    scope.setErrorHandler((error, request, reply) => sendFailure(error, request, reply))
    const schema = { hide: true }
    const handler = async (request: FastifyRequest, reply: FastifyReply) => {
      reply.header('x-fasc-request-id', request.id)
      const data = await fasc.call(pathOf(request), {
        header: (name) => headerOf(request, name),
        bizContent: contentOf(request),
        // For the log and the meter.
        onCaller: (caller) => {
          request.caller = caller
        },
      })
      return await send(reply, 200, { code: SUCCESS, msg: '请求成功', data })
    }
    scope.post(`${PREFIX}/*`, { schema }, handler)
    // Five paths of a published client begin with a space.
    scope.post(`${PREFIX} /*`, { schema }, handler)
  })

  http.app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
    const schema = { hide: true }
    scope.put<{ Params: { token: string } }>(
      `${PREFIX}/upload/:token`,
      { schema },
      async (request, reply) => {
        await fasc.receive(request.params.token, receiveUpload(request, fasc.limitBytes))
        return reply.code(200).send()
      },
    )
    scope.get<{ Querystring: { key?: string } }>(`${PREFIX}/download`, { schema }, async (request, reply) => {
      const { key } = request.query
      if (typeof key !== 'string') throw refuse('fasc_link_ended')
      return await sendDownload(fasc, key, request, reply)
    })
  })

  function sendFailure(error: unknown, request: FastifyRequest, reply: FastifyReply) {
    reply.header('x-fasc-request-id', request.id)
    // A body that nobody reads must not hold the connection.
    if (!request.raw.complete) reply.header('connection', 'close')
    const refusal = refusalOf(error)
    if (refusal === null) {
      log.error({ requestId: request.id, path: pathOf(request), err: error }, 'request failed')
      return send(reply, 500, { code: FAILURE, msg: '服务器内部错误', data: null, reason: 'internal' })
    }
    const { status, code } = failureOf(refusal)
    if (status === 503) reply.header('retry-after', '2')
    return send(reply, status, { code, msg: refusal.zh, data: null, reason: refusal.code })
  }
}

function refusalOf(error: unknown): Refusal | null {
  if (error instanceof Refusal) return error
  const code = (error as { code?: unknown }).code
  // What Fastify itself refuses before a handler: too large, cut off, or malformed.
  return typeof code === 'string' && code.startsWith('FST_ERR_CTP_') ? refuse('fasc_form_invalid') : null
}

function send(reply: FastifyReply, status: number, body: unknown): FastifyReply {
  // A string passes the serializer by: clients in every language expect plain JSON.
  return reply
    .code(status)
    .type('application/json; charset=utf-8')
    .serializer(String)
    .send(JSON.stringify(body))
}

/** The path below the prefix, without the spaces that some clients put in. */
function pathOf(request: FastifyRequest): string {
  const [path = ''] = request.url.split('?')
  let plain: string
  try {
    plain = decodeURIComponent(path)
  } catch {
    plain = path
  }
  const below = plain.startsWith(PREFIX) ? plain.slice(PREFIX.length) : plain
  return below.replaceAll(' ', '').replace(/\/+$/, '')
}

function headerOf(request: FastifyRequest, name: string): string {
  const value = request.headers[name.toLowerCase()]
  return typeof value === 'string' ? value.trim() : ''
}

function contentOf(request: FastifyRequest): string {
  if (request.body === undefined || request.body === null) return ''
  if (!Buffer.isBuffer(request.body)) throw refuse('fasc_form_invalid')
  const fields = new URLSearchParams(request.body.toString('utf8'))
  const given = fields.getAll('bizContent')
  if (given.length > 1) throw refuse('fasc_form_invalid')
  return given[0] ?? ''
}

async function sendDownload(fasc: Fasc, key: string, request: FastifyRequest, reply: FastifyReply) {
  const download = await fasc.download(key)
  // A link is as good as the right itself: no cache on the way may keep what it opens.
  reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer')
  switch (download.kind) {
    case 'svg':
      return reply.type('image/svg+xml').send(download.content)
    case 'zip':
      return reply
        .type('application/zip')
        .header('content-disposition', contentDisposition('attachment', download.fileName))
        .send(contentFor(request, download.content))
    case 'pdf': {
      const answer = fileAnswer({
        range: request.headers.range,
        sizeBytes: download.sizeBytes,
        sha256: download.sha256,
        contentType: 'application/pdf',
        fileName: download.fileName,
        disposition: 'attachment',
        read: download.read,
      })
      reply
        .code(answer.status ?? 200)
        .type(answer.contentType)
        .headers(answer.headers ?? {})
      return reply.send(contentFor(request, answer.body as AsyncIterable<Uint8Array>))
    }
  }
}

/** HEAD asks for the headers: nothing is read and decrypted for it. */
function contentFor(request: FastifyRequest, content: AsyncIterable<Uint8Array>): Readable {
  return Readable.from(request.method === 'HEAD' ? [] : content, { objectMode: false })
}
