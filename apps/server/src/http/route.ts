/**
 * One declaration per route: who, what comes in, what goes out, one sentence. OpenAPI, validation, authentication
 * and idempotency follow from it.
 */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Db, Tx } from '#src/db/db.ts'
import type { AppSignatures } from './app-signature.ts'
import {
  type Access,
  type AppCaller,
  type Authentication,
  authenticate,
  type Caller,
  type SessionCaller,
} from './authentication.ts'
import { refuse } from './errors.ts'
import {
  type Idempotency,
  type IdempotentRequest,
  idempotencyKeyOf,
  requestHash,
  type StoredAnswer,
} from './idempotency.ts'
import { type Language, languageOf } from './language.ts'
import { requireMediaType } from './media-types.ts'
import { declaredSha256, receiveUpload, type Upload } from './upload.ts'

type Schema = z.ZodType
type Parsed<S> = S extends Schema ? z.output<S> : undefined

export type CallerFor<A extends Access> = A extends 'session'
  ? SessionCaller
  : A extends 'app'
    ? AppCaller
    : A extends 'caller'
      ? Caller
      : Caller | null

/** `transaction`: the handler works in one transaction, which also holds the key. `steps`: see {@link RouteInput.complete}. */
export type IdempotencyMode = 'transaction' | 'steps'

/** An answer that is not JSON. */
export interface RawAnswer {
  status?: number
  contentType: string
  body: Uint8Array | string | AsyncIterable<Uint8Array>
  headers?: Record<string, string>
}

export interface RouteInput<A extends Access, P, Q, B, M> {
  params: Parsed<P>
  query: Parsed<Q>
  body: Parsed<B>
  caller: CallerFor<A>
  lang: Language
  requestId: string
  /** With `idempotency: 'transaction'`: open for the caller's subject; commits when the handler returns. */
  tx: M extends 'transaction' ? Tx : undefined
  /**
   * With `idempotency: 'steps'`: call it in the transaction that makes the answer true, so that a crash right
   * after it is answered by the stored answer. Without a key it does nothing.
   */
  complete: (tx: Tx, body: unknown) => Promise<void>
  /** The request body as a stream, on routes declared `body: 'stream'`. */
  upload(limitBytes: number): Upload
  request: FastifyRequest
  reply: FastifyReply
}

export interface RouteSpec<
  A extends Access,
  P extends Schema | undefined,
  Q extends Schema | undefined,
  B extends Schema | 'stream' | undefined,
  O extends Schema | 'raw' | null,
  M extends IdempotencyMode | undefined,
> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path with `:name` parameters. */
  url: string
  /** One sentence: what it does. */
  summary: string
  access: A
  params?: P
  query?: Q
  /** A schema for JSON, or `stream` for content that is too large to hold. */
  body?: B
  /** A schema for JSON, `raw` for anything else, null for 204. Fields the schema does not know never leave. */
  answer: O
  /** Status of success; 200, or 204 without an answer. */
  status?: number
  /** Media types of a streamed body or a raw answer, for the reference. */
  consumes?: string[]
  produces?: string[]
  idempotency?: M
  /** At most so many requests per client address. */
  rateLimit?: { max: number; perMs: number }
  example?: { body?: unknown; answer?: unknown }
  handle(
    input: RouteInput<A, P, Q, B, M>,
  ): Promise<O extends Schema ? z.input<O> : O extends null ? void : RawAnswer>
}

declare module 'fastify' {
  interface FastifyRequest {
    /** SHA-256 of a buffered body, hex; undefined for streams and where there was none. */
    bodySha256: string | undefined
    caller: Caller | null
  }
  interface FastifyContextConfig {
    access?: Access
    summary?: string
    example?: { body?: unknown; answer?: unknown }
    consumes?: string[] | undefined
    produces?: string[] | undefined
  }
}

export interface RouteDeps {
  app: FastifyInstance
  db: Db
  authentication: Authentication
  appSignatures: AppSignatures
  idempotency: Idempotency
}

export type Route = <
  A extends Access,
  O extends Schema | 'raw' | null,
  P extends Schema | undefined = undefined,
  Q extends Schema | undefined = undefined,
  B extends Schema | 'stream' | undefined = undefined,
  M extends IdempotencyMode | undefined = undefined,
>(
  spec: RouteSpec<A, P, Q, B, O, M>,
) => void

