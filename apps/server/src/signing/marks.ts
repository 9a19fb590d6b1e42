/** What a signature shows on the page: the actor's fields filled with its seal, its writing and the date. */
import {
  type Appearance,
  chineseDate,
  drawText,
  type Font,
  type Placement,
  prepareAppearance,
} from '@yinxin/pades'
import type { DocumentRow, FieldRow } from '#src/sign-tasks/sign-tasks.ts'
import { pagesOf } from '#src/sign-tasks/sign-tasks.ts'
import { refuse } from './errors.ts'

export interface Marks {
  placements(documentId: string): Promise<Placement[]>
}

export interface MarksInput {
  /** The actor's own fields. */
  fields: readonly FieldRow[]
  documents: readonly DocumentRow[]
  /** The seal or the writing that fills `seal` and `signature` fields. */
  mark: Appearance | null
  font: Font
  signedAt: Date
  /** Said once on each document that shows a mark. */
  notice: Appearance | null
}

const NOTICE_GAP_PT = 1.5
const DATE_SIZE_PT = 10.5

/** @throws `seal_not_chosen`, `signature_drawing_missing` when a field cannot be filled */
export function createMarks(input: MarksInput): Marks {
  const needed = input.fields.find((field) => field.kind !== 'date')
  if (input.mark === null && needed !== undefined) {
    throw refuse(needed.kind === 'seal' ? 'seal_not_chosen' : 'signature_drawing_missing')
  }
  let date: Appearance | null = null
  const dateLine = () => {
    date ??= prepareAppearance(
      drawText([chineseDate(input.signedAt)], { font: input.font, sizePt: DATE_SIZE_PT, align: 'center' }),
    )
    return date
  }

  function appearanceOf(kind: FieldRow['kind']): Appearance {
    if (kind === 'date') return dateLine()
    if (input.mark === null) throw refuse('signature_drawing_missing')
    return input.mark
  }

  return {
    async placements(documentId) {
      const document = input.documents.find((one) => one.id === documentId)
      if (document === undefined) return []
      const pages = pagesOf(document)
      const marks = input.fields
        .filter((field) => field.document_id === documentId)
        .map((field): Placement => {
          const heightPt = pages[field.page - 1]?.heightPt ?? 0
          const appearance = appearanceOf(field.kind)
          const box = {
            x: field.x,
            y: heightPt - field.y - field.height,
            width: field.width,
            height: field.height,
          }
          return { page: field.page - 1, rect: fit(appearance, box), appearance }
        })
      const first = marks[0]
      if (first !== undefined && input.notice !== null) {
        marks.push(noticeUnder(first, input.notice, pages[first.page]?.widthPt ?? 0))
      }
      return marks
    },
  }
}

interface Box {
  x: number
  y: number
  width: number
  height: number
}

/** The largest box of the drawing's own proportions in the middle of the field: a seal is never squeezed. */
function fit(appearance: Appearance, box: Box): Box {
  const scale = Math.min(box.width / appearance.widthPt, box.height / appearance.heightPt)
  const width = appearance.widthPt * scale
  const height = appearance.heightPt * scale
  return { x: box.x + (box.width - width) / 2, y: box.y + (box.height - height) / 2, width, height }
}

function noticeUnder(mark: Placement, notice: Appearance, pageWidthPt: number): Placement {
  const { widthPt: width, heightPt: height } = notice
  const centred = mark.rect.x + (mark.rect.width - width) / 2
  return {
    page: mark.page,
    rect: {
      x: Math.max(0, Math.min(centred, pageWidthPt - width)),
      y: Math.max(0, mark.rect.y - height - NOTICE_GAP_PT),
      width,
      height,
    },
    appearance: notice,
  }
}

/** What a signed page says where the certificates are for development only. */
export function developmentNotice(font: Font): Appearance {
  return prepareAppearance(
    drawText(['开发测试证书，无法律效力 · Development certificate'], { font, sizePt: 5, color: '#7a756c' }),
  )
}
