/** `yinxin destruction …` on a running server: holds, ends of service, retired media. */
import { z } from 'zod'
import type { OperatorCommands } from '#src/operator-door.ts'
import type { Destruction } from './destruction.ts'
import { MEDIA_METHODS } from './media.ts'

const by = z.string().trim().min(1).max(100)
const holdInput = z.object({
  taskId: z.uuid(),
  basis: z.enum(['court', 'regulator', 'dispute']),
  reference: z.string().trim().min(1).max(200),
  by,
})
const holdChange = z.object({ id: z.uuid(), by })
const termInput = z.object({ tenantId: z.uuid(), endedAt: z.coerce.date(), by })
const mediumInput = z.object({
  device: z.string().trim().min(1).max(200),
  serial: z.string().trim().min(1).max(100),
  domain: z.string().max(100).optional(),
  method: z.enum(MEDIA_METHODS),
  proofName: z.string().min(1).max(200),
  proofSha256: z.string().regex(/^[0-9a-f]{64}$/),
  retiredAt: z.coerce.date(),
  by,
  witness: by,
})

export function createDestructionCommands(destruction: Destruction): OperatorCommands {
  return {
    'hold-place': (options) => destruction.holds.place(holdInput.parse(options)),
    'hold-confirm': (options) => {
      const { id, by } = holdChange.parse(options)
      return destruction.holds.confirm(id, by)
    },
    'hold-release': (options) => {
      const { id, by } = holdChange.parse(options)
      return destruction.holds.release(id, by)
    },
    'hold-list': async () => ({ holds: await destruction.holds.list() }),
    'term-end': async (options) => {
      const { tenantId, endedAt, by } = termInput.parse(options)
      await destruction.endTerm(tenantId, endedAt, by)
      return { tenantId, endedAt }
    },
    'media-retire': (options) => {
      const { domain, ...medium } = mediumInput.parse(options)
      return destruction.media.retire({ ...medium, ...(domain === undefined ? {} : { domain }) })
    },
    'media-list': async () => ({ media: await destruction.media.list() }),
    'destruction-advance': async () => ({ moved: await destruction.advanceAll() }),
  }
}
