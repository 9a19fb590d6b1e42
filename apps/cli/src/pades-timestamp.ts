import { randomBytes } from 'node:crypto'
import { createTimestampClient, PkiError, type SigningDigest } from '@yinxin/pki'
import { type Lang, Unreadable } from './command.ts'
import { httpPort } from './http.ts'

const ANSWER_BYTES_MAX = 64 * 1024

/** Asks timestamp authorities in their order until one answers well (RFC 3161 §3.4). @throws Unreadable */
export async function askTimestamp(
  urls: readonly string[],
  digest: Uint8Array,
  digestAlgorithm: SigningDigest,
  lang: Lang,
): Promise<Uint8Array> {
  const client = createTimestampClient({
    authorities: urls,
    send: httpPort(ANSWER_BYTES_MAX),
    now: () => new Date(),
    nonce: () => {
      // Positive and without leading zeros, as some authorities insist.
      const nonce = randomBytes(16)
      nonce[0] = (nonce[0]! & 0x7f) | 0x40
      return nonce
    },
  })
  try {
    return (await client.stamp(digest, digestAlgorithm)).token
  } catch (error) {
    if (!(error instanceof PkiError) || error.code !== 'unavailable') throw error
    throw new Unreadable(
      'timestamp_unavailable',
      lang === 'zh' ? `✗ 未取得时间戳：${error.message}` : `✗ no timestamp: ${error.message}`,
    )
  }
}
