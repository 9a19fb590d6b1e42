import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { gatewaySignature } from './signed-call.ts'

it('signs as the published vectors say', () => {
  const page = readFileSync(
    new URL('../../../../docs/reference/gateway-signature.md', import.meta.url),
    'utf8',
  )
  for (const algorithm of ['HMAC-SHA256', 'HMAC-SM3'] as const) {
    const vector = new RegExp(`- \`${algorithm}\` → \`([0-9a-f]{64})\``).exec(page)?.[1]
    const access = { secret: 'a-shared-secret-of-32-characters', algorithm }
    expect(gatewaySignature(access, '1700000000000', '{"a":1}')).toBe(vector)
  }
})
