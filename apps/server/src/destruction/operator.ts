/** `yinxin destruction …` on a running server: holds, ends of service, retired media. */
import { z } from 'zod'
import type { OperatorCommands } from '#src/operator-door.ts'
import type { Operators } from '#src/operators/operators.ts'
import type { Destruction } from './destruction.ts'
import { MEDIA_METHODS } from './media.ts'

const holdInput = z.object({
  taskId: z.uuid(),
  basis: z.enum(['court', 'regulator', 'dispute']),
  reference: z.string().trim().min(1).max(200),
})
const holdChange = z.object({ id: z.uuid() })
const termInput = z.object({ tenantId: z.uuid(), endedAt: z.coerce.date() })
const mediumInput = z.object({
  device: z.string().trim().min(1).max(200),
  serial: z.string().trim().min(1).max(100),
  domain: z.string().max(100).optional(),
  method: z.enum(MEDIA_METHODS),
  proofName: z.string().min(1).max(200),
  proofSha256: z.string().regex(/^[0-9a-f]{64}$/),
  retiredAt: z.coerce.date(),
})

export function createDestructionCommands(
  destruction: Destruction,
  { requireOperator, proposals }: Pick<Operators, 'requireOperator' | 'proposals'>,
): OperatorCommands {
  return {
    'hold-place': async (options, call) =>
      await destruction.holds.place({ ...holdInput.parse(options), by: requireOperator(call) }),
    'hold-confirm': async (options, call) =>
      await destruction.holds.confirm(holdChange.parse(options).id, requireOperator(call)),
    'hold-release': async (options, call) =>
      await destruction.holds.release(holdChange.parse(options).id, requireOperator(call)),
    'hold-list': async () => ({ holds: await destruction.holds.list() }),
    'term-end': async (options, { operator }) => {
      const { tenantId, endedAt } = termInput.parse(options)
      await destruction.endTerm(tenantId, endedAt, operator?.name ?? 'data folder token')
      return { tenantId, endedAt }
    },
    // Whoever did it proposes the entry, and the witness confirms it.
    'media-retire': proposals.define('media-retire', {
      check: (options) => mediumInput.parse(options),
      decide: async (tx, { domain, ...medium }, { proposedBy, confirmedBy }) =>
        await destruction.media.retire(tx, {
          ...medium,
          by: proposedBy,
          witness: confirmedBy,
          ...(domain === undefined ? {} : { domain }),
        }),
    }),
    'media-list': async () => ({ media: await destruction.media.list() }),
    'destruction-queue': () => destruction.queue(),
    'destruction-advance': async () => ({ moved: await destruction.advanceAll() }),
  }
}
