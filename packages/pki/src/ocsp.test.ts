import { afterAll, describe, expect, it } from 'vitest'
import {
  daysFromNoon,
  makeChild,
  makeRoot,
  nextSerial,
  noon,
  oddCertificate,
  type Party,
} from '../testing/authority.ts'
import { openBench, opensslIsHere } from '../testing/openssl.ts'
import { encodeExtendedKeyUsage } from './extensions.ts'
import {
  answerOcspRequest,
  buildOcspFailure,
  buildOcspRequest,
  generateSigner,
  issueCertificate,
  lintCertificate,
  OID,
  type OcspAnswer,
  type OcspResponder,
  ocspHttpRequest,
  parseCertificate,
  parseOcspReply,
  parseOcspRequest,
  parseOcspResponse,
  type SignatureAlgorithm,
  toPem,
  type VerifyOcspOptions,
  verifyOcspResponse,
} from './pki.ts'

const root = makeRoot('ecdsa-p256-sha256')
const leaf = makeChild(root, 'event-signing')
const delegate = makeChild(root, 'ocsp-responder', 'ecdsa-p256-sha256', { CN: 'responder' })
const nonce = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const asked = { certificates: [{ certificate: leaf.certificate, issuer: root.certificate }], nonce }
const request = buildOcspRequest(asked)

function reply(
  answer: OcspAnswer,
  more: Partial<OcspResponder> & { as?: Party } = {},
  to = request,
): Uint8Array {
  const { as = delegate, ...rest } = more
  return answerOcspRequest(to, {
    issuer: root.certificate,
    certificate: as.certificate,
    signer: as.signer,
    producedAt: noon,
    thisUpdate: noon,
    nextUpdate: daysFromNoon(1),
    answer: () => answer,
    ...rest,
  })
}
function judge(response: Uint8Array, more: Partial<VerifyOcspOptions> = {}) {
  return verifyOcspResponse(response, {
    certificate: leaf.certificate,
    issuer: root.certificate,
    at: noon,
    nonce,
    ...more,
  })
}
const codes = (result: ReturnType<typeof judge>) => result.problems.map(({ code }) => code)

describe('an OCSP request', () => {
  it('keeps what it asks', () => {
    const parsed = parseOcspRequest(request)
    expect(parsed).toMatchObject({ nonce, unknownCriticalExtension: false })
    expect(parsed.certIds).toHaveLength(1)
    expect(parsed.certIds[0]).toMatchObject({ algorithm: 'sha1', serialHex: leaf.certificate.serialHex })
    const modern = parseOcspRequest(buildOcspRequest({ ...asked, digestAlgorithm: 'sha256' }))
    expect(modern.certIds[0]?.issuerKeyHash).toHaveLength(32)
    expect(ocspHttpRequest('http://o.example/', request)).toMatchObject({ method: 'POST', body: request })
  })

  it('about nothing, or with a nonce of no or too many octets, is refused', () => {
    for (const bad of [
      { certificates: [] },
      { ...asked, nonce: new Uint8Array() },
      { ...asked, nonce: new Uint8Array(129) },
    ])
      expect(() => buildOcspRequest(bad)).toThrowError(expect.objectContaining({ code: 'argument' }))
  })
})

