import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  attime,
  daysFromNoon,
  makeChild,
  makeRoot,
  nextSerial,
  noon,
  oddCertificate,
  type Party,
} from '../testing/authority.ts'
import { openBench, opensslIsHere } from '../testing/openssl.ts'
import { encodeBasicConstraints, encodeExtendedKeyUsage } from './extensions.ts'
import {
  buildSignedAttributes,
  buildSignedData,
  buildTimestampRequest,
  buildTimestampResponse,
  digest,
  generateSigner,
  issueTimestampToken,
  OID,
  parsePem,
  parseCertificate,
  parseTimestampRequest,
  parseTimestampResponse,
  parseTimestampToken,
  type SignatureAlgorithm,
  type TimestampTokenFields,
  type TimestampVerification,
  toPem,
  verifyTimestampToken,
} from './pki.ts'

const content = new TextEncoder().encode('时间戳的对象')
const root = makeRoot()
const authority = makeChild(root, 'issuing-ca', 'ecdsa-p256-sha256', { C: 'CN', CN: 'issuing' })
const tsa = makeChild(authority, 'timestamping')
const nonce = Uint8Array.of(0x00, 0x9a, 1, 2)
const genTime = new Date('2026-03-01T12:34:56.780Z')

function tokenBy(party: Party, more: Partial<TimestampTokenFields> = {}): Uint8Array {
  const fields = {
    messageImprint: { algorithm: 'sha256', digest: digest('sha256', content) },
    serial: nextSerial(),
    genTime,
    policyOid: '1.3.6.1.4.1.99999.2',
    ...more,
  } as const
  return issueTimestampToken(fields, party.signer, party.certificate.der, [authority.certificate.der])
}
const errors = (result: TimestampVerification): string[] =>
  result.problems.filter(({ severity }) => severity === 'error').map(({ code }) => code)
const anchors = [root.certificate]

describe('a request', () => {
  it('round trips with all fields and with none', () => {
    const value = digest('sha384', content)
    const full = buildTimestampRequest({
      digest: value,
      digestAlgorithm: 'sha384',
      nonce,
      policyOid: '1.2.3',
    })
    expect(parseTimestampRequest(full)).toEqual({
      messageImprint: { algorithm: 'sha384', digest: value },
      nonce: Uint8Array.of(0x9a, 1, 2),
      policyOid: '1.2.3',
      certReq: true,
      hasExtensions: false,
    })
    const bare = buildTimestampRequest({ digest: value, digestAlgorithm: 'sha384', certReq: false })
    expect(parseTimestampRequest(bare)).toEqual({
      messageImprint: { algorithm: 'sha384', digest: value },
      certReq: false,
      hasExtensions: false,
    })
  })

  it('with an unknown digest or one of the wrong size is refused by a name of its own', () => {
    const request = buildTimestampRequest({ digest: digest('sha256', content), digestAlgorithm: 'sha256' })
    const md5 = request.slice()
    // The last arc of SHA-256 becomes one that is not assigned.
    md5[md5.indexOf(0x01, 12)] = 0x63
    expect(() => parseTimestampRequest(md5)).toThrowError(expect.objectContaining({ code: 'unsupported' }))
    expect(() =>
      buildTimestampRequest({ digest: new Uint8Array(20), digestAlgorithm: 'sha256' }),
    ).toThrowError(expect.objectContaining({ code: 'argument' }))
    expect(() => parseTimestampRequest(request.subarray(0, 20))).toThrowError(
      expect.objectContaining({ code: 'der' }),
    )
  })
})

describe('a response', () => {
  it('carries a token or says why not', () => {
    const token = tokenBy(tsa)
    expect(parseTimestampResponse(buildTimestampResponse({ token }))).toMatchObject({
      granted: true,
      status: 0,
      token,
      failures: [],
    })
    expect(
      parseTimestampResponse(buildTimestampResponse({ failure: 'badAlg', text: '不支持的算法' })),
    ).toEqual({ granted: false, status: 2, failures: ['badAlg'], texts: ['不支持的算法'] })
    expect(() =>
      parseTimestampResponse(Uint8Array.of(0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x00)),
    ).toThrowError(expect.objectContaining({ code: 'structure' }))
  })
})

