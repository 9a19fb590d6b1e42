import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { extendPdf, signPdf } from '@yinxin/pades'
import { toPem } from '@yinxin/pki'
import { afterAll, describe, expect, it } from 'vitest'
import { samplePdf } from '../../packages/pades/test-files.ts'
import { createTestPki } from '../../packages/pades/test-pki.ts'
import { type DssVerdict, hasDss, judgeWithDss } from './dss.ts'

// An hour ago: a timestamp from the future would be no proof.
const at = new Date(Date.now() - 3_600_000)
const pki = createTestPki(at)
const folder = mkdtempSync(join(tmpdir(), 'yinxin-dss-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const put = (name: string, content: Uint8Array | string) => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}
const anchor = put('root.pem', toPem(pki.root, 'CERTIFICATE'))
const crls = [put('root.crl', pki.crl(at))]
const options = { trust: [anchor], crls }

const sign = (who = pki.p256, stamped = true) =>
  signPdf(samplePdf(), {
    ...who,
    placements: [],
    signingTime: at,
    ...(stamped ? { timestamp: pki.timestamp } : {}),
  })
const only = (verdicts: readonly DssVerdict[]) => {
  const [verdict] = verdicts
  if (!verdict || verdicts.length !== 1) throw new Error(`${verdicts.length} verdicts`)
  return verdict
}
const passed = (level: string) => ({ level, indication: 'TOTAL_PASSED', subIndication: null, errors: [] })

describe('EU DSS, with our root as its anchor', () => {
  it('passes B-B and B-T files of RSA and P-256 keys at their levels', async (context) => {
    if (!hasDss(context)) return
    const files = [
      put('b-b.pdf', await sign(pki.rsa, false)),
      put('b-t-rsa.pdf', await sign(pki.rsa)),
      put('b-t.pdf', await sign()),
    ]
    const verdicts = judgeWithDss(files, options)
    expect(verdicts.map(({ signatures }) => signatures)).toMatchObject([
      [passed('PAdES-BASELINE-B')],
      [passed('PAdES-BASELINE-T')],
      [
        {
          ...passed('PAdES-BASELINE-T'),
          signedBy: '王小明',
          timestamps: [{ intact: true, indication: 'PASSED' }],
        },
      ],
    ])
  }, 600_000)

  it('passes B-LT and B-LTA files from the data they carry', async (context) => {
    if (!hasDss(context)) return
    const signed = await sign()
    const data = { validationData: () => ({ crls: [pki.crl(at)] }), timestamp: pki.timestamp }
    const files = [
      put('b-lt.pdf', await extendPdf(signed, { ...data, level: 'B-LT' })),
      put('b-lta.pdf', await extendPdf(signed, { ...data, level: 'B-LTA' })),
    ]
    const verdicts = judgeWithDss(files, { trust: [anchor] })
    expect(verdicts).toMatchObject([
      { signatures: [passed('PAdES-BASELINE-LT')] },
      {
        signatures: [passed('PAdES-BASELINE-LTA')],
        documentTimestamps: [{ intact: true, indication: 'PASSED' }],
      },
    ])
  }, 600_000)

  it('fails what was changed, and leaves open what it cannot trust', async (context) => {
    if (!hasDss(context)) return
    const signed = await sign()
    const changed = signed.slice()
    const letter = Buffer.from(signed).indexOf('(Contract)') + 1
    changed[letter] = 0x63
    const forged = only(judgeWithDss([put('changed.pdf', changed)], options))
    expect(forged.signatures).toMatchObject([
      { indication: 'TOTAL_FAILED', subIndication: 'HASH_FAILURE', dataIntact: false },
    ])
    const foreign = only(judgeWithDss([put('foreign.pdf', signed)]))
    expect(foreign.signatures).toMatchObject([
      { indication: 'INDETERMINATE', subIndication: 'NO_CERTIFICATE_CHAIN_FOUND' },
    ])
    expect(only(judgeWithDss([put('junk.pdf', '%PDF-1.7 nothing')])).error).toContain('Exception')
  }, 600_000)
})