describe('an OCSP response', () => {
  it('says good, revoked with time and reason, or unknown', () => {
    expect(judge(reply({ status: 'good' }))).toMatchObject({ ok: true, status: 'good', problems: [] })
    expect(judge(reply({ status: 'unknown' }))).toMatchObject({ ok: true, status: 'unknown' })
    const revoked = reply({ status: 'revoked', at: daysFromNoon(-3), reason: 'keyCompromise' })
    expect(judge(revoked)).toMatchObject({
      ok: true,
      status: 'revoked',
      revokedAt: daysFromNoon(-3),
      reason: 'keyCompromise',
    })
    expect(judge(reply({ status: 'revoked', at: daysFromNoon(-3) })).reason).toBeUndefined()
  })

  for (const algorithm of [
    'ecdsa-p384-sha384',
    'rsa-pkcs1-sha256',
    'rsa-pss-sha256',
    'ed25519',
    'sm2-sm3',
  ] satisfies SignatureAlgorithm[])
    it(`under ${algorithm} verifies`, () => {
      const as = makeChild(root, 'ocsp-responder', algorithm, { CN: 'responder' })
      expect(judge(reply({ status: 'good' }, { as }))).toMatchObject({ ok: true, status: 'good' })
    })

  it('may come from the CA itself, which then needs no certificate in it', () => {
    const own = reply({ status: 'good' }, { as: root })
    expect(parseOcspResponse(own).certificates).toEqual([])
    expect(judge(own)).toMatchObject({
      ok: true,
      responder: { fingerprintSha256: root.certificate.fingerprintSha256 },
    })
  })

  it('from anybody the CA did not appoint is refused', () => {
    const stranger = makeRoot('ecdsa-p256-sha256', 'stranger')
    const appointedByStranger = makeChild(stranger, 'ocsp-responder', 'ecdsa-p256-sha256', {
      CN: 'responder',
    })
    const expired = oddCertificate(root, {
      notAfter: daysFromNoon(-1),
      extensions: [encodeExtendedKeyUsage([OID.ocspSigning], false)],
    })
    for (const as of [leaf, stranger, appointedByStranger, expired])
      expect(codes(judge(reply({ status: 'good' }, { as })))).toEqual(['ocsp-responder'])
  })

  it('about another certificate, another time or another question is refused', () => {
    const other = makeChild(root, 'event-signing')
    const good = reply({ status: 'good' })
    expect(codes(judge(good, { certificate: other.certificate }))).toEqual(['ocsp-other-certificate'])
    const twin = makeRoot('ecdsa-p256-sha256')
    expect(codes(judge(good, { issuer: twin.certificate }))).toEqual([
      'ocsp-other-certificate',
      'ocsp-responder',
    ])
    expect(codes(judge(good, { at: daysFromNoon(2) }))).toEqual(['ocsp-time'])
    expect(codes(judge(good, { at: daysFromNoon(-1) }))).toEqual(['ocsp-time'])
    expect(judge(good, { at: daysFromNoon(-1), toleranceMs: 86_400_000 }).ok).toBe(true)
    expect(codes(judge(good, { nonce: Uint8Array.of(9) }))).toEqual(['ocsp-nonce-mismatch'])
    const without = reply({ status: 'good' }, {}, buildOcspRequest({ certificates: asked.certificates }))
    expect(judge(without)).toMatchObject({
      ok: true,
      problems: [{ code: 'ocsp-nonce-missing', severity: 'warning' }],
    })
    expect(judge(without, { requireNonce: true })).toMatchObject({ ok: false, status: undefined })
  })

  it('without an end may be only as old as the caller says', () => {
    const open = answerOcspRequest(request, {
      issuer: root.certificate,
      certificate: delegate.certificate,
      signer: delegate.signer,
      producedAt: noon,
      thisUpdate: noon,
      answer: () => ({ status: 'good' }),
    })
    expect(judge(open, { at: daysFromNoon(2) }).ok).toBe(true)
    expect(codes(judge(open, { at: daysFromNoon(2), maximumAgeMs: 86_400_000 }))).toEqual(['ocsp-time'])
  })

  it('never verifies and never crashes the reader when any octet is changed or cut off', () => {
    const der = reply({ status: 'good' })
    const { certificates } = parseOcspResponse(der)
    // Inside the carried certificate, whose own signature covers itself, and the signature over the answer.
    for (let index = 0; index < der.length; index += 1)
      for (const damaged of [
        der.slice(0, index),
        der.map((octet, at) => (at === index ? octet ^ 0x04 : octet)),
      ])
        expect(judge(damaged).ok, `octet ${index}`).toBe(false)
    expect(certificates).toHaveLength(1)
  })
})

describe('a responder', () => {
  it('refuses by name what it cannot read or is not about its CA', () => {
    const refusal = (der: Uint8Array) => parseOcspReply(reply({ status: 'good' }, {}, der))
    expect(refusal(Uint8Array.of(1, 2, 3))).toEqual({ refusal: 'malformedRequest' })
    const foreign = makeRoot()
    const elsewhere = buildOcspRequest({
      certificates: [{ certificate: leaf.certificate, issuer: foreign.certificate }],
    })
    expect(refusal(elsewhere)).toEqual({ refusal: 'unauthorized' })
    expect(codes(judge(buildOcspFailure('tryLater')))).toEqual(['ocsp-refused'])
    expect(() => parseOcspResponse(buildOcspFailure('tryLater'))).toThrowError(
      expect.objectContaining({ code: 'structure' }),
    )
  })

  it('answers each certificate by its own serial number', () => {
    const second = makeChild(root, 'event-signing')
    const both = buildOcspRequest({
      certificates: [...asked.certificates, { certificate: second.certificate, issuer: root.certificate }],
    })
    const answer = (serialHex: string): OcspAnswer =>
      serialHex === second.certificate.serialHex ? { status: 'revoked', at: noon } : { status: 'good' }
    const response = reply({ status: 'unknown' }, { answer }, both)
    const judgeIt = (certificate: typeof leaf.certificate) =>
      verifyOcspResponse(response, { certificate, issuer: root.certificate, at: noon }).status
    expect([judgeIt(leaf.certificate), judgeIt(second.certificate)]).toEqual(['good', 'revoked'])
  })

  it('does not work with another key, or for no time', () => {
    expect(() => reply({ status: 'good' }, { signer: leaf.signer })).toThrowError(
      expect.objectContaining({ code: 'key-mismatch' }),
    )
    expect(() => reply({ status: 'good' }, { nextUpdate: noon })).toThrowError(
      expect.objectContaining({ code: 'argument' }),
    )
  })

  it('has a certificate whose profile is held to the letter', () => {
    expect(lintCertificate(delegate.certificate.der, 'ocsp-responder', root.certificate)).toEqual([])
    expect(lintCertificate(delegate.certificate.der, 'event-signing').map(({ rule }) => rule)).toContain(
      'no-check-exact',
    )
    const without = oddCertificate(root)
    expect(lintCertificate(without.certificate.der, 'ocsp-responder').map(({ rule }) => rule)).toContain(
      'no-check-exact',
    )
  })
})

