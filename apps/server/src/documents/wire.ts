/** What the routes of this room say, as zod; `wire.test.ts` holds them to the published types. */
import { z } from 'zod'

export const fileInfo = z.object({
  id: z.uuid(),
  name: z.string(),
  sizeBytes: z.number(),
  sha256: z.string(),
  pageCount: z.number(),
  pages: z.array(z.object({ widthPt: z.number(), heightPt: z.number() })),
  signatureCount: z.number(),
  createdAt: z.iso.datetime(),
})

export const keywordPosition = z.object({
  page: z.number().int().min(1),
  x: z.number(),
  y: z.number(),
  width: z.number(),
  height: z.number(),
})

export const keywordInput = z.object({ keyword: z.string().min(1).max(200) })
