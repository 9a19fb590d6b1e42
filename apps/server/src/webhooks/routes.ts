import { z } from 'zod'
import { decodeCursor, encodeCursor, type Http, pageOf, pageQuery } from '#src/http/http.ts'
import type { CallbackView, Webhooks } from './webhooks.ts'

const callback = z.object({
  id: z.uuid(),
  appId: z.string(),
  url: z.string(),
  style: z.enum(['standard', 'fasc']),
  event: z.string(),
  payload: z.record(z.string(), z.unknown()),
  status: z.enum(['waiting', 'delivered', 'failed']),
  attempts: z.number(),
  nextAt: z.iso.datetime().nullable(),
  createdAt: z.iso.datetime(),
  deliveredAt: z.iso.datetime().nullable(),
})

const attempt = z.object({
  at: z.iso.datetime(),
  durationMs: z.number(),
  status: z.number().nullable(),
  problem: z.string().nullable(),
  responseHead: z.string().nullable(),
})

const idParams = z.object({ id: z.uuid() })

export function addWebhookRoutes({ http, webhooks }: { http: Http; webhooks: Webhooks }): void {
  const { route } = http

  route({
    method: 'GET',
    url: '/api/v1/callbacks',
    summary: 'Lists callbacks to the programs of the company, newest first.',
    access: 'caller',
    query: pageQuery.extend({
      appId: z.string().max(64).optional(),
      status: z.enum(['waiting', 'delivered', 'failed']).optional(),
    }),
    answer: pageOf(callback),
    handle: async ({ caller, query }) => {
      const position = decodeCursor(query.cursor, z.tuple([z.uuid()]))
      const items = await webhooks.list(caller, {
        ...(query.appId === undefined ? {} : { appId: query.appId }),
        ...(query.status === undefined ? {} : { status: query.status }),
        ...(position === undefined ? {} : { beforeId: position[0] }),
        limit: query.limit + 1,
      })
      const shown = items.slice(0, query.limit)
      const last = shown.at(-1)
      const hasMore = items.length > query.limit && last !== undefined
      return { items: shown.map(toWire), nextCursor: hasMore ? encodeCursor([last.id]) : null }
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/callbacks/:id',
    summary: 'Shows a callback with every attempt to deliver it.',
    access: 'caller',
    params: idParams,
    answer: callback.extend({ log: z.array(attempt) }),
    handle: async ({ caller, params }) => {
      const found = await webhooks.get(caller, params.id)
      return { ...toWire(found), log: found.log.map((one) => ({ ...one, at: one.at.toISOString() })) }
    },
  })

  route({
    method: 'POST',
    url: '/api/v1/callbacks/:id/replay',
    summary: 'Sends a callback again, to the address the app has now.',
    access: 'caller',
    params: idParams,
    answer: callback,
    handle: async ({ caller, params }) => toWire(await webhooks.replay(caller, params.id)),
  })
}

function toWire(view: CallbackView) {
  return {
    id: view.id,
    appId: view.appId,
    url: view.url,
    style: view.style,
    event: view.event,
    payload: view.payload,
    status: view.status,
    attempts: view.attempts,
    nextAt: view.nextAt?.toISOString() ?? null,
    createdAt: view.createdAt.toISOString(),
    deliveredAt: view.deliveredAt?.toISOString() ?? null,
  }
}
