import type { FastifyInstance, FastifyReply } from 'fastify'

/** What a page of ours may load: only itself; pdf.js needs its worker and WebAssembly decoders, drawings need data images. */
const PAGE_POLICY = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self' data:",
  "worker-src 'self' blob:",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

const DATA_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"

/** Headers that narrow what a browser may do with our answers. */
export function addSecurityHeaders(app: FastifyInstance, { https }: { https: boolean }): void {
  app.addHook('onSend', async (request, reply) => setSecurityHeaders(reply, request.url, { https }))
}

export function setSecurityHeaders(reply: FastifyReply, url: string, { https }: { https: boolean }): void {
  const isPage = String(reply.getHeader('content-type') ?? '').startsWith('text/html')
  reply.header('x-content-type-options', 'nosniff')
  reply.header('referrer-policy', 'no-referrer')
  reply.header('x-frame-options', 'DENY')
  reply.header('cross-origin-opener-policy', 'same-origin')
  reply.header('cross-origin-resource-policy', 'same-origin')
  reply.header('permissions-policy', 'camera=(), microphone=(), geolocation=()')
  reply.header('content-security-policy', isPage ? PAGE_POLICY : DATA_POLICY)
  if (https) reply.header('strict-transport-security', 'max-age=31536000; includeSubDomains')
  if (url.startsWith('/api/') && reply.getHeader('cache-control') === undefined) {
    reply.header('cache-control', 'no-store')
  }
}
