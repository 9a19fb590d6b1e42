import { sha256Hex, signRequest } from './request-signature.ts'
import type { Problem } from './wire.ts'

export type Credential = { appId: string; appSecret: string } | { sessionToken: string }

export interface ClientOptions {
  /** Where the platform answers, e.g. `http://127.0.0.1:8420`. */
  baseUrl: string
  /** An app's key pair, a session token, or nothing for the public routes. */
  credential?: Credential
  /** Language of texts and problems; `zh` unless told otherwise. */
  language?: 'zh' | 'en'
  /** Another `fetch`, for tests and proxies. */
  fetch?: typeof fetch
  /** The caller's clock in milliseconds; the request signature carries it. */
  nowMs?: () => number
}

/** The platform refused. `code` is stable; the message says what is wrong and how to mend it. */
export class YinxinProblem extends Error {
  override readonly name = 'YinxinProblem'
  readonly code: string
  readonly status: number
  readonly problem: Problem

  constructor(problem: Problem) {
    super(`${problem.status} ${problem.code}: ${problem.detail}`)
    this.code = problem.code
    this.status = problem.status
    this.problem = problem
  }
}

export interface Sending {
  /** Sent as JSON. */
  body?: unknown
  /** Sent as it is, as a PDF. */
  raw?: Uint8Array
  fileName?: string
  idempotencyKey?: string | undefined
}

export interface Transport {
  json<Answer>(method: string, path: string, sending?: Sending): Promise<Answer>
  none(method: string, path: string, sending?: Sending): Promise<void>
  bytes(path: string): Promise<Uint8Array<ArrayBuffer>>
}

/** Sends, signs and reads; knows nothing of what the routes mean. */
export function createTransport(options: ClientOptions): Transport {
  const baseUrl = options.baseUrl.replace(/\/+$/, '')
  const send = options.fetch ?? fetch
  const nowMs = options.nowMs ?? Date.now

  async function request(method: string, path: string, sending: Sending = {}): Promise<Response> {
    // An empty part, `.` and `..` cannot be escaped: URLs drop them, and another route would be called.
    if (
      path
        .split('?', 1)[0]
        ?.slice(1)
        .split('/')
        .some((segment) => /^\.{0,2}$/.test(segment))
    )
      throw new TypeError(`what stands in the path ${path} is not an id`)
    const bytes = bodyBytes(sending)
    const headers = new Headers({ accept: 'application/json', 'accept-language': options.language ?? 'zh' })
    if (sending.body !== undefined) headers.set('content-type', 'application/json')
    const bodySha256Hex = await sha256Hex(bytes)
    if (sending.raw !== undefined) {
      headers.set('content-type', 'application/pdf')
      headers.set('content-sha256', bodySha256Hex)
      headers.set('x-file-name', encodeURIComponent(sending.fileName ?? 'document.pdf'))
    }
    if (sending.idempotencyKey) headers.set('idempotency-key', sending.idempotencyKey)
    const credential = options.credential
    if (credential && 'sessionToken' in credential) {
      headers.set('authorization', `Bearer ${credential.sessionToken}`)
    } else if (credential) {
      const timestampMs = nowMs()
      const nonce = crypto.randomUUID()
      headers.set('x-yinxin-app', credential.appId)
      headers.set('x-yinxin-timestamp', String(timestampMs))
      headers.set('x-yinxin-nonce', nonce)
      headers.set(
        'x-yinxin-signature',
        await signRequest(credential.appSecret, { method, path, timestampMs, nonce, bodySha256Hex }),
      )
    }
    const hasBody = sending.body !== undefined || sending.raw !== undefined
    const response = await send(`${baseUrl}${path}`, { method, headers, ...(hasBody ? { body: bytes } : {}) })
    if (!response.ok) throw new YinxinProblem(await readProblem(response))
    return response
  }

  return {
    json: async <Answer>(method: string, path: string, sending?: Sending) =>
      (await (await request(method, path, sending)).json()) as Answer,
    none: async (method, path, sending) => {
      await (await request(method, path, sending)).arrayBuffer()
    },
    bytes: async (path) => new Uint8Array(await (await request('GET', path)).arrayBuffer()),
  }
}

function bodyBytes(sending: Sending): Uint8Array<ArrayBuffer> {
  if (sending.raw !== undefined) return new Uint8Array(sending.raw)
  return new TextEncoder().encode(sending.body === undefined ? '' : JSON.stringify(sending.body))
}

async function readProblem(response: Response): Promise<Problem> {
  const text = await response.text()
  try {
    const problem = JSON.parse(text) as Partial<Problem>
    if (typeof problem.code === 'string') return problem as Problem
  } catch {
    // Not JSON: a proxy or another server answered; what it said is the best there is to show.
  }
  return {
    type: 'about:blank',
    title: response.statusText,
    status: response.status,
    code: 'not_a_yinxin_answer',
    detail: text.slice(0, 200) || `HTTP ${response.status}`,
    requestId: response.headers.get('x-request-id') ?? '',
  }
}
