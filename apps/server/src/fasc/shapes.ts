/** Shapes that come again: clients of different languages send numbers and booleans as text. */
import { z } from 'zod'
import { readOpenId } from './open-ids.ts'

export const flag = z
  .union([z.boolean(), z.enum(['true', 'false'])])
  .transform((value) => value === true || value === 'true')

export const numeric = z
  .union([
    z.number(),
    z
      .string()
      .trim()
      .regex(/^-?\d+(\.\d+)?$/),
  ])
  .transform(Number)
  .pipe(z.number().min(-1e6).max(1e6))

export const whole = (min: number, max: number) =>
  z
    .union([z.number(), z.string().trim().regex(/^\d+$/)])
    .transform(Number)
    .pipe(z.number().int().min(min).max(max))

/** Text of a moment in milliseconds. */
export const milliseconds = z
  .union([
    z.number(),
    z
      .string()
      .trim()
      .regex(/^\d{1,15}$/),
  ])
  .transform((value) => new Date(Number(value)))
  .pipe(z.date())

/** An id of ours in either form, read back as UUID. */
export const openId = z.string().transform((text, context) => {
  const id = readOpenId(text)
  if (id === null) context.addIssue({ code: 'custom', message: 'id 格式不正确 / malformed id' })
  return id ?? ''
})

/** Empty texts are what some clients send for nothing. */
export const text = (max: number) =>
  z
    .string()
    .trim()
    .max(max)
    .nullish()
    .transform((value) => (value ? value : undefined))

export const sealId = z.union([z.number(), z.string().max(64)]).transform(String)

export const owner = z.object({ idType: z.string().optional(), openId: z.string().max(64) })

export const page = {
  listPageNo: whole(1, 1_000_000).nullish(),
  listPageSize: whole(1, 100).nullish(),
}

/** The published name, and the misspelling that some clients carry. */
export function withTask<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.preprocess(
    (input) => {
      if (typeof input !== 'object' || input === null || !('signtaskId' in input)) return input
      return { signTaskId: input.signtaskId, ...input }
    },
    z.object({ signTaskId: openId, ...shape }),
  )
}

/** A numbered page as the clients expect it. */
export function pageAnswer(page: { no: number; size: number }, countInPage: number, total: number) {
  return {
    listPageNo: page.no,
    countInPage,
    listPageCount: Math.ceil(total / page.size),
    totalCount: total,
  }
}

export function pageOf(input: {
  listPageNo?: number | null | undefined
  listPageSize?: number | null | undefined
}) {
  const no = input.listPageNo ?? 1
  const size = input.listPageSize ?? 100
  return { no, size, offset: (no - 1) * size }
}

/** A moment as the clients expect it. */
export function timeText(at: Date | string | null): string | null {
  return at === null ? null : String(new Date(at).getTime())
}
