// Every kind of attack on a signed file that is known from the literature, each against its own untouched counterpart.
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { corpusFolder, pdfFiles } from '../corpus.ts'
import { appendUpdate, samplePdf } from '../test-files.ts'
import { createTestPki } from '../test-pki.ts'
import {
  changedPages,
  PdfRefusal,
  type PdfVerification,
  prepareAppearance,
  signPdf,
  verifyPdf,
} from './pades.ts'

const at = new Date('2026-11-24T10:05:00Z')
const pki = createTestPki(at)
const trust = [pki.root]
const box = prepareAppearance({
  widthPt: 60,
  heightPt: 30,
  operators: '2 2 56 26 re S',
  resources: [],
  objects: [],
})
const stream = (entries: string, body: string) =>
  `<<${entries}/Length ${body.length}>>\nstream\n${body}\nendstream`
const form = (body: string) => stream('/Type/XObject/Subtype/Form/BBox[0 0 300 200]', body)

/** A page that shows a text, with a picture over it, a layer, a text field, a font of its own and two pages. */
const original = samplePdf({
  pages: 2,
  catalog: '/AcroForm 10 0 R/OCProperties<</OCGs[20 0 R]/D<</OFF[]>>>>/Names<</Dests 21 0 R>>',
  page: '/Annots[12 0 R]',
  extra: {
    5: form('1 g 0 0 300 200 re f'),
    10: '<</Fields[12 0 R]/DR<</Font<</F1 6 0 R>>>>>>',
    12: '<</Type/Annot/Subtype/Widget/FT/Tx/T(Price)/V(100)/Rect[200 10 260 30]/P 3 0 R/AP<</N 13 0 R>>>>',
    13: form('BT /F1 9 Tf (100) Tj ET'),
    20: '<</Type/OCG/Name(Layer)>>',
    21: '<</Names[]>>',
    22: '<</Resources<</XObject<</Cover 5 0 R>>>>>>',
  },
})
const covered = samplePdf({
  page: '/Contents[4 0 R 8 0 R]/Resources<</Font<</F1 6 0 R>>/XObject<</Cover 5 0 R>>>>',
  extra: { 5: form('1 g 0 0 300 200 re f'), 8: stream('', '/Cover Do') },
})
const sign = (pdf: Uint8Array) =>
  signPdf(pdf, {
    ...pki.p256,
    placements: [{ page: 0, rect: { x: 20, y: 20, width: 60, height: 30 }, appearance: box }],
    signingTime: at,
    timestamp: pki.timestamp,
  })
const signed = await sign(original)
const signedCovered = await sign(covered)
const twice = await sign(signed)

const text = (pdf: Uint8Array) => Buffer.from(pdf).toString('latin1')
const raw = (content: string) => Buffer.from(content, 'latin1')
function objectText(pdf: Uint8Array, num: number): string {
  const whole = text(pdf)
  const start = whole.lastIndexOf(`\n${num} 0 obj\n`)
  return whole.slice(start + `\n${num} 0 obj\n`.length, whole.indexOf('\nendobj', start))
}
const numberOf = (pdf: Uint8Array, pattern: RegExp) => Number(pattern.exec(text(pdf))?.[1])
const signatureNum = numberOf(signed, /\/V (\d+) 0 R>>\nendobj/)
const widgetNum = numberOf(signed, /(\d+) 0 obj\n<<\/Type\/Annot\/Subtype\/Widget\/F 132/)

function judge(pdf: Uint8Array): PdfVerification | string {
  try {
    return verifyPdf(pdf, { trust })
  } catch (error) {
    if (error instanceof PdfRefusal) return error.code
    throw error
  }
}

/** True only for a file that somebody would rely on. */
function accepted(pdf: Uint8Array): boolean {
  const report = judge(pdf)
  return typeof report !== 'string' && report.ok
}

it('the untouched files are good, so that what follows is found for its own sake', () => {
  for (const pdf of [signed, signedCovered, twice]) expect(accepted(pdf)).toBe(true)
})

