import { z } from 'zod'
import type { Http } from '#src/http/http.ts'
import { publicCache } from '#src/public-page.ts'
import { statusPage } from './page.ts'
import type { Status } from './status.ts'
import * as wire from './wire.ts'

const pace = { max: 120, perMs: 60_000 }

export function addStatusRoutes({ http, status }: { http: Http; status: Status }): void {
  const { route } = http

  route({
    method: 'GET',
    url: '/api/v1/status',
    summary: 'Gives the state of every service now and by day, published incidents and planned maintenance.',
    access: 'public',
    rateLimit: pace,
    answer: wire.status,
    handle: async () => await status.view(),
  })

  route({
    method: 'GET',
    url: '/status',
    summary: 'The status page, which needs no script and may be cached.',
    access: 'public',
    rateLimit: pace,
    query: z.object({ lang: z.enum(['zh', 'en']).optional() }),
    answer: 'raw',
    produces: ['text/html'],
    handle: async ({ query, lang }) => ({
      contentType: 'text/html; charset=utf-8',
      body: statusPage(await status.view(), query.lang ?? lang, {
        languages: { zh: '?lang=zh', en: '?lang=en' },
        links: [
          ['/promises', { zh: '承诺与实测', en: 'Promises' }],
          ['/sla', { zh: '可用性', en: 'Availability' }],
        ],
        json: '/api/v1/status',
      }),
      headers: { 'cache-control': publicCache, vary: 'accept-language' },
    }),
  })
}
