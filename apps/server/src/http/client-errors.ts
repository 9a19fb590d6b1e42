/** Answers to what Node cannot read as HTTP: they come before any request exists, past every hook. */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { newId } from '#src/ids.ts'
import { refuse } from './errors.ts'
import { problemOf } from './problem.ts'

/** For Fastify's `clientErrorHandler`: the same problem documents as everywhere, in Chinese, as nobody said otherwise. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  // The client is gone, or an answer is on its way already.
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return
  const requestId = newId()
  const problem = problemOf(refusalOf(error.code), 'zh', requestId)
  const body = JSON.stringify(problem)
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}`,
    'content-type: application/problem+json; charset=utf-8',
    'content-language: zh',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'x-content-type-options: nosniff',
    'cache-control: no-store',
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

function refusalOf(code: string | undefined) {
  if (code === 'HPE_HEADER_OVERFLOW') return refuse('headers_too_large')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return refuse('request_too_slow')
  return refuse('request_unreadable')
}
