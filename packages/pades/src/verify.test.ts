import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { appendUpdate, samplePdf } from '../test-files.ts'
import { createTestPki } from '../test-pki.ts'
import { PdfRefusal, type PdfVerification, prepareAppearance, signPdf, verifyPdf } from './pades.ts'

const at = new Date('2026-11-24T10:05:00Z')
const pki = createTestPki(at)
const box = prepareAppearance({
  widthPt: 60,
  heightPt: 60,
  operators: '2 2 56 56 re S',
  resources: [],
  objects: [],
})
const rect = { x: 10, y: 10, width: 60, height: 60 }
const sign = (pdf: Uint8Array, who = pki.p256) =>
  signPdf(pdf, {
    ...who,
    placements: [{ page: 0, rect, appearance: box }],
    signingTime: at,
    timestamp: pki.timestamp,
  })

const form = {
  catalog: '/AcroForm 10 0 R/Metadata 15 0 R',
  page: '/Annots[12 0 R 14 0 R]',
  extra: {
    10: '<</Fields[12 0 R 14 0 R]>>',
    12: '<</Type/Annot/Subtype/Widget/FT/Tx/T(Amount)/V(100)/Rect[0 0 10 10]/P 3 0 R/AP<</N 13 0 R>>>>',
    13: '<</Type/XObject/Subtype/Form/BBox[0 0 10 10]/Length 4>>\nstream\nq Q \nendstream',
    14: '<</Type/Annot/Subtype/Widget/FT/Sig/T(Empty)/Rect[20 0 30 10]/P 3 0 R>>',
    15: '<</Type/Metadata/Subtype/XML/Length 6>>\nstream\n<x></x>\nendstream',
    16: '<</Never/Referenced>>',
  },
}
const signed = await sign(samplePdf(form))
const twice = await sign(signed, pki.rsa)

/** The newest text of an object, to change it in an update. */
function objectText(pdf: Uint8Array, num: number): string {
  const text = Buffer.from(pdf).toString('latin1')
  const start = text.lastIndexOf(`\n${num} 0 obj\n`)
  return text.slice(start + `\n${num} 0 obj\n`.length, text.indexOf('\nendobj', start))
}

const numberOf = (pdf: Uint8Array, pattern: RegExp) =>
  Number(pattern.exec(Buffer.from(pdf).toString('latin1'))?.[1])
const codes = (report: PdfVerification, index = 0) =>
  report.signatures[index]?.problems.map(({ code }) => code)

describe('an untouched signed file', () => {
  it('is good, and only the last signature covers the whole document', () => {
    const report = verifyPdf(twice, { trust: [pki.root] })
    expect(report.ok).toBe(true)
    expect(report.signatures).toMatchObject([
      {
        status: 'valid',
        signer: '王小明',
        coversWholeDocument: false,
        changesAfter: 'signatures',
        trusted: true,
        level: 'B-T',
      },
      {
        status: 'valid',
        signer: '北京印信科技有限公司',
        coversWholeDocument: true,
        changesAfter: 'none',
        pages: [0],
      },
    ])
    expect(report.signatures[0]).toMatchObject({
      signedAt: at.toISOString(),
      timestamp: at.toISOString(),
      problems: [],
    })
  })

  it('is judged for integrity alone without anchors, and fails under foreign ones', () => {
    expect(verifyPdf(signed)).toMatchObject({ ok: true, signatures: [{ trusted: null }] })
    const foreign = verifyPdf(signed, { trust: [createTestPki(at).root] })
    expect(foreign).toMatchObject({ ok: false, signatures: [{ trusted: false, status: 'indeterminate' }] })
  })

  it('without any signature is not ok', () => {
    expect(verifyPdf(samplePdf())).toMatchObject({ ok: false, signatures: [] })
  })

  it('shows the time a signer claims when there is no timestamp', async () => {
    const plain = await signPdf(samplePdf(), { ...pki.rsa, placements: [], signingTime: at })
    expect(verifyPdf(plain).signatures[0]).toMatchObject({
      level: 'B-B',
      timestamp: null,
      signedAt: at.toISOString(),
    })
  })
})

