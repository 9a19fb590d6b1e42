import { describe, expect, it } from 'vitest'
import { daysFromNoon, makeChild, makeRoot, noon, oddCertificate, type Party } from '../testing/authority.ts'
import {
  answerOcspRequest,
  buildOcspRequest,
  issueCrl,
  type OcspAnswer,
  type OcspResponder,
  type PathOptions,
  parseOcspResponse,
  pathIndication,
  type RevocationReason,
  validatePath,
} from './pki.ts'

const root = makeRoot('ecdsa-p256-sha256')
const authority = makeChild(root, 'issuing-ca', 'ecdsa-p256-sha256', { CN: 'issuing' })
const leaf = makeChild(authority, 'event-signing')

function judge(more: Partial<PathOptions> = {}) {
  return validatePath({
    leaf: leaf.certificate,
    intermediates: [authority.certificate],
    anchors: [root.certificate],
    at: noon,
    ...more,
  })
}
function ocsp(answer: OcspAnswer, more: Partial<OcspResponder> = {}, about: Party = leaf): Uint8Array {
  const request = buildOcspRequest({
    certificates: [{ certificate: about.certificate, issuer: authority.certificate }],
  })
  return answerOcspRequest(request, {
    issuer: authority.certificate,
    certificate: authority.certificate,
    signer: authority.signer,
    producedAt: noon,
    thisUpdate: noon,
    nextUpdate: daysFromNoon(1),
    answer: () => answer,
    ...more,
  })
}
function crl(days: number, entry?: { at: Date; reason?: RevocationReason }, about: Party = leaf): Uint8Array {
  const serial = Buffer.from(about.certificate.serialHex, 'hex')
  return issueCrl(
    {
      issuer: authority.certificate,
      number: 1000 + days,
      thisUpdate: daysFromNoon(days),
      nextUpdate: daysFromNoon(days + 30),
      revoked: entry === undefined ? [] : [{ serial, ...entry }],
    },
    authority.signer,
  )
}

describe('OCSP responses along a path', () => {
  it('say good and revoked, and are named as the source', () => {
    const good = judge({ ocsps: [ocsp({ status: 'good' })] })
    expect(good.revocation[0]).toEqual({
      status: 'good',
      source: { kind: 'ocsp', index: 0, thisUpdate: noon, nextUpdate: daysFromNoon(1) },
    })
    const at = daysFromNoon(-3)
    const revoked = judge({ ocsps: [ocsp({ status: 'revoked', at, reason: 'keyCompromise' })] })
    expect(revoked).toMatchObject({
      ok: false,
      revocation: [{ status: 'revoked', at }, { status: 'unknown' }],
    })
    expect(pathIndication(revoked)).toBe('REVOKED_NO_POE')
    expect(
      judge({ at: daysFromNoon(-4), ocsps: [ocsp({ status: 'revoked', at })] }).revocation[0]?.status,
    ).toBe('good')
    expect(judge({ ocsps: [parseOcspResponse(ocsp({ status: 'good' }))] }).revocation[0]?.status).toBe('good')
  })

  it('that say nothing are refused by name', () => {
    const reason = (response: Uint8Array, more: Partial<PathOptions> = {}) => {
      const [found] = judge({ ocsps: [response], ...more }).revocation
      return found?.status === 'unknown' ? found.rejected[0]?.reason : found?.status
    }
    const stranger = makeChild(root, 'issuing-ca', 'ecdsa-p256-sha256', { CN: 'stranger' })
    const other = makeChild(authority, 'event-signing')
    expect(reason(ocsp({ status: 'unknown' }))).toBe('unknown-to-responder')
    expect(reason(ocsp({ status: 'good' }, {}, other))).toBe('other-certificate')
    expect(
      reason(ocsp({ status: 'good' }, { certificate: stranger.certificate, signer: stranger.signer })),
    ).toBe('not-authorized')
    const forged = { ...authority.signer, sign: stranger.signer.sign }
    expect(reason(ocsp({ status: 'good' }, { signer: forged }))).toBe('signature')
    expect(reason(ocsp({ status: 'good' }), { at: daysFromNoon(2) })).toBe('stale')
    // Made after the time in question: the better witness.
    expect(reason(ocsp({ status: 'good' }), { at: daysFromNoon(-2) })).toBe('good')
    const unreadable = judge({ ocsps: [Uint8Array.of(1, 2, 3)] })
    expect(unreadable.problems.map(({ code }) => code)).toContain('ocsp-unreadable')
  })

  it('keep their places when one before them is unreadable', () => {
    const result = judge({ ocsps: [Uint8Array.of(0), ocsp({ status: 'good' })] })
    expect(result.revocation[0]).toMatchObject({ status: 'good', source: { kind: 'ocsp', index: 1 } })
  })
})

