import { afterAll, describe, expect, it } from 'vitest'
import { openBench, opensslIsHere } from '../testing/openssl.ts'
import {
  buildCertificateRequest,
  generateSigner,
  parseCertificateRequest,
  parsePem,
  type SignatureAlgorithm,
  toPem,
  verifyCertificateRequest,
} from './pki.ts'

const algorithms: readonly SignatureAlgorithm[] = [
  'ecdsa-p256-sha256',
  'ecdsa-p384-sha384',
  'rsa-pkcs1-sha256',
  'rsa-pss-sha256',
  'ed25519',
]
const subject = { C: 'CN', O: '某公司', CN: '王五' }

describe('a certificate request', () => {
  for (const algorithm of algorithms)
    it(`under ${algorithm} keeps its fields and verifies`, () => {
      const { signer } = generateSigner(algorithm)
      const request = parseCertificateRequest(
        buildCertificateRequest(
          { subject, subjectAltNames: [{ type: 'email', value: 'w@example.cn' }] },
          signer,
        ),
      )
      expect(request.subject.text).toBe('C=CN, O=某公司, CN=王五')
      expect(request.spki).toEqual(signer.spki)
      expect(request.subjectAltNames).toEqual([{ type: 'email', value: 'w@example.cn' }])
      expect(verifyCertificateRequest(request)).toBe(true)
    })

  it('for a key that did not sign it does not verify', () => {
    const { signer } = generateSigner('ecdsa-p256-sha256')
    const { signer: other } = generateSigner('ecdsa-p256-sha256')
    const request = parseCertificateRequest(
      buildCertificateRequest({ subject }, { ...signer, spki: other.spki }),
    )
    expect(verifyCertificateRequest(request)).toBe(false)
  })

  it('cut off anywhere is refused', () => {
    const der = buildCertificateRequest({ subject }, generateSigner('ed25519').signer)
    for (let length = 0; length < der.length; length += 1)
      expect(() => parseCertificateRequest(der.subarray(0, length))).toThrowError(
        expect.objectContaining({ code: 'der' }),
      )
  })
})

describe.skipIf(!opensslIsHere())('openssl', () => {
  const bench = openBench()
  afterAll(() => bench.close())

  it('verifies ours', () => {
    for (const algorithm of algorithms) {
      const der = buildCertificateRequest(
        { subject, subjectAltNames: [{ type: 'dns', value: 'a.example' }] },
        generateSigner(algorithm).signer,
      )
      bench.put('r.pem', toPem(der, 'CERTIFICATE REQUEST'))
      const output = bench.openssl('req', '-in', 'r.pem', '-verify', '-noout', '-text')
      expect(output, algorithm).toContain('verify OK')
      expect(output).toContain('DNS:a.example')
    }
  })

  it('makes one that we read and verify', () => {
    bench.openssl(
      'req',
      '-new',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'k.pem',
      '-out',
      'r.pem',
      '-subj',
      '/CN=x',
      '-addext',
      'subjectAltName=URI:http://a.example/',
    )
    const request = parseCertificateRequest(
      parsePem(Buffer.from(bench.read('r.pem')).toString(), 'CERTIFICATE REQUEST')[0]!,
    )
    expect(request).toMatchObject({
      subject: { text: 'CN=x' },
      subjectAltNames: [{ type: 'uri', value: 'http://a.example/' }],
    })
    expect(verifyCertificateRequest(request)).toBe(true)
  })
})
