/**
 * The signature of an app's request: hex HMAC-SHA256 under the app secret over method, path with
 * query, timestamp in milliseconds, nonce and the hex SHA-256 of the body, one per line.
 */
export interface RequestToSign {
  method: string
  /** Path with query, as sent. */
  path: string
  timestampMs: number
  /** 16 to 64 characters, used once. */
  nonce: string
  bodySha256Hex: string
}

/** The text that gets signed. */
export function requestText(request: RequestToSign): string {
  const { method, path, timestampMs, nonce, bodySha256Hex } = request
  return [method.toUpperCase(), path, timestampMs, nonce, bodySha256Hex].join('\n')
}

/** Signs with Web Crypto, so that the same code runs in Node and in a browser. */
export async function signRequest(appSecret: string, request: RequestToSign): Promise<string> {
  const utf8 = new TextEncoder()
  const key = await crypto.subtle.importKey(
    'raw',
    utf8.encode(appSecret),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  )
  return hex(await crypto.subtle.sign('HMAC', key, utf8.encode(requestText(request))))
}

/** Lower-case hex SHA-256. */
export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return hex(await crypto.subtle.digest('SHA-256', bytes))
}

function hex(buffer: ArrayBuffer): string {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
