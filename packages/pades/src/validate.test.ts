import { answerOcspRequest, buildOcspRequest, parseCertificate } from '@yinxin/pki'
import { describe, expect, it } from 'vitest'
import { appendUpdate, samplePdf } from '../test-files.ts'
import { createTestPki, type Identity } from '../test-pki.ts'
import { extendPdf, signPdf, timestampPdf, type ValidationOptions, validatePdf } from './pades.ts'

const at = new Date('2026-01-10T10:00:00Z')
const day = (count: number) => new Date(at.getTime() + count * 86_400_000)
const pki = createTestPki(at)
const trust = [pki.root]
const brief = pki.issue('ecdsa-p256-sha256', '短期证书', 'document-signing', 3)
const serialOf = ({ certificates: [leaf] }: Identity) =>
  Buffer.from(parseCertificate(leaf as Uint8Array).serialHex, 'hex')

const sign = (pdf: Uint8Array, who: Identity, timestamp = true) =>
  signPdf(pdf, {
    ...who,
    placements: [],
    signingTime: at,
    ...(timestamp ? { timestamp: pki.timestamp } : {}),
  })
const archive = (pdf: Uint8Array) =>
  extendPdf(pdf, {
    level: 'B-LTA',
    validationData: () => ({ crls: [pki.crl(at)] }),
    timestamp: pki.timestamp,
  })

/** Indication, sub-indication and level of the first signature. */
function outcome(pdf: Uint8Array, options: Partial<ValidationOptions> = {}) {
  const { signatures } = validatePdf(pdf, { trust, at: day(1), ...options })
  const [one] = signatures.filter(({ kind }) => kind === 'signature')
  return [one?.indication, one?.subIndication, one?.level]
}