describe('lists and responses together', () => {
  it('revoked outweighs good, whichever says it', () => {
    const at = daysFromNoon(-1)
    for (const [crls, ocsps] of [
      [[crl(0, { at })], [ocsp({ status: 'good' })]],
      [[crl(0)], [ocsp({ status: 'revoked', at })]],
    ] as const)
      expect(judge({ crls, ocsps }).revocation[0]).toMatchObject({ status: 'revoked', at })
  })

  it('a hold that a later list has lifted no longer counts, but did count while it lasted', () => {
    const held = crl(-10, { at: daysFromNoon(-12), reason: 'certificateHold' })
    const lifted = crl(-5)
    const at = (days: number) => judge({ at: daysFromNoon(days), crls: [held, lifted] }).revocation[0]?.status
    expect([at(-13), at(-11), at(-6), at(-4), at(0)]).toEqual(['good', 'revoked', 'revoked', 'good', 'good'])
    const compromised = crl(-10, { at: daysFromNoon(-12), reason: 'keyCompromise' })
    expect(judge({ crls: [compromised, lifted] }).revocation[0]?.status).toBe('revoked')
  })

  it('what was made after the certificate had expired cannot vouch for it', () => {
    const short = oddCertificate(authority, { notAfter: daysFromNoon(10) })
    const result = validatePath({
      leaf: short.certificate,
      intermediates: [authority.certificate],
      anchors: [root.certificate],
      at: noon,
      crls: [crl(20, undefined, short)],
    })
    expect(result.revocation[0]).toEqual({
      status: 'unknown',
      rejected: [{ kind: 'crl', index: 0, reason: 'after-expiry' }],
    })
  })

  it('may not be older than the caller allows', () => {
    const dayMs = 86_400_000
    const crls = [crl(-10)]
    expect(judge({ crls }).revocation[0]?.status).toBe('good')
    expect(judge({ crls, revocationMaximumAgeMs: 11 * dayMs }).revocation[0]?.status).toBe('good')
    expect(judge({ crls, revocationMaximumAgeMs: 9 * dayMs }).revocation[0]).toMatchObject({
      status: 'unknown',
      rejected: [{ reason: 'stale' }],
    })
  })
})

describe('the sub-indication of a path', () => {
  it('names the worst error and nothing for a good path', () => {
    const required = { requireRevocation: true }
    expect(pathIndication(judge())).toBeUndefined()
    expect(pathIndication(judge(required))).toBe('TRY_LATER')
    expect(pathIndication(judge({ at: daysFromNoon(1500) }))).toBe('OUT_OF_BOUNDS_NO_POE')
    expect(pathIndication(judge({ at: daysFromNoon(-500) }))).toBe('NOT_YET_VALID')
    expect(pathIndication(judge({ ...required, anchors: [] }))).toBe('NO_CERTIFICATE_CHAIN_FOUND')
    expect(pathIndication(judge({ purpose: 'timestamping' }))).toBe('CHAIN_CONSTRAINTS_FAILURE')
    const serial = Buffer.from(authority.certificate.serialHex, 'hex')
    const ofRoot = issueCrl(
      {
        issuer: root.certificate,
        number: 1,
        thisUpdate: noon,
        nextUpdate: daysFromNoon(1),
        revoked: [{ serial, at: noon }],
      },
      root.signer,
    )
    expect(pathIndication(judge({ crls: [ofRoot] }))).toBe('REVOKED_CA_NO_POE')
  })
})
