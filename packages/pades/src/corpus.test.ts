import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { corpusFolder, pdfFiles, runCorpus } from '../corpus.ts'

const folder = corpusFolder()

function files(context: { skip(note?: string): void }, part: string): string[] {
  if (existsSync(join(folder, part))) return pdfFiles(join(folder, part))
  console.warn(`SKIPPED: no corpus at ${folder}`)
  context.skip('no corpus')
  return []
}

describe('the corpus of real files', () => {
  it('is signed twice or refused by name: no crash, nothing over two seconds', async (context) => {
    const rows = await runCorpus(files(context, 'plain'), 'sign', false)
    const bad = rows.filter(({ outcome }) => outcome === 'timeout' || outcome.startsWith('failed'))
    expect(bad).toEqual([])
    const unencrypted = rows.filter(({ outcome }) => outcome !== 'encrypted')
    const signed = unencrypted.filter(({ outcome }) => outcome === 'signed')
    expect(signed.length / unencrypted.length).toBeGreaterThanOrEqual(0.98)
  })

  it('of signed files gets a verdict for each', async (context) => {
    const rows = await runCorpus(files(context, 'signed'), 'verify', false)
    expect(rows.filter(({ outcome }) => !['verified', 'truncated'].includes(outcome))).toEqual([])
    const verdict = new Map(rows.map(({ file, detail }) => [basename(file), detail]))
    // Attacks and broken signatures.
    for (const name of [
      'hide.pdf',
      'replace.pdf',
      'pdf-spoofing-attack.pdf',
      'pdf-byterange-overlap.pdf',
      'pdf-signed-out-of-byteRange.pdf',
      'pades-signed-annot-added.pdf',
      'pades-two-sig-copied-tst.pdf',
      'pades-enveloping-empty-bytes-cms.pdf',
    ]) {
      expect(`${name} ${verdict.get(name)}`).toContain(`${name} false`)
    }
    // Untouched originals.
    for (const name of [
      'pdf-signed-original.pdf',
      'certified-changes-permitted.pdf',
      'pades-ltv.pdf',
      'Signature-P-HU_POL-7.pdf',
      'pades-ocsp-sign-cert.pdf',
      'pkcs7.pdf',
      'pdf-with-eof-cr.pdf',
      'PAdESWithCrossCertificateOCSP.pdf',
    ]) {
      expect(`${name} ${verdict.get(name)}`).toContain(`${name} true`)
    }
  })
})