describe('shadow attacks (prepared before signing, turned afterwards)', () => {
  const ATTACKS: Record<string, Uint8Array> = {
    'hide: the picture over the text is freed': appendUpdate(signedCovered, { 5: 'null' }),
    'hide: the picture over the text becomes empty': appendUpdate(signedCovered, { 5: form('q Q') }),
    'hide: the picture over the text moves out of sight': appendUpdate(signedCovered, {
      5: form('1 g 900 900 9 9 re f'),
    }),
    'hide: a layer is switched off': appendUpdate(signed, {
      1: objectText(signed, 1).replace('/OFF[]', '/OFF[20 0 R]'),
    }),
    'replace: another appearance of a field whose value stays': appendUpdate(signed, {
      13: form('BT /F1 9 Tf (900) Tj ET'),
    }),
    'replace: a font with other outlines': appendUpdate(signed, {
      6: '<</Type/Font/Subtype/Type3/FontBBox[0 0 9 9]/FontMatrix[1 0 0 1 0 0]/CharProcs<<>>/Encoding<<>>/FirstChar 0/LastChar 0/Widths[9]>>',
    }),
    'replace: a font by its encoding': appendUpdate(signed, {
      6: '<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding<</Differences[49/nine]>>>>',
    }),
    'hide and replace: the catalogue shows prepared pages': appendUpdate(
      signed,
      {
        90: objectText(signed, 1).replace('/Pages 2 0 R', '/Pages 91 0 R'),
        91: '<</Type/Pages/Kids[92 0 R]/Count 1>>',
        92: '<</Type/Page/Parent 91 0 R/MediaBox[0 0 300 200]>>',
      },
      '/Root 90 0 R',
    ),
    'hide and replace: the page tree points to a prepared page': appendUpdate(signed, {
      2: '<</Type/Pages/Kids[92 0 R 101 0 R]/Count 2>>',
      92: '<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]>>',
    }),
    'hide and replace: the resources of the page name a prepared object': appendUpdate(signed, {
      3: objectText(signed, 3).replace('/F1 6 0 R', '/F1 93 0 R'),
      93: '<</Type/Font/Subtype/Type1/BaseFont/Courier>>',
    }),
  }
  for (const [name, pdf] of Object.entries(ATTACKS)) it(name, () => expect(accepted(pdf)).toBe(false))

  it('and the pages that look different are named', () => {
    const change = changedPages(ATTACKS['hide: the picture over the text becomes empty'] as Uint8Array)
    expect(change).toMatchObject([{ level: 'other', before: 0, after: 0 }])
  })
})

describe('incremental saving attacks', () => {
  const body = '4 0 obj\n<</Length 5>>\nstream\nq Q q\nendstream\nendobj\n'
  const previous = /startxref\s+(\d+)\s+%%EOF\s*$/.exec(text(signed))?.[1] ?? ''
  const row = `${String(signed.length).padStart(10, '0')} 00000 n \n`
  const section = (trailer: string) => `xref\n4 1\n${row}trailer\n<<${trailer}>>\n`
  const start = `startxref\n${signed.length + body.length}\n%%EOF\n`
  const ATTACKS: Record<string, Uint8Array> = {
    'a plain update': appendUpdate(signed, { 4: stream('', 'q Q q') }),
    'an update without a cross-reference, found only by repair': raw(
      `${text(signed)}${body}trailer\n<</Root 1 0 R>>\n`,
    ),
    'an update without startxref': raw(`${text(signed)}${body}${section(`/Root 1 0 R/Prev ${previous}`)}`),
    'an update without trailer entries': raw(`${text(signed)}${body}${section('')}${start}`),
    'an update whose /Prev skips the signed revision': raw(
      `${text(signed)}${body}${section(`/Root 1 0 R/Size 200/Prev ${/startxref\n(\d+)/.exec(text(signed))?.[1]}`)}${start}`,
    ),
    'an update whose /Prev points to itself': raw(
      `${text(signed)}${body}${section(`/Root 1 0 R/Prev ${signed.length + body.length}`)}${start}`,
    ),
    'an update with the signature copied into it': appendUpdate(signed, {
      4: stream('', 'q Q q'),
      [signatureNum]: objectText(signed, signatureNum),
    }),
    'an update that frees the signature': appendUpdate(signed, { [signatureNum]: 'null' }),
    'an update behind junk': appendUpdate(raw(`${text(signed)}%${'x'.repeat(99)}\n%%EOF\n`), {
      4: stream('', 'q Q q'),
    }),
  }
  for (const [name, pdf] of Object.entries(ATTACKS)) it(name, () => expect(accepted(pdf)).toBe(false))
})

