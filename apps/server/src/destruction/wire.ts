/** What the routes of this room say, as zod; `wire.test.ts` holds them to the published types. */
import { z } from 'zod'
import { STATES } from './lifecycle.ts'

export const basis = z.enum(['own', 'term-end', 'consent'])
export const stage = z.enum(['provisional', 'final'])
const state = z.enum(STATES)

export const destructionInput = z.object({
  basis,
  code: z.string().min(4).max(12),
  at: z.iso.datetime({ offset: true }).optional(),
  otherwise: z.enum(['own-access', 'nothing']).optional(),
})

export const destruction = z.object({
  id: z.string(),
  taskId: z.string(),
  basis,
  extent: z.enum(['access', 'contract']),
  state,
  mine: z.boolean(),
  cancellable: z.boolean(),
  requestedAt: z.string(),
  approvedAt: z.string().nullable(),
  dueAt: z.string().nullable(),
  promisedAt: z.string().nullable(),
  agreementTaskId: z.string().nullable(),
  shreddedAt: z.string().nullable(),
  provisionalAt: z.string().nullable(),
  finalAt: z.string().nullable(),
  problem: z.string().nullable(),
  attempts: z.number(),
  nextTryAt: z.string().nullable(),
  history: z.array(z.object({ state, at: z.string() })),
  certificates: z.array(z.object({ stage, number: z.string(), sha256: z.string(), ready: z.boolean() })),
})

export const destructionOverview = z.object({
  requests: z.array(destruction),
  holds: z.array(z.object({ basis: z.enum(['court', 'regulator', 'dispute']), placedAt: z.string() })),
  termEndedAt: z.string().nullable(),
  coolingOffDays: z.number(),
})

export const retiredMedium = z.object({
  id: z.string(),
  device: z.string(),
  serial: z.string(),
  domain: z.string().nullable(),
  method: z.string(),
  standard: z.string(),
  proofName: z.string(),
  proofSha256: z.string(),
  retiredAt: z.string(),
  recordedAt: z.string(),
})

export const sentCode = z.object({ sentTo: z.string(), expiresAt: z.string() })
