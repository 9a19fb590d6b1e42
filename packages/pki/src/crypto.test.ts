import { createPublicKey } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { checkSignature, generateSigner, type SignatureCheck } from './crypto.ts'

const scheme = { kind: 'ecdsa', digest: 'sha256', oid: '', name: '' } as const
const data = new TextEncoder().encode('data')

describe('a generated key', () => {
  it('has the same SubjectPublicKeyInfo as OpenSSL writes, coordinates that begin with zeros included', () => {
    for (const algorithm of ['ecdsa-p256-sha256', 'ecdsa-p384-sha384'] as const)
      for (let count = 0; count < 400; count += 1) {
        const { signer, privateKey } = generateSigner(algorithm)
        const expected = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
        expect(Buffer.from(signer.spki).equals(expected), Buffer.from(signer.spki).toString('hex')).toBe(true)
      }
  })
})

describe('remembered public keys', () => {
  it('are known by their content, not by the memory that holds them', () => {
    const [one, other] = [
      generateSigner('ecdsa-p256-sha256').signer,
      generateSigner('ecdsa-p256-sha256').signer,
    ]
    const memory = new Uint8Array(one.spki)
    const check = (): SignatureCheck => checkSignature(scheme, memory, data, one.sign(data))
    expect(check()).toBe('good')
    memory.set(other.spki)
    expect(check()).toBe('bad')
    memory.set(one.spki)
    expect(check()).toBe('good')
  })

  it('may be more than are kept', () => {
    const signers = Array.from({ length: 600 }, () => generateSigner('ecdsa-p256-sha256').signer)
    for (const round of [1, 2])
      for (const signer of signers)
        expect(checkSignature(scheme, signer.spki, data, signer.sign(data)), `round ${round}`).toBe('good')
  })
})
