/** The shape of the promises on the wire, checked against the published types by `wire.test.ts`. */
import { z } from 'zod'

const words = z.object({ zh: z.string(), en: z.string() })

export const promises = z.object({
  statement: z.object({
    format: z.literal('yinxin.promises/1'),
    madeAt: z.iso.datetime(),
    environment: z.object({ mode: z.string(), developmentCa: z.boolean(), simulators: z.array(z.string()) }),
    rows: z.array(
      z.object({
        key: z.string(),
        clause: z.string(),
        title: words,
        promised: words,
        state: z.enum(['met', 'missed', 'stale', 'unmeasured']),
        measured: words,
        how: words,
        measuredAt: z.iso.datetime().nullable(),
        staleAfterMinutes: z.int().positive().nullable(),
        evidence: z.string().nullable(),
      }),
    ),
  }),
  note: z.string(),
})
