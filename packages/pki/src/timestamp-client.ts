/** Timestamps from outside authorities (RFC 3161 §3.4), several of them, failing closed. */
import type { DigestAlgorithm } from './algorithms.ts'
import type { Certificate } from './certificate.ts'
import { PkiError } from './errors.ts'
import { failureText, type HttpPort, mediaType } from './http-port.ts'
import { buildTimestampRequest } from './timestamp-build.ts'
import { parseTimestampResponse } from './timestamp-parse.ts'
import { verifyTimestampToken } from './timestamp-verify.ts'

export interface TimestampClientOptions {
  /** Addresses in order of preference; read at every stamp. */
  readonly authorities: readonly string[]
  readonly send: HttpPort
  readonly now: () => Date
  /** Fresh unsigned bytes for each question, 8 to 16 of them, the first neither 0 nor above 127. */
  readonly nonce: () => Uint8Array
  /** When given, an authority's certificate must lead to one of them. */
  readonly anchors?: readonly Certificate[]
  /** How far the time in a token may be from `now`; five minutes when left out. */
  readonly toleranceMs?: number
  /** An authority that failed is asked last for this long; half a minute when left out. */
  readonly restMs?: number
  /** Hears of each failure. */
  readonly onFailure?: (authority: string, error: unknown) => void
}

export interface ObtainedTimestamp {
  readonly token: Uint8Array
  readonly genTime: Date
  /** The address that answered. */
  readonly authority: string
}

export interface TimestampClient {
  /**
   * A verified token over a digest from the first authority that answers well: imprint, nonce, signature, purpose,
   * time and, with anchors, the chain are checked, and nothing stands in for a good answer.
   * @throws PkiError `unavailable` with the reason of each authority
   */
  stamp(digest: Uint8Array, digestAlgorithm: DigestAlgorithm): Promise<ObtainedTimestamp>
}

export function createTimestampClient(options: TimestampClientOptions): TimestampClient {
  const { authorities, now, restMs = 30_000 } = options
  const restsUntilMs = new Map<string, number>()

  /** Those that are not resting first, each group in the order given. */
  function inOrder(): string[] {
    const nowMs = now().getTime()
    const rests = (url: string) => (restsUntilMs.get(url) ?? 0) > nowMs
    return [...authorities.filter((url) => !rests(url)), ...authorities.filter(rests)]
  }

  return {
    async stamp(digest, digestAlgorithm) {
      const reasons: string[] = []
      for (const url of inOrder()) {
        try {
          const answer = await askAuthority(url, digest, digestAlgorithm, options)
          restsUntilMs.delete(url)
          return answer
        } catch (error) {
          restsUntilMs.set(url, now().getTime() + restMs)
          options.onFailure?.(url, error)
          reasons.push(`${URL.canParse(url) ? new URL(url).host : url}: ${failureText(error)}`)
        }
      }
      throw new PkiError(
        'unavailable',
        reasons.length === 0 ? 'there is no authority to ask' : reasons.join('; '),
      )
    },
  }
}

async function askAuthority(
  url: string,
  digest: Uint8Array,
  digestAlgorithm: DigestAlgorithm,
  options: TimestampClientOptions,
): Promise<ObtainedTimestamp> {
  const { anchors, toleranceMs = 5 * 60_000 } = options
  const nonce = options.nonce()
  const answer = await options.send({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' },
    body: buildTimestampRequest({ digest, digestAlgorithm, nonce, certReq: true }),
  })
  const type = mediaType(answer.headers.get('content-type'))
  if (answer.status !== 200 || type !== 'application/timestamp-reply')
    throw new Error(`the authority answered ${answer.status} ${type ?? 'without a type'}`)
  const { granted, token, failures, texts } = parseTimestampResponse(answer.body)
  if (!granted || token === undefined)
    throw new Error(`the authority refused: ${[...failures, ...texts].join(', ') || 'no reason given'}`)
  const { ok, problems, genTime } = verifyTimestampToken(
    token,
    { digest, digestAlgorithm },
    { nonce, ...(anchors === undefined ? {} : { anchors }) },
  )
  if (!ok || genTime === undefined)
    throw new Error(`the token is not good: ${problems.map(({ code }) => code).join(', ')}`)
  const offMs = Math.abs(genTime.getTime() - options.now().getTime())
  if (offMs > toleranceMs) throw new Error(`the time in the token is ${Math.round(offMs / 1000)} s off`)
  return { token, genTime, authority: url }
}
