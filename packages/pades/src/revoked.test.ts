import { parseCertificate } from '@yinxin/pki'
import { describe, expect, it } from 'vitest'
import { samplePdf } from '../test-files.ts'
import { createTestPki, type Identity } from '../test-pki.ts'
import { extendPdf, signPdf, timestampPdf, type ValidationNeed, verifyPdf } from './pades.ts'

const at = new Date('2026-01-10T10:00:00Z')
const day = (count: number) => new Date(at.getTime() + count * 86_400_000)
const pki = createTestPki(at)
const trust = [pki.root]
const revokedOn = (when: Date, listed: Date, { certificates: [leaf] }: Identity = pki.p256) => {
  const serial = Buffer.from(parseCertificate(leaf as Uint8Array).serialHex, 'hex')
  return pki.crl(listed, [{ serial, at: when }])
}

/** Signed at noon of a day that the signer claims, with a timestamp of the day it really was, if any. */
const sign = (stamped?: Date) =>
  signPdf(samplePdf(), {
    ...pki.p256,
    placements: [],
    signingTime: at,
    ...(stamped ? { timestamp: pki.timestampAt(stamped) } : {}),
  })
const withList = (pdf: Uint8Array, crl: Uint8Array) =>
  extendPdf(pdf, {
    level: 'B-LT',
    validationData: () => ({ crls: [crl] }),
    timestamp: pki.timestampAt(day(9)),
  })

function judged(pdf: Uint8Array) {
  const { ok, signatures } = verifyPdf(pdf, { trust })
  const [one] = signatures
  const codes = one?.problems.filter(({ severity }) => severity === 'error').map(({ code }) => code)
  return { ok, status: one?.status, trusted: one?.trusted, codes }
}

describe('a revocation that the file itself speaks of', () => {
  it('ends the trust in a signature whose timestamp came after it', async () => {
    const pdf = await withList(await sign(day(5)), revokedOn(day(3), day(6)))
    expect(judged(pdf)).toEqual({ ok: false, status: 'invalid', trusted: false, codes: ['revoked'] })
  })

  it('leaves a signature alone that a timestamp proves to be older', async () => {
    const pdf = await withList(await sign(day(1)), revokedOn(day(3), day(6)))
    expect(judged(pdf)).toEqual({ ok: true, status: 'valid', trusted: true, codes: [] })
  })

  it('is not evaded by a claimed time, but by a document timestamp before it', async () => {
    const claimed = await sign()
    const early = await timestampPdf(claimed, { timestamp: pki.timestampAt(day(1)) })
    const late = await timestampPdf(claimed, { timestamp: pki.timestampAt(day(4)) })
    const crl = revokedOn(day(3), day(6))
    // Validation data without a timestamp inside the signature: written as other producers do.
    const lta = (pdf: Uint8Array) =>
      extendPdf(pdf, {
        level: 'B-LTA',
        validationData: () => ({ crls: [crl] }),
        timestamp: pki.timestampAt(day(7)),
      })
    expect(judged(await lta(late))).toMatchObject({ ok: false, status: 'invalid', codes: ['revoked'] })
    expect(judged(await lta(early))).toMatchObject({ ok: true, status: 'valid' })
  })

  it('of the authority takes its timestamp away, and with it the proof', async () => {
    const validationData = ({ certificate: { subject, serialHex } }: ValidationNeed) => {
      const serial = Buffer.from(serialHex, 'hex')
      const revoked = subject.text.includes('TSA') ? [{ serial, at: day(2) }] : []
      return { crls: [pki.crl(day(6), revoked)] }
    }
    const signed = await sign(day(1))
    expect(verifyPdf(signed, { trust }).signatures[0]?.timestamp).toBe(day(1).toISOString())
    const pdf = await extendPdf(signed, { level: 'B-LT', validationData })
    const [one] = verifyPdf(pdf, { trust }).signatures
    expect(one).toMatchObject({ level: 'B-B', timestamp: null })
    expect(one?.problems.map(({ code }) => code)).toContain('timestamp_untrusted')
  })

  it('of the authority ends the trust in a document timestamp', async () => {
    const validationData = ({ certificate: { subject, serialHex } }: ValidationNeed) => {
      const serial = Buffer.from(serialHex, 'hex')
      const revoked = subject.text.includes('TSA') ? [{ serial, at: day(2) }] : []
      return { crls: [pki.crl(day(6), revoked)] }
    }
    const stamped = await timestampPdf(await sign(), { timestamp: pki.timestampAt(day(1)) })
    const pdf = await extendPdf(stamped, { level: 'B-LT', validationData })
    const [stamp] = verifyPdf(pdf, { trust }).documentTimestamps
    expect(stamp).toMatchObject({ status: 'indeterminate', trusted: false })
  })

  it('stays out of the question without anchors', async () => {
    const pdf = await withList(await sign(day(5)), revokedOn(day(3), day(6)))
    expect(verifyPdf(pdf).signatures[0]).toMatchObject({ status: 'valid', trusted: null })
  })
})