describe('signature wrapping (the signed bytes moved to where nobody looks)', () => {
  const whole = text(signed)
  const [, , gapTo = 0] = verifyPdf(signed).signatures[0]?.byteRange ?? []
  /** The second range moved behind an insertion, with the byte range told so. */
  const wrapped = (inserted: string) => {
    const shift = inserted.length
    const moved = whole.slice(0, gapTo) + inserted + whole.slice(gapTo)
    return raw(
      moved.replace(/\/ByteRange\[(\d+) (\d+) (\d+) (\d+)\] */, (old, a, b, c, d) =>
        `/ByteRange[${a} ${b} ${Number(c) + shift} ${d}]`.padEnd(old.length),
      ),
    )
  }
  it('a gap wider than the signature value', () => {
    expect(accepted(wrapped(' '.repeat(512)))).toBe(false)
    expect(accepted(wrapped('\n4 0 obj\n<</Length 5>>\nstream\nq Q q\nendstream\nendobj\n'))).toBe(false)
  })
  it('a second /Contents or /ByteRange in the same dictionary', () => {
    const dictionary = objectText(signed, signatureNum)
    for (const more of ['/Contents<00>', '/ByteRange[0 10 20 30]'])
      expect(accepted(appendUpdate(signed, { [signatureNum]: dictionary.replace('<<', `<<${more}`) }))).toBe(
        false,
      )
  })
  it('a new field whose byte range names the old signature value', () => {
    const range = /\/ByteRange\[[^\]]*\]/.exec(whole)?.[0] ?? ''
    const contents = /\/Contents<[0-9a-f]*>/.exec(whole)?.[0] ?? ''
    const forged = appendUpdate(signed, {
      10: objectText(signed, 10).replace(/\/Fields ?\[/, '/Fields[94 0 R '),
      94: '<</Type/Annot/Subtype/Widget/FT/Sig/T(Again)/V 95 0 R/Rect[0 0 0 0]/P 3 0 R>>',
      95: `<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached${range}${contents}>>`,
    })
    const report = judge(forged)
    expect(accepted(forged)).toBe(false)
    if (typeof report === 'string') throw new Error(report)
    expect(
      report.signatures.some(({ problems }) =>
        problems.some(({ code }) => code === 'byterange_gap_is_not_contents'),
      ),
    ).toBe(true)
  })
})

describe('universal signature forgery (entries that leave nothing to verify)', () => {
  const dictionary = objectText(signed, signatureNum)
  const FORGERIES: Record<string, string> = {
    'no /ByteRange': dictionary.replace(/\/ByteRange\[[^\]]*\]/, ''),
    'an empty /ByteRange': dictionary.replace(/\/ByteRange\[[^\]]*\]/, '/ByteRange[]'),
    'a /ByteRange of two values': dictionary.replace(/\/ByteRange\[[^\]]*\]/, '/ByteRange[0 10]'),
    'a /ByteRange of null': dictionary.replace(/\/ByteRange\[[^\]]*\]/, '/ByteRange null'),
    'a negative /ByteRange': dictionary.replace(/\/ByteRange\[[^\]]*\]/, '/ByteRange[0 -10 20 30]'),
    'a /ByteRange of six values': dictionary.replace(/\/ByteRange\[([^\]]*)\]/, '/ByteRange[$1 0 0]'),
    'a /ByteRange of fractions': dictionary.replace(/\/ByteRange\[[^\]]*\]/, '/ByteRange[0 10.5 20.5 30]'),
    'no /Contents': dictionary.replace(/\/Contents<[0-9a-f]*>/, ''),
    'an empty /Contents': dictionary.replace(/\/Contents<[0-9a-f]*>/, '/Contents<>'),
    'a /Contents of zeros': dictionary.replace(/\/Contents<[0-9a-f]*>/, '/Contents<0000000000>'),
    'a /Contents of null': dictionary.replace(/\/Contents<[0-9a-f]*>/, '/Contents null'),
    'a /Contents that is a number': dictionary.replace(/\/Contents<[0-9a-f]*>/, '/Contents 7'),
    'a /Contents that names nothing': dictionary.replace(/\/Contents<[0-9a-f]*>/, '/Contents 199 0 R'),
    'no /SubFilter': dictionary.replace('/SubFilter/ETSI.CAdES.detached', ''),
    'an unknown /SubFilter': dictionary.replace('ETSI.CAdES.detached', 'ETSI.Other'),
    'another /Type': dictionary.replace('/Type/Sig', '/Type/DocTimeStamp'),
  }
  for (const [name, forged] of Object.entries(FORGERIES)) {
    it(`in a later revision: ${name}`, () => {
      expect(accepted(appendUpdate(signed, { [signatureNum]: forged }))).toBe(false)
      // In a field of its own, too, whether the first signature is untouched or not.
      const field =
        '<</Type/Annot/Subtype/Widget/FT/Sig/T(Forged)/V 95 0 R/Rect[90 90 190 140]/P 3 0 R/AP<</N 96 0 R>>>>'
      const added = appendUpdate(signed, {
        3: objectText(signed, 3).replace(/\/Annots ?\[/, '/Annots[94 0 R '),
        10: objectText(signed, 10).replace(/\/Fields ?\[/, '/Fields[94 0 R '),
        94: field,
        95: forged,
        96: form('BT /F1 9 Tf (signed by the chairman) Tj ET'),
      })
      expect(accepted(added)).toBe(false)
    })
  }

  it('in the only revision', () => {
    for (const [name, forged] of Object.entries(FORGERIES)) {
      const start = text(signed).lastIndexOf(dictionary)
      const replaced = forged.length <= dictionary.length ? forged.padEnd(dictionary.length) : undefined
      if (replaced === undefined) continue
      const pdf = raw(text(signed).slice(0, start) + replaced + text(signed).slice(start + dictionary.length))
      expect(accepted(pdf), name).toBe(false)
    }
  })
})

