import type { FastifyRequest } from 'fastify'
import { refuse } from './errors.ts'

/** Media types that are handed to the route as a stream. */
export const STREAMED_TYPES = [
  'application/pdf',
  'application/octet-stream',
  'application/zip',
  'application/timestamp-query',
]

/** A file sent to a route that takes JSON, or JSON to one that takes a file, would look like an empty body. */
export function requireMediaType(request: FastifyRequest, wanted: 'stream' | 'json'): void {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type === undefined || request.method === 'GET' || request.method === 'HEAD') return
  if (STREAMED_TYPES.includes(type) !== (wanted === 'stream')) throw refuse('media_type_unsupported')
}
