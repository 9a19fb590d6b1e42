import { z } from 'zod'
import type { Http } from './http.ts'

/**
 * `/healthz`: the process answers. `/readyz`: it can do its work and does not end; what it cannot stands in the answer.
 * Both are kept free of anything that a stranger should not know.
 */
export function addHealthRoutes(http: Http, checks: Record<string, () => Promise<boolean>>): void {
  http.route({
    method: 'GET',
    url: '/healthz',
    summary: 'Says that the process is alive.',
    access: 'public',
    answer: z.object({ status: z.literal('ok') }),
    handle: async () => ({ status: 'ok' as const }),
  })
  http.route({
    method: 'GET',
    url: '/readyz',
    summary: 'Says whether requests can be served; 503 with what is missing otherwise.',
    access: 'public',
    answer: 'raw',
    produces: ['application/json'],
    async handle() {
      const draining = http.isDraining()
      const results = await Promise.all(
        Object.entries(checks).map(
          async ([name, check]) => [name, await check().catch(() => false)] as const,
        ),
      )
      const ready = results.every(([, good]) => good) && !draining
      return {
        status: ready ? 200 : 503,
        contentType: 'application/json; charset=utf-8',
        body: JSON.stringify({ ready, draining, checks: Object.fromEntries(results) }),
      }
    },
  })
}
