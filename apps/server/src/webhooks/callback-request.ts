/** A callback as it goes over the wire, in the style its receiver understands. */
import { createHmac } from 'node:crypto'
import { fascSignature } from './fasc-signature.ts'
import type { CallbackStyle } from './tables.ts'

export interface CallbackRequest {
  headers: Record<string, string>
  body: string
  timeoutMs: number
  isAccepted(status: number, responseHead: string): boolean
}

export interface CallbackContent {
  id: string
  appId: string
  style: CallbackStyle
  event: string
  payload: unknown
}

/** Time and nonce are fresh for each attempt: a receiver may refuse old ones. */
export function callbackRequest(
  content: CallbackContent,
  secret: string,
  now: Date,
  nonce: string,
): CallbackRequest {
  return content.style === 'fasc'
    ? fascRequest(content, secret, now, nonce)
    : standardRequest(content, secret, now)
}

function fascRequest(content: CallbackContent, secret: string, now: Date, nonce: string): CallbackRequest {
  const timestamp = String(now.getTime())
  const bizContent = JSON.stringify(content.payload)
  const headers = {
    'X-FASC-App-Id': content.appId,
    'X-FASC-Sign-Type': 'HMAC-SHA256',
    'X-FASC-Timestamp': timestamp,
    'X-FASC-Nonce': nonce,
    'X-FASC-Event': content.event,
  }
  return {
    headers: {
      ...headers,
      'X-FASC-Sign': fascSignature(secret, timestamp, { ...headers, bizContent }),
      'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
    },
    body: new URLSearchParams({ bizContent }).toString(),
    timeoutMs: 3000,
    isAccepted: (status, head) => status === 200 && head.includes('success'),
  }
}

/** Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, keyed with the bytes of the app's secret. */
function standardRequest(content: CallbackContent, secret: string, now: Date): CallbackRequest {
  const timestamp = String(Math.floor(now.getTime() / 1000))
  const body = JSON.stringify(content.payload)
  const signature = createHmac('sha256', secret).update(`${content.id}.${timestamp}.${body}`).digest('base64')
  return {
    headers: {
      'webhook-id': content.id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signature}`,
      'content-type': 'application/json; charset=utf-8',
    },
    body,
    timeoutMs: 15_000,
    isAccepted: (status) => status >= 200 && status < 300,
  }
}
