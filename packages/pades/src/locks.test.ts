import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toPem } from '@yinxin/pki'
import { describe, expect, it } from 'vitest'
import { appendUpdate, samplePdf } from '../test-files.ts'
import { countOf, hasJudge, type JudgeContext, run, withFile } from '../test-judges.ts'
import { createTestPki } from '../test-pki.ts'
import { PdfRefusal, prepareAppearance, type SignOptions, signPdf, timestampPdf, verifyPdf } from './pades.ts'

const at = new Date('2026-11-24T10:05:00Z')
const pki = createTestPki(at)
const trust = [pki.root]
const plain = { ...pki.p256, placements: [], signingTime: at }
const box = prepareAppearance({
  widthPt: 60,
  heightPt: 30,
  operators: '1 0 0 RG 4 w 2 2 56 26 re S',
  resources: [],
  objects: [],
})

/** A form with two text fields, and two signature fields that wait; `extra` goes into the first of them. */
const formed = (extra = '', turn = '') =>
  samplePdf({
    catalog: '/AcroForm<</Fields[10 0 R 11 0 R 12 0 R 13 0 R]>>',
    page: `/Annots[10 0 R 11 0 R 12 0 R 13 0 R]${turn}`,
    extra: {
      10: '<</Type/Annot/Subtype/Widget/FT/Tx/T(Price)/Rect[0 0 10 10]/P 3 0 R>>',
      11: '<</Type/Annot/Subtype/Widget/FT/Tx/T(Note)/Rect[0 20 10 30]/P 3 0 R>>',
      12: `<</Type/Annot/Subtype/Widget/FT/Sig/T(Buyer)/Rect[20 20 140 60]/P 3 0 R${extra}>>`,
      13: '<</Type/Annot/Subtype/Widget/FT/Sig/T(Seller)/Rect[150 20 270 60]/P 3 0 R>>',
    },
  })

const sign = (pdf: Uint8Array, options: Partial<SignOptions>) => signPdf(pdf, { ...plain, ...options })
const fill = (pdf: Uint8Array, num: 10 | 11) =>
  appendUpdate(pdf, {
    [num]: `<</Type/Annot/Subtype/Widget/FT/Tx/T(${num === 10 ? 'Price' : 'Note'})/Rect[0 ${num === 10 ? '0 10 10' : '20 10 30'}]/P 3 0 R/V(9)>>`,
  })
const text = (pdf: Uint8Array) => Buffer.from(pdf).toString('latin1')

async function codeOf(act: Promise<unknown>): Promise<string> {
  try {
    await act
  } catch (error) {
    if (error instanceof PdfRefusal) return error.code
    throw error
  }
  return 'none'
}

function judged(context: JudgeContext, pdf: Uint8Array, valid: number): void {
  if (!hasJudge(context, 'pdfsig', ['-v'])) return
  withFile(pdf, (path) => {
    expect(countOf(run('pdfsig', [path]).text, 'Signature Validation: Signature is Valid.')).toBe(valid)
  })
}

