import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseCertificate, parseSignedData, parseTimestampToken, toPem } from '@yinxin/pki'
import { describe, expect, it } from 'vitest'
import { samplePdf } from '../test-files.ts'
import { hasJudge, run, withFile } from '../test-judges.ts'
import { createTestPki, type TestPki } from '../test-pki.ts'
import { extendPdf, signPdf, validatePdf, verifyPdf } from './pades.ts'

const at = new Date('2026-11-24T10:05:00Z')
const STANDARD = '1234567812345678'

/** Root, signer and timestamp authority are SM2 with SM3, and so is every certificate. */
const authority = (sm2Identity?: string) =>
  createTestPki(at, { algorithm: 'sm2-sm3', ...(sm2Identity === undefined ? {} : { sm2Identity }) })

async function signedWith(pki: TestPki): Promise<Uint8Array> {
  const who = pki.issue('sm2-sm3', '北京印信科技有限公司')
  return signPdf(samplePdf(), { ...who, placements: [], signingTime: at, timestamp: pki.timestamp })
}

/** The CMS of the one signature, and the digests' input as openssl has to be given it. */
function partsOf(pdf: Uint8Array) {
  const [, gapFrom = 0, gapTo = 0, rest = 0] = verifyPdf(pdf).signatures[0]?.byteRange ?? []
  const hex = Buffer.from(pdf.subarray(gapFrom + 1, gapTo - 1)).toString('latin1')
  const cms = parseSignedData(Buffer.from(hex, 'hex'), { allowZeroPadding: true })
  const [signer] = cms.signers
  if (!signer?.rawSignedAttributes) throw new Error('no signed attributes')
  const content = Buffer.concat([pdf.subarray(0, gapFrom), pdf.subarray(gapTo, gapTo + rest)])
  return { cms, signer, content }
}

describe('an SM2 signature with SM3', () => {
  it('is made and judged like any other, with an SM2 timestamp', async () => {
    const pki = authority()
    const signed = await signedWith(pki)
    const report = verifyPdf(signed, { trust: [pki.root] })
    expect(report).toMatchObject({
      ok: true,
      signatures: [
        { status: 'valid', level: 'B-T', trusted: true, digestAlgorithm: 'sm3', timestamp: at.toISOString() },
      ],
    })
    const { signer } = partsOf(signed)
    expect(signer.digestAlgorithm).toBe('sm3')
    const token = parseTimestampToken(signer.timestampTokens[0] as Uint8Array)
    expect(token.messageImprint.algorithm).toBe('sm3')
    expect(
      token.signedData.certificates.every(({ signatureAlgorithm }) =>
        signatureAlgorithm.name.includes('sm2'),
      ),
    ).toBe(true)
    const long = await extendPdf(signed, {
      level: 'B-LTA',
      digestAlgorithm: 'sm3',
      validationData: () => ({ crls: [pki.crl(at)] }),
      timestamp: pki.timestamp,
    })
    const judged = validatePdf(long, { trust: [pki.root], at })
    expect(judged.indication).toBe('TOTAL_PASSED')
    expect(judged.signatures[0]?.level).toBe('B-LTA')
  })

  it('does not hold for another document, nor under another identity', async () => {
    const pki = authority()
    const signed = await signedWith(pki)
    const changed = Uint8Array.from(signed)
    changed[Buffer.from(signed).indexOf('Contract')] = 0x58
    expect(verifyPdf(changed).signatures[0]?.problems.map(({ code }) => code)).toContain('digest-mismatch')
    const elsewhere = verifyPdf(signed, { sm2Identity: 'ALICE123@YAHOO.COM' })
    expect(elsewhere.signatures[0]?.problems.map(({ code }) => code)).toContain('signature-mismatch')
  })

  it('may use another identity, which the verifier has to be told', async () => {
    const sm2Identity = 'ALICE123@YAHOO.COM'
    const pki = authority(sm2Identity)
    const signed = await signedWith(pki)
    expect(verifyPdf(signed, { trust: [pki.root] }).signatures[0]?.status).toBe('invalid')
    const told = verifyPdf(signed, { trust: [pki.root], sm2Identity })
    expect(told).toMatchObject({ ok: true, signatures: [{ timestamp: at.toISOString(), trusted: true }] })
    const judged = validatePdf(signed, { trust: [pki.root], at, sm2Identity, crls: [pki.crl(at)] })
    expect(judged.indication).toBe('TOTAL_PASSED')
  })

  for (const identity of [STANDARD, 'ALICE123@YAHOO.COM']) {
    it(`is verified by openssl under ${identity}, with its certificates and its timestamp`, async (context) => {
      if (!hasJudge(context, 'openssl', ['version'])) return
      const pki = authority(identity === STANDARD ? undefined : identity)
      const { cms, signer, content } = partsOf(await signedWith(pki))
      const token = parseTimestampToken(signer.timestampTokens[0] as Uint8Array)
      withFile(content, (path, folder) => {
        const put = (name: string, bytes: Uint8Array | string) => {
          const file = join(folder, name)
          writeFileSync(file, bytes)
          return file
        }
        const root = put('root.pem', toPem(pki.root, 'CERTIFICATE'))
        const holds = (name: string, container: typeof cms, one: typeof signer) => {
          const { sid } = one
          const certificate = container.certificates.find(
            ({ serialHex }) => sid.kind === 'issuer-serial' && serialHex === sid.serialHex,
          )
          if (!certificate || !one.rawSignedAttributes) throw new Error('no certificate')
          const leaf = put(`${name}.pem`, toPem(certificate.der, 'CERTIFICATE'))
          const moment = ['-attime', String(at.getTime() / 1000)]
          const chain = [
            'verify',
            '-vfyopt',
            `distid:${identity}`,
            '-CAfile',
            root,
            '-purpose',
            'any',
            ...moment,
            leaf,
          ]
          expect(run('openssl', chain).text).toContain(': OK')
          const key = put(`${name}.pub`, toPem(parseCertificate(certificate.der).spki, 'PUBLIC KEY'))
          const value = put(`${name}.sig`, one.signature)
          const message = put(`${name}.attributes`, one.rawSignedAttributes)
          const verify = (id: string) =>
            run('openssl', [
              'dgst',
              '-sm3',
              '-verify',
              key,
              '-sigopt',
              `distid:${id}`,
              '-signature',
              value,
              message,
            ])
          expect(verify(identity).text).toContain('Verified OK')
          expect(verify('somebody else').text).toContain('Verification failure')
        }
        holds('signer', cms, signer)
        const [stamp] = token.signedData.signers
        if (!stamp) throw new Error('no signer of the timestamp')
        holds('stamp', token.signedData, stamp)
        // The document's own digest, as openssl computes it, is the one that was signed.
        const digest = /= ([0-9a-f]{64})/.exec(run('openssl', ['dgst', '-sm3', path]).text)?.[1] ?? 'none'
        expect(Buffer.from(signer.rawSignedAttributes ?? []).toString('hex')).toContain(digest)
      })
    })
  }
})
