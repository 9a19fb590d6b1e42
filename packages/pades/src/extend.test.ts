import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { toPem } from '@yinxin/pki'
import { describe, expect, it } from 'vitest'
import { samplePdf } from '../test-files.ts'
import { countOf, hasJudge, type JudgeContext, run, withFile } from '../test-judges.ts'
import { createTestPki } from '../test-pki.ts'
import {
  type ExtendOptions,
  extendPdf,
  PdfRefusal,
  renewPdf,
  signPdf,
  timestampPdf,
  verifyPdf,
} from './pades.ts'

const at = new Date(Date.now() - 3_600_000)
const pki = createTestPki(at)
const trust = [pki.root]
const validationData = () => ({ crls: [pki.crl(at)] })
const lta: ExtendOptions = { level: 'B-LTA', validationData, timestamp: pki.timestamp }

async function signed(count = 1, timestamp = true): Promise<Uint8Array> {
  let pdf = samplePdf()
  for (let i = 0; i < count; i++) {
    const stamp = timestamp ? { timestamp: pki.timestamp } : {}
    pdf = await signPdf(pdf, { ...pki.p256, placements: [], signingTime: at, ...stamp })
  }
  return pdf
}

/** pyHanko's verdict by the store, and by the process for archived signatures; offline, revocation required. */
function pyhanko(context: JudgeContext, pdf: Uint8Array): string {
  if (!hasJudge(context, 'pyhanko')) return ''
  const script = fileURLToPath(new URL('../judge-ades.py', import.meta.url))
  return withRoot(pdf, (path, root) => run('python3', [script, path, root]).text)
}

function withRoot<T>(pdf: Uint8Array, use: (path: string, root: string) => T): T {
  return withFile(pdf, (path, folder) => {
    const root = join(folder, 'root.pem')
    writeFileSync(root, toPem(pki.root, 'CERTIFICATE'))
    return use(path, root)
  })
}

const codeOf = async (act: Promise<unknown>) => {
  try {
    await act
  } catch (error) {
    if (error instanceof PdfRefusal) return error.code
    throw error
  }
  return 'none'
}

describe('extending a signed file', () => {
  it('keeps every byte that was there, and every signature valid for pdfsig and for us', async (context) => {
    const before = await signed(2)
    const after = await extendPdf(before, lta)
    expect(Buffer.compare(after.subarray(0, before.length), before)).toBe(0)
    const report = verifyPdf(after, { trust })
    expect(report.ok).toBe(true)
    expect(report.documentTimestamps.length).toBe(1)
    if (!hasJudge(context, 'pdfsig', ['-v'])) return
    withFile(after, (path) => {
      const { text } = run('pdfsig', [path])
      expect(countOf(text, 'Signature Validation: Signature is Valid.')).toBe(2)
    })
  })

  it('is accepted by pyHanko as B-LT and as B-LTA', async (context) => {
    if (!hasJudge(context, 'pyhanko')) return
    const before = await signed()
    const archive = await extendPdf(before, lta)
    expect(pyhanko(context, await extendPdf(before, { ...lta, level: 'B-LT' }))).toContain('LT good')
    expect(pyhanko(context, archive)).toContain('LT good\nLTA AdESPassed.OK LTA_UPDATES')
    // The judge can say no: without the store there is nothing to go by.
    expect(pyhanko(context, before)).toContain('LT no store\nLTA AdESIndeterminate')
  })

  it('renews for years, each timestamp sealing the data of the one before', async (context) => {
    let pdf = await extendPdf(await signed(), lta)
    const sizes = [pdf.length]
    for (let i = 0; i < 3; i++) {
      const next = await renewPdf(pdf, { validationData, timestamp: pki.timestamp })
      expect(Buffer.compare(next.subarray(0, pdf.length), pdf)).toBe(0)
      pdf = next
      sizes.push(pdf.length)
    }
    const report = verifyPdf(pdf, { trust })
    expect(report.ok).toBe(true)
    expect(report.documentTimestamps.length).toBe(4)
    if (hasJudge(context, 'pyhanko'))
      expect(pyhanko(context, pdf)).toContain('LT good\nLTA AdESPassed.OK LTA_UPDATES')
  })

  it('gives a signature without time a document timestamp first', async () => {
    const before = await signed(1, false)
    const report = verifyPdf(await extendPdf(before, lta), { trust })
    expect(report.documentTimestamps.length).toBe(2)
    expect(await codeOf(extendPdf(before, { level: 'B-LT', validationData }))).toBe('timestamp_needed')
  })

  it('adds nothing twice', async () => {
    const once = await extendPdf(await signed(), { ...lta, level: 'B-LT' })
    const answer = { crls: [pki.crl(at)] }
    const fixed = { ...lta, level: 'B-LT', validationData: () => answer } as const
    const grown = await extendPdf(once, fixed)
    expect(grown.length).toBeGreaterThan(once.length)
    expect((await extendPdf(grown, fixed)).length).toBe(grown.length)
  })

  it('refuses rather than leaving a gap', async () => {
    const pdf = await signed()
    const foreign = createTestPki(at).crl(at)
    expect(await codeOf(extendPdf(samplePdf(), lta))).toBe('nothing_to_extend')
    expect(await codeOf(extendPdf(pdf, { level: 'B-LT' }))).toBe('validation_data_missing')
    expect(await codeOf(extendPdf(pdf, { ...lta, validationData: () => ({}) }))).toBe(
      'validation_data_missing',
    )
    expect(await codeOf(extendPdf(pdf, { ...lta, validationData: () => ({ crls: [foreign] }) }))).toBe(
      'validation_data_missing',
    )
  })

  it('asks an authority with longer tokens a second time, with room for them', async () => {
    let asked = 0
    const timestamp = (...question: Parameters<typeof pki.timestamp>) => {
      asked++
      return pki.timestamp(...question)
    }
    const stamped = await timestampPdf(samplePdf(), { timestamp, timestampBytes: 64 })
    expect(asked).toBe(2)
    expect(verifyPdf(stamped, { trust }).documentTimestamps).toMatchObject([{ status: 'valid' }])
  })

  it('stamps a file that nobody signed, and one certified against any change', async () => {
    const stamped = await timestampPdf(samplePdf(), { timestamp: pki.timestamp })
    expect(verifyPdf(stamped, { trust }).documentTimestamps).toMatchObject([
      { status: 'valid', trusted: true },
    ])
    const certified = await signPdf(samplePdf(), {
      ...pki.p256,
      placements: [],
      signingTime: at,
      certify: 1,
      timestamp: pki.timestamp,
    })
    expect(verifyPdf(await extendPdf(certified, lta), { trust }).ok).toBe(true)
  })

  it.each(['stream', 'hybrid'] as const)(
    'works on a file with a cross-reference of form %s',
    async (form) => {
      const pdf = await signPdf(samplePdf({ form }), {
        ...pki.rsa,
        placements: [],
        signingTime: at,
        timestamp: pki.timestamp,
      })
      expect(verifyPdf(await extendPdf(pdf, lta), { trust }).ok).toBe(true)
    },
  )
})
