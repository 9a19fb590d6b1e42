import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { generateSigner, keyFacts } from './pki.ts'

describe('facts about a P-256 key', () => {
  const { spki } = generateSigner('ecdsa-p256-sha256').signer
  const facts = { type: 'ec', bits: 256, curve: 'P-256', wellFormed: true }

  it('are read from its bytes alone', () => {
    expect(keyFacts(spki)).toEqual(facts)
    expect(keyFacts(new Uint8Array(Buffer.concat([spki, Uint8Array.of(0)])).subarray(0, 91))).toEqual(facts)
    for (const length of [0, 26, 27, 90]) expect(keyFacts(spki.subarray(0, length))).toBeUndefined()
  })

  it('say of no altered key that it is a good one on this curve', () => {
    fc.assert(
      fc.property(fc.nat({ max: 90 }), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const altered = spki.slice()
        altered[at]! ^= by
        const found = keyFacts(altered)
        expect(found?.wellFormed === true && found.curve === 'P-256').toBe(false)
      }),
      { numRuns: 2000 },
    )
  })
})