describe('a signature field that is there', () => {
  it('is signed by its name, in its own place', async (context) => {
    const once = await sign(formed(), { fieldName: 'Buyer', fieldAppearance: box })
    const pdf = await sign(once, { fieldName: 'Seller' })
    const report = verifyPdf(pdf, { trust })
    expect(report.ok).toBe(true)
    expect(report.signatures.map(({ fieldName, pages }) => ({ fieldName, pages }))).toEqual([
      { fieldName: 'Buyer', pages: [0] },
      { fieldName: 'Seller', pages: [0] },
    ])
    expect(report.signatures[0]?.changesAfter).toBe('signatures')
    // No further widget, and the page itself is not written again.
    expect(countOf(text(pdf.subarray(formed().length)), '/Type/Page')).toBe(0)
    judged(context, pdf, 2)
  })

  it('is drawn upright on a turned page', async () => {
    const pdf = await sign(formed('', '/Rotate 90'), { fieldName: 'Buyer', fieldAppearance: box })
    expect(text(pdf)).toContain('/BBox[0 0 40 120]/Matrix[0 1 -1 0 0 0]')
    expect(verifyPdf(pdf, { trust }).ok).toBe(true)
  })

  it('is found deep in the form, whose widget may be an object of its own', async (context) => {
    const pdf = samplePdf({
      catalog: '/AcroForm<</Fields[10 0 R]>>',
      page: '/Annots[12 0 R]',
      extra: {
        10: '<</T(Contract)/Kids[11 0 R]>>',
        11: '<</FT/Sig/T(Buyer)/Parent 10 0 R/Kids[12 0 R]>>',
        12: '<</Type/Annot/Subtype/Widget/Parent 11 0 R/Rect[20 20 140 60]/P 3 0 R>>',
      },
    })
    const signed = await sign(pdf, { fieldName: 'Contract.Buyer', fieldAppearance: box })
    expect(verifyPdf(signed, { trust })).toMatchObject({
      ok: true,
      signatures: [{ fieldName: 'Contract.Buyer' }],
    })
    // poppler does not look for signatures below /Kids; pyHanko does.
    if (!hasJudge(context, 'pyhanko')) return
    withFile(signed, (path, folder) => {
      const root = join(folder, 'root.pem')
      writeFileSync(root, toPem(pki.root, 'CERTIFICATE'))
      const options = ['--trust', root, '--trust-replace', '--no-revocation-check', '--executive-summary']
      expect(run('pyhanko', ['sign', 'validate', ...options, path]).text).toContain('VALID')
    })
  })

  it('with several places shows the one signature in each of them', async (context) => {
    const pdf = samplePdf({
      pages: 2,
      catalog: '/AcroForm<</Fields[10 0 R]>>',
      page: '/Annots[11 0 R 12 0 R]',
      extra: {
        10: '<</FT/Sig/T(Buyer)/Kids[11 0 R 12 0 R]>>',
        11: '<</Type/Annot/Subtype/Widget/Parent 10 0 R/Rect[20 20 140 60]/P 3 0 R>>',
        12: '<</Type/Annot/Subtype/Widget/Parent 10 0 R/Rect[150 20 270 60]/P 3 0 R>>',
      },
    })
    const first = await sign(pdf, {})
    const both = await sign(first, { fieldName: 'Buyer', fieldAppearance: box })
    const report = verifyPdf(both, { trust })
    expect(report).toMatchObject({ ok: true, unsignedFields: [] })
    expect(report.signatures[1]).toMatchObject({ fieldName: 'Buyer', pages: [0] })
    const added = text(both.subarray(first.length))
    expect(new Set([...added.matchAll(/\/AP ?<< ?\/N (\d+) 0 R/g)].map(([, num]) => num)).size).toBe(2)
    // One drawing, placed twice.
    expect(countOf(added, '/Filter/FlateDecode')).toBe(1)
    const other = prepareAppearance({
      widthPt: 9,
      heightPt: 9,
      operators: '0 0 9 9 re f',
      resources: [],
      objects: [],
    })
    const each = await sign(first, { fieldName: 'Buyer', fieldAppearance: [box, other] })
    expect(countOf(text(each.subarray(first.length)), '/Filter/FlateDecode')).toBe(2)
    // Drawing without signing is a disguise.
    const disguise = appendUpdate(first, {
      11: '<</Type/Annot/Subtype/Widget/Parent 10 0 R/Rect[20 20 140 60]/P 3 0 R/AP<</N 90 0 R>>>>',
      90: '<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length 2>>\nstream\nq \nendstream',
    })
    expect(verifyPdf(disguise, { trust }).signatures[0]?.changesAfter).toBe('other')
    if (!hasJudge(context, 'pyhanko')) return
    // pyHanko's comparison of revisions stops at a field with several widgets, so it is asked about one revision.
    const alone = await sign(pdf, { fieldName: 'Buyer', fieldAppearance: box })
    withFile(alone, (path, folder) => {
      const root = join(folder, 'root.pem')
      writeFileSync(root, toPem(pki.root, 'CERTIFICATE'))
      const options = ['--trust', root, '--trust-replace', '--no-revocation-check', '--executive-summary']
      const said = run('pyhanko', ['sign', 'validate', ...options, path]).text
      expect(countOf(said, 'VALID')).toBe(1)
      expect(said).not.toContain('INVALID')
    })
  })

  it('that nobody signed is reported as such, and never as a bad signature', async () => {
    const signed = await sign(formed(), { fieldName: 'Buyer' })
    expect(verifyPdf(signed, { trust })).toMatchObject({ ok: true, unsignedFields: ['Seller'] })
    const prepared = (more: string) =>
      appendUpdate(signed, {
        13: `<</Type/Annot/Subtype/Widget/FT/Sig/T(Seller)/Rect[150 20 270 60]/P 3 0 R/V 90 0 R${more}>>`,
        90: '<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached/Contents<0000000000>>>',
        91: '<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length 2>>\nstream\nq \nendstream',
      })
    const report = verifyPdf(prepared(''), { trust })
    expect(report).toMatchObject({ ok: true, unsignedFields: ['Seller'] })
    expect(report.signatures.length).toBe(1)
    // What such a field draws looks like a signature and is none.
    expect(verifyPdf(prepared('/AP<</N 91 0 R>>'), { trust })).toMatchObject({
      ok: false,
      signatures: [{ changesAfter: 'other' }],
    })
  })

  it('may be added by another tool with an appearance that draws nothing, and with no other', async () => {
    const widget = (name: string, more = '') =>
      `<</Type/Annot/Subtype/Widget/FT/Sig/T(${name})/Rect[20 20 140 60]/P 3 0 R${more}>>`
    const form = samplePdf({
      catalog: '/AcroForm 20 0 R',
      page: '/Annots 22 0 R',
      extra: { 12: widget('Buyer'), 20: '<</Fields 21 0 R/SigFlags 3>>', 21: '[12 0 R]', 22: '[12 0 R]' },
    })
    const signed = await sign(form, { fieldName: 'Buyer' })
    const added = (stream: string, appearance = '/AP<</N 91 0 R>>') => {
      const list = '[12 0 R 90 0 R]'
      const [first] = verifyPdf(
        appendUpdate(signed, { 21: list, 22: list, 90: widget('Later', appearance), 91: stream }),
        { trust },
      ).signatures
      return first?.changesAfter
    }
    const head = '<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<<>>'
    const nothing = `${head}/Length 0>>\nstream\n\nendstream`
    expect(added(nothing)).toBe('signatures')
    expect(added(`${head}/Length 2>>\nstream\nq \nendstream`)).toBe('other')
    // The data of such a stream is in another file.
    expect(added(`${head}/Length 0/F(other.bin)>>\nstream\n\nendstream`)).toBe('other')
    // A length that is not the data's.
    expect(added(`${head}/Length 0>>\nstream\n0 0 9 9 re f\nendstream`)).toBe('other')
    expect(added(nothing, '/AP<</N 4 0 R>>')).toBe('other')
    // Nor does it draw later, as long as nobody signs it.
    const lists = { 21: '[12 0 R 90 0 R]', 22: '[12 0 R 90 0 R]' }
    const waiting = appendUpdate(signed, { ...lists, 90: widget('Later', '/AP<</N 91 0 R>>'), 91: nothing })
    const drawn = appendUpdate(waiting, { 91: `${head}/Length 11>>\nstream\n0 0 9 9 re f\nendstream` })
    expect(verifyPdf(waiting, { trust }).ok).toBe(true)
    expect(verifyPdf(drawn, { trust }).signatures[0]?.changesAfter).toBe('other')
    expect(added(nothing, '/AP<</N 91 0 R/D 4 0 R>>')).toBe('other')
  })

  it('that is signed already, or is none, is refused', async () => {
    const once = await sign(formed(), { fieldName: 'Buyer' })
    expect(await codeOf(sign(once, { fieldName: 'Buyer' }))).toBe('field_name_taken')
    expect(await codeOf(sign(once, { fieldName: 'Price' }))).toBe('field_name_taken')
  })

  it('gets what its binding seed values ask for, or nothing', async () => {
    const wants = (seed: string) => formed(`/SV<</Type/SV${seed}>>`)
    const buyer = { fieldName: 'Buyer' }
    for (const [seed, code] of [
      ['/Ff 2/SubFilter[/ETSI.CAdES.detached]', 'none'],
      ['/Ff 2/SubFilter[/adbe.x509.rsa_sha1]', 'seed_value_violated'],
      ['/SubFilter[/adbe.x509.rsa_sha1]', 'none'],
      ['/Ff 64/DigestMethod[(SHA512)]', 'seed_value_violated'],
      ['/Ff 8/Reasons[(Agreed)]', 'seed_value_violated'],
    ] as const)
      expect(await codeOf(sign(wants(seed), buyer)), seed).toBe(code)
    expect(await codeOf(sign(wants('/Ff 8/Reasons[(Agreed)]'), { ...buyer, reason: 'Agreed' }))).toBe('none')
  })
})

