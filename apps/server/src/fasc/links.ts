import type { Clock } from '#src/clock.ts'
import type { Kms } from '#src/kms/kms.ts'
import { z } from 'zod'
import { refuse } from './errors.ts'

const LINK_LIFE_MS = 3_600_000
const LABEL = 'fasc-link'

const target = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('task'),
    subjectId: z.uuid(),
    taskId: z.uuid(),
    /** One document; undefined for all of the task. */
    docRef: z.string().optional(),
    form: z.enum(['zip', 'pdf']),
    name: z.string().optional(),
  }),
  z.object({ kind: z.literal('evidence'), subjectId: z.uuid(), taskId: z.uuid() }),
  z.object({ kind: z.literal('seal'), subjectId: z.uuid(), sealId: z.uuid() }),
])
export type LinkTarget = z.output<typeof target>

const sealed = z.object({ target, expiresMs: z.number() })

export type DownloadLinks = ReturnType<typeof createDownloadLinks>

/** Addresses that open one thing for an hour. The address itself carries what it opens, sealed; nothing is stored. */
export function createDownloadLinks(deps: {
  clock: Clock
  kms: Pick<Kms, 'sealSecret' | 'openSecret'>
  baseUrl: string
}) {
  return {
    issue(to: LinkTarget): string {
      const content = JSON.stringify({ target: to, expiresMs: deps.clock.now().getTime() + LINK_LIFE_MS })
      const key = deps.kms.sealSecret(LABEL, Buffer.from(content, 'utf8')).toString('base64url')
      return `${deps.baseUrl}/api/v5/download?key=${key}`
    },

    /** @throws `fasc_link_ended` */
    open(key: string): LinkTarget {
      let content: string
      try {
        content = deps.kms.openSecret(LABEL, Buffer.from(key, 'base64url')).toString('utf8')
      } catch (cause) {
        throw refuse('fasc_link_ended', {}, cause)
      }
      const link = sealed.parse(JSON.parse(content))
      if (link.expiresMs <= deps.clock.now().getTime()) throw refuse('fasc_link_ended')
      return link.target
    },
  }
}
