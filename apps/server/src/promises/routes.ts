import { z } from 'zod'
import type { Http } from '#src/http/http.ts'
import { publicCache } from '#src/public-page.ts'
import { promisesPage } from './page.ts'
import type { Promises } from './promises.ts'
import * as wire from './wire.ts'

const pace = { max: 120, perMs: 60_000 }

export function addPromiseRoutes({ http, promises }: { http: Http; promises: Promises }): void {
  const { route } = http

  route({
    method: 'GET',
    url: '/api/v1/promises',
    summary: 'Gives every clause of the agreement with what was promised and what was measured, signed.',
    access: 'public',
    rateLimit: pace,
    answer: wire.promises,
    handle: async () => await promises.statement(),
  })

  route({
    method: 'GET',
    url: '/promises',
    summary: 'The promises and what was measured, as a page.',
    access: 'public',
    rateLimit: pace,
    query: z.object({ lang: z.enum(['zh', 'en']).optional() }),
    answer: 'raw',
    produces: ['text/html'],
    handle: async ({ query, lang }) => ({
      contentType: 'text/html; charset=utf-8',
      body: promisesPage(await promises.statement(), query.lang ?? lang),
      headers: { 'cache-control': publicCache, vary: 'accept-language' },
    }),
  })
}
