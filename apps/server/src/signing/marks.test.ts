import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { drawCompanySeal, drawingContent, type Font, parseFont, prepareAppearance } from '@yinxin/pades'
import { beforeAll, describe, expect, it } from 'vitest'
import type { DocumentRow, FieldRow } from '#src/sign-tasks/sign-tasks.ts'
import { createMarks, developmentNotice, type MarksInput } from './marks.ts'

let font: Font

beforeAll(() => {
  const path = createRequire(import.meta.url).resolve(
    '@expo-google-fonts/noto-serif-sc/600SemiBold/NotoSerifSC_600SemiBold.ttf',
  )
  font = parseFont(readFileSync(path))
})

const document = { id: 'd', pages: [{ widthPt: 595, heightPt: 842 }] } as unknown as DocumentRow

function field(kind: FieldRow['kind'], x: number, y: number, over: Partial<FieldRow> = {}): FieldRow {
  const size = kind === 'date' ? { width: 102, height: 20 } : { width: 113, height: 113 }
  return { document_id: 'd', kind, page: 1, x, y, ...size, ...over } as FieldRow
}

function marks(fields: FieldRow[], over: Partial<MarksInput> = {}) {
  const seal = prepareAppearance(
    drawingContent(drawCompanySeal({ font, kind: 'contract', name: '示例科技有限公司' })),
  )
  return createMarks({
    fields,
    documents: [document],
    mark: seal,
    font,
    signedAt: new Date('2026-01-01T16:30:00Z'),
    notice: null,
    ...over,
  }).placements('d')
}

describe('the marks of a signature', () => {
  it('turns the upper left corner of the field into the lower left of the page', () => {
    const [seal] = marks([field('seal', 100, 200)])
    expect(seal?.page).toBe(0)
    expect(seal?.rect.x).toBeCloseTo(100, 0)
    expect(seal?.rect.y).toBeCloseTo(842 - 200 - 113, 0)
  })

  it('never squeezes a seal, and leaves a date its size', () => {
    const [seal] = marks([field('seal', 0, 0, { width: 200, height: 80 })])
    expect(seal?.rect.width).toBeCloseTo(seal?.rect.height ?? 0, 5)
    expect(seal?.rect.height).toBeCloseTo(80, 5)
    const [date] = marks([field('date', 0, 0, { width: 500, height: 200 })])
    expect(date?.rect.height).toBeLessThan(20)
  })

  it('draws what stands together as one field and what stands apart as two', () => {
    expect(marks([field('seal', 100, 200), field('date', 110, 320)])).toHaveLength(1)
    expect(marks([field('seal', 20, 20), field('date', 480, 800)])).toHaveLength(2)
  })

  it('says that a certificate is for development, inside the page', () => {
    const notice = developmentNotice(font)
    for (const at of [field('seal', 0, 729), field('seal', 482, 729), field('seal', 240, 300)]) {
      const [one] = marks([at], { notice })
      expect(one?.rect.x).toBeGreaterThanOrEqual(0)
      expect(one?.rect.y).toBeGreaterThanOrEqual(0)
      expect((one?.rect.x ?? 0) + (one?.rect.width ?? 0)).toBeLessThanOrEqual(595.001)
    }
  })

  it('refuses an empty field', () => {
    expect(() => marks([field('signature', 0, 0)], { mark: null })).toThrow(/signature_drawing_missing/)
    expect(() => marks([field('seal', 0, 0)], { mark: null })).toThrow(/seal_not_chosen/)
    expect(marks([field('date', 0, 0)], { mark: null })).toHaveLength(1)
  })
})
