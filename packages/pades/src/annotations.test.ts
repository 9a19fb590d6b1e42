import { describe, expect, it } from 'vitest'
import { appendUpdate, samplePdf } from '../test-files.ts'
import { createTestPki } from '../test-pki.ts'
import { prepareAppearance, type SignOptions, signPdf, verifyPdf } from './pades.ts'

const at = new Date('2026-11-24T10:05:00Z')
const pki = createTestPki(at)
const box = prepareAppearance({
  widthPt: 60,
  heightPt: 30,
  operators: '1 0 0 RG 4 w 2 2 56 26 re S',
  resources: [],
  objects: [],
})
const stream = (entries: string, body: string) =>
  `<<${entries}/Length ${body.length}>>\nstream\n${body}\nendstream`
const drawing = (body = 'q Q') => stream('/Type/XObject/Subtype/Form/BBox[0 0 9 9]', body)

/** Two annotations and a text field; the list of annotations is an object of its own, as many producers have it. */
const original = samplePdf({
  catalog: '/AcroForm<</Fields[12 0 R]>>',
  page: '/Annots 10 0 R',
  extra: {
    10: '[11 0 R 12 0 R 14 0 R]',
    11: '<</Type/Annot/Subtype/Stamp/Rect[10 150 60 180]/Contents(Paid)/AP<</N 13 0 R>>>>',
    12: '<</Type/Annot/Subtype/Widget/FT/Tx/T(Price)/Rect[200 10 260 30]/P 3 0 R>>',
    13: drawing(),
    14: '<</Type/Annot/Subtype/Link/Rect[0 0 5 5]>>',
  },
})
const sign = (options: Partial<SignOptions>, pdf = original) =>
  signPdf(pdf, {
    ...pki.p256,
    placements: [{ page: 0, rect: { x: 20, y: 20, width: 60, height: 30 }, appearance: box }],
    signingTime: at,
    ...options,
  })
const commented = await sign({ certify: 3 })
const listed = (pdf: Uint8Array) =>
  /10 0 obj\n\[([^\]]*)\]/.exec(Buffer.from(pdf).toString('latin1').split('%%EOF').at(-2) ?? '')?.[1] ??
  '11 0 R 12 0 R 14 0 R'

/** The signed file with one more annotation. */
const annotated = (dict: string, pdf = commented) =>
  appendUpdate(pdf, {
    10: `[${listed(pdf)} 90 0 R]`,
    90: `<</Type/Annot${dict}>>`,
    91: drawing('1 g 0 0 9 9 re f'),
  })
const NOTE = '/Subtype/Text/Rect[150 150 160 160]/Contents(Why?)'
const STAMP = '/Subtype/Stamp/AP<</N 91 0 R>>'

function judge(pdf: Uint8Array) {
  const { signatures, ok } = verifyPdf(pdf, { trust: [pki.root] })
  const [first] = signatures
  return {
    ok,
    status: first?.status,
    after: first?.changesAfter,
    codes: first?.problems.map(({ code }) => code),
  }
}