describe('a token', () => {
  it('keeps time, accuracy, nonce, policy and serial number', () => {
    for (const [accuracyMs, name] of [
      [1, 'ms'],
      [1500, 's and ms'],
      [2000, 's'],
    ] as const) {
      const serial = nextSerial()
      const token = parseTimestampToken(
        tokenBy(tsa, { accuracyMs, nonce, serial, tsaName: tsa.certificate.subjectDer }),
      )
      expect(token, name).toMatchObject({
        genTime,
        accuracyMs,
        nonce: Uint8Array.of(0x9a, 1, 2),
        policyOid: '1.3.6.1.4.1.99999.2',
        serialHex: Buffer.from(serial).toString('hex'),
        messageImprint: { algorithm: 'sha256', digest: digest('sha256', content) },
      })
    }
    expect(() => tokenBy(tsa, { accuracyMs: 0 })).toThrowError(expect.objectContaining({ code: 'argument' }))
  })

  for (const algorithm of [
    'ecdsa-p256-sha256',
    'ecdsa-p384-sha384',
    'rsa-pkcs1-sha256',
    'rsa-pss-sha256',
    'ed25519',
  ] satisfies SignatureAlgorithm[])
    it(`under ${algorithm} verifies up to its root`, () => {
      const party = makeChild(authority, 'timestamping', algorithm)
      const result = verifyTimestampToken(tokenBy(party, { nonce }), { content }, { anchors, nonce })
      expect(result).toMatchObject({ ok: true, problems: [], genTime })
      expect(result.path?.chain).toHaveLength(3)
    })

  it('is judged at its own time unless told otherwise, and without anchors not for trust', () => {
    const token = tokenBy(tsa)
    expect(errors(verifyTimestampToken(token, { content }, { anchors, at: daysFromNoon(2000) }))).toContain(
      'expired',
    )
    expect(verifyTimestampToken(token, { content })).toMatchObject({ ok: true, path: undefined })
    expect(
      errors(
        verifyTimestampToken(token, { content }, { anchors: [makeRoot('ed25519', 'other').certificate] }),
      ),
    ).toContain('untrusted')
  })

  it('over another content, digest or nonce is not ok', () => {
    const token = tokenBy(tsa, { nonce })
    expect(errors(verifyTimestampToken(token, { content: content.subarray(1) }))).toEqual([
      'timestamp-imprint-mismatch',
    ])
    expect(
      errors(verifyTimestampToken(token, { digest: digest('sha384', content), digestAlgorithm: 'sha384' })),
    ).toEqual(['timestamp-imprint-mismatch'])
    expect(errors(verifyTimestampToken(token, { contentDigest: (name) => digest(name, content) }))).toEqual(
      [],
    )
    expect(errors(verifyTimestampToken(token, { content }, { nonce: Uint8Array.of(1) }))).toEqual([
      'timestamp-nonce-mismatch',
    ])
    expect(errors(verifyTimestampToken(tokenBy(tsa), { content }, { nonce }))).toEqual([
      'timestamp-nonce-mismatch',
    ])
  })

  it('by a certificate that is not for timestamps alone is not ok', () => {
    expect(errors(verifyTimestampToken(tokenBy(makeChild(authority, 'event-signing')), { content }))).toEqual(
      ['timestamp-purpose'],
    )
    const loose = oddCertificate(authority, {
      extensions: [encodeExtendedKeyUsage([OID.timeStamping], false)],
    })
    expect(errors(verifyTimestampToken(tokenBy(loose), { content }))).toEqual(['timestamp-purpose'])
    const mixed = oddCertificate(authority, {
      extensions: [
        encodeBasicConstraints(false),
        encodeExtendedKeyUsage([OID.timeStamping, OID.codeSigning], true),
      ],
    })
    expect(errors(verifyTimestampToken(tokenBy(mixed), { content }))).toEqual(['timestamp-purpose'])
  })

  it('without certificates verifies with those supplied', () => {
    const token = tokenBy(tsa, { omitCertificates: true })
    expect(parseTimestampToken(token).signedData.certificates).toEqual([])
    expect(errors(verifyTimestampToken(token, { content }))).toEqual(['signer-certificate-missing'])
    expect(
      verifyTimestampToken(
        token,
        { content },
        { anchors, intermediates: [tsa.certificate, authority.certificate] },
      ).ok,
    ).toBe(true)
  })

  it('that is no token is reported, not thrown', () => {
    const signedAttributes = buildSignedAttributes({
      digest: digest('sha256', content),
      digestAlgorithm: 'sha256',
      signingCertificate: tsa.certificate.der,
    })
    const plain = buildSignedData({
      digestAlgorithm: 'sha256',
      signedAttributes,
      signature: tsa.signer.sign(signedAttributes),
      signatureAlgorithm: tsa.signer.algorithm,
      signingCertificate: tsa.certificate.der,
      certificates: [],
    })
    for (const bytes of [plain, new Uint8Array(), content])
      expect(errors(verifyTimestampToken(bytes, { content }))).toEqual(['unreadable'])
  })

  it('with any octet changed is not ok or unreadable', () => {
    const token = tokenBy(tsa)
    // Certificates of the chain may change without harm to the token itself: stop before the first one.
    const content_ = parseTimestampToken(token).signedData.content!
    const start = Buffer.from(token).indexOf(Buffer.from(content_))
    for (let index = start; index < start + content_.length; index += 1) {
      const damaged = token.slice()
      damaged[index]! ^= 0x10
      expect(verifyTimestampToken(damaged, { content }).ok, `octet ${index}`).toBe(false)
    }
  })
})

