/** The shapes of incidents on the wire, checked against the published types by `wire.test.ts`. */
import { slaServices } from '@yinxin/sla'
import { z } from 'zod'

const service = z.enum(slaServices)

export const incident = z.object({
  number: z.int().positive(),
  class: z.enum(['general', 'severe']),
  titleZh: z.string(),
  titleEn: z.string(),
  services: z.array(service),
  beganAt: z.iso.datetime(),
  detectedAt: z.iso.datetime(),
  acknowledgedAt: z.iso.datetime().nullable(),
  resolvedAt: z.iso.datetime().nullable(),
  updates: z.array(
    z.object({ at: z.iso.datetime(), kind: z.string(), textZh: z.string(), textEn: z.string() }),
  ),
})

export const ownIncident = incident.omit({ updates: true }).extend({
  failedRequests: z.int().nonnegative(),
  validRequests: z.int().nonnegative(),
})

export const question = z.object({
  code: z.string().trim().max(100).optional(),
  requestId: z.string().trim().max(100).optional(),
  link: z.string().trim().max(500).optional(),
})

export const diagnosis = z.object({
  /** To be told to support. */
  diagnosisId: z.string(),
  findings: z.array(
    z.object({
      about: z.enum(['platform', 'code', 'request', 'link', 'browser']),
      verdict: z.enum(['ok', 'yours', 'ours']),
      code: z.string().nullable(),
      problem: z.string(),
      advice: z.array(z.string()),
    }),
  ),
})
