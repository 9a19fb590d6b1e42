import { z } from 'zod'
import type { Kms, KeyVersionState } from './kms.ts'

export interface KeyStatus {
  driver: Kms['driver']
  versions: (Omit<
    KeyVersionState,
    'createdAt' | 'retiredAt' | 'closedAt' | 'destroyAfter' | 'destroyedAt'
  > & {
    createdAt: string
    retiredAt: string | null
    closedAt: string | null
    destroyAfter: string | null
    destroyedAt: string | null
  })[]
}

const which = z.strictObject({
  family: z.enum(['root', 'epoch']),
  version: z.int().positive().optional(),
})

/** What operators may do with keys: look, begin a new version, do what is due, have the driver speak. */
export function createKeyCommands(kms: Kms) {
  return {
    async status(): Promise<KeyStatus> {
      const text = (date: Date | null) => date?.toISOString() ?? null
      const versions = (await kms.keyVersions()).map((one) => ({
        ...one,
        createdAt: one.createdAt.toISOString(),
        retiredAt: text(one.retiredAt),
        closedAt: text(one.closedAt),
        destroyAfter: text(one.destroyAfter),
        destroyedAt: text(one.destroyedAt),
      }))
      return { driver: kms.driver, versions }
    },
    async rotate(options: Record<string, unknown>) {
      const { family } = which.parse(options)
      return { family, version: await kms.rotateKeys(family) }
    },
    advance: () => kms.advanceKeys(),
    move: () => kms.moveKeys(),
    async attest(options: Record<string, unknown>) {
      const { family, version } = which.parse(options)
      const current = (await kms.keyVersions()).findLast((one) => one.family === family)?.version ?? 1
      return await kms.attest(family, version ?? current)
    },
  }
}