describe('annotations after a certification of level 3', () => {
  it('may be added, changed and removed, and are reported', () => {
    const permitted = { ok: false, status: 'valid', after: 'annotations' }
    const added = annotated(NOTE)
    expect(judge(added)).toEqual({ ...permitted, codes: ['annotated_after_signing'] })
    const moved = appendUpdate(added, { 90: `<</Type/Annot${NOTE.replace('Why', 'Why not')}>>` })
    expect(judge(moved)).toEqual({ ...permitted, codes: ['annotated_after_signing'] })
    const removed = appendUpdate(moved, { 10: `[${listed(commented)}]` })
    expect(judge(removed)).toMatchObject(permitted)
    // What was there when it was signed may go as well; the report names it.
    const without = appendUpdate(commented, { 10: `[${listed(commented).replace('11 0 R ', '')}]` })
    expect(judge(without)).toMatchObject(permitted)
    expect(verifyPdf(without).changes).toContainEqual(
      expect.objectContaining({ object: 11, rule: 'annotation.removed' }),
    )
  })

  it('are allowed beside forms and signatures, and by later signatures too', async () => {
    const again = await sign({ placements: [] }, commented)
    const report = verifyPdf(annotated(NOTE, again))
    expect(report.signatures.map(({ status, changesAfter }) => [status, changesAfter])).toEqual([
      ['valid', 'annotations'],
      ['valid', 'annotations'],
    ])
    expect(judge(await sign({ placements: [] }, annotated(NOTE)))).toMatchObject({ status: 'valid' })
    const both = appendUpdate(annotated(NOTE), {
      12: '<</Type/Annot/Subtype/Widget/FT/Tx/T(Price)/Rect[200 10 260 30]/P 3 0 R/V(9)>>',
    })
    expect(judge(both).codes).toEqual(['form_changed_after_signing', 'annotated_after_signing'])
  })

  it('are no business of other levels, nor of signatures without certification', async () => {
    for (const certify of [undefined, 1, 2] as const) {
      const signed = await sign(certify === undefined ? {} : { certify })
      const verdict = judge(annotated(NOTE, signed))
      expect(verdict).toMatchObject({ ok: false, status: 'invalid', after: 'other' })
      expect(verdict.codes).toContain('changed_after_signing')
      expect(verdict.codes?.includes('docmdp_violation')).toBe(certify !== undefined)
    }
  })

  it('that a later signature claims to permit are still changes to the earlier one', async () => {
    const signed = await sign({})
    const later = await sign({ placements: [], lock: { action: 'All', permits: 3 } }, signed)
    const report = verifyPdf(annotated(NOTE, later))
    expect(report.signatures.map(({ status }) => status)).toEqual(['invalid', 'valid'])
  })

  const REPORTED: Record<string, [string, string]> = {
    'a stamp over the text': [`${STAMP}/Rect[30 100 280 160]`, 'annotation_covers_content'],
    'free text over the text': [
      '/Subtype/FreeText/Rect[30 100 280 160]/DA(/F1 9 Tf)',
      'annotation_covers_content',
    ],
    'a filled square over the text': [
      '/Subtype/Square/IC[1 1 1]/Rect[30 100 280 160]',
      'annotation_covers_content',
    ],
    'a highlight that draws what it likes': [
      '/Subtype/Highlight/Rect[30 100 280 160]/AP<</N 91 0 R>>',
      'annotation_covers_content',
    ],
    'a stamp on a form field': [`${STAMP}/Rect[210 15 220 20]`, 'annotation_covers_field'],
    'a hidden note': [`${NOTE}/F 2`, 'annotation_hidden'],
    'a stamp that only print shows': [`${STAMP}/Rect[100 100 120 120]/F 36`, 'annotation_hidden'],
  }
  for (const [name, [dict, code]] of Object.entries(REPORTED)) {
    it(`are permitted, with a warning: ${name}`, () => {
      expect(judge(annotated(dict))).toMatchObject({ ok: false, status: 'valid', after: 'annotations' })
      expect(judge(annotated(dict)).codes).toContain(code)
    })
  }

  it('are reported when their appearance is replaced, or they are hidden', () => {
    const rules = (pdf: Uint8Array) => verifyPdf(pdf).changes.map(({ rule }) => rule)
    const overwritten = appendUpdate(commented, { 13: drawing('1 g 0 0 9 9 re f') })
    expect(judge(overwritten)).toMatchObject({ status: 'valid', after: 'annotations' })
    expect(rules(overwritten)).toContain('annotation.appearance')
    const swapped = '<</Type/Annot/Subtype/Stamp/Rect[10 150 60 180]/Contents(Paid)/AP<</N 91 0 R>>>>'
    expect(rules(appendUpdate(commented, { 11: swapped, 91: drawing('0 g') }))).toContain(
      'annotation.appearance',
    )
    const hidden = '<</Type/Annot/Subtype/Stamp/Rect[10 150 60 180]/Contents(Paid)/AP<</N 13 0 R>>/F 2>>'
    expect(judge(appendUpdate(commented, { 11: hidden })).codes).toContain('annotation_hidden')
  })

  const ATTACKS: Record<string, Uint8Array> = {
    'a stamp on the picture of a signature': annotated(`${STAMP}/Rect[30 30 40 40]`),
    'a line whose ends leave its rectangle and cross a signature': annotated(
      '/Subtype/Line/Rect[0 0 1 1]/L[0 0 100 60]',
    ),
    'a stamp moved onto a signature in a second step': appendUpdate(
      annotated(`${STAMP}/Rect[150 150 160 160]`),
      {
        90: `<</Type/Annot${STAMP}/Rect[20 20 80 50]>>`,
      },
    ),
    'a link': annotated('/Subtype/Link/Rect[0 0 9 9]/A<</S/URI/URI(http://x)>>'),
    'a note that starts a script': annotated(`${NOTE}/A<</S/JavaScript/JS(x)>>`),
    'a note with automatic actions': annotated(`${NOTE}/AA<</E<</S/JavaScript/JS(x)>>>>`),
    'an attachment': annotated('/Subtype/FileAttachment/Rect[0 0 9 9]/FS<</F(x)>>'),
    'a redaction': annotated('/Subtype/Redact/Rect[0 0 9 9]'),
    'a watermark': annotated('/Subtype/Watermark/Rect[0 0 300 200]/AP<</N 91 0 R>>'),
    'a stamp in an optional layer': annotated(`${STAMP}/Rect[100 100 120 120]/OC<</Type/OCG/Name(x)>>`),
    'a text field': annotated('/Subtype/Widget/FT/Tx/T(New)/Rect[0 0 9 9]'),
    'a widget that calls itself a stamp': annotated(`${STAMP}/FT/Tx/T(New)/Rect[100 100 120 120]`),
    'a removed link': appendUpdate(commented, { 10: `[${listed(commented).replace(' 14 0 R', '')}]` }),
    'a removed form field': appendUpdate(commented, { 10: `[${listed(commented).replace('12 0 R ', '')}]` }),
    'annotations in another order': appendUpdate(commented, {
      10: `[${listed(commented).replace('11 0 R 12 0 R', '12 0 R 11 0 R')}]`,
    }),
    'a stamp that became a widget': appendUpdate(commented, {
      11: '<</Type/Annot/Subtype/Widget/FT/Tx/T(x)/Rect[10 150 60 180]/AP<</N 13 0 R>>>>',
    }),
    'an annotation whose object was freed': appendUpdate(commented, { 11: 'null' }),
  }
  for (const [name, pdf] of Object.entries(ATTACKS)) {
    it(`do not excuse ${name}`, () => {
      expect(judge(pdf)).toMatchObject({ ok: false, status: 'invalid', after: 'other' })
    })
  }

  it('do not excuse page content that is also an annotation, or hangs in one', async () => {
    const shared = await sign(
      { certify: 3 },
      samplePdf({
        page: '/Annots[11 0 R]/Contents 13 0 R/Piece 11 0 R',
        extra: { 11: '<</Type/Annot/Subtype/Stamp/Rect[10 150 60 180]/AP<</N 13 0 R>>>>', 13: drawing() },
      }),
    )
    const content = appendUpdate(shared, { 13: drawing('1 g 0 0 9 9 re f') })
    expect(judge(content)).toMatchObject({ status: 'invalid', after: 'other' })
    const twice = appendUpdate(shared, {
      11: '<</Type/Annot/Subtype/Stamp/Rect[10 150 60 190]/AP<</N 13 0 R>>>>',
    })
    expect(judge(twice)).toMatchObject({ status: 'invalid', after: 'other' })
  })

  it('may not cover a field that the signature locks', async () => {
    const locked = await sign({ certify: 3, lock: { action: 'Include', fields: ['Price'] } })
    const cover = judge(annotated(`${STAMP}/Rect[210 15 220 20]`, locked))
    expect(cover).toMatchObject({ status: 'invalid' })
    expect(cover.codes).toContain('fieldmdp_violation')
    expect(judge(annotated(NOTE, locked))).toMatchObject({ status: 'valid', after: 'annotations' })
  })
})
