import { z } from 'zod'
import type { Evidence } from './evidence.ts'

export interface LogStatus {
  origin: string
  vkey: string
  size: number
  /** Set when the log here does not lead to what was published. */
  fork: { here: number; published: number; checkpoint: string } | null
  generations: { generation: number; origin: string; vkey: string; from: number; reason: string | null }[]
}

/** What operators may do with the transparency log: look, and declare that it goes on after a loss. */
export function createLogCommands(evidence: Pick<Evidence, 'log'>) {
  const { log } = evidence
  return {
    async status(): Promise<LogStatus> {
      const fork = await log.fork()
      const generations = (await log.generations()).map(({ declared, ...one }) => ({
        ...one,
        from: declared?.first_size ?? 0,
        reason: declared?.reason ?? null,
      }))
      return {
        origin: log.origin,
        vkey: log.vkey,
        size: await log.size(),
        fork:
          fork === undefined
            ? null
            : {
                here: fork.here?.size ?? 0,
                published: fork.published.size,
                checkpoint: fork.published.note,
              },
        generations,
      }
    },
    async declare(options: Record<string, unknown>) {
      const { reason } = z.strictObject({ reason: z.string().trim().min(1).max(500) }).parse(options)
      const { generation, first_size, published } = await log.declare(reason)
      return { generation, from: first_size, published, origin: log.origin, vkey: log.vkey }
    },
  }
}