describe('validation by EN 319 102-1', () => {
  it('passes each level, by what the file holds', async () => {
    const crls = [pki.crl(at)]
    const plain = await sign(samplePdf(), pki.p256, false)
    const timed = await sign(samplePdf(), pki.p256)
    const source = { validationData: () => ({ crls: [pki.crl(at)] }), timestamp: pki.timestamp }
    expect(outcome(plain, { crls })).toEqual(['TOTAL_PASSED', null, 'B-B'])
    expect(outcome(timed, { crls })).toEqual(['TOTAL_PASSED', null, 'B-T'])
    expect(outcome(await extendPdf(timed, { ...source, level: 'B-LT' }))).toEqual([
      'TOTAL_PASSED',
      null,
      'B-LT',
    ])
    expect(outcome(await extendPdf(timed, { ...source, level: 'B-LTA' }))).toEqual([
      'TOTAL_PASSED',
      null,
      'B-LTA',
    ])
  })

  it('leaves open what nothing speaks about, unless that is not asked for', async () => {
    const timed = await sign(samplePdf(), pki.p256)
    expect(outcome(timed)).toEqual(['INDETERMINATE', 'TRY_LATER', 'B-T'])
    expect(outcome(timed, { requireRevocation: false })).toEqual(['TOTAL_PASSED', null, 'B-T'])
    expect(outcome(timed, { trust: [createTestPki(at).root] }).slice(0, 2)).toEqual([
      'INDETERMINATE',
      'NO_CERTIFICATE_CHAIN_FOUND',
    ])
  })

  it('after a certificate expired goes by what timestamps prove', async () => {
    const later = { at: day(200), crls: [pki.crl(day(200))] }
    const plain = await sign(samplePdf(), brief, false)
    expect(outcome(plain, later)).toEqual(['INDETERMINATE', 'OUT_OF_BOUNDS_NO_POE', 'B-B'])
    const kept = await archive(await sign(samplePdf(), brief))
    expect(outcome(kept, later)).toEqual(['TOTAL_PASSED', null, 'B-LTA'])
    const report = validatePdf(kept, { trust, ...later })
    expect(report.indication).toBe('TOTAL_PASSED')
    expect(report.signatures[0]?.provenAt).toBe(at.toISOString())
    expect(report.signatures[0]?.blocks.map(({ block, indication }) => `${block} ${indication}`)).toEqual([
      'format PASSED',
      'cryptography PASSED',
      'changes PASSED',
      'timestamp PASSED',
      'chain-now INDETERMINATE',
      'chain-past PASSED',
    ])
  })

  it('after a revocation passes what is proven older, leaves open what is not, fails what is proven younger', async () => {
    const crls = [pki.crl(day(10), [{ serial: serialOf(pki.p256), at: day(5) }])]
    const when = { at: day(12), crls }
    expect(outcome(await sign(samplePdf(), pki.p256), when)).toEqual(['TOTAL_PASSED', null, 'B-T'])
    const plain = await sign(samplePdf(), pki.p256, false)
    expect(outcome(plain, when)).toEqual(['INDETERMINATE', 'REVOKED_NO_POE', 'B-B'])
    // It signs a timestamp of a time after the revocation, so it is younger than that.
    const stamped = await timestampPdf(samplePdf(), { timestamp: pki.timestampAt(day(6)) })
    expect(outcome(await sign(stamped, pki.p256, false), when)).toEqual(['TOTAL_FAILED', 'REVOKED', 'B-B'])
    // A timestamp after the revocation proves nothing about before.
    const late = await timestampPdf(plain, { timestamp: pki.timestampAt(day(6)) })
    expect(outcome(late, when).slice(0, 2)).toEqual(['INDETERMINATE', 'REVOKED_NO_POE'])
  })

  it('fails what is not authentic, by its reason', async () => {
    const crls = [pki.crl(at)]
    const signed = await sign(samplePdf(), pki.p256)
    const changed = Uint8Array.from(signed)
    changed[Buffer.from(signed).indexOf('Contract')] = 0x58
    expect(outcome(changed, { crls }).slice(0, 2)).toEqual(['TOTAL_FAILED', 'HASH_FAILURE'])
    const [from, to] = [Buffer.from(signed).indexOf('/Contents<'), Buffer.from(signed).indexOf('/M(D:')]
    const swapped = Uint8Array.from(signed)
    swapped.fill(0x31, from + 10, to - 1)
    expect(outcome(swapped, { crls }).slice(0, 2)).toEqual(['TOTAL_FAILED', 'FORMAT_FAILURE'])
    const page = appendUpdate(signed, { 4: '<</Length 2>>\nstream\nQQ\nendstream' })
    expect(outcome(page, { crls }).slice(0, 2)).toEqual(['INDETERMINATE', 'SIG_CONSTRAINTS_FAILURE'])
  })

  it('takes a timestamp over something else for none, and says so', async () => {
    const crls = [pki.crl(at)]
    const digest = new Uint8Array(32).fill(7)
    const foreign = () => pki.timestamp(digest, 'sha256')
    const pretended = await signPdf(samplePdf(), {
      ...pki.p256,
      placements: [],
      signingTime: at,
      timestamp: foreign,
    })
    expect(outcome(pretended, { crls })).toEqual(['TOTAL_PASSED', null, 'B-B'])
    const report = validatePdf(pretended, { trust, at: day(1), crls })
    expect(report.signatures[0]?.provenAt).toBeNull()
    expect(report.signatures[0]?.blocks).toContainEqual(
      expect.objectContaining({ block: 'timestamp', indication: 'FAILED', subIndication: 'HASH_FAILURE' }),
    )
    expect(report.diagnostic.verification.signatures[0]).toMatchObject({
      status: 'valid',
      timestamp: null,
      level: 'B-B',
    })
    expect(report.diagnostic.verification.signatures[0]?.problems).toMatchObject([
      { code: 'timestamp_invalid', severity: 'warning' },
    ])
    // Without a proof of time the certificate counts as of now: a pretended time saves nobody from a revocation.
    const revoked = [pki.crl(day(10), [{ serial: serialOf(pki.p256), at: day(5) }])]
    expect(outcome(pretended, { at: day(12), crls: revoked })).toEqual([
      'INDETERMINATE',
      'REVOKED_NO_POE',
      'B-B',
    ])
  })

  it('goes by OCSP responses as by lists', async () => {
    const signed = await sign(samplePdf(), pki.rsa, false)
    const [certificate, issuer] = pki.rsa.certificates.map((der) => parseCertificate(der))
    if (!certificate || !issuer) throw new Error('no chain')
    const request = buildOcspRequest({ certificates: [{ certificate, issuer }] })
    const answer = (status: 'good' | 'revoked') =>
      answerOcspRequest(request, pki.responder(day(1), status === 'good' ? undefined : day(-0.5)))
    expect(outcome(signed, { ocsps: [answer('good')] })).toEqual(['TOTAL_PASSED', null, 'B-B'])
    expect(outcome(signed, { ocsps: [answer('revoked')] })).toEqual([
      'INDETERMINATE',
      'REVOKED_NO_POE',
      'B-B',
    ])
  })

  it('tells people in both languages', async () => {
    const report = validatePdf(await sign(samplePdf(), pki.p256), { trust, at: day(1) })
    expect(report.signatures[0]?.conclusion).toEqual({
      zh: '王小明 的签名无法判定：没有可用的吊销信息，无法确认证书未被吊销。',
      en: 'The signature of 王小明 cannot be judged: nothing tells whether the certificate has been revoked.',
    })
    expect(validatePdf(samplePdf(), { trust, at }).indication).toBe('INDETERMINATE')
    expect(report.diagnostic.timestamps).toMatchObject([{ time: at.toISOString() }])
  })
})