describe.skipIf(!opensslIsHere())('openssl', () => {
  const bench = openBench()
  afterAll(() => bench.close())
  const now = new Date(Math.floor(Date.now() / 1000) * 1000)
  const later = (hours: number) => new Date(now.getTime() + hours * 3_600_000)

  it('reads our request, and its answer is one that we verify', () => {
    const { signer, privateKey } = generateSigner('ecdsa-p256-sha256')
    const shared = { serial: nextSerial(), notBefore: later(-24), notAfter: later(24) }
    const certificate = parseCertificate(
      issueCertificate(
        {
          ...shared,
          issuer: root.certificate,
          profile: 'ocsp-responder',
          subject: { CN: 'responder' },
          spki: signer.spki,
        },
        root.signer,
      ),
    )
    bench.put('ca.pem', toPem(root.certificate.der, 'CERTIFICATE'))
    bench.put('r.pem', toPem(certificate.der, 'CERTIFICATE'))
    bench.put('r.key', privateKey.export({ format: 'pem', type: 'pkcs8' }))
    bench.put('request.der', request)
    expect(bench.openssl('ocsp', '-reqin', 'request.der', '-req_text', '-noverify')).toContain(
      '0102030405060708',
    )
    const answer = [
      '-CA',
      'ca.pem',
      '-rsigner',
      'r.pem',
      '-rkey',
      'r.key',
      '-reqin',
      'request.der',
      '-nmin',
      '60',
      '-respout',
      'answer.der',
    ]
    const serial = leaf.certificate.serialHex.toUpperCase()
    bench.put('index.txt', `V\t300101000000Z\t\t${serial}\tunknown\t/CN=x\n`)
    bench.openssl('ocsp', '-index', 'index.txt', ...answer)
    expect(judge(bench.read('answer.der'), { at: now, toleranceMs: 60_000 })).toMatchObject({
      ok: true,
      status: 'good',
      problems: [],
    })
    bench.put('index.txt', `R\t300101000000Z\t260228120000Z,superseded\t${serial}\tunknown\t/CN=x\n`)
    bench.openssl('ocsp', '-index', 'index.txt', ...answer)
    expect(judge(bench.read('answer.der'), { at: now, toleranceMs: 60_000 })).toMatchObject({
      ok: true,
      status: 'revoked',
      revokedAt: daysFromNoon(-1),
      reason: 'superseded',
    })
  })

  it('verifies our answers, from the CA and from its delegate', () => {
    bench.put('ca.pem', toPem(root.certificate.der, 'CERTIFICATE'))
    bench.put('leaf.pem', toPem(leaf.certificate.der, 'CERTIFICATE'))
    const times = { producedAt: now, thisUpdate: now, nextUpdate: later(24) }
    const check = () => {
      const args = ['-respin', 'answer.der', '-CAfile', 'ca.pem', '-issuer', 'ca.pem', '-cert', 'leaf.pem']
      return bench.openssl('ocsp', '-no_nonce', ...args)
    }
    for (const as of [delegate, root]) {
      bench.put('answer.der', reply({ status: 'good' }, { ...times, as }))
      expect(check()).toMatch(/leaf.pem: good[\s\S]*Response verify OK/)
      bench.put(
        'answer.der',
        reply({ status: 'revoked', at: daysFromNoon(-1), reason: 'keyCompromise' }, { ...times, as }),
      )
      expect(check()).toMatch(/leaf.pem: revoked[\s\S]*keyCompromise[\s\S]*Response verify OK/)
    }
  })
})
