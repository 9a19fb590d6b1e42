import { randomBytes } from 'node:crypto'
import {
  buildTimestampRequest,
  parseTimestampResponse,
  type SigningDigest,
  verifyTimestampToken,
} from '@yinxin/pki'
import { type Lang, Unreadable } from './command.ts'

const TIMEOUT_MS = 20_000
const ANSWER_BYTES_MAX = 64 * 1024

/** Asks a timestamp authority (RFC 3161 §3.4) and checks that the answer belongs to the question. */
export async function askTimestamp(
  url: string,
  digest: Uint8Array,
  digestAlgorithm: SigningDigest,
  lang: Lang,
): Promise<Uint8Array> {
  // Positive and without leading zeros, as some authorities insist.
  const nonce = randomBytes(16)
  nonce[0] = (nonce[0]! & 0x7f) | 0x40
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' },
      body: new Uint8Array(buildTimestampRequest({ digest, digestAlgorithm, nonce, certReq: true })),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
    const bytes = new Uint8Array(await answer.arrayBuffer())
    if (bytes.length > ANSWER_BYTES_MAX) throw new Error('the answer is larger than any timestamp')
    const { granted, token, failures, texts } = parseTimestampResponse(bytes)
    if (!granted || token === undefined) throw new Error([...failures, ...texts].join(', ') || 'refused')
    const { ok, problems } = verifyTimestampToken(token, { digest, digestAlgorithm }, { nonce })
    if (!ok) throw new Error(problems.map((problem) => problem.code).join(', '))
    return token
  } catch (error) {
    const cause =
      error instanceof Error
        ? error.cause instanceof Error
          ? error.cause.message
          : error.message
        : String(error)
    throw new Unreadable(
      'timestamp_unavailable',
      lang === 'zh' ? `✗ 未取得时间戳（${url}）：${cause}` : `✗ no timestamp from ${url}: ${cause}`,
    )
  }
}
