import type { webcrypto } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { makeRoot, noon } from '../testing/authority.ts'
import { buildSignedAttributes, buildSignedData } from './cms-build.ts'
import { parseSignedData } from './cms-parse.ts'
import { verifySignedData } from './cms-verify.ts'
import { digest } from './crypto.ts'
import { digestForSigning } from './algorithms.ts'
import { issueCertificate } from './issue.ts'
import { signerFromCryptoKey } from './webcrypto-signer.ts'

const { subtle } = globalThis.crypto
const content = new TextEncoder().encode('合同')
const rsa = { modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) }

describe('a key held by WebCrypto', () => {
  it.each([
    ['rsa-pkcs1-sha256', { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', ...rsa }],
    ['rsa-pss-sha256', { name: 'RSA-PSS', hash: 'SHA-256', ...rsa }],
    ['ecdsa-p256-sha256', { name: 'ECDSA', namedCurve: 'P-256' }],
    ['ecdsa-p384-sha384', { name: 'ECDSA', namedCurve: 'P-384' }],
    ['ed25519', { name: 'Ed25519' }],
  ])('signs a container with %s, without leaving it', async (expected, parameters) => {
    const keys = (await subtle.generateKey(parameters, false, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
    const signer = await signerFromCryptoKey(subtle, keys)
    expect(signer.algorithm).toBe(expected)
    const root = makeRoot('ecdsa-p256-sha256')
    const certificate = issueCertificate(
      {
        profile: 'document-signing',
        subject: { C: 'CN', CN: '张三' },
        spki: signer.spki,
        serial: Uint8Array.of(7),
        notBefore: noon,
        notAfter: new Date(noon.getTime() + 86_400_000),
        issuer: root.certificate,
      },
      root.signer,
    )
    const digestAlgorithm = digestForSigning(signer.algorithm)
    const fields = {
      digest: digest(digestAlgorithm, content),
      digestAlgorithm,
      signingCertificate: certificate,
    }
    const signedAttributes = buildSignedAttributes(fields)
    const container = buildSignedData({
      digestAlgorithm,
      signedAttributes,
      signature: await signer.sign(signedAttributes),
      signatureAlgorithm: signer.algorithm,
      signingCertificate: certificate,
      certificates: [],
    })
    expect(verifySignedData(parseSignedData(container), { content }).problems).toEqual([])
  })

  it('is refused when nothing here signs with it', async () => {
    const keys = (await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-521' }, false, [
      'sign',
    ])) as webcrypto.CryptoKeyPair
    await expect(signerFromCryptoKey(subtle, keys)).rejects.toMatchObject({ code: 'unsupported' })
    const sha512 = { name: 'RSA-PSS', hash: 'SHA-512', ...rsa }
    const other = (await subtle.generateKey(sha512, false, ['sign'])) as webcrypto.CryptoKeyPair
    await expect(signerFromCryptoKey(subtle, other)).rejects.toMatchObject({ code: 'unsupported' })
    await expect(
      signerFromCryptoKey(subtle, { privateKey: keys.publicKey, publicKey: keys.publicKey }),
    ).rejects.toMatchObject({ code: 'argument' })
  })
})
