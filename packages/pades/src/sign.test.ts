import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toPem } from '@yinxin/pki'
import { describe, expect, it } from 'vitest'
import { appendUpdate, type SampleOptions, samplePdf } from '../test-files.ts'
import { countOf, hasJudge, run, withFile } from '../test-judges.ts'
import { createTestPki } from '../test-pki.ts'
import {
  extendHashState,
  finishSignature,
  hashStateOf,
  inspectPdf,
  PdfRefusal,
  type PrepareOptions,
  prepareAppearance,
  prepareSignature,
  signPdf,
  signPrepared,
  verifyPdf,
} from './pades.ts'

const at = new Date('2026-11-24T10:05:00Z')
const pki = createTestPki(at)
const box = prepareAppearance({
  widthPt: 60,
  heightPt: 60,
  operators: '1 0 0 RG 4 w 2 2 56 56 re S',
  resources: [],
  objects: [],
})

async function signThrice(pdf: Uint8Array): Promise<Uint8Array> {
  let signed = pdf
  for (const [i, who] of [pki.rsa, pki.p256, pki.rsa].entries()) {
    signed = await signPdf(signed, {
      ...who,
      placements: [{ page: 0, rect: { x: 10 + i * 62, y: 10, width: 60, height: 60 }, appearance: box }],
      signingTime: at,
      reason: '同意签署 (第一页)',
      timestamp: pki.timestamp,
    })
  }
  return signed
}

const structures: Record<string, SampleOptions> = {
  'a classic table': {},
  'a cross-reference stream with object streams': { form: 'stream' },
  'a hybrid file': { form: 'hybrid' },
  'a nested page tree with inherited rotation': { nested: true },
  'a crop box away from the origin': { page: '/CropBox[50 20 280 190]' },
  'a page turned by 270 degrees': { page: '/Rotate 270', form: 'stream' },
  'an existing form with indirect fields': {
    catalog: '/AcroForm 10 0 R',
    page: '/Annots 13 0 R',
    extra: {
      10: '<</Fields 11 0 R/DR<<>>>>',
      11: '[12 0 R]',
      12: '<</Type/Annot/Subtype/Widget/FT/Tx/T(Name)/Rect[0 0 10 10]/P 3 0 R>>',
      13: '[12 0 R]',
    },
  },
  'an existing form inside the catalogue': {
    catalog: '/AcroForm<</Fields[]/SigFlags 0>>',
    page: '/Annots[]',
  },
}

describe('three signatures on one document', () => {
  for (const [name, options] of Object.entries(structures)) {
    it(`are all accepted on ${name}`, async (context) => {
      const original = samplePdf(options)
      const signed = await signThrice(original)
      expect(Buffer.compare(signed.subarray(0, original.length), original)).toBe(0)
      const own = verifyPdf(signed, { trust: [pki.root] })
      expect(own.signatures.map(({ status, level, trusted }) => [status, level, trusted])).toEqual([
        ['valid', 'B-T', true],
        ['valid', 'B-T', true],
        ['valid', 'B-T', true],
      ])
      expect(own.ok).toBe(true)
      expect(inspectPdf(signed).xrefForm).toBe(options.form === 'stream' ? 'stream' : 'table')
      judge(context, signed, options.form === 'hybrid')
    })
  }

  it('are all accepted on a linearized file', async (context) => {
    if (!hasJudge(context, 'qpdf')) return
    const linear = withFile(samplePdf({ pages: 3 }), (path, folder) => {
      const out = join(folder, 'linear.pdf')
      run('qpdf', ['--linearize', path, out])
      return new Uint8Array(readFileSync(out))
    })
    const signed = await signThrice(linear)
    expect(verifyPdf(signed).ok).toBe(true)
    judge(context, signed)
  })

  it('are all accepted where the cross-reference had to be rebuilt, which is appended, not rewritten', async (context) => {
    const broken = Buffer.from(
      Buffer.from(samplePdf())
        .toString('latin1')
        .replace(/startxref\n\d+/, 'startxref\n7'),
      'latin1',
    )
    const signed = await signThrice(broken)
    expect(Buffer.compare(signed.subarray(0, broken.length), broken)).toBe(0)
    expect(verifyPdf(signed).ok).toBe(true)
    judge(context, signed)
  })
})

