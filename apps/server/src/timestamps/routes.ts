import type { Http } from '#src/http/http.ts'
import type { Timestamps } from './timestamps.ts'

/** A request holds a digest and little else. */
const largestRequestBytes = 4 * 1024

export function addTimestampRoutes({ http, timestamps }: { http: Http; timestamps: Timestamps }): void {
  http.route({
    method: 'POST',
    url: '/tsa',
    summary: 'Timestamps a digest (RFC 3161 over HTTP).',
    access: 'public',
    body: 'stream',
    answer: 'raw',
    consumes: ['application/timestamp-query'],
    produces: ['application/timestamp-reply'],
    rateLimit: { max: 600, perMs: 60_000 },
    handle: async ({ upload }) => {
      const parts: Uint8Array[] = []
      for await (const part of upload(largestRequestBytes)) parts.push(part)
      return {
        contentType: 'application/timestamp-reply',
        body: timestamps.respond(Buffer.concat(parts)),
        headers: { 'cache-control': 'no-store' },
      }
    },
  })
}
