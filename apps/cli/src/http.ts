/** How `yinxin pades` reaches authorities, responders and lists: bounded in time and size. */
import type { HttpPort } from '@yinxin/pki'

const TIMEOUT_MS = 20_000

/** @param bytesMax what an answer may take */
export function httpPort(bytesMax: number): HttpPort {
  return async ({ method, url, headers, body }) => {
    const response = await fetch(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body: new Uint8Array(body) }),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const parts: Uint8Array[] = []
    let sizeBytes = 0
    for await (const part of response.body ?? []) {
      sizeBytes += part.length
      if (sizeBytes > bytesMax) throw new Error('the answer is too large')
      parts.push(part)
    }
    return { status: response.status, headers: response.headers, body: new Uint8Array(Buffer.concat(parts)) }
  }
}
