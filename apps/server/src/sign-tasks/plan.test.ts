import type { FieldInput } from '@yinxin/sdk/wire'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkActors, planFields } from './plan.ts'

const PAGES = [
  { widthPt: 595, heightPt: 842 },
  { widthPt: 842, heightPt: 595 },
]
const ACTORS = [
  { ref: 'buyer', kind: 'corp', role: 'sign' },
  { ref: 'seller', kind: 'person', role: 'sign' },
  { ref: 'copy', kind: 'person', role: 'cc' },
] as const

function plan(
  field: Partial<FieldInput>,
  found: { page: number; x: number; y: number; width: number; height: number }[] = [],
) {
  const whole: FieldInput = {
    documentRef: 'd',
    actorRef: 'buyer',
    kind: 'seal',
    position: { page: 1, x: 10, y: 10 },
    ...field,
  }
  return planFields(
    [whole],
    ACTORS,
    (ref) => (ref === 'd' ? PAGES : undefined),
    () => found,
  )
}

describe('the plan of a draft', () => {
  it('gives a company seal its true 40 mm and a date its line', () => {
    expect(plan({})[0]?.width).toBeCloseTo(113.39, 1)
    expect(plan({ kind: 'date' })[0]?.height).toBeCloseTo(19.84, 1)
  })

  it('refuses what cannot be: unknown refs, pages, fields of copies, signatures of companies, boxes off the page', () => {
    expect(() => plan({ documentRef: 'x' })).toThrow(/unknown_ref/)
    expect(() => plan({ actorRef: 'x' })).toThrow(/unknown_ref/)
    expect(() => plan({ actorRef: 'copy' })).toThrow(/copy_has_field/)
    expect(() => plan({ kind: 'signature' })).toThrow(/field_kind_mismatch/)
    expect(() => plan({ position: { page: 3, x: 0, y: 0 } })).toThrow(/field_page_unknown/)
    expect(() => plan({ position: { page: 0, x: 0, y: 0 } })).toThrow(/field_page_unknown/)
    expect(() => plan({ position: { page: 1, x: 590, y: 0 } })).toThrow(/field_outside_page/)
    expect(() => checkActors([{ ref: 'a', kind: 'person', role: 'sign', name: '张三' }])).toThrow(
      /actor_contact/,
    )
  })

  it('centres on the keyword, takes the occurrence asked for, and stays inside the page', () => {
    const found = [
      { page: 1, x: 100, y: 700, width: 40, height: 12 },
      { page: 2, x: 830, y: 10, width: 10, height: 10 },
    ]
    const [first] = plan({ position: { keyword: '甲方', width: 20, height: 10, offsetX: 5 } }, found)
    expect(first).toMatchObject({ page: 1, x: 115, y: 701 })
    const [edge] = plan({ position: { keyword: '甲方', occurrence: 2, width: 100, height: 100 } }, found)
    expect(edge).toMatchObject({ page: 2, x: 742, y: 0 })
    expect(plan({ position: { keyword: '甲方', occurrence: 'all' } }, found)).toHaveLength(2)
    expect(() => plan({ position: { keyword: '甲方', occurrence: 3 } }, found)).toThrow(/keyword_not_found/)
    expect(() => plan({ position: { keyword: '丙方', occurrence: 'all' } }, [])).toThrow(/keyword_not_found/)
  })

  it('never lets a field hang over an edge', () => {
    const number = fc.double({ min: -2000, max: 2000, noNaN: true })
    fc.assert(
      fc.property(number, number, fc.constantFrom(1, 2), (x, y, page) => {
        const [box] = plan({ position: { keyword: 'k' } }, [{ page, x, y, width: 10, height: 10 }])
        const size = PAGES[page - 1]
        expect(box?.x).toBeGreaterThanOrEqual(0)
        expect(box?.y).toBeGreaterThanOrEqual(0)
        expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual((size?.widthPt ?? 0) + 1e-6)
        expect((box?.y ?? 0) + (box?.height ?? 0)).toBeLessThanOrEqual((size?.heightPt ?? 0) + 1e-6)
      }),
    )
  })
})
