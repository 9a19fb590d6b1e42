import { describe, expect, it } from 'vitest'
import { appendUpdate, samplePdf } from '../test-files.ts'
import { createTestPki } from '../test-pki.ts'
import { changedPages, prepareAppearance, revisionBytes, signPdf, timestampPdf } from './pades.ts'

const at = new Date('2026-11-24T10:05:00Z')
const pki = createTestPki(at)
const box = prepareAppearance({
  widthPt: 60,
  heightPt: 30,
  operators: '2 2 56 26 re S',
  resources: [],
  objects: [],
})
const rect = { x: 20, y: 30, width: 60, height: 30 }
const sign = (pdf: Uint8Array, page?: number) =>
  signPdf(pdf, {
    ...pki.p256,
    placements: page === undefined ? [] : [{ page, rect, appearance: box }],
    signingTime: at,
  })
const original = samplePdf({
  pages: 3,
  page: '/Annots[12 0 R]',
  extra: {
    12: '<</Type/Annot/Subtype/Stamp/Rect[10 150 60 180]/AP<</N 13 0 R>>>>',
    13: '<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length 2>>\nstream\nq \nendstream',
  },
})
const signed = await sign(original)
const page = (more: string) =>
  `<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Resources<</Font<</F1 6 0 R>>>>/Contents 4 0 R${more}>>`
const pairs = (pdf: Uint8Array) => changedPages(pdf).map(({ before, after, level }) => [before, after, level])

describe('the pages that later revisions changed', () => {
  it('are none where nothing was appended, or only what nobody sees', async () => {
    expect(changedPages(original)).toEqual([])
    expect(changedPages(signed)).toEqual([])
    expect(changedPages(await timestampPdf(signed, { timestamp: pki.timestamp }))).toEqual([])
    expect(changedPages(await sign(signed))).toEqual([])
  })

  it('are those a further signature shows itself on, with its place', async () => {
    const twice = await sign(signed, 1)
    expect(changedPages(twice)).toEqual([
      {
        revision: 0,
        level: 'signatures',
        before: 1,
        after: 1,
        areas: [rect],
        beforeBytes: signed.length,
        afterBytes: twice.length,
      },
    ])
    const thrice = await sign(twice, 2)
    expect(changedPages(thrice).map(({ revision, after }) => [revision, after])).toEqual([
      [1, 1],
      [0, 2],
    ])
  })

  it.each([0, 90, 180, 270])(
    'have their areas as displayed, on a page turned by %i degrees',
    async (turn) => {
      const turned = await sign(samplePdf({ page: `/Rotate ${turn}/CropBox[10 5 290 195]` }))
      expect(changedPages(await sign(turned, 0))[0]?.areas).toEqual([rect])
    },
  )

  it('are those that use what was replaced', () => {
    const text = '<</Length 5>>\nstream\nq Q q\nendstream'
    expect(pairs(appendUpdate(signed, { 4: text }))).toEqual([
      [0, 0, 'other'],
      [1, 1, 'other'],
      [2, 2, 'other'],
    ])
    const font = '<</Type/Font/Subtype/Type1/BaseFont/Courier>>'
    expect(changedPages(appendUpdate(signed, { 6: font })).length).toBe(3)
    const own = appendUpdate(signed, { 101: page('/Rotate 90') })
    expect(changedPages(own)).toMatchObject([{ before: 1, after: 1, areas: [] }])
    const drawn = '<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length 3>>\nstream\nq Q\nendstream'
    const stamp = changedPages(appendUpdate(signed, { 13: drawn }))
    expect(stamp.length).toBe(3)
    expect(stamp[0]?.areas).toEqual([{ x: 10, y: 150, width: 50, height: 30 }])
  })

  it('are those that came, went, or changed places', () => {
    const kids = (list: string) => `<</Type/Pages/Kids[${list}]/Count 3>>`
    const added = appendUpdate(signed, { 2: kids('3 0 R 90 0 R 101 0 R 102 0 R'), 90: page('') })
    expect(pairs(added)).toEqual([[null, 1, 'other']])
    expect(pairs(appendUpdate(signed, { 2: kids('3 0 R 102 0 R') }))).toEqual([[1, null, 'other']])
    expect(pairs(appendUpdate(signed, { 2: kids('3 0 R 102 0 R 101 0 R') }))).toEqual([[1, 2, 'other']])
    const swapped = appendUpdate(
      signed,
      { 91: '<</Type/Catalog/Pages 92 0 R>>', 92: '<</Type/Pages/Kids[90 0 R]/Count 1>>', 90: page('') },
      '/Root 91 0 R',
    )
    expect(pairs(swapped).length).toBe(4)
  })

  it('are those that inherit something else', async () => {
    const nested = await sign(samplePdf({ nested: true, pages: 2 }))
    const turned = appendUpdate(nested, {
      2: '<</Type/Pages/Kids[7 0 R]/Count 2/MediaBox[0 0 300 200]/Resources<</Font<</F1 6 0 R>>>>/Rotate 0>>',
    })
    expect(pairs(turned)).toEqual([
      [0, 0, 'other'],
      [1, 1, 'other'],
    ])
  })
})

describe('the bytes of a revision', () => {
  it.each(['table', 'stream', 'hybrid'] as const)('are the file as it was, from a %s', async (form) => {
    const steps = [samplePdf({ form })]
    for (let i = 0; i < 3; i++) steps.push(await sign(steps.at(-1) as Uint8Array))
    const newest = steps.at(-1) as Uint8Array
    steps.forEach((step, i) => {
      expect(Buffer.compare(revisionBytes(newest, 3 - i), step)).toBe(0)
    })
    expect(() => revisionBytes(newest, 4)).toThrow(RangeError)
  })
})
