import { z } from 'zod'
import type { Http } from '#src/http/http.ts'
import type { Notifications } from './notifications.ts'

export const outboxMessage = z.object({
  id: z.uuid(),
  channel: z.enum(['sms', 'mail']),
  to: z.string(),
  subject: z.string().nullable(),
  body: z.string(),
  code: z.string().nullable(),
  link: z.string().nullable(),
  at: z.iso.datetime(),
})

/** Only outside production: whoever reads the outbox reads everybody's codes. */
export function addOutboxRoute({
  http,
  notifications,
  mode,
}: {
  http: Http
  notifications: Notifications
  mode: 'development' | 'sandbox' | 'production'
}): void {
  if (mode === 'production') return
  http.route({
    method: 'GET',
    url: '/sandbox/outbox',
    summary: 'Shows messages that a real installation would have sent, newest first (simulator).',
    access: 'public',
    query: z.object({
      to: z.string().max(254).optional(),
      after: z.iso.datetime({ offset: true }).optional(),
    }),
    answer: z.object({ messages: z.array(outboxMessage) }),
    handle: async ({ query, reply }) => {
      reply.header('x-yinxin-simulator', 'local-outbox')
      return {
        messages: await notifications.outbox({
          ...(query.to === undefined ? {} : { to: query.to }),
          ...(query.after === undefined ? {} : { after: new Date(query.after) }),
        }),
      }
    },
  })
}
