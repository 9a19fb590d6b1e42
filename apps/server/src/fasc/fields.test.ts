import { describe, expect, it } from 'vitest'
import { entryNames } from './downloads.ts'
import { docField, placeField, positionOf } from './fields.ts'
import { readOpenId, toOpenId } from './open-ids.ts'

const pages = [
  { widthPt: 595, heightPt: 842 },
  { widthPt: 842, heightPt: 595 },
]
const found = [
  { page: 1, x: 100, y: 200, width: 60, height: 12 },
  { page: 2, x: 10, y: 20, width: 60, height: 12 },
]

function place(fieldType: string, position: Record<string, unknown>, more: Record<string, unknown> = {}) {
  const field = docField.parse({ fieldId: 'f', fieldName: '控件', fieldType, position, ...more })
  return placeField('doc', field, pages, (keyword) => (keyword === '签章' ? found : []))
}

describe('the place of a field', () => {
  it('is given by its centre, from the upper left corner', () => {
    const seal = place('corp_seal', {
      positionMode: 'pixel',
      positionPageNo: '1',
      positionX: '300',
      positionY: '400',
    })
    expect(seal).toMatchObject({ page: 1, x: 240.5, y: 340.5, width: 119, height: 119 })
    expect(positionOf(seal)).toEqual({ positionPageNo: 1, positionX: '300', positionY: '400' })
  })

  it('takes the size that the client gives, and the usual one for nothing', () => {
    const at = { positionMode: 'pixel', positionPageNo: 2, positionX: 300, positionY: 300 }
    expect(place('person_sign', at, { fieldPersonSign: { width: 80, height: '0' } })).toMatchObject({
      width: 80,
      height: 50,
    })
    expect(place('date_sign', at)).toMatchObject({ x: 250, y: 288, width: 100, height: 24 })
  })

  it('moves right and up from the centre of a keyword', () => {
    const at = { positionMode: 'keyword', positionKeyword: '签章' }
    expect(positionOf(place('person_sign', at))).toMatchObject({ positionX: '130', positionY: '206' })
    const moved = place('person_sign', { ...at, keywordOffsetX: '10', keywordOffsetY: '-20' })
    expect(positionOf(moved)).toMatchObject({ positionX: '140', positionY: '226' })
  })

  it('is pushed inside when it hangs over an edge, and tells so', () => {
    const seal = place('corp_seal', {
      positionMode: 'pixel',
      positionPageNo: 1,
      positionX: '10',
      positionY: '840',
    })
    expect(seal).toMatchObject({ x: 0, y: 842 - 119 })
    expect(positionOf(seal)).toEqual({ positionPageNo: 1, positionX: '59.5', positionY: '782.5' })
  })

  it('is the first on the page that is named, pushed inside where it would hang over', () => {
    const on = place('corp_seal', { positionMode: 'keyword', positionKeyword: '签章', positionPageNo: 2 })
    expect(on).toMatchObject({ page: 2, x: 0, y: 0 })
  })

  it.each([
    [{ positionMode: 'pixel', positionPageNo: 1, positionX: '-1', positionY: '400' }],
    [{ positionMode: 'pixel', positionPageNo: 3, positionX: '300', positionY: '300' }],
    [{ positionMode: 'pixel', positionPageNo: 1, positionX: '300' }],
    [{ positionMode: 'keyword', positionKeyword: '没有' }],
    [{ positionMode: 'keyword' }],
  ])('is refused for %j', (position) => {
    expect(() => place('corp_seal', position)).toThrow('fasc_field_position')
  })
})

describe('ids', () => {
  it('go without dashes and come back in either form', () => {
    const id = '01a20d73-8858-71b2-9158-4084f3c8a91b'
    expect(toOpenId(id)).toHaveLength(32)
    expect(readOpenId(toOpenId(id))).toBe(id)
    expect(readOpenId(id.toUpperCase())).toBe(id)
    for (const text of ['', '1', `${toOpenId(id)}0`, 'g'.repeat(32)]) expect(readOpenId(text)).toBeNull()
  })
})

describe('names in an archive', () => {
  it('unpack anywhere and never meet', () => {
    expect(entryNames(['合同', '合同.pdf', '../a/b:c', '...', 'A', 'a'])).toEqual([
      '合同.pdf',
      '2-合同.pdf',
      '.._a_b_c.pdf',
      '4.pdf',
      'A.pdf',
      '6-a.pdf',
    ])
  })
})