describe('a changed byte', () => {
  const range = verifyPdf(signed).signatures[0]?.byteRange ?? []
  const [, gapFrom = 0, gapTo = 0] = range

  it('anywhere in the signed ranges is never accepted', () => {
    fc.assert(
      fc.property(fc.nat(signed.length - 1), fc.integer({ min: 1, max: 255 }), (position, mask) => {
        const inGap = position >= gapFrom && position < gapTo
        fc.pre(!inGap)
        const changed = signed.slice()
        changed[position] = (changed[position] ?? 0) ^ mask
        expect(isAccepted(changed)).toBe(false)
      }),
      { numRuns: 1500 },
    )
  })

  it('in the signature value is never accepted', () => {
    const used = Buffer.from(signed.subarray(gapFrom, gapTo)).toString('latin1').replace(/0+>$/, '').length
    for (let i = 0; i < used; i += 7) {
      const changed = signed.slice()
      const position = gapFrom + i
      changed[position] = changed[position] === 0x31 ? 0x32 : 0x31
      // Certificates carried along are not signed by this signature; they must still not turn into nonsense.
      const accepted = isAccepted(changed, [pki.root])
      if (accepted) expect(verifyPdf(changed).signatures[0]?.signer).toBe('王小明')
    }
  })

  it('smuggled between the digits is found', () => {
    const changed = signed.slice()
    changed[gapTo - 3] = 0x25
    expect(codes(verifyPdf(changed))).toContain('contents_not_hexadecimal')
  })

  it('behind the signature value, where zeros belong, is found', () => {
    const changed = signed.slice()
    changed[gapTo - 3] = 0x37
    expect(codes(verifyPdf(changed))).toContain('cms_unreadable')
  })
})

function isAccepted(bytes: Uint8Array, trust?: Uint8Array[]): boolean {
  try {
    return verifyPdf(bytes, trust ? { trust } : {}).ok
  } catch (fault) {
    if (fault instanceof PdfRefusal) return false
    throw fault
  }
}

