/** What one request was to the promise: counted or not, answered well or not (SLA 3.8). */

/** The five services that the promise names, each measured on its own. */
export const slaServices = ['frontend', 'backend', 'upload', 'signing', 'certificate'] as const
export type SlaService = (typeof slaServices)[number]

/**
 * `ok`, or why not: `error` 5xx, `slow` beyond the limit, `broken` when the answer failed half-way. `excluded` does not
 * count at all: the caller caused it, left before the limit, or is a probe or a load test of ours.
 */
export type Outcome = 'ok' | 'error' | 'slow' | 'broken' | 'excluded'

const limitMs: Record<SlaService, number> = {
  frontend: 5_000,
  backend: 5_000,
  upload: 30_000,
  signing: 10_000,
  certificate: 15_000,
}

/** An answer in time begins within this. A body that is streamed in adds a second per megabyte. */
export function latencyLimitMs(service: SlaService, streamedBytes = 0): number {
  return limitMs[service] + Math.ceil(streamedBytes / 1_000)
}

export interface EndedRequest {
  /** Null when the caller was gone before the answer began. */
  status: number | null
  /** From receiving the request to the beginning of the answer, or to its end when there was none. */
  latencyMs: number
  limitMs: number
  /** The answer began and could not be finished for a fault of ours. */
  broken: boolean
  /** Of a probe or a load test of ours. */
  tagged: boolean
}

/** @param request as seen at the edge, when its connection has ended or its limit is long over */
export function requestOutcome({ status, latencyMs, limitMs: limit, broken, tagged }: EndedRequest): Outcome {
  if (tagged) return 'excluded'
  if (status === null) return latencyMs <= limit ? 'excluded' : 'slow'
  if (status >= 500) return 'error'
  // Overload is answered 503; every 429 is a quota of the caller.
  if (status >= 400) return 'excluded'
  if (broken) return 'broken'
  return latencyMs <= limit ? 'ok' : 'slow'
}
