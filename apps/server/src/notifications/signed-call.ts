import { createHash, createHmac } from 'node:crypto'

/** How this platform signs its calls to a gateway; docs/reference/gateway-signature.md. */
export interface GatewayAccess {
  url: string
  keyId: string
  secret: string
  algorithm: 'HMAC-SHA256' | 'HMAC-SM3'
  timeoutMs: number
}

export interface SignedCallHeaders {
  'x-gateway-key': string
  'x-gateway-timestamp': string
  'x-gateway-algorithm': GatewayAccess['algorithm']
  'x-gateway-signature': string
}

/** The signature over method-less, path-less calls: one URL, one key, a time and the exact body. */
export function gatewaySignature(
  access: Pick<GatewayAccess, 'secret' | 'algorithm'>,
  timestampMs: string,
  body: string,
): string {
  const hash = access.algorithm === 'HMAC-SM3' ? 'sm3' : 'sha256'
  const bodyHash = createHash(hash).update(body).digest('hex')
  return createHmac(hash, access.secret).update(`${timestampMs}\n${bodyHash}`).digest('hex')
}

/** A gateway that gave no usable answer; its reason is safe to store and never holds what was sent. */
export class GatewayFailure extends Error {
  override readonly name = 'GatewayFailure'
  /** Whether the same call may succeed later. */
  readonly transient: boolean

  constructor(message: string, transient: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.transient = transient
  }
}

const LARGEST_ANSWER_BYTES = 64 * 1024

/** POSTs JSON, signed; gives back the parsed JSON answer of a 200. Anything else is a {@link GatewayFailure}. */
export async function callGateway(access: GatewayAccess, now: Date, payload: unknown): Promise<unknown> {
  const body = JSON.stringify(payload)
  const timestampMs = String(now.getTime())
  const headers: SignedCallHeaders = {
    'x-gateway-key': access.keyId,
    'x-gateway-timestamp': timestampMs,
    'x-gateway-algorithm': access.algorithm,
    'x-gateway-signature': gatewaySignature(access, timestampMs, body),
  }
  let response: Response
  try {
    response = await fetch(access.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
      // A redirect would carry the body to an address nobody configured.
      redirect: 'error',
      signal: AbortSignal.timeout(access.timeoutMs),
    })
  } catch (cause) {
    throw new GatewayFailure('the gateway did not answer', true, cause)
  }
  const transient = response.status >= 500 || response.status === 429
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new GatewayFailure(`the gateway answered ${response.status}`, transient)
  }
  return parseAnswer(response)
}

async function parseAnswer(response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  try {
    for await (const chunk of response.body ?? []) {
      sizeBytes += chunk.length
      if (sizeBytes > LARGEST_ANSWER_BYTES)
        throw new GatewayFailure('the answer of the gateway is too long', false)
      chunks.push(chunk)
    }
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (cause) {
    if (cause instanceof GatewayFailure) throw cause
    if (cause instanceof SyntaxError)
      throw new GatewayFailure('the answer of the gateway is no JSON', false, cause)
    throw new GatewayFailure('the answer of the gateway broke off', true, cause)
  }
}
