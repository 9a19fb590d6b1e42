/** What the routes of this room say, as zod; `wire.test.ts` holds them to the published types. */
import { z } from 'zod'

export const sealKind = z.enum(['official', 'contract', 'finance', 'legal-representative', 'personal'])

export const freeSignScene = z.object({
  businessId: z.string(),
  name: z.string(),
  expiresAt: z.iso.datetime().nullable(),
})

export const seal = z.object({
  id: z.uuid(),
  kind: sealKind,
  name: z.string(),
  status: z.enum(['active', 'disabled']),
  widthMm: z.number(),
  heightMm: z.number(),
  createdAt: z.iso.datetime(),
  freeSignScenes: z.array(freeSignScene),
})

export const sealGrant = z.object({
  personId: z.uuid(),
  expiresAt: z.iso.datetime().nullable(),
  grantedAt: z.iso.datetime(),
})

const coordinate = z.number().min(-100_000).max(100_000)
export const handwriting = z.object({
  width: z.number().positive().max(100_000),
  height: z.number().positive().max(100_000),
  strokes: z
    .array(
      z.object({
        points: z
          .array(
            z.object({ x: coordinate, y: coordinate, t: z.number(), pressure: z.number().min(0).max(1) }),
          )
          .max(5000),
      }),
    )
    .min(1)
    .max(500),
})

const label = z.string().trim().min(1).max(50)
const companySeal = z.object({
  kind: z.enum(['official', 'contract', 'finance', 'legal-representative']),
  name: label,
  centerText: z.string().trim().min(1).max(12).optional(),
  number: z.string().trim().min(1).max(20).optional(),
})
const personalSeal = z.union([
  z.object({ kind: z.literal('personal'), name: label.optional(), handwriting }),
  z.object({ kind: z.literal('personal'), name: label.optional(), text: z.string().trim().min(1).max(20) }),
])
export const sealInput = z.union([companySeal, personalSeal])
export const sealChange = z.object({ status: z.enum(['active', 'disabled']) })
const expiresAt = z.iso.datetime({ offset: true }).optional()
export const sceneInput = z.object({ name: label, expiresAt })
export const grantInput = z.object({ personId: z.uuid(), expiresAt })