describe.skipIf(!opensslIsHere())('openssl', () => {
  const bench = openBench()
  afterAll(() => bench.close())
  beforeAll(() => {
    bench.put('content', content)
    bench.put('root.pem', toPem(root.certificate.der, 'CERTIFICATE'))
  })

  it('verifies our token and our response, and not for another content', () => {
    bench.put('token.der', tokenBy(tsa, { nonce, accuracyMs: 1500, tsaName: tsa.certificate.subjectDer }))
    bench.put('response.der', buildTimestampResponse({ token: bench.read('token.der') }))
    bench.put(
      'request.der',
      buildTimestampRequest({ digest: digest('sha256', content), digestAlgorithm: 'sha256', nonce }),
    )
    bench.put('other', 'another')
    const trust = ['-CAfile', 'root.pem', ...attime(noon)]
    expect(
      bench.openssl('ts', '-verify', '-in', 'token.der', '-token_in', '-data', 'content', ...trust),
    ).toContain('Verification: OK')
    expect(
      bench.openssl('ts', '-verify', '-in', 'response.der', '-queryfile', 'request.der', ...trust),
    ).toContain('Verification: OK')
    expect(
      bench.tryOpenssl('ts', '-verify', '-in', 'token.der', '-token_in', '-data', 'other', ...trust).status,
    ).not.toBe(0)
    const text = bench.openssl('ts', '-reply', '-in', 'response.der', '-text')
    expect(text).toMatch(/Time stamp: Mar {2}1 12:34:56\.78 2026 GMT/)
    expect(text).toMatch(/Accuracy: 0x01 seconds, 0x01F4 millis/)
  })

  it('reads our refusal', () => {
    bench.put('refusal.der', buildTimestampResponse({ failure: 'unacceptedPolicy', text: 'no such policy' }))
    const text = bench.openssl('ts', '-reply', '-in', 'refusal.der', '-text')
    expect(text).toContain('Status: Rejected')
    expect(text).toContain('no such policy')
    expect(text).toContain('the requested TSA policy is not supported')
  })

  it('makes requests and tokens that we read and verify', () => {
    bench.put(
      'ts.cnf',
      [
        'oid_section=oids\n[oids]\n[tsa]\ndefault_tsa=own\n[own]\nserial=serial\ncrypto_device=builtin\nsigner_digest=sha256\ndefault_policy=1.2.3.4.1',
        'other_policies=1.2.3.4.5\ndigests=sha256,sha384,sha512\naccuracy=secs:1,millisecs:500,microsecs:100\nordering=yes\ntsa_name=yes\ness_cert_id_chain=no\n',
        '[req]\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n[ext]\nextendedKeyUsage=critical,timeStamping\nkeyUsage=digitalSignature\n',
      ].join('\n'),
    )
    bench.put('serial', '01A2')
    bench.openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'k.pem',
      '-out',
      'c.pem',
      '-days',
      '30',
      '-subj',
      '/CN=openssl tsa',
      '-config',
      'ts.cnf',
    )
    bench.openssl(
      'ts',
      '-query',
      '-data',
      'content',
      '-sha384',
      '-cert',
      '-out',
      'q.der',
      '-tspolicy',
      '1.2.3.4.5',
    )
    const request = parseTimestampRequest(bench.read('q.der'))
    expect(request).toMatchObject({
      policyOid: '1.2.3.4.5',
      certReq: true,
      messageImprint: { algorithm: 'sha384', digest: digest('sha384', content) },
    })
    for (const essDigest of ['sha1', 'sha256']) {
      bench.put(
        'own.cnf',
        Buffer.from(bench.read('ts.cnf'))
          .toString()
          .replace('ess_cert_id_chain=no', `ess_cert_id_chain=no\ness_cert_id_alg=${essDigest}`),
      )
      bench.openssl(
        'ts',
        '-reply',
        '-queryfile',
        'q.der',
        '-signer',
        'c.pem',
        '-inkey',
        'k.pem',
        '-config',
        'own.cnf',
        '-out',
        'r.der',
      )
      const response = parseTimestampResponse(bench.read('r.der'))
      const anchor = parseCertificate(parsePem(Buffer.from(bench.read('c.pem')).toString())[0]!)
      const result = verifyTimestampToken(
        response.token!,
        { content },
        { anchors: [anchor], nonce: request.nonce! },
      )
      expect(errors(result)).toEqual([])
      expect(result.token).toMatchObject({ policyOid: '1.2.3.4.5', accuracyMs: 1500.1 })
      expect(result.token?.signedData.signers[0]?.signingCertificate?.version).toBe(
        essDigest === 'sha1' ? 1 : 2,
      )
    }
  })
})

describe('a token of an unknown signer', () => {
  it('whose key is not in the certificate cannot be made', () => {
    const stranger = { signer: generateSigner('ecdsa-p256-sha256').signer, certificate: tsa.certificate }
    expect(() => tokenBy(stranger)).toThrowError(expect.objectContaining({ code: 'key-mismatch' }))
  })
})
