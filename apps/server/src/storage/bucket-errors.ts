/** Why a call to a bucket did not succeed, in words that do not depend on whose server it is. */
export type BucketReason =
  | 'timeout'
  | 'unreachable'
  | 'slow_down'
  | 'server_error'
  | 'missing'
  | 'no_bucket'
  | 'no_upload'
  | 'denied'
  | 'clock'
  | 'exists'
  | 'range'
  | 'checksum_refused'
  | 'unsupported'
  | 'mismatch'
  | 'unsafe'
  | 'other'

/** Worth another try later: nothing is wrong with the call itself. */
const passing: ReadonlySet<BucketReason> = new Set(['timeout', 'unreachable', 'slow_down', 'server_error'])

/** Each code of the S3 protocol that decides what happens next. */
const byCode: Readonly<Record<string, BucketReason>> = {
  NoSuchKey: 'missing',
  NotFound: 'missing',
  NoSuchVersion: 'missing',
  NoSuchBucket: 'no_bucket',
  NoSuchUpload: 'no_upload',
  AccessDenied: 'denied',
  InvalidAccessKeyId: 'denied',
  SignatureDoesNotMatch: 'denied',
  RequestTimeTooSkewed: 'clock',
  PreconditionFailed: 'exists',
  InvalidRange: 'range',
  BadDigest: 'checksum_refused',
  InvalidDigest: 'checksum_refused',
  XAmzContentSHA256Mismatch: 'checksum_refused',
  XAmzContentChecksumMismatch: 'checksum_refused',
  NotImplemented: 'unsupported',
  SlowDown: 'slow_down',
  ServiceUnavailable: 'slow_down',
  TooManyRequests: 'slow_down',
  InternalError: 'server_error',
  OperationAborted: 'server_error',
  ConditionalRequestConflict: 'server_error',
  RequestTimeout: 'timeout',
  TimeoutError: 'timeout',
  AbortError: 'timeout',
}

const byStatus: Readonly<Record<number, BucketReason>> = {
  403: 'denied',
  404: 'missing',
  412: 'exists',
  416: 'range',
  429: 'slow_down',
  501: 'unsupported',
  503: 'slow_down',
}

const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
])

export class BucketError extends Error {
  override readonly name = 'BucketError'
  readonly reason: BucketReason

  constructor(reason: BucketReason, message: string, cause?: unknown) {
    super(message, { cause })
    this.reason = reason
  }

  get isPassing(): boolean {
    return passing.has(this.reason)
  }
}

/** What the S3 client threw, as one of the reasons above. `call` says what was tried, for whoever reads the log. */
export function toBucketError(call: string, thrown: unknown): BucketError {
  if (thrown instanceof BucketError) return thrown
  const error = thrown as Error & { code?: string; Code?: string; $metadata?: { httpStatusCode?: number } }
  const status = error.$metadata?.httpStatusCode
  const reason = reasonOf(error, status)
  const detail = [status, error.name, error.message].filter(Boolean).join(' ')
  return new BucketError(reason, `${call}: ${reason} (${detail})`, thrown)
}

function reasonOf(error: Error & { code?: string; Code?: string }, status: number | undefined): BucketReason {
  const code = [error.name, error.Code, error.code].find((one) => one !== undefined && one in byCode)
  if (code !== undefined) return byCode[code] as BucketReason
  if (error.code !== undefined && networkCodes.has(error.code)) return 'unreachable'
  if (/socket hang up|other side closed|premature close|aborted/i.test(error.message)) return 'unreachable'
  // A checksum that does not even look like one to the server is refused with this general code.
  if (error.name === 'InvalidRequest' && /checksum/i.test(error.message)) return 'checksum_refused'
  if (status === undefined) return 'other'
  return byStatus[status] ?? (status >= 500 ? 'server_error' : 'other')
}

export function hasReason(error: unknown, ...reasons: BucketReason[]): boolean {
  return error instanceof BucketError && reasons.includes(error.reason)
}
