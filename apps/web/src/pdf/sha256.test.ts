import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { sha256, sha256Plain } from './sha256.ts'

describe('the fingerprint of what the signer saw', () => {
  it('agrees with OpenSSL around every padding boundary', async () => {
    for (const size of [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000, 65_537]) {
      const bytes = new Uint8Array(randomBytes(size))
      const expected = createHash('sha256').update(bytes).digest('hex')
      expect(sha256Plain(bytes), `${size} bytes`).toBe(expected)
      expect(await sha256(bytes)).toBe(expected)
    }
  })
})
