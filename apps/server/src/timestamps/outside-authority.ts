import { randomBytes } from 'node:crypto'
import {
  buildTimestampRequest,
  type Certificate,
  parseTimestampResponse,
  verifyTimestampToken,
} from '@yinxin/pki'
import type { Clock } from '#src/clock.ts'

export interface OutsideOptions {
  clock: Clock
  timeoutMs: number
  /** When given, the authority's certificate must lead to one of them. */
  anchors: readonly Certificate[]
  /** How far the time in a token may be from our own clock. */
  toleranceMs: number
}

/** A real token has some kilobytes; more is not read. */
const largestAnswerBytes = 64 * 1024

/**
 * Asks one authority over HTTP (RFC 3161 §3.4) and believes nothing: imprint, nonce, signature, purpose,
 * time and, when anchors are configured, the chain are checked.
 * @throws Error with the reason when there is no good token
 */
export async function askAuthority(
  url: string,
  digest: Uint8Array,
  options: OutsideOptions,
): Promise<{ token: Uint8Array; genTime: Date }> {
  const nonce = randomBytes(16)
  nonce[0] = (nonce[0]! & 0x7f) | 0x40
  const request = { digest, digestAlgorithm: 'sha256', nonce, certReq: true } as const
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' },
    body: new Uint8Array(buildTimestampRequest(request)),
    redirect: 'error',
    signal: AbortSignal.timeout(options.timeoutMs),
  })
  const contentType = response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (response.status !== 200 || contentType !== 'application/timestamp-reply') {
    await response.body?.cancel()
    throw new Error(`the authority answered ${response.status} ${contentType ?? 'without a type'}`)
  }
  const { granted, token, failures, texts } = parseTimestampResponse(await readBounded(response))
  if (!granted || token === undefined) {
    throw new Error(`the authority refused: ${[...failures, ...texts].join(', ') || 'no reason given'}`)
  }
  const { ok, problems, genTime } = verifyTimestampToken(
    token,
    { digest, digestAlgorithm: 'sha256' },
    { nonce, ...(options.anchors.length === 0 ? {} : { anchors: options.anchors }) },
  )
  if (!ok || genTime === undefined) {
    throw new Error(`the token is not good: ${problems.map((problem) => problem.code).join(', ')}`)
  }
  const offMs = Math.abs(genTime.getTime() - options.clock.now().getTime())
  if (offMs > options.toleranceMs)
    throw new Error(`the time in the token is ${Math.round(offMs / 1000)} s off`)
  return { token, genTime }
}

async function readBounded(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  for await (const part of response.body ?? []) {
    sizeBytes += part.length
    if (sizeBytes > largestAnswerBytes) throw new Error('the answer is larger than any timestamp')
    parts.push(part)
  }
  return Buffer.concat(parts)
}