describe('byte ranges', () => {
  const rewrite = (change: (numbers: number[]) => number[]) =>
    raw(
      text(signed).replace(/\/ByteRange\[([^\]]*)\] */, (whole, inner: string) =>
        `/ByteRange[${change(inner.split(' ').map(Number)).join(' ')}]`.padEnd(whole.length),
      ),
    )
  const RANGES: Record<string, (range: number[]) => number[]> = {
    'a gap of one byte more': ([a = 0, b = 0, c = 0, d = 0]) => [a, b, c + 1, d - 1],
    'a hole larger than /Contents at its start': ([a = 0, b = 0, c = 0, d = 0]) => [a, b - 9, c, d],
    'overlapping ranges': ([a = 0, b = 0, , d = 0]) => [a, b, b - 10, d],
    'a range that stops before the end': ([a = 0, b = 0, c = 0, d = 0]) => [a, b, c, d - 40],
    'a range beyond the file': ([a = 0, b = 0, c = 0, d = 0]) => [a, b, c, d + 1000],
    'a range that starts late': ([, b = 0, c = 0, d = 0]) => [9, b - 9, c, d],
    'two values': ([a = 0, b = 0]) => [a, b],
    'a negative value': ([a = 0, b = 0, c = 0, d = 0]) => [a, b, c, -d],
    'a negative start': ([, b = 0, c = 0, d = 0]) => [-1, b, c, d],
    'values that overflow': ([a = 0, b = 0, c = 0]) => [a, b, c, 9_007_199_254],
    'swapped ranges': ([a = 0, b = 0, c = 0, d = 0]) => [c, d, a, b],
    'nothing at all': () => [0, 0, 0, 0],
  }
  for (const [name, change] of Object.entries(RANGES))
    it(`of ${name}`, () => expect(accepted(rewrite(change))).toBe(false))
})

