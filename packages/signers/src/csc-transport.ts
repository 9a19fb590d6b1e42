/** How the CSC API is spoken over HTTP: bounded answers, named errors, and never a repeated signature. */
import { SignerError, type SignerErrorCode } from './signer-error.ts'

export interface CscTransportOptions {
  /** Such as `https://service.example/csc/v2`. */
  readonly baseUrl: string
  readonly fetch: typeof fetch
  /** Resolves after so many milliseconds; for polling and for repeated questions. */
  readonly wait: (ms: number) => Promise<void>
  /** Of one call; 30 s when left out. */
  readonly timeoutMs?: number
}

export interface CscCall {
  readonly url: string
  readonly body: Readonly<Record<string, unknown>> | URLSearchParams
  readonly accessToken?: string | undefined
  /**
   * Whether asking twice is harmless. A call that may sign, or use up an authorisation, is never repeated: when it is
   * not known what became of it, `outcome_unknown` says so.
   */
  readonly repeatable: boolean
}

export interface CscAnswer {
  readonly status: number
  /** Undefined for 204. */
  readonly body: unknown
}

export type CscTransport = (call: CscCall) => Promise<CscAnswer>

const TRIES = 3
const PAUSE_MS = 500
const PAUSE_MS_MAX = 10_000
const ANSWER_BYTES_MAX = 1024 * 1024

/** The address of a method under a base. @throws SignerError `invalid_request` for plain HTTP to another machine (§7.3) */
export function methodUrl(base: string, method: string): string {
  if (!URL.canParse(base)) throw new SignerError('invalid_request', `${base} is no address`)
  const url = new URL(`${base.replace(/\/+$/, '')}/${method}`)
  const local = /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && local))
    throw new SignerError('invalid_request', `${base}: only https is spoken with other machines`)
  return url.href
}

export function createCscTransport(options: CscTransportOptions): CscTransport {
  const { wait, timeoutMs = 30_000 } = options
  return async (call) => {
    for (let tried = 1; ; tried += 1) {
      try {
        return await once(options.fetch, call, timeoutMs)
      } catch (error) {
        const again = error instanceof Passing && call.repeatable && tried < TRIES
        if (!again) throw error instanceof Passing ? error.named : error
        await wait(error.afterMs ?? PAUSE_MS * tried)
      }
    }
  }
}

/** A failure after which the same question may be answered. */
class Passing extends Error {
  readonly named: SignerError
  readonly afterMs: number | undefined

  constructor(named: SignerError, afterMs?: number) {
    super(named.message)
    this.named = named
    this.afterMs = afterMs
  }
}

async function once(ask: typeof fetch, call: CscCall, timeoutMs: number): Promise<CscAnswer> {
  const { url, body, accessToken, repeatable } = call
  const form = body instanceof URLSearchParams
  let response: Response
  let bytes: Uint8Array
  try {
    response = await ask(url, {
      method: 'POST',
      headers: {
        accept: 'application/json',
        'content-type': form ? 'application/x-www-form-urlencoded' : 'application/json',
        ...(accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }),
      },
      body: form ? body.toString() : JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    bytes = await readBounded(response)
  } catch (error) {
    if (error instanceof SignerError) throw error
    const detail = `${new URL(url).host}: ${reasonOf(error)}`
    throw new Passing(
      new SignerError(repeatable ? 'service_unavailable' : 'outcome_unknown', detail, { cause: error }),
    )
  }
  if (response.status === 204) return { status: 204, body: undefined }
  const parsed = parse(bytes)
  if (response.status === 200 || response.status === 202) {
    if (parsed === undefined) throw new SignerError('answer_invalid', `${response.status} without JSON`)
    return { status: response.status, body: parsed }
  }
  // §11.12 gives this error the status 202; services exist that send it with 400.
  if (response.status === 400 && errorNameOf(parsed) === 'accepted_request')
    return { status: 202, body: parsed }
  const named = errorOf(response.status, parsed, repeatable)
  const passing = response.status === 429 || response.status === 503
  throw passing ? new Passing(named, retryAfterMs(response.headers.get('retry-after'))) : named
}

function retryAfterMs(header: string | null): number | undefined {
  return /^\d{1,6}$/.test(header ?? '') ? Math.min(Number(header) * 1000, PAUSE_MS_MAX) : undefined
}

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown
  } catch {
    return undefined
  }
}

async function readBounded(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  for await (const part of response.body ?? []) {
    sizeBytes += part.length
    if (sizeBytes > ANSWER_BYTES_MAX) throw new SignerError('answer_invalid', 'the answer is too large')
    parts.push(part)
  }
  return Buffer.concat(parts)
}

const byError: Record<string, SignerErrorCode> = {
  invalid_token: 'invalid_token',
  expired_token: 'invalid_token',
  invalid_grant: 'access_denied',
  invalid_client: 'access_denied',
  access_denied: 'access_denied',
  unauthorized_client: 'access_denied',
  authentication_error: 'access_denied',
  invalid_otp: 'otp_wrong',
  invalid_authentication_data: 'authorization_refused',
  invalid_hash: 'hash_not_authorized',
  temporarily_unavailable: 'service_unavailable',
  server_error: 'service_error',
}

/** The texts of §11 that tell apart what all comes as `invalid_request`. */
const byDescription: [RegExp, SignerErrorCode][] = [
  [/^SAD expired/i, 'sad_expired'],
  [/parameter SAD$/i, 'sad_invalid'],
  [/not authorized by the SAD/i, 'hash_not_authorized'],
  [/Invalid parameter credentialID/i, 'credential_unknown'],
  [/is disabled|credential locked|certificate is expired/i, 'credential_unusable'],
]

const errorNameOf = (body: unknown): unknown =>
  typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined

/** §10.2. What the service says is shown and never interpreted further than to its code. */
function errorOf(status: number, body: unknown, repeatable: boolean): SignerError {
  const said = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  const error = typeof said.error === 'string' ? said.error : ''
  const description = typeof said.error_description === 'string' ? said.error_description.slice(0, 500) : ''
  const detail = [`HTTP ${status}`, error, description].filter((part) => part !== '').join(' · ')
  if (status === 429 || status === 503) return new SignerError('service_unavailable', detail)
  if (status === 501) return new SignerError('service_error', detail)
  if (status >= 500) return new SignerError(repeatable ? 'service_error' : 'outcome_unknown', detail)
  if (status === 401) return new SignerError('invalid_token', detail)
  const known = byDescription.find(([pattern]) => pattern.test(description))?.[1]
  return new SignerError(
    byError[error] ?? known ?? (status === 403 ? 'access_denied' : 'invalid_request'),
    detail,
  )
}
