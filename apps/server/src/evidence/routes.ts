import { z } from 'zod'
import type { Http } from '#src/http/http.ts'
import { refuse } from './errors.ts'
import type { Evidence } from './evidence.ts'

/** The log as anybody may read and monitor it (C2SP tlog-tiles). */
export function addLogRoutes({ http, evidence }: { http: Http; evidence: Evidence }): void {
  const { route } = http

  route({
    method: 'GET',
    url: '/log/vkey',
    summary: 'Gives the public key that signs the checkpoints of the transparency log.',
    access: 'public',
    answer: 'raw',
    produces: ['text/plain'],
    handle: async () => ({ contentType: 'text/plain; charset=utf-8', body: `${evidence.log.vkey}\n` }),
  })

  route({
    method: 'GET',
    url: '/log/generations',
    summary: 'Gives every name and key under which the log was signed, with the declaration that began each.',
    access: 'public',
    answer: 'raw',
    produces: ['application/json'],
    handle: async () => {
      const generations = (await evidence.log.generations()).map(({ declared, ...one }) => ({
        ...one,
        from: declared?.first_size ?? 0,
        // The leaf at `from`, byte for byte.
        declaration: declared?.entry.toString('utf8') ?? null,
      }))
      return {
        contentType: 'application/json; charset=utf-8',
        body: JSON.stringify({ generations }),
        headers: { 'cache-control': 'no-cache' },
      }
    },
  })

  route({
    method: 'GET',
    url: '/log/checkpoint',
    summary: 'Gives the newest signed checkpoint of the transparency log.',
    access: 'public',
    answer: 'raw',
    produces: ['text/plain'],
    handle: async () => {
      const note = await evidence.checkpoint()
      if (note === null) throw refuse('log_path_unknown')
      return {
        contentType: 'text/plain; charset=utf-8',
        body: note,
        headers: { 'cache-control': 'no-cache' },
      }
    },
  })

  route({
    method: 'GET',
    url: '/log/tile/*',
    summary: 'Gives a tile of hashes or a bundle of entries of the transparency log.',
    access: 'public',
    params: z.object({ '*': z.string().max(200) }),
    answer: 'raw',
    produces: ['application/octet-stream'],
    handle: async ({ params }) => {
      const tile = await evidence.pages.tile(`tile/${params['*']}`)
      if (tile === null) throw refuse('log_path_unknown')
      return {
        contentType: 'application/octet-stream',
        body: tile.bytes,
        // Full tiles never change; partial ones are replaced by fuller ones under other names.
        headers: {
          'cache-control': tile.isFull ? 'public, max-age=31536000, immutable' : 'public, max-age=60',
        },
      }
    },
  })
}
