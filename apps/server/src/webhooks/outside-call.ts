/**
 * Calls to addresses that a customer named. The name is resolved once, the address is checked, and the
 * connection goes to exactly that address, so that a name which changes between check and call wins nothing.
 * Redirects are not followed.
 */
import { lookup } from 'node:dns/promises'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { refuse } from './errors.ts'
import { isInnerAddress, isPublicAddress } from './public-address.ts'

export interface OutsideRequest {
  method: 'GET' | 'POST'
  url: string
  headers?: Record<string, string>
  body?: string
  /** For everything together: the name, the connection, the answer and reading it. */
  timeoutMs: number
  /** Loopback and internal networks; for sandbox apps alone. */
  allowPrivate: boolean
}

export interface OutsideAnswer {
  status: number
  headers: IncomingMessage['headers']
  /** Read it to its end or close it. Fails when the time is over. */
  body: AsyncIterable<Uint8Array>
  close(): void
}

/**
 * Sends a request; resolves with the head of the answer.
 * @throws Refusal `outside_address_invalid`, `outside_address_forbidden`, `outside_unreachable`
 */
export async function callOutside(call: OutsideRequest): Promise<OutsideAnswer> {
  const url = readUrl(call.url)
  const signal = AbortSignal.timeout(call.timeoutMs)
  const place = await resolve(url.hostname.replace(/^\[|\]$/g, ''), call.allowPrivate, signal)
  const pinned: LookupFunction = (_name, options, done) => {
    if (options.all) done(null, [place])
    else done(null, place.address, place.family)
  }
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest
  return await new Promise((resolveCall, reject) => {
    const outgoing = send(
      url,
      {
        method: call.method,
        lookup: pinned,
        // A connection of its own: a pooled one could lead to an address that was checked for somebody else.
        agent: false,
        signal,
        headers: {
          'user-agent': 'Yinxin',
          ...call.headers,
          ...(call.body === undefined ? {} : { 'content-length': String(Buffer.byteLength(call.body)) }),
        },
      },
      (incoming) => {
        // The iteration below meets the error too; without this listener an unread body would end the process.
        incoming.on('error', () => undefined)
        resolveCall({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: pieces(incoming, signal),
          close: () => incoming.destroy(),
        })
      },
    )
    outgoing.on('error', (error) => reject(unreachable(error, signal)))
    outgoing.end(call.body)
  })
}

/** Refuses an address that leads where customers' addresses may not lead. @throws as {@link callOutside} */
export async function requireOutside(address: string, allowPrivate: boolean): Promise<void> {
  const url = readUrl(address)
  await resolve(url.hostname.replace(/^\[|\]$/g, ''), allowPrivate, AbortSignal.timeout(10_000))
}

/** Name resolution for clients that connect by themselves: every connection goes to an address that was checked. */
export function outsideLookup(allowPrivate: boolean): LookupFunction {
  return (name, options, done) => {
    resolve(name, allowPrivate, AbortSignal.timeout(10_000)).then(
      (place) => (options.all ? done(null, [place]) : done(null, place.address, place.family)),
      (error: Error) => done(error, '', 0),
    )
  }
}

/** Reads at most so many bytes of an answer as text, and lets go of the rest. */
export async function readHead(answer: OutsideAnswer, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  try {
    for await (const part of answer.body) {
      parts.push(part)
      sizeBytes += part.length
      if (sizeBytes >= maxBytes) break
    }
  } finally {
    answer.close()
  }
  return Buffer.concat(parts).subarray(0, maxBytes).toString('utf8')
}

async function* pieces(incoming: IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of incoming) yield piece as Uint8Array
  } catch (error) {
    throw unreachable(error, signal)
  }
}

function readUrl(text: string): URL {
  const url = URL.parse(text)
  const isUsable =
    url !== null &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.username === '' &&
    url.password === ''
  if (!isUsable) throw refuse('outside_address_invalid')
  return url
}

async function resolve(
  host: string,
  allowPrivate: boolean,
  signal: AbortSignal,
): Promise<{ address: string; family: number }> {
  const family = isIP(host)
  const places =
    family === 0 ? await inTime(lookup(host, { all: true }), signal) : [{ address: host, family }]
  const [first] = places
  if (first === undefined) throw refuse('outside_unreachable', { problem: 'ENOTFOUND' })
  // One internal address among public ones is no accident: the whole name is refused.
  const isAllowed = (address: string) => isPublicAddress(address) || (allowPrivate && isInnerAddress(address))
  if (!places.every((place) => isAllowed(place.address))) throw refuse('outside_address_forbidden')
  return first
}

async function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await Promise.race([
      work,
      new Promise<never>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('timeout')), { once: true })
      }),
    ])
  } catch (error) {
    throw unreachable(error, signal)
  }
}

/** Only the kind of failure is told: an error text may carry inner addresses. */
function unreachable(error: unknown, signal: AbortSignal): Error {
  const code = (error as NodeJS.ErrnoException).code
  const problem = signal.aborted
    ? 'timeout'
    : /^[A-Z][A-Z0-9_]+$/.test(code ?? '')
      ? String(code)
      : 'connection failed'
  return refuse('outside_unreachable', { problem }, error)
}