describe('what is appended after a signature', () => {
  const drawing = '<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length 2>>\nstream\nq \nendstream'
  const attacks: Record<string, () => Uint8Array> = {
    'replaced page content': () => appendUpdate(signed, { 4: '<</Length 5>>\nstream\nq Q q\nendstream' }),
    'a replaced font': () => appendUpdate(signed, { 6: '<</Type/Font/Subtype/Type1/BaseFont/Courier>>' }),
    'an added page': () =>
      appendUpdate(signed, {
        2: '<</Type/Pages/Kids[3 0 R 90 0 R]/Count 2>>',
        90: '<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>',
      }),
    'a removed page': () => appendUpdate(signed, { 2: '<</Type/Pages/Kids[]/Count 0>>' }),
    'another catalogue with other pages': () =>
      appendUpdate(
        signed,
        {
          91: `${objectText(signed, 1).replace('/Pages 2 0 R', '/Pages 92 0 R')}`,
          92: '<</Type/Pages/Kids[93 0 R]/Count 1>>',
          93: '<</Type/Page/Parent 92 0 R/MediaBox[0 0 9 9]>>',
        },
        '/Root 91 0 R',
      ),
    'an annotation over the text': () =>
      appendUpdate(signed, {
        3: objectText(signed, 3).replace(/\/Annots ?\[/, '/Annots[94 0 R '),
        94: '<</Type/Annot/Subtype/FreeText/Rect[0 0 300 200]/Contents(lower price)>>',
      }),
    'a removed annotation': () => appendUpdate(signed, { 3: objectText(signed, 3).replace('12 0 R ', '') }),
    'an unsigned signature field that draws something': () =>
      appendUpdate(signed, {
        3: objectText(signed, 3).replace(/\/Annots ?\[/, '/Annots[94 0 R '),
        10: objectText(signed, 10).replace(/\/Fields ?\[12 0 R 14 0 R/, '/Fields[12 0 R 14 0 R 94 0 R'),
        94: '<</Type/Annot/Subtype/Widget/FT/Sig/T(Fake)/Rect[0 0 300 200]/AP<</N 95 0 R>>>>',
        95: '<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length 2>>\nstream\nq \nendstream',
      }),
    'a changed page box': () =>
      appendUpdate(signed, { 3: objectText(signed, 3).replace('0 0 300 200', '0 0 300 100') }),
    'an opening script': () =>
      appendUpdate(signed, {
        1: objectText(signed, 1).replace('/Pages', '/OpenAction<</S/JavaScript/JS(x)>>/Pages'),
      }),
    'a replaced appearance of the signature': () => {
      const num = numberOf(signed, /\/AP<<\/N (\d+) 0 R>>\/FT\/Sig/)
      return appendUpdate(signed, {
        [num]: '<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length 2>>\nstream\nq \nendstream',
      })
    },
    'another appearance of a field whose value stays': () =>
      appendUpdate(signed, { 12: objectText(signed, 12).replace('/N 13 0 R', '/N 94 0 R'), 94: drawing }),
    'an appearance of a field overwritten in place while its value stays': () =>
      appendUpdate(signed, { 13: drawing }),
    'a moved signature field': () => {
      const num = numberOf(signed, /(\d+) 0 obj\n<<\/Type\/Annot\/Subtype\/Widget\/F 132/)
      return appendUpdate(signed, {
        [num]: objectText(signed, num).replace(/\/Rect\[[^\]]*\]/, '/Rect[0 0 9 9]'),
      })
    },
    'a signature taken out of the form': () =>
      appendUpdate(signed, { 10: '<</Fields[12 0 R 14 0 R]/SigFlags 3>>' }),
    'a deleted object': () => {
      const text = Buffer.from(appendUpdate(signed, { 90: 'null' })).toString('latin1')
      return Buffer.from(text.replace(/90 1\n\d{10} 00000 n /, '4 1\n0000000000 00001 f '), 'latin1')
    },
  }
  for (const [name, attack] of Object.entries(attacks)) {
    it(`is found: ${name}`, () => {
      const report = verifyPdf(attack())
      expect(report.ok).toBe(false)
      expect(report.signatures[0]).toMatchObject({ status: 'invalid', changesAfter: 'other' })
    })
  }

  it('is found when content was given a second life as something that may change', async () => {
    const withDss = (pdf: Uint8Array, dss: string) =>
      objectText(pdf, 1).replace('/Pages', `/DSS<<${dss}>>/Pages`)
    const stream = (entries: string, body: string) =>
      `<<${entries}/Length ${body.length}>>\nstream\n${body}\nendstream`
    // A font, and a page's list of contents, hung into the store of validation data.
    const font = appendUpdate(signed, {
      1: withDss(signed, '/X 6 0 R'),
      6: '<</Type/Font/Subtype/Type1/BaseFont/Courier>>',
    })
    expect(isAccepted(font)).toBe(false)
    const listed = await sign(samplePdf({ page: '/Contents 20 0 R', extra: { 20: '[4 0 R]' } }))
    const longer = { 1: withDss(listed, '/Certs 20 0 R'), 20: '[4 0 R 90 0 R]', 90: stream('', 'q Q') }
    expect(isAccepted(appendUpdate(listed, longer))).toBe(false)
    // A page's content that calls itself metadata, and a font that is also the document information.
    const meta = await sign(
      samplePdf({
        catalog: '/Metadata 15 0 R',
        page: '/Contents 15 0 R',
        extra: { 15: stream('/Type/Metadata', 'q') },
      }),
    )
    expect(isAccepted(appendUpdate(meta, { 15: stream('/Type/Metadata', 'q Q') }))).toBe(false)
    const text = Buffer.from(samplePdf()).toString('latin1').replace('/ID[', '/Info 6 0 R/ID[')
    const info = await sign(Buffer.from(text, 'latin1'))
    const update = { 6: '<</Type/Font/Subtype/Type1/BaseFont/Courier>>' }
    expect(isAccepted(appendUpdate(info, update, '/Root 1 0 R/Info 6 0 R'))).toBe(false)
  })

  it('is found when a page calls itself a signature field', async () => {
    const text = Buffer.from(samplePdf({ extra: { 20: '[3 0 R]' } })).toString('latin1')
    const tree = Buffer.from(text.replace('/Kids[3 0 R]', '/Kids 20 0 R'), 'latin1')
    const indirect = await sign(tree)
    const page = (type: string) => `<<${type}/FT/Sig/T(x)/V 91 0 R/Parent 2 0 R/MediaBox[0 0 9 9]>>`
    for (const type of ['/Type/Page', '', '/Type/Annot']) {
      const update = { 20: '[3 0 R 90 0 R]', 90: page(type), 91: '<</Type/DocTimeStamp>>' }
      expect(isAccepted(appendUpdate(indirect, update))).toBe(false)
    }
    // A cross-reference stream that is also a page's content.
    const entries = '/Type/XRef/W[1 1 1]/Size 1'
    const stream = (body: string) => `<<${entries}/Length ${body.length}>>\nstream\n${body}\nendstream`
    const shared = await sign(samplePdf({ page: '/Contents 15 0 R', extra: { 15: stream('q') } }))
    expect(isAccepted(appendUpdate(shared, { 15: stream('q Q') }))).toBe(false)
  })

  it('is found when it fills a reference that pointed nowhere when the document was signed', async () => {
    const original = samplePdf({ page: '/Group 77 0 R' })
    const report = verifyPdf(appendUpdate(await sign(original), { 77: '<</S/Transparency>>' }))
    expect(report).toMatchObject({ ok: false, signatures: [{ changesAfter: 'other' }] })
  })

  it('is found when a table entry of the signed document points behind its end', async () => {
    const text = Buffer.from(samplePdf({ page: '/Group 8 0 R', extra: { 8: 'null' } })).toString('latin1')
    const row = `${String(text.indexOf('8 0 obj')).padStart(10, '0')} 00000 n`
    const prepared = await sign(Buffer.from(text.replace(row, '0000060000 00000 n'), 'latin1'))
    const padding = Buffer.from(
      `${' '.repeat(60_000 - prepared.length)}8 0 obj\n<</S/Transparency>>\nendobj\n`,
    )
    expect(prepared.length).toBeLessThan(60_000)
    expect(isAccepted(Buffer.concat([prepared, padding]))).toBe(false)
    expect(isAccepted(appendUpdate(Buffer.concat([prepared, padding]), { 90: 'null' }))).toBe(false)
  })

  it('is found when the update does not build on the signed revision', () => {
    const text = Buffer.from(appendUpdate(signed, { 90: 'null' })).toString('latin1')
    const first = /startxref\n(\d+)/.exec(text)?.[1] ?? ''
    const bypass = Buffer.from(
      text.replace(/\/Prev \d+>>\nstartxref\n(\d+)\n%%EOF\n$/, `/Prev ${first}>>\nstartxref\n$1\n%%EOF\n`),
      'latin1',
    )
    expect(isAccepted(bypass)).toBe(false)
  })

  it('is found when it is junk that belongs to no revision', () => {
    expect(codes(verifyPdf(Buffer.concat([signed, Buffer.from('junk')])))).toContain('trailing_bytes')
    expect(isAccepted(Buffer.concat([signed, Buffer.from('\n\n')]))).toBe(true)
  })

  it('is reported as form filling when only a field value changed', () => {
    const filled = objectText(signed, 12).replace('/V(100)', '/V(900)')
    expect(verifyPdf(appendUpdate(signed, { 12: filled }))).toMatchObject({
      ok: false,
      signatures: [{ status: 'valid', changesAfter: 'form' }],
    })
    const drawn = '<</Type/XObject/Subtype/Form/BBox[0 0 10 10]/Length 3>>\nstream\nq Q\nendstream'
    expect(verifyPdf(appendUpdate(signed, { 12: filled, 13: drawn })).signatures[0]?.changesAfter).toBe(
      'form',
    )
  })

  it('is no change when it is validation data, metadata or an object nobody refers to', () => {
    const dss = objectText(signed, 1).replace('/Pages', '/DSS<</Certs[90 0 R]>>/Pages')
    const harmless = appendUpdate(signed, {
      1: dss,
      90: '<</Length 2>>\nstream\nab\nendstream',
      15: '<</Type/Metadata/Subtype/XML/Length 6>>\nstream\n<y></y>\nendstream',
      16: '<</Still/Unreferenced>>',
    })
    expect(verifyPdf(harmless)).toMatchObject({
      ok: true,
      signatures: [{ status: 'valid', changesAfter: 'signatures' }],
    })
  })

  it('is no change when it is the document information that cross-reference streams name', async () => {
    const packed = samplePdf({ form: 'stream', extra: { 16: '<</Author(A)>>' } })
    const text = Buffer.from(packed)
      .toString('latin1')
      .replace('/Root 1 0 R/ID', '/Root 1 0 R/Info 16 0 R/ID')
    const informed = await sign(Buffer.from(text, 'latin1'))
    const trailer = '/Root 1 0 R/Info 16 0 R'
    const dated = appendUpdate(informed, { 16: '<</Author(A)/ModDate(D:2026)>>' }, trailer)
    expect(verifyPdf(dated)).toMatchObject({
      ok: true,
      signatures: [{ status: 'valid', changesAfter: 'signatures' }],
    })
    // The same object as a page's font besides: then it is content.
    const font = text.replace('/Info 16 0 R', '/Info 6 0 R')
    const shared = await sign(Buffer.from(font, 'latin1'))
    const other = '<</Type/Font/Subtype/Type1/BaseFont/Courier>>'
    expect(isAccepted(appendUpdate(shared, { 6: other }, '/Root 1 0 R/Info 6 0 R'))).toBe(false)
  })

  it('violates a certification that permits nothing', async () => {
    const certified = await signPdf(samplePdf(), { ...pki.rsa, placements: [], signingTime: at, certify: 1 })
    const field = '<</Type/Annot/Subtype/Widget/FT/Sig/T(More)/Rect[0 0 0 0]/P 3 0 R>>'
    const formNum = numberOf(certified, /(\d+) 0 obj\n<<\/Fields/)
    const more = appendUpdate(certified, {
      [formNum]: objectText(certified, formNum).replace(/\]/, ' 90 0 R]'),
      90: field,
    })
    expect(codes(verifyPdf(more))).toContain('docmdp_violation')
  })
})

describe('byte ranges', () => {
  const rewrite = (change: (numbers: number[]) => number[]) => {
    const text = Buffer.from(signed).toString('latin1')
    return Buffer.from(
      text.replace(/\/ByteRange\[([^\]]*)\] */, (whole, inner: string) => {
        const made = `/ByteRange[${change(inner.split(' ').map(Number)).join(' ')}]`
        return made.padEnd(whole.length)
      }),
      'latin1',
    )
  }
  it('must start at 0, leave out exactly the signature value, and stay in the file', () => {
    const faults = (change: (numbers: number[]) => number[]) => codes(verifyPdf(rewrite(change)))
    expect(faults(([, b = 0, c = 0, d = 0]) => [1, b, c, d])).toContain('byterange_not_from_start')
    expect(faults(([a = 0, b = 0, c = 0, d = 0]) => [a, b - 1, c, d])).toContain(
      'byterange_gap_is_not_contents',
    )
    expect(faults(([a = 0, b = 0, c = 0, d = 0]) => [a, b, c + 1, d - 1])).toContain(
      'byterange_gap_is_not_contents',
    )
    expect(faults(([a = 0, b = 0, c = 0, d = 0]) => [a, b, c, d + 1])).toContain('byterange_outside_file')
    expect(faults(([a = 0, b = 0]) => [a, b])).toContain('byterange_malformed')
    expect(faults(([a = 0, b = 0, c = 0]) => [a, b, c, -5])).toContain('byterange_malformed')
  })

  it('that end before the end of their revision do not count as complete', async () => {
    // A file signed over everything but its last line.
    const changed = rewrite(([a = 0, b = 0, c = 0, d = 0]) => [a, b, c, d - 6])
    expect(codes(verifyPdf(changed))).toContain('revision_bypassed')
  })

  it('of one signature cannot be claimed by a second field', () => {
    const num = numberOf(signed, /\/V (\d+) 0 R>>\nendobj/)
    const copy = objectText(signed, num)
    const forged = appendUpdate(signed, {
      10: objectText(signed, 10).replace(/\/Fields ?\[12 0 R 14 0 R/, '/Fields[12 0 R 14 0 R 94 0 R'),
      94: '<</FT/Sig/T(Copy)/V 95 0 R>>',
      95: copy,
    })
    const report = verifyPdf(forged)
    expect(report.ok).toBe(false)
    expect(codes(report, 1)).toContain('byterange_gap_is_not_contents')
  })
})

describe('many signatures', () => {
  it('are verified in time linear in the file', async () => {
    let pdf: Uint8Array = samplePdf()
    for (let i = 0; i < 50; i++) pdf = await signPdf(pdf, { ...pki.p256, placements: [], signingTime: at })
    const report = verifyPdf(pdf, { trust: [pki.root] })
    expect(report.signatures.length).toBe(50)
    expect(report.ok).toBe(true)
  })
})

describe('no input makes verification crash', () => {
  it('for arbitrary mutations', () => {
    const mutation = fc.record({
      at: fc.nat(twice.length - 1),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
    })
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        const changed = twice.slice()
        for (const { at: position, bytes } of mutations)
          changed.set(bytes.subarray(0, twice.length - position), position)
        isAccepted(changed)
      }),
      { numRuns: 1500 },
    )
  })
})