function judge(context: Parameters<typeof hasJudge>[0], signed: Uint8Array, hybrid = false): void {
  withFile(signed, (path, folder) => {
    if (hasJudge(context, 'pdfsig', ['-v'])) {
      const { text } = run('pdfsig', [path])
      expect(countOf(text, 'Signature is Valid')).toBe(3)
      expect(text.trimEnd().split('Signature #3')[1]).toContain('Total document signed')
    }
    if (hasJudge(context, 'mutool', ['-v'])) {
      const { text } = run('mutool', ['sign', '-v', path])
      expect(countOf(text, 'The signature is valid but there have been edits since signing')).toBe(2)
      expect(countOf(text, 'The document is unchanged since signing')).toBe(1)
    }
    if (hasJudge(context, 'qpdf')) {
      const { status, text } = run('qpdf', ['--check', path])
      expect(text).not.toContain('WARNING')
      expect(status).toBe(0)
    }
    const root = join(folder, 'root.pem')
    writeFileSync(root, toPem(pki.root, 'CERTIFICATE'))
    if (hasJudge(context, 'openssl', ['version'])) opensslJudges(signed, folder, root)
    if (hasJudge(context, 'pyhanko')) {
      // pyHanko validates hybrid files only when told not to be strict.
      const mode = hybrid ? ['--no-strict-syntax'] : []
      const args = [
        'sign',
        'validate',
        '--pretty-print',
        '--no-revocation-check',
        ...mode,
        '--trust-replace',
        '--trust',
        root,
        path,
      ]
      const { text } = run('pyhanko', args)
      expect(countOf(text, 'The signature is judged VALID')).toBe(3)
    }
  })
}

/** Each CMS, cut out by its byte range, verifies over the covered bytes. */
function opensslJudges(signed: Uint8Array, folder: string, root: string): void {
  for (const { byteRange } of verifyPdf(signed).signatures) {
    const [, first = 0, second = 0, length = 0] = byteRange
    const hex = Buffer.from(signed.subarray(first + 1, second - 1)).toString('latin1')
    writeFileSync(join(folder, 'cms.der'), Buffer.from(hex, 'hex'))
    const covered = Buffer.concat([signed.subarray(0, first), signed.subarray(second, second + length)])
    writeFileSync(join(folder, 'covered.bin'), covered)
    const files = ['-in', join(folder, 'cms.der'), '-content', join(folder, 'covered.bin'), '-CAfile', root]
    const { text } = run('openssl', [
      'cms',
      '-verify',
      '-cades',
      '-binary',
      '-inform',
      'DER',
      '-purpose',
      'any',
      ...files,
      '-out',
      '/dev/null',
    ])
    expect(text).toContain('CAdES Verification successful')
  }
}

