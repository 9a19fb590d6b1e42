/** The shape of the status on the wire, checked against the published types by `wire.test.ts`. */
import { slaServices } from '@yinxin/sla'
import { z } from 'zod'

const service = z.enum(slaServices)
const at = z.iso.datetime()

export const status = z.object({
  format: z.literal('yinxin.status/1'),
  madeAt: at,
  services: z.array(
    z.object({
      service,
      state: z.enum(['up', 'down', 'maintenance', 'unknown']),
      days: z.array(z.object({ day: z.string(), downMinutes: z.int().nonnegative().nullable() })),
    }),
  ),
  incidents: z.array(
    z.object({
      number: z.int(),
      class: z.enum(['general', 'severe']),
      titleZh: z.string(),
      titleEn: z.string(),
      services: z.array(service),
      beganAt: at,
      resolvedAt: at.nullable(),
      updates: z.array(z.object({ at, textZh: z.string(), textEn: z.string() })),
    }),
  ),
  maintenance: z.array(
    z.object({
      services: z.array(service),
      from: at,
      to: at,
      textZh: z.string(),
      textEn: z.string(),
      withdrawn: z.boolean(),
    }),
  ),
})
