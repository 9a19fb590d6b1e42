/** The shapes of the service level on the wire, checked against the published types by `wire.test.ts`. */
import { slaServices } from '@yinxin/sla'
import { z } from 'zod'

export const service = z.enum(slaServices)
const count = z.int().nonnegative()
const run = z.object({ from: z.string(), to: z.string(), minutes: count })

export const verdict = z.object({
  totalMinutes: count,
  maintenanceMinutes: count,
  downMinutes: count,
  availability: z.number().nullable(),
  pass: z.boolean(),
  runs: z.array(run),
  knownMinutes: count,
  allowedDownMinutes: count,
})

export const tenantMonth = z.object({
  month: z.string(),
  timeZone: z.string(),
  closed: z.boolean(),
  servicePeriod: z.boolean(),
  services: z.array(z.object({ service, revision: count, verdict })),
})

export const month = tenantMonth.extend({
  revisions: z.array(
    z.object({
      service,
      revision: count,
      reason: z.string(),
      madeBy: z.string(),
      madeAt: z.iso.datetime(),
      downMinutes: count,
      availability: z.number().nullable(),
    }),
  ),
})

export const maintenance = z.object({
  id: z.uuid(),
  services: z.array(service),
  from: z.string(),
  to: z.string(),
  textZh: z.string(),
  textEn: z.string(),
  announcedAt: z.iso.datetime(),
  withdrawnAt: z.iso.datetime().nullable(),
})

export const minute = z.object({
  service,
  minute: z.string(),
  revision: count,
  state: z.enum(['good', 'bad', 'maintenance', 'unknown']),
  counted: z.enum(['down', 'up', 'excluded']),
  source: z.enum(['correction', 'traffic', 'probe', 'nothing']).nullable(),
  valid: count,
  ok: count,
  run: run.nullable(),
  traffic: z.object({
    ok: count,
    errors: count,
    slow: count,
    broken: count,
    excluded: count,
    late: count,
    rejected: count,
  }),
  probes: z.array(
    z.object({
      vantage: z.string(),
      official: z.boolean(),
      ok: z.boolean(),
      latencyMs: count,
      detail: z.string().nullable(),
      late: z.boolean(),
      rejected: z.boolean(),
    }),
  ),
  processes: count,
  maintenance: z.array(maintenance),
})

export const probeReport = z.object({
  vantage: z
    .string()
    .trim()
    .regex(/^[\w.:@ \p{L}-]{1,60}$/u),
  sentAt: z.iso.datetime(),
  results: z
    .array(
      z.object({
        id: z.uuid(),
        service,
        at: z.iso.datetime(),
        ok: z.boolean(),
        latencyMs: z.int().min(0).max(3_600_000),
        detail: z.string().max(300).optional(),
      }),
    )
    .min(1)
    .max(500),
})

export const probeAnswer = z.object({
  official: z.boolean(),
  accepted: z.boolean(),
  quiet: z.array(service),
})

export const report = z.object({
  month: z.string(),
  revision: count,
  createdAt: z.iso.datetime(),
  verdict: z.enum(['met', 'not_met', 'no_service_period']),
  sha256: z.string(),
})
