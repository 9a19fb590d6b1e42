/** The HTTP server: reading bodies, naming requests, answering problems, draining. Rooms add routes to it. */
import { createHash } from 'node:crypto'
import cookie from '@fastify/cookie'
import rateLimit from '@fastify/rate-limit'
import { type FastifyInstance, fastify } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Log } from '#src/log.ts'
import { addressGroup } from './address-group.ts'
import { createAppSignatures } from './app-signature.ts'
import type { Authentication } from './authentication.ts'
import { answerClientError } from './client-errors.ts'
import { refuse } from './errors.ts'
import { createIdempotency, type Sealer } from './idempotency.ts'
import { STREAMED_TYPES } from './media-types.ts'
import { addOpenApi } from './openapi.ts'
import { createPace, paceStore } from './pace.ts'
import { createErrorHandler } from './problem.ts'
import { createRoute, type Route } from './route.ts'
import { addSecurityHeaders, setSecurityHeaders } from './security-headers.ts'

export { addressGroup } from './address-group.ts'
export type { AppCaller, Authentication, Caller, SessionCaller } from './authentication.ts'
export type { Sealer } from './idempotency.ts'
export { type Language, languageOf } from './language.ts'
export { decodeCursor, encodeCursor, pageFrom, pageOf, pageQuery } from './paging.ts'
export { type ByteRange, contentDisposition, fileAnswer } from './range.ts'
export type { RawAnswer, Route, RouteInput } from './route.ts'
export { createPace, type Pace } from './pace.ts'
export { clearSessionCookie, setSessionCookie } from './session-cookie.ts'
export type { Upload } from './upload.ts'

/** JSON bodies; files are streamed and have their own limit. */
const JSON_LIMIT_BYTES = 2 * 1024 * 1024

export interface HttpOptions {
  baseUrl: string
  db: Db
  clock: Clock
  log: Log
  authentication: Authentication
  /** Seals stored answers of idempotent requests. */
  sealer: Sealer
  /** Addresses of proxies in front whose X-Forwarded-For is believed. */
  trustProxy?: string[]
}

export interface Http {
  /** Declares one route of `/api/v1`, or any other that should appear in the reference. */
  route: Route
  /** For rooms that speak a protocol of their own (compatible API, web pages): register a plugin. */
  app: FastifyInstance
  /** True when the base URL is https: cookies are then Secure. */
  https: boolean
  /** Resolves to the port. */
  listen(at: { host: string; port: number }): Promise<number>
  /** Forgets used nonces and old idempotent answers; to be scheduled. */
  prune(): Promise<void>
  /** Still answers everything, while `isDraining` says that no more should be sent here, and ends kept connections. */
  drain(): void
  isDraining(): boolean
  /** Stops accepting, lets requests in flight end, closes. */
  close(): Promise<void>
}

/** Builds the server with everything but the routes. */
export async function createHttp(options: HttpOptions): Promise<Http> {
  const { db, clock, log } = options
  const https = options.baseUrl.startsWith('https:')
  const handleError = createErrorHandler(log)
  const app = fastify({
    logger: false,
    bodyLimit: JSON_LIMIT_BYTES,
    // Long enough for the largest upload over a slow line, not for ever.
    requestTimeout: 30 * 60_000,
    connectionTimeout: 2 * 60_000,
    // Answered as a problem by the hook below instead.
    return503OnClosing: false,
    trustProxy: options.trustProxy?.length ? options.trustProxy : false,
    genReqId: (request) => {
      const given = request.headers['x-request-id']
      return typeof given === 'string' && /^[\w-]{8,64}$/.test(given) ? given : newId()
    },
    // Idle keep-alive connections must not hold up a stop.
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 300 },
    // Addresses that the router cannot read come this way, past every hook; its own answer would repeat them.
    frameworkErrors: (error, request, reply) => {
      reply.header('x-request-id', request.id)
      setSecurityHeaders(reply, request.url, { https })
      handleError(error, request, reply)
    },
    clientErrorHandler: answerClientError,
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler(handleError)
  app.setNotFoundHandler(() => {
    throw refuse('route_unknown')
  })
  app.decorateRequest('bodySha256', undefined)
  app.decorateRequest('caller', null)
  let draining = false
  let closing = false
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    if (closing) throw refuse('shutting_down')
  })
  app.addHook('onSend', async (_request, reply) => {
    // A connection kept alive would hold up the stop until its client lets go.
    if (draining || closing) reply.header('connection', 'close')
  })
  readBodies(app)
  addSecurityHeaders(app, { https })
  logAnswers(app, log)
  await app.register(cookie)
  const pace = createPace({ db, clock, log })
  await app.register(rateLimit, {
    global: false,
    store: paceStore(pace),
    keyGenerator: (request) => addressGroup(request.ip),
    errorResponseBuilder: (_request, context) =>
      refuse('too_many_requests', { seconds: Math.max(1, Math.ceil(context.ttl / 1000)) }),
  })
  await addOpenApi(app, options.baseUrl)

  const { authentication } = options
  const appSignatures = createAppSignatures({ db, clock, appByAppId: authentication.appByAppId })
  const idempotency = createIdempotency({ db, clock, sealer: options.sealer })
  const route = createRoute({ app, db, authentication, appSignatures, idempotency })

  app.get('/api/v1/openapi.json', async () => app.swagger())

  return {
    route,
    app,
    https,
    async listen({ host, port }) {
      await app.listen({ host, port })
      const address = app.server.address()
      if (address === null || typeof address === 'string') throw new Error('the server has no TCP port')
      return address.port
    },
    async prune() {
      await appSignatures.prune()
      await idempotency.prune()
      await pace.prune()
    },
    drain() {
      draining = true
    },
    isDraining: () => draining || closing,
    async close() {
      closing = true
      await app.close()
    },
  }
}

/** JSON is held and hashed (its hash is what apps sign); content passes as a stream. */
function readBodies(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer
    request.bodySha256 = createHash('sha256').update(bytes).digest('hex')
    // Clients that always send the type send it with nothing, too.
    if (bytes.length === 0) done(null, undefined)
    else parseJson(request, bytes.toString('utf8'), done)
  })
  app.addContentTypeParser(STREAMED_TYPES, (_request, _payload, done) => done(null))
}

function logAnswers(app: FastifyInstance, log: Log): void {
  app.addHook('onResponse', async (request, reply) => {
    // The pattern, never the path: links of signers carry their token in it.
    log.info(
      {
        requestId: request.id,
        method: request.method,
        route: request.routeOptions.url ?? 'unknown',
        status: reply.statusCode,
        durationMs: Math.round(reply.elapsedTime),
        callerKind: request.caller?.kind,
      },
      'request',
    )
  })
}
