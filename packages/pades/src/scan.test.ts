import { describe, expect, it } from 'vitest'
import { appendUpdate, type SampleOptions, samplePdf } from '../test-files.ts'
import { type ActiveContentKind, inspectPdf } from './pades.ts'

const kinds = (pdf: Uint8Array) => [...new Set(inspectPdf(pdf).activeContent.map(({ kind }) => kind))].sort()

describe('active content', () => {
  const cases: [string, SampleOptions, ActiveContentKind[]][] = [
    ['nothing', {}, []],
    ['an opening destination', { catalog: '/OpenAction[3 0 R/Fit]' }, []],
    ['an opening GoTo', { catalog: '/OpenAction<</S/GoTo/D[3 0 R/Fit]>>' }, []],
    [
      'a GoTo that goes on',
      { catalog: '/OpenAction<</S/GoTo/D[3 0 R/Fit]/Next<</S/Named/N/Print>>>>' },
      ['automatic-action'],
    ],
    [
      'an opening script',
      { catalog: '/OpenAction<</S/JavaScript/JS(x)>>' },
      ['automatic-action', 'javascript'],
    ],
    [
      'a script in an escaped name',
      { catalog: '/OpenAction<</S/Java#53cript/J#53(x)>>' },
      ['automatic-action', 'javascript'],
    ],
    ['document scripts', { catalog: '/Names<</JavaScript<</Names[]>>>>' }, ['javascript']],
    ['page actions', { page: '/AA<</O<</S/Named/N/Print>>>>' }, ['automatic-action']],
    ['a launch action nobody refers to', { extra: { 10: '<</S/Launch/F(cmd.exe)>>' } }, ['launch']],
    ['a form that sends', { extra: { 10: '<</S/SubmitForm/F(http://x)>>' } }, ['submit-form']],
    ['imported data', { extra: { 10: '<</S/ImportData/F(x)>>' } }, ['import-data']],
    ['another file', { extra: { 10: '<</S/GoToR/F(x)>>', 11: '<</S/GoToE/T<<>>>>' } }, ['remote-go-to']],
    ['a file address', { extra: { 10: '<</S/URI/URI(FILE:///etc/passwd)>>' } }, ['file-uri']],
    ['a web address', { extra: { 10: '<</S/URI/URI(https://example.com)>>' } }, []],
    ['an embedded file', { catalog: '/Names<</EmbeddedFiles<</Names[]>>>>' }, ['embedded-file']],
    ['an attachment', { extra: { 10: '<</Subtype/FileAttachment/FS<</EF<<>>>>>>' } }, ['embedded-file']],
    [
      'an associated file',
      { catalog: '/AF[10 0 R]', extra: { 10: '<</Type/Filespec>>' } },
      ['embedded-file'],
    ],
    [
      'media',
      { extra: { 10: '<</Subtype/RichMedia>>', 11: '<</Subtype/3D>>', 12: '<</S/Rendition>>' } },
      ['rich-media'],
    ],
    ['an XFA form', { catalog: '/AcroForm<</Fields[]/XFA[]>>' }, ['xfa']],
    [
      'a stream kept elsewhere',
      { extra: { 10: '<</Length 0/F(x)>>\nstream\n\nendstream' } },
      ['external-stream'],
    ],
  ]
  for (const form of ['table', 'stream'] as const) {
    for (const [name, options, expected] of cases) {
      it(`${expected.length > 0 ? 'finds' : 'does not mind'} ${name} (${form})`, () => {
        expect(kinds(samplePdf({ ...options, form }))).toEqual(expected)
      })
    }
  }

  it('is found in an earlier revision and names its object', () => {
    const hidden = appendUpdate(samplePdf({ extra: { 10: '<</S/Launch/F(cmd.exe)>>' } }), { 10: 'null' })
    expect(inspectPdf(hidden).activeContent).toEqual([{ kind: 'launch', object: 10 }])
  })
})

describe('what is known about a file', () => {
  it('is its version, pages as displayed, structure and revisions', () => {
    const pdf = samplePdf({
      pages: 2,
      page: '/CropBox[50 20 280 190]/Rotate 90',
      catalog: '/Version/2.0',
      form: 'hybrid',
    })
    expect(inspectPdf(pdf)).toMatchObject({
      version: '2.0',
      pageCount: 2,
      pages: [
        { widthPt: 170, heightPt: 230, rotation: 90 },
        { widthPt: 170, heightPt: 230, rotation: 90 },
      ],
      encrypted: false,
      signatures: 0,
      xrefForm: 'hybrid',
      revisions: 1,
      repaired: false,
    })
  })

  it('is read although junk precedes the header', () => {
    const pdf = Buffer.concat([Buffer.from('junk before the header\n'), samplePdf()])
    expect(inspectPdf(pdf)).toMatchObject({ pageCount: 1, repaired: false })
  })
})