describe('a field lock', () => {
  it('lets others fill what it does not cover, and names what was changed in spite of it', async () => {
    const signed = await sign(formed(), { lock: { action: 'Include', fields: ['Price'] } })
    expect(verifyPdf(signed, { trust }).ok).toBe(true)
    const codes = (pdf: Uint8Array) =>
      verifyPdf(pdf, { trust }).signatures[0]?.problems.map(({ code }) => code)
    expect(codes(fill(signed, 11))).toEqual(['form_changed_after_signing'])
    expect(codes(fill(signed, 10))).toContain('fieldmdp_violation')
    const others = await sign(formed(), { lock: { action: 'Exclude', fields: ['Price'] } })
    expect(codes(fill(others, 10))).not.toContain('fieldmdp_violation')
    expect(codes(fill(others, 11))).toContain('fieldmdp_violation')
  })

  it('that a field asks for is set by whoever signs it, and then honoured', async (context) => {
    const seed = '/Lock<</Type/SigFieldLock/Action/Include/Fields[(Price)(Seller)]>>'
    const signed = await sign(formed(seed), { fieldName: 'Buyer' })
    expect(text(signed)).toContain('/TransformMethod/FieldMDP/Data 1 0 R')
    expect(await codeOf(sign(signed, { fieldName: 'Seller' }))).toBe('field_locked')
    expect(verifyPdf(fill(signed, 10), { trust }).signatures[0]?.status).toBe('invalid')
    expect(verifyPdf(await sign(signed, {}), { trust }).ok).toBe(true)
    judged(context, signed, 1)
  })

  it('that permits nothing more stops every later signature, but no timestamp', async () => {
    const signed = await sign(formed(), { lock: { action: 'All', permits: 1 } })
    expect(await codeOf(sign(signed, {}))).toBe('certified_no_changes')
    const stamped = await timestampPdf(signed, { timestamp: pki.timestamp })
    expect(verifyPdf(stamped, { trust }).ok).toBe(true)
    // Not even behind a timestamp.
    expect(await codeOf(sign(stamped, {}))).toBe('certified_no_changes')
  })
})