describe('a signature', () => {
  const plain: PrepareOptions = { placements: [], signingTime: at }

  it('shows in several places as one act', async (context) => {
    const pdf = samplePdf({ pages: 2 })
    const rect = { x: 20, y: 20, width: 50, height: 50 }
    const placements = [
      { page: 0, rect, appearance: box },
      { page: 1, rect, appearance: box },
    ]
    const once = await signPdf(pdf, { ...pki.rsa, placements, signingTime: at })
    const twice = await signPdf(once, { ...pki.p256, placements, signingTime: at })
    const report = verifyPdf(twice)
    expect(report.ok).toBe(true)
    expect(report.signatures.map(({ pages }) => pages)).toEqual([
      [0, 1],
      [0, 1],
    ])
    if (!hasJudge(context, 'pdfsig', ['-v'])) return
    withFile(twice, (path) => {
      const { text } = run('pdfsig', [path])
      expect(countOf(text, 'Signature #')).toBe(countOf(text, 'Signature is Valid'))
    })
  })

  it('survives serialisation between its two phases', async () => {
    const pdf = samplePdf()
    const prepared = structuredClone(prepareSignature(pdf, plain))
    const delta = finishSignature(prepared, await signPrepared(prepared, pki.p256))
    expect(verifyPdf(Buffer.concat([pdf, delta])).ok).toBe(true)
  })

  it('needs no second hashing of the file when the hash state is carried along', async () => {
    let pdf: Uint8Array = samplePdf()
    let hashState = hashStateOf(pdf)
    for (let i = 0; i < 3; i++) {
      const prepared = prepareSignature(pdf, { ...plain, hashState })
      expect(Buffer.from(prepared.digest)).toEqual(Buffer.from(prepareSignature(pdf, plain).digest))
      const delta = finishSignature(prepared, await signPrepared(prepared, pki.p256))
      hashState = extendHashState(hashState, delta)
      pdf = Buffer.concat([pdf, delta])
    }
    expect(verifyPdf(pdf).ok).toBe(true)
  })

  it('works with every algorithm of the pki package', async () => {
    for (const algorithm of ['ecdsa-p384-sha384', 'rsa-pss-sha256', 'ed25519'] as const) {
      const signed = await signPdf(samplePdf(), { ...pki.issue(algorithm, 'Test'), ...plain })
      expect(verifyPdf(signed, { trust: [pki.root] }).ok).toBe(true)
    }
  })

  it('keeps a certification that permits further signatures, and refuses where it permits none', async () => {
    const open = await signPdf(samplePdf(), { ...pki.rsa, ...plain, certify: 2 })
    const more = await signPdf(open, { ...pki.p256, ...plain })
    const report = verifyPdf(more)
    expect(report.ok).toBe(true)
    expect(report.signatures[0]?.certifies).toBe(2)
    const closed = await signPdf(samplePdf(), { ...pki.rsa, ...plain, certify: 1 })
    expect(verifyPdf(closed).ok).toBe(true)
    expect(codeOf(() => prepareSignature(closed, plain))).toBe('certified_no_changes')
    expect([samplePdf(), open, more, closed].map((pdf) => inspectPdf(pdf).certification)).toEqual([
      null,
      2,
      2,
      1,
    ])
    expect(codeOf(() => prepareSignature(more, { ...plain, certify: 2 }))).toBe('certify_not_first')
  })

  it('is refused on a taken field name, a missing page, a place outside the page, or too little room', () => {
    const pdf = samplePdf(structures['an existing form with indirect fields'])
    expect(codeOf(() => prepareSignature(pdf, { ...plain, fieldName: 'Name' }))).toBe('field_name_taken')
    const place = (page: number, x: number) => ({
      placements: [{ page, rect: { x, y: 0, width: 50, height: 50 }, appearance: box }],
      signingTime: at,
    })
    expect(codeOf(() => prepareSignature(pdf, place(1, 0)))).toBe('page_out_of_range')
    expect(codeOf(() => prepareSignature(pdf, place(0, 251)))).toBe('rect_outside_page')
    expect(codeOf(() => prepareSignature(pdf, place(0, Number.NaN)))).toBe('rect_outside_page')
    const small = prepareSignature(pdf, { ...plain, reserveBytes: 10 })
    expect(codeOf(() => finishSignature(small, new Uint8Array(11)))).toBe('contents_too_small')
  })

  it('keeps to the place as displayed, whatever the rotation and the crop box', () => {
    for (const rotation of [0, 90, 180, 270]) {
      const pdf = samplePdf({ page: `/CropBox[50 20 280 190]/Rotate ${rotation}` })
      const rect = { x: 5, y: 7, width: 30, height: 40 }
      const { delta } = prepareSignature(pdf, {
        placements: [{ page: 0, rect, appearance: box }],
        signingTime: at,
      })
      const found = /\/Rect\[([^\]]*)\]/.exec(Buffer.from(delta).toString('latin1'))?.[1]
      const expected = {
        0: '55 27 85 67',
        90: '233 25 273 55',
        180: '245 143 275 183',
        270: '57 155 97 185',
      }[rotation]
      expect(found).toBe(expected)
    }
  })

  it('rewrites only the annotations array and the fields array where they are objects of their own', () => {
    const pdf = samplePdf(structures['an existing form with indirect fields'])
    const first = prepareSignature(pdf, plain)
    const once = Buffer.concat([pdf, first.delta])
    const written = [
      ...Buffer.from(prepareSignature(once, plain).delta)
        .toString('latin1')
        .matchAll(/^(\d+) 0 obj/gm),
    ]
    expect(written.map(([, num]) => Number(num)).filter((num) => num < 14)).toEqual([13, 11])
  })
})

