/** What a signature shows on the page: the actor's fields filled with its seal, its writing and the date. */
import {
  type Appearance,
  type Content,
  chineseDate,
  composeContent,
  drawText,
  type Font,
  type Placement,
  prepareAppearance,
} from '@yinxin/pades'
import { type DocumentRow, type FieldRow, pagesOf } from '#src/sign-tasks/sign-tasks.ts'
import { refuse } from './errors.ts'

export interface Marks {
  placements(documentId: string): Placement[]
}

export interface MarksInput {
  /** The actor's own fields. */
  fields: readonly FieldRow[]
  documents: readonly DocumentRow[]
  /** The seal or the writing that fills `seal` and `signature` fields. */
  mark: Appearance | null
  font: Font
  signedAt: Date
  /** Said under the first mark of each document. */
  notice: Appearance | null
}

const NOTICE_GAP_PT = 1.5
const DATE_SIZE_PT = 10.5
/** Marks are drawn as one when the box around them is not much larger than they are. */
const MERGE_AREA_RATIO = 8

/** @throws `seal_not_chosen`, `signature_drawing_missing` when a field cannot be filled */
export function createMarks(input: MarksInput): Marks {
  const needed = input.fields.find((field) => field.kind !== 'date')
  if (input.mark === null && needed !== undefined) {
    throw refuse(needed.kind === 'seal' ? 'seal_not_chosen' : 'signature_drawing_missing')
  }
  let date: Appearance | null = null

  function appearanceOf(kind: FieldRow['kind']): Appearance {
    if (kind !== 'date' && input.mark !== null) return input.mark
    date ??= prepareAppearance(
      drawText([chineseDate(input.signedAt)], { font: input.font, sizePt: DATE_SIZE_PT }),
    )
    return date
  }

  return {
    placements(documentId) {
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
          // A date is text: it keeps its size however large the field.
          const maxScale = field.kind === 'date' ? 1 : Number.POSITIVE_INFINITY
          return { page: field.page - 1, rect: fit(appearance, box, maxScale), appearance }
        })
      const first = marks[0]
      if (first !== undefined && input.notice !== null) {
        marks.splice(1, 0, noticeUnder(first, input.notice, pages[first.page]?.widthPt ?? 0))
      }
      return merge(marks)
    },
  }
}

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** The largest box of the drawing's own proportions in the middle of the field: a seal is never squeezed. */
function fit(appearance: Appearance, box: Box, maxScale: number): Box {
  const scale = Math.min(box.width / appearance.widthPt, box.height / appearance.heightPt, maxScale)
  const width = appearance.widthPt * scale
  const height = appearance.heightPt * scale
  return { x: box.x + (box.width - width) / 2, y: box.y + (box.height - height) / 2, width, height }
}

function noticeUnder(mark: Placement, notice: Appearance, pageWidthPt: number): Placement {
  const scale = Math.min(1, pageWidthPt / notice.widthPt)
  const width = notice.widthPt * scale
  const height = notice.heightPt * scale
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

/**
 * One act is one signature, but every placement is a field of its own in the file, which viewers list one by one.
 * Marks of a page that stand together therefore become one drawing.
 */
function merge(marks: readonly Placement[]): Placement[] {
  const groups: Placement[][] = []
  for (const mark of marks) {
    const group = groups.find(
      (one) => one[0]?.page === mark.page && isCompact([...one, mark].map(({ rect }) => rect)),
    )
    if (group === undefined) groups.push([mark])
    else group.push(mark)
  }
  return groups.map((group) => {
    const [only] = group
    if (group.length === 1 && only !== undefined) return only
    const around = unionOf(group.map(({ rect }) => rect))
    const content = composeContent(
      { widthPt: around.width, heightPt: around.height },
      group.map(({ rect, appearance }) => ({
        content: asContent(appearance),
        x: rect.x - around.x,
        y: rect.y - around.y,
        scale: rect.width / appearance.widthPt,
      })),
    )
    return { page: only?.page ?? 0, rect: around, appearance: prepareAppearance(content) }
  })
}

function isCompact(boxes: readonly Box[]): boolean {
  const covered = boxes.reduce((sum, box) => sum + box.width * box.height, 0)
  const around = unionOf(boxes)
  return around.width * around.height <= MERGE_AREA_RATIO * covered
}

function unionOf(boxes: readonly Box[]): Box {
  const x = Math.min(...boxes.map((box) => box.x))
  const y = Math.min(...boxes.map((box) => box.y))
  return {
    x,
    y,
    width: Math.max(...boxes.map((box) => box.x + box.width)) - x,
    height: Math.max(...boxes.map((box) => box.y + box.height)) - y,
  }
}

/** A prepared drawing used inside another one. */
function asContent({ widthPt, heightPt, objects }: Appearance): Content {
  return {
    widthPt,
    heightPt,
    operators: '/M Do',
    resources: [{ category: 'XObject', name: 'M', object: 0 }],
    objects,
  }
}

/** What a signed page says where the certificates are for development only. */
export function developmentNotice(font: Font): Appearance {
  return prepareAppearance(
    drawText(['开发测试证书，无法律效力 · Development certificate'], {
      font,
      sizePt: 5,
      color: '#7a756c',
    }),
  )
}