describe('what is laid over, taken away or passed off', () => {
  const annotated = (dict: string, more: Record<number, string> = {}) =>
    appendUpdate(signed, {
      3: objectText(signed, 3).replace(/\/Annots ?\[/, '/Annots[94 0 R '),
      94: dict,
      95: form('1 g 0 0 300 200 re f'),
      ...more,
    })
  const ATTACKS: Record<string, Uint8Array> = {
    'a stamp over the text': annotated('<</Type/Annot/Subtype/Stamp/Rect[0 0 300 200]/AP<</N 95 0 R>>>>'),
    'free text over the text': annotated(
      '<</Type/Annot/Subtype/FreeText/Rect[0 0 300 200]/Contents(Other)/DA(/F1 9 Tf)>>',
    ),
    'a redaction': annotated('<</Type/Annot/Subtype/Redact/Rect[0 0 300 200]>>'),
    'a link over a signature': annotated(
      '<</Type/Annot/Subtype/Link/Rect[20 20 80 50]/A<</S/URI/URI(http://x)>>>>',
    ),
    'a widget over a signature': annotated(
      '<</Type/Annot/Subtype/Widget/FT/Btn/T(Cover)/Rect[20 20 80 50]/AP<</N 95 0 R>>/P 3 0 R>>',
      { 10: objectText(signed, 10).replace(/\/Fields ?\[/, '/Fields[94 0 R ') },
    ),
    'an unsigned field that looks signed': annotated(
      '<</Type/Annot/Subtype/Widget/FT/Sig/T(Chair)/Rect[90 90 190 140]/AP<</N 95 0 R>>/P 3 0 R>>',
      { 10: objectText(signed, 10).replace(/\/Fields ?\[/, '/Fields[94 0 R ') },
    ),
    'another appearance of the signature': appendUpdate(signed, {
      [widgetNum]: objectText(signed, widgetNum).replace(/\/AP<<\/N \d+ 0 R>>/, '/AP<</N 95 0 R>>'),
      95: form('BT /F1 9 Tf (somebody else) Tj ET'),
    }),
    'the stream of the appearance replaced in place': appendUpdate(signed, {
      [numberOf(signed, /\/AP<<\/N (\d+) 0 R>>\/FT\/Sig/)]: form('q Q'),
    }),
    'a signature moved to another page': appendUpdate(signed, {
      3: objectText(signed, 3).replace(`${widgetNum} 0 R`, ''),
      101: objectText(signed, 101).replace('>>', `/Annots[${widgetNum} 0 R]>>`),
    }),
    'a signature hidden by its flags': appendUpdate(signed, {
      [widgetNum]: objectText(signed, widgetNum).replace('/F 132', '/F 2'),
    }),
    'a spoofed reason': appendUpdate(signed, {
      [signatureNum]: objectText(signed, signatureNum).replace('/M(', '/Reason(I agree)/M('),
    }),
    'a spoofed field name': appendUpdate(signed, {
      [widgetNum]: objectText(signed, widgetNum).replace(/\/T\([^)]*\)/, '/T(Chairman)'),
    }),
    'an added page': appendUpdate(signed, {
      2: '<</Type/Pages/Kids[3 0 R 101 0 R 90 0 R]/Count 3>>',
      90: '<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>',
    }),
    'a removed page': appendUpdate(signed, { 2: '<</Type/Pages/Kids[3 0 R]/Count 1>>' }),
    'pages in another order': appendUpdate(signed, { 2: '<</Type/Pages/Kids[101 0 R 3 0 R]/Count 2>>' }),
    'a page shown twice': appendUpdate(signed, { 2: '<</Type/Pages/Kids[3 0 R 101 0 R 3 0 R]/Count 3>>' }),
    'a page box moved off the text': appendUpdate(signed, {
      3: objectText(signed, 3).replace(/\/MediaBox ?\[[^\]]*\]/, '/MediaBox[500 500 800 700]'),
    }),
    'a crop that hides a clause': appendUpdate(signed, {
      3: objectText(signed, 3).replace('/MediaBox', '/CropBox[0 0 300 90]/MediaBox'),
    }),
    'a script at opening': appendUpdate(signed, {
      1: objectText(signed, 1).replace('/Pages', '/OpenAction<</S/JavaScript/JS(x)>>/Pages'),
    }),
    'a form of its own (XFA)': appendUpdate(signed, {
      10: objectText(signed, 10).replace('/Fields', '/XFA 95 0 R/Fields'),
      95: stream('', '<xdp/>'),
    }),
    encryption: appendUpdate(signed, { 90: '<</Filter/Standard>>' }, '/Root 1 0 R/Encrypt 90 0 R'),
  }
  for (const [name, pdf] of Object.entries(ATTACKS))
    it(`is found: ${name}`, () => expect(accepted(pdf)).toBe(false))
})

describe('the signed files of the corpus', () => {
  /** By their names and the papers they come from: files that somebody tampered with. */
  const TAMPERED =
    /hide|replace|spoof|annot-added|added|removed-page|out-of-byteRange|byterange-overlap|modified|HASH_FAILURE\.pdf|enveloping-empty/i
  it('are flagged where they were attacked, and only there', (context) => {
    const folder = join(corpusFolder(), 'signed')
    if (!existsSync(folder)) {
      console.warn(`SKIPPED: no corpus at ${folder}`)
      return context.skip('no corpus')
    }
    const missed: string[] = []
    let attacked = 0
    for (const path of pdfFiles(folder)) {
      const name = basename(path)
      if (!TAMPERED.test(name) || /original|SK-1/.test(name)) continue
      attacked++
      const report = (() => {
        try {
          return verifyPdf(new Uint8Array(readFileSync(path)))
        } catch (error) {
          if (error instanceof PdfRefusal) return undefined
          throw error
        }
      })()
      if (report?.ok) missed.push(name)
    }
    expect(missed).toEqual([])
    expect(attacked).toBeGreaterThan(5)
  })
})