describe('unusable input is refused by name', () => {
  const sample = Buffer.from(samplePdf()).toString('latin1')
  const cases: [string, string | Uint8Array, string][] = [
    ['nothing', '', 'empty'],
    ['text', 'Hello, this is no PDF at all.', 'not_a_pdf'],
    ['half a file', sample.slice(0, Math.floor(sample.length * 0.4)), 'truncated'],
    ['a file cut inside its last object', sample.slice(0, sample.indexOf('Helvetica')), 'truncated'],
    ['an encrypted file', sample.replace('/Root 1 0 R', '/Encrypt 9 0 R/Root 1 0 R'), 'encrypted'],
    [
      'a file encrypted in an earlier section',
      appendUpdate(Buffer.from(sample.replace('/Root 1 0 R', '/Encrypt 9 0 R/Root 1 0 R'), 'latin1'), {
        210: 'null',
      }),
      'encrypted',
    ],
    [
      'an encrypted file with a broken table',
      sample.replace('/Root 1 0 R', '/Encrypt 9 0 R/Root 1 0 R').replace(/startxref\n\d+/, 'startxref\n1'),
      'encrypted',
    ],
    ['no pages', sample.replace('/Kids[3 0 R]/Count 1', '/Kids[     ]/Count 0'), 'no_pages'],
    [
      'nesting without end',
      sample.replace('(Contract)', '(Contract)').replace('/Pages 2 0 R', `/Pages 2 0 R/X ${'['.repeat(300)}`),
      'too_complex',
    ],
  ]
  for (const [name, content, code] of cases) {
    it(`${name}: ${code}`, () => {
      const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content
      expect(codeOf(() => prepareSignature(bytes, { placements: [], signingTime: at }))).toBe(code)
      expect(codeOf(() => inspectPdf(bytes))).toBe(code)
    })
  }

  it('a loop in /Prev or in the page tree ends', () => {
    const loop = appendUpdate(samplePdf(), { 210: 'null' })
    const text = Buffer.from(loop).toString('latin1')
    const at2 = text.lastIndexOf('\nxref\n') + 1
    const looped = Buffer.from(text.replace(/\/Prev \d+/, `/Prev ${at2}`), 'latin1')
    expect(() => inspectPdf(looped)).not.toThrow(RangeError)
    const tree = sample.replace('/Kids[3 0 R]/Count 1', '/Kids[2 0 R]/Count 1')
    expect(codeOf(() => inspectPdf(Buffer.from(tree, 'latin1')))).toBe('no_pages')
  })
})

function codeOf(act: () => unknown): string {
  try {
    act()
  } catch (fault) {
    if (fault instanceof PdfRefusal) return fault.code
    throw fault
  }
  return 'accepted'
}

it('writes the numbers of a page again as they were', async () => {
  const pdf = samplePdf({ mediaBox: '0 0 595.275590072 841.889757890' })
  const once = await signPdf(pdf, { ...pki.p256, placements: [], signingTime: at })
  expect(Buffer.from(once.subarray(pdf.length)).toString('latin1')).toContain(
    '[0 0 595.275590072 841.88975789]',
  )
})
