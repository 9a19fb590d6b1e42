/** The one place that turns an error into HTTP (RFC 9457). Nothing untyped leaves the server. */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { Refusal, type RefusalKind } from '#src/errors.ts'
import type { Log } from '#src/log.ts'
import { refuse } from './errors.ts'
import { type Language, languageOf } from './language.ts'

export interface ProblemBody {
  type: string
  title: string
  status: number
  code: string
  detail: string
  requestId: string
  errors?: { path: string; message: string }[]
}

const STATUS: Record<RefusalKind, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  gone: 410,
  too_large: 413,
  limited: 429,
  unavailable: 503,
}

/** Where HTTP has a more exact word than the kind. */
const STATUS_BY_CODE: Record<string, number> = {
  request_too_slow: 408,
  media_type_unsupported: 415,
  range_not_satisfiable: 416,
  headers_too_large: 431,
}

const TITLE: Record<RefusalKind, Record<Language, string>> = {
  invalid: { zh: '请求有误', en: 'Invalid request' },
  unauthenticated: { zh: '未通过身份验证', en: 'Not authenticated' },
  forbidden: { zh: '没有权限', en: 'Not allowed' },
  not_found: { zh: '未找到', en: 'Not found' },
  conflict: { zh: '与当前状态冲突', en: 'Conflict with the present state' },
  gone: { zh: '已失效', en: 'No longer available' },
  too_large: { zh: '内容过大', en: 'Too large' },
  limited: { zh: '请求过于频繁', en: 'Too many requests' },
  unavailable: { zh: '服务暂时不可用', en: 'Temporarily unavailable' },
}

const RETRY_AFTER_S: Partial<Record<RefusalKind, number>> = { limited: 30, unavailable: 2 }

/** An unread request body is given this long to arrive before the connection is cut. */
const DRAIN_MS = 5000

/** HTTP status of a refusal. */
export function statusOf(refusal: Refusal): number {
  return STATUS_BY_CODE[refusal.code] ?? STATUS[refusal.kind]
}

export function problemOf(
  refusal: Refusal,
  lang: Language,
  requestId: string,
  errors?: ProblemBody['errors'],
): ProblemBody {
  return {
    type: `urn:yinxin:problem:${refusal.code}`,
    title: TITLE[refusal.kind][lang],
    status: statusOf(refusal),
    code: refusal.code,
    detail: lang === 'zh' ? refusal.zh : refusal.en,
    requestId,
    ...(errors ? { errors } : {}),
  }
}

/** Fastify's error handler. */
export function createErrorHandler(log: Log) {
  return function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const lang = languageOf(request.headers['accept-language'])
    reply.header('content-language', lang)
    letUnreadBodyEnd(request)
    const refusal = refusalOf(error)
    if (!refusal) {
      log.error({ requestId: request.id, route: request.routeOptions.url, err: error }, 'request failed')
      void send(reply, internalProblem(lang, request.id))
      return
    }
    if (refusal.kind === 'unavailable') {
      log.warn(
        { requestId: request.id, code: refusal.code, cause: String(refusal.cause ?? '') },
        'unavailable',
      )
    }
    const seconds = refusal.params.seconds ?? RETRY_AFTER_S[refusal.kind]
    if (seconds !== undefined) reply.header('retry-after', String(seconds))
    void send(reply, problemOf(refusal, lang, request.id, validationErrors(error)))
  }
}

function internalProblem(lang: Language, requestId: string): ProblemBody {
  return {
    type: 'urn:yinxin:problem:internal',
    title: lang === 'zh' ? '内部错误' : 'Internal error',
    status: 500,
    code: 'internal',
    detail:
      lang === 'zh'
        ? `服务器内部错误，请联系管理员并提供请求号 ${requestId}。`
        : `Something went wrong inside the server. Tell the operator the request id ${requestId}.`,
    requestId,
  }
}

function send(reply: FastifyReply, problem: ProblemBody) {
  // A string passes the route's answer schema by, which describes success only.
  return reply
    .code(problem.status)
    .type('application/problem+json; charset=utf-8')
    .serializer((payload: unknown) => String(payload))
    .send(JSON.stringify(problem))
}

function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error
  const validation = validationErrors(error)
  if (validation) {
    const [first] = validation
    return refuse('input_invalid', { first: `${first?.path ?? ''} ${first?.message ?? ''}`.trim() })
  }
  switch ((error as FastifyError).code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return refuse('body_too_large')
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return refuse('media_type_unsupported')
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
    case 'FST_ERR_VALIDATION':
      return refuse('body_unreadable')
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return refuse('route_unknown')
    default:
      // JSON.parse and its guard against __proto__ throw a SyntaxError marked 400.
      return error instanceof SyntaxError && (error as FastifyError).statusCode === 400
        ? refuse('body_unreadable', {}, error)
        : undefined
  }
}

function validationErrors(error: unknown): ProblemBody['errors'] | undefined {
  if (!hasZodFastifySchemaValidationErrors(error)) return undefined
  const context = (error as FastifyError).validationContext ?? 'body'
  return error.validation.map((issue) => ({
    path: `${context}${issue.instancePath.replaceAll('/', '.')}`,
    message: issue.message ?? issue.keyword,
  }))
}

/** Node reads the rest of a refused upload away so that the client sees the answer; not for ever, though. */
function letUnreadBodyEnd(request: FastifyRequest): void {
  const { raw } = request
  if (raw.complete || raw.destroyed) return
  const timer = setTimeout(() => raw.destroy(), DRAIN_MS)
  timer.unref()
  raw.once('close', () => clearTimeout(timer))
}