/** Returns the function with which a room declares its routes. */
export function createRoute(deps: RouteDeps): Route {
  return (spec) => {
    const { answer, body } = spec
    const status = spec.status ?? (answer === null ? 204 : 200)
    deps.app.route({
      method: spec.method,
      url: spec.url,
      schema: {
        ...(spec.params ? { params: spec.params } : {}),
        ...(spec.query ? { querystring: spec.query } : {}),
        ...(body instanceof z.ZodType ? { body } : {}),
        ...(answer instanceof z.ZodType ? { response: { [status]: answer } } : {}),
      },
      config: {
        access: spec.access,
        summary: spec.summary,
        consumes: spec.consumes,
        produces: spec.produces,
        ...(spec.example ? { example: spec.example } : {}),
        ...(spec.rateLimit
          ? { rateLimit: { max: spec.rateLimit.max, timeWindow: spec.rateLimit.perMs } }
          : {}),
      },
      // After the body is read (its hash is signed) and before its shape is judged.
      preValidation: async (request) => {
        request.caller = await authenticate(request, spec.access, deps)
        requireMediaType(request, body === 'stream' ? 'stream' : 'json')
      },
      handler: async (request, reply) => {
        const key = spec.idempotency ? idempotentRequestOf(request) : undefined
        const run: Run | undefined = key && { key, lease: undefined, isComplete: false }
        const input = (tx: Tx | undefined) => ({
          params: request.params,
          query: request.query,
          body: body === 'stream' ? undefined : request.body,
          caller: request.caller,
          lang: languageOf(request.headers['accept-language']),
          requestId: request.id,
          tx,
          complete: async (open: Tx, result: unknown) => {
            if (run === undefined) return
            await completeRun(deps, open, run, { status, body: shaped(result) })
            run.isComplete = true
          },
          upload: (limitBytes: number) => receiveUpload(request, limitBytes),
          request,
          reply,
        })
        // The types of the pieces were checked where the route is declared; here they are only carried.
        const handle = spec.handle as (input: unknown) => Promise<unknown>
        const shaped = (result: unknown) => (answer instanceof z.ZodType ? answer.parse(result) : result)

        const outcome =
          spec.idempotency === 'transaction'
            ? await inTransaction(deps, request, run, (tx) => handle(input(tx)), status, shaped)
            : run
              ? await inSteps(deps, run, () => handle(input(undefined)), status, shaped)
              : { status, body: await handle(input(undefined)), replayed: false }

        if (outcome.replayed) reply.header('idempotency-replayed', 'true')
        if (answer === 'raw') return await sendRaw(reply, outcome.body as RawAnswer)
        reply.code(outcome.status)
        return reply.send(answer === null ? undefined : outcome.body)
      },
    })
  }
}

/** One attempt at an idempotent request. */
interface Run {
  key: IdempotentRequest
  lease: Date | undefined
  /** The handler stored its answer with its own change. */
  isComplete: boolean
}

async function completeRun(deps: RouteDeps, tx: Tx, run: Run, answer: StoredAnswer): Promise<void> {
  if (run.lease === undefined) throw new Error('an idempotent request was completed before it was claimed')
  await deps.idempotency.complete(tx, run.key, run.lease, answer)
}

interface Outcome {
  status: number
  body: unknown
  replayed: boolean
}

async function inTransaction(
  deps: RouteDeps,
  request: FastifyRequest,
  run: Run | undefined,
  handle: (tx: Tx) => Promise<unknown>,
  status: number,
  shaped: (result: unknown) => unknown,
): Promise<Outcome> {
  if (request.caller === null) throw refuse('not_signed_in')
  return await deps.db.as(request.caller.subjectId, async (tx) => {
    const claim = run && (await deps.idempotency.claim(tx, run.key))
    if (claim && 'earlier' in claim) return { ...claim.earlier, replayed: true }
    if (run) run.lease = claim?.lease
    const body = await handle(tx)
    if (run) await completeRun(deps, tx, run, { status, body: shaped(body) })
    return { status, body, replayed: false }
  })
}

async function inSteps(
  deps: RouteDeps,
  run: Run,
  handle: () => Promise<unknown>,
  status: number,
  shaped: (result: unknown) => unknown,
): Promise<Outcome> {
  const { key } = run
  const claim = await deps.db.as(key.tenantId, (tx) => deps.idempotency.claim(tx, key))
  if ('earlier' in claim) return { ...claim.earlier, replayed: true }
  const { lease } = claim
  run.lease = lease
  let body: unknown
  try {
    body = await handle()
  } catch (error) {
    // When even this fails the lease ends by itself.
    await deps.db.as(key.tenantId, (tx) => deps.idempotency.release(tx, key, lease)).catch(() => undefined)
    throw error
  }
  if (!run.isComplete)
    await deps.db.as(key.tenantId, (tx) => completeRun(deps, tx, run, { status, body: shaped(body) }))
  return { status, body, replayed: false }
}

function idempotentRequestOf(request: FastifyRequest): IdempotentRequest | undefined {
  const key = idempotencyKeyOf(request.headers['idempotency-key'])
  const { caller } = request
  if (key === undefined || caller === null) return undefined
  const streamed = request.bodySha256 === undefined && request.headers['content-type'] !== undefined
  const bodySha256 = request.bodySha256 ?? declaredSha256(request) ?? ''
  if (streamed && bodySha256 === '') throw refuse('idempotency_needs_hash')
  return {
    tenantId: caller.subjectId,
    credential: caller.kind === 'app' ? `app:${caller.appId}` : `account:${caller.accountId}`,
    key,
    requestHash: requestHash(request.method, request.raw.url ?? '', bodySha256),
  }
}

async function sendRaw(reply: FastifyReply, raw: RawAnswer): Promise<FastifyReply> {
  reply.code(raw.status ?? 200).type(raw.contentType)
  if (raw.headers) reply.headers(raw.headers)
  if (typeof raw.body === 'string' || raw.body instanceof Uint8Array) return reply.send(raw.body)
  // Reading would mean to fetch and decrypt a file that nobody gets; length and hash stand in the headers.
  if (reply.request.method === 'HEAD') return reply.send(Readable.from([]))
  return reply.send(await startedStream(raw.body))
}

/** Pulls the first piece before the headers go out, so that a failure to read is still a clean problem. */
async function startedStream(source: AsyncIterable<Uint8Array>): Promise<Readable> {
  const iterator = source[Symbol.asyncIterator]()
  const first = await iterator.next()
  async function* pieces() {
    try {
      for (let step = first; !step.done; step = await iterator.next()) yield step.value
    } finally {
      await iterator.return?.()
    }
  }
  return Readable.from(pieces(), { objectMode: false })
}
