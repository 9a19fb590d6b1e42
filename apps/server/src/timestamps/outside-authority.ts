import type { HttpPort } from '@yinxin/pki'
import type { Breaker } from '#src/breakers/breakers.ts'

/** A real token has some kilobytes; more is not read. */
const largestAnswerBytes = 64 * 1024

/** How questions reach outside authorities: no redirect is followed, no answer waited for or read without end. */
export function authorityPort(timeoutMs: number): HttpPort {
  return async ({ method, url, headers, body }) => {
    const response = await fetch(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body: new Uint8Array(body) }),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    return { status: response.status, headers: response.headers, body: await readBounded(response) }
  }
}

/** Each authority behind a circuit breaker of its own: one that hangs is not waited for at every signature. */
export function guardedPort(send: HttpPort, breakerOf: (url: string) => Breaker): HttpPort {
  return (request) =>
    breakerOf(request.url).run(async () => {
      const answer = await send(request)
      if (answer.status >= 500) throw new Error(`the authority answered ${answer.status}`)
      return answer
    })
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
