import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { requestText, sha256Hex, signRequest } from './request-signature.ts'

test('the request signature is the documented HMAC, computed here without the SDK', async () => {
  const bodySha256Hex = await sha256Hex(new TextEncoder().encode('{}'))
  const request = {
    method: 'post',
    path: '/api/v1/sign-tasks?x=1',
    timestampMs: 1764000000000,
    nonce: 'n'.repeat(16),
    bodySha256Hex,
  }
  const text = `POST\n/api/v1/sign-tasks?x=1\n1764000000000\nnnnnnnnnnnnnnnnn\n44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a`
  expect(requestText(request)).toBe(text)
  expect(await signRequest('secret', request)).toBe(createHmac('sha256', 'secret').update(text).digest('hex'))
})
