import { createPublicKey, constants, verify } from 'node:crypto'
import { parseCertificate, type SignatureAlgorithm } from '@yinxin/pki'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestPki } from '../../pades/test-pki.ts'
import { makeKeyPair, putCertificate, rawSession, type TokenKeyType } from '../testing/softhsm-keys.ts'
import { startSoftHsm } from '../testing/softhsm.ts'
import { openPkcs11, type Pkcs11Token } from './pkcs11.ts'
import { pkcs11Signer } from './pkcs11-signer.ts'

const hsm = startSoftHsm()
const data = new TextEncoder().encode('合同的签名属性')

describe.skipIf(hsm === undefined)('a signer over a key on a token', () => {
  const module = hsm?.module ?? ''
  const pki = createTestPki(new Date())
  let token: Pkcs11Token
  let raw: ReturnType<typeof rawSession>
  beforeAll(async () => {
    hsm?.newToken('signing', '12345678')
    token = await openPkcs11({ module, tokenLabel: 'signing', pin: '12345678' })
    raw = rawSession(module, 'signing', '12345678')
    for (const [at, type] of (['rsa', 'p256', 'p384', 'ed25519'] as const).entries())
      makeKeyPair(raw, type, { label: type, id: `0${at + 1}` })
  })
  afterAll(() => {
    token.close()
    hsm?.remove()
  })

  const cases: [TokenKeyType, SignatureAlgorithm | undefined, SignatureAlgorithm][] = [
    ['rsa', undefined, 'rsa-pkcs1-sha256'],
    ['rsa', 'rsa-pss-sha256', 'rsa-pss-sha256'],
    ['p256', undefined, 'ecdsa-p256-sha256'],
    ['p384', undefined, 'ecdsa-p384-sha384'],
    ['ed25519', undefined, 'ed25519'],
  ]
  for (const [label, asked, algorithm] of cases) {
    it(`signs with ${algorithm}`, () => {
      const signer = pkcs11Signer(token, {
        label,
        ...(asked === undefined ? {} : { algorithm: asked as 'rsa-pss-sha256' }),
      })
      expect(signer.algorithm).toBe(algorithm)
      const key = createPublicKey({ key: Buffer.from(signer.spki), format: 'der', type: 'spki' })
      const digest = { ed25519: null, 'ecdsa-p384-sha384': 'sha384' }[algorithm as string] ?? 'sha256'
      const given =
        algorithm === 'rsa-pss-sha256'
          ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
          : key
      // Enough of them to meet an r or s that begins with zeros or needs a sign octet.
      for (let count = 0; count < (algorithm.startsWith('ecdsa') ? 300 : 3); count += 1) {
        const message = Uint8Array.of(...data, count & 255, count >> 8)
        const signature = signer.sign(message)
        expect(verify(algorithm === 'ed25519' ? null : digest, message, given, signature)).toBe(true)
        expect(verify(algorithm === 'ed25519' ? null : digest, data, given, signature)).toBe(false)
      }
    })
  }

  it('finds the key by id, and its certificate with the chain above it', () => {
    const signer = pkcs11Signer(token, { id: '02' })
    expect(signer.key.label).toBe('p256')
    expect(signer.certificates).toEqual([])
    const [leaf, root] = pki.certify(signer, '张三').map((der) => parseCertificate(der))
    if (leaf === undefined || root === undefined) throw new Error('no chain')
    putCertificate(raw, root.der, root.subjectDer, { label: 'root', id: 'ff' })
    putCertificate(raw, leaf.der, leaf.subjectDer, { label: 'p256', id: '02' })
    expect(pkcs11Signer(token, { id: '02' }).certificates).toEqual([leaf.der, root.der])
    expect(token.list({ kind: 'certificate' })).toHaveLength(2)
  })

  it('takes the public key from the certificate when the token has no public half', () => {
    const removePublic = makeKeyPair(raw, 'p256', { label: 'alone', id: '0a' })
    const before = pkcs11Signer(token, { label: 'alone' })
    const own = parseCertificate(pki.certify(before, '李四')[0] as Uint8Array)
    removePublic()
    expect(() => pkcs11Signer(token, { label: 'alone' })).toThrowError(
      expect.objectContaining({ code: 'public_key_missing' }),
    )
    putCertificate(raw, own.der, own.subjectDer, { label: 'alone', id: '0a' })
    const after = pkcs11Signer(token, { label: 'alone' })
    expect(after.spki).toEqual(before.spki)
    expect(after.certificates[0]).toEqual(own.der)
    expect(after.sign(data).length).toBeGreaterThan(66)
  })

  it('gives out no signature that the public key does not confirm', () => {
    // The certificate of another key under this key's id.
    makeKeyPair(raw, 'p256', { label: 'mixed up', id: '0c' })()
    const other = parseCertificate(
      pki.certify(pkcs11Signer(token, { label: 'p256' }), '别人')[0] as Uint8Array,
    )
    putCertificate(raw, other.der, other.subjectDer, { label: 'mixed up', id: '0c' })
    expect(() => pkcs11Signer(token, { label: 'mixed up' }).sign(data)).toThrowError(
      expect.objectContaining({ code: 'signature_wrong' }),
    )
  })

  it('gives the PIN again to a key that asks for it at every use', () => {
    makeKeyPair(raw, 'p256', { label: 'careful', id: '0b' }, { alwaysAuthenticate: true })
    const signer = pkcs11Signer(token, { label: 'careful' })
    expect(signer.sign(data)).not.toEqual(signer.sign(data))
  })

  it('goes on after the device has lost the session', () => {
    const signer = pkcs11Signer(token, { label: 'rsa' })
    const before = signer.sign(data)
    raw.native.C_CloseAllSessions(raw.slot)
    expect(signer.sign(data)).toEqual(before)
  })

  it('refuses an algorithm the key does not have, and one the token does not offer', () => {
    expect(() => pkcs11Signer(token, { label: 'p256', algorithm: 'rsa-pss-sha256' })).toThrowError(
      expect.objectContaining({ code: 'algorithm_unsupported' }),
    )
    const without = { ...token, mechanisms: () => new Set<number>() }
    expect(() => pkcs11Signer(without, { label: 'p256' })).toThrowError(
      expect.objectContaining({
        code: 'mechanism_missing',
        zh: expect.stringContaining('ecdsa-p256-sha256'),
      }),
    )
    // One that offers only the mechanisms that hash themselves is served by those.
    const hashing = { ...token, mechanisms: () => new Set([0x40, 0x43]) }
    for (const algorithm of ['rsa-pkcs1-sha256', 'rsa-pss-sha256'] as const)
      expect(pkcs11Signer(hashing, { label: 'rsa', algorithm }).sign(data)).toHaveLength(256)
  })
})
