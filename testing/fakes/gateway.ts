import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'

/** One answer of a fake gateway: a status and a JSON body, or a text that is no JSON. */
export interface GatewayAnswer {
  status: number
  body: unknown
}

export interface FakeGateway {
  url: string
  /** Payloads whose signature was right, in order. */
  received: Record<string, unknown>[]
  /** Calls turned away for their signature, key or time. */
  turnedAway: number
  close(): Promise<void>
}

/**
 * An HTTP server that checks the signature of docs/reference/gateway-signature.md by its own reading of
 * that page (no code of the platform) and answers by `answer`.
 */
export async function startFakeGateway(
  access: { keyId: string; secret: string },
  answer: (payload: Record<string, unknown>) => GatewayAnswer | 'hang' | Promise<GatewayAnswer>,
): Promise<FakeGateway> {
  const gateway: FakeGateway = { url: '', received: [], turnedAway: 0, close: async () => undefined }
  const server = createServer(async (request, response) => {
    const body = await readBody(request)
    if (!isSigned(request, body, access)) {
      gateway.turnedAway += 1
      response.writeHead(401).end()
      return
    }
    const payload = JSON.parse(body.toString('utf8')) as Record<string, unknown>
    gateway.received.push(payload)
    const reply = await answer(payload)
    if (reply === 'hang') return
    response.writeHead(reply.status, { 'content-type': 'application/json' })
    response.end(typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the gateway has no port')
  gateway.url = `http://127.0.0.1:${address.port}/`
  gateway.close = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return gateway
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function isSigned(
  request: IncomingMessage,
  body: Buffer,
  access: { keyId: string; secret: string },
): boolean {
  const header = (name: string) => String(request.headers[name] ?? '')
  const hash = { 'HMAC-SHA256': 'sha256', 'HMAC-SM3': 'sm3' }[header('x-gateway-algorithm')]
  const timestamp = header('x-gateway-timestamp')
  if (request.method !== 'POST' || hash === undefined || header('x-gateway-key') !== access.keyId)
    return false
  // The fake's clock is the real one; tests that use another clock say so by a time far away.
  if (!/^\d{13}$/.test(timestamp)) return false
  const wanted = createHmac(hash, access.secret)
    .update(`${timestamp}\n${createHash(hash).update(body).digest('hex')}`)
    .digest()
  const given = Buffer.from(header('x-gateway-signature'), 'hex')
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}
