import { createHash } from 'node:crypto'
import { z } from 'zod'
import { decodeCursor, fileAnswer, type Http, pageFrom, pageOf, pageQuery } from '#src/http/http.ts'
import type { ImportView } from './imports.ts'
import type { Portability } from './portability.ts'

const when = z.iso.datetime()
const counts = z.object({ imported: z.number(), unchanged: z.number() })

const report = z.object({
  exportId: z.string(),
  source: z.object({ id: z.string(), name: z.string(), origin: z.string() }),
  corpId: z.string(),
  trusted: z.boolean().nullable(),
  logVerified: z.boolean().nullable(),
  files: counts,
  contracts: counts,
  members: z.object({ invited: z.number(), present: z.number(), unusable: z.number() }).nullable(),
  history: counts,
  skipped: z.array(
    z.object({
      id: z.string(),
      title: z.string(),
      reason: z.enum(['not_over', 'destroyed_here', 'gone_at_origin', 'lost_at_origin']),
    }),
  ),
  notImported: z.array(z.string()),
})

const importView = z.object({
  id: z.uuid(),
  status: z.enum(['receiving', 'queued', 'working', 'done', 'failed', 'canceled', 'expired', 'voided']),
  fileName: z.string(),
  sizeBytes: z.number(),
  partBytes: z.number(),
  parts: z.number(),
  received: z.number(),
  createdAt: when,
  endedAt: when.nullable(),
  expiresAt: when,
  progress: z
    .object({
      step: z.string(),
      entries: z.number().optional(),
      bytes: z.number().optional(),
      imported: z.number().optional(),
      unchanged: z.number().optional(),
    })
    .nullable(),
  report: report.nullable(),
  problem: z.object({ code: z.string(), message: z.string() }).nullable(),
})

const importInput = z.object({
  fileName: z.string().min(1).max(255),
  sizeBytes: z.number().int().min(1),
  intoOther: z.boolean().default(false),
  members: z.boolean().default(false),
  trustPem: z.array(z.string().max(20_000)).max(10).default([]),
  logKeys: z.array(z.string().max(500)).max(10).default([]),
})

const history = z.object({
  id: z.uuid(),
  exportId: z.string(),
  sourceName: z.string(),
  origin: z.string(),
  snapshotAt: when,
  records: z.number(),
  sha256: z.string(),
  manifestSha256: z.string(),
  importedAt: when,
})

const idParams = z.object({ id: z.uuid() })
const partParams = idParams.extend({ number: z.coerce.number().int().min(1).max(10_000) })
const part = z.object({ number: z.number(), sizeBytes: z.number(), sha256: z.string() })

export function addImportRoutes({ http, portability }: { http: Http; portability: Portability }): void {
  const { route } = http
  const { imports, histories, rights } = portability

  route({
    method: 'POST',
    url: '/api/v1/imports',
    summary: 'Announces an export of another installation, to be uploaded in parts and taken by the company.',
    access: 'session',
    body: importInput,
    answer: importView,
    status: 201,
    rateLimit: { max: 20, perMs: 60_000 },
    handle: async ({ caller, body, lang }) => toWire(await imports.create(caller, body), lang),
  })

  route({
    method: 'PUT',
    url: '/api/v1/imports/:id/parts/:number',
    summary: 'Uploads a part of a bundle; sent again it takes the place of what was there.',
    access: 'session',
    params: partParams,
    body: 'stream',
    consumes: ['application/octet-stream'],
    answer: part,
    handle: async ({ caller, params, upload }) => {
      const content = upload(await imports.partSize(caller, params.id, params.number))
      return await imports.putPart(caller, params.id, params.number, content)
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/imports/:id/parts',
    summary: 'Lists the parts that arrived with the SHA-256 of each.',
    access: 'session',
    params: idParams,
    answer: z.object({ items: z.array(part) }),
    handle: async ({ caller, params }) => ({ items: await imports.parts(caller, params.id) }),
  })

  route({
    method: 'POST',
    url: '/api/v1/imports/:id/start',
    summary: 'Begins an import whose parts are all there: it is verified as a whole, then taken.',
    access: 'session',
    params: idParams,
    answer: importView,
    status: 202,
    handle: async ({ caller, params, lang }) => toWire(await imports.start(caller, params.id), lang),
  })

  route({
    method: 'GET',
    url: '/api/v1/imports',
    summary: 'Lists imports, newest first.',
    access: 'session',
    query: pageQuery,
    answer: pageOf(importView),
    handle: async ({ caller, query, lang }) => {
      const position = decodeCursor(query.cursor, z.tuple([z.uuid()]))
      const found = await imports.list(caller, {
        ...(position === undefined ? {} : { beforeId: position[0] }),
        limit: query.limit + 1,
      })
      return pageFrom(
        found,
        query.limit,
        (one) => [one.id],
        (one) => toWire(one, lang),
      )
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/imports/:id',
    summary: 'Shows an import, how far it is, and its report.',
    access: 'session',
    params: idParams,
    answer: importView,
    handle: async ({ caller, params, lang }) => toWire(await imports.get(caller, params.id), lang),
  })

  route({
    method: 'POST',
    url: '/api/v1/imports/:id/cancel',
    summary: 'Ends an import; what was uploaded is destroyed, contracts that were taken stay.',
    access: 'session',
    params: idParams,
    answer: importView,
    handle: async ({ caller, params, lang }) => toWire(await imports.cancel(caller, params.id), lang),
  })

  route({
    method: 'GET',
    url: '/api/v1/imported-histories',
    summary:
      'Lists records of actions that came with imports; they are read only and not part of the own record.',
    access: 'session',
    answer: z.object({ items: z.array(history) }),
    handle: async ({ caller }) => ({
      items: (await histories.list(rights.requirePerson(caller).subjectId)).map((one) => ({
        ...one,
        snapshotAt: one.snapshotAt.toISOString(),
        importedAt: one.importedAt.toISOString(),
      })),
    }),
  })

  for (const [name, contentType] of [
    ['audit.jsonl', 'application/x-ndjson'],
    ['proof.zip', 'application/zip'],
  ] as const)
    route({
      method: 'GET',
      url: `/api/v1/imported-histories/:id/${name}`,
      summary:
        name === 'audit.jsonl'
          ? 'The imported record of actions, byte for byte as it came.'
          : 'What binds an imported record: list of entries, manifest, proof of the log, timestamp.',
      access: 'session',
      params: idParams,
      answer: 'raw',
      produces: [contentType],
      handle: async ({ caller, params, request }) => {
        const { subjectId } = rights.requirePerson(caller)
        const bytes = await (name === 'audit.jsonl' ? histories.record : histories.proof)(
          subjectId,
          params.id,
        )
        return fileAnswer({
          range: request.headers.range,
          sizeBytes: bytes.length,
          sha256: createHash('sha256').update(bytes).digest('hex'),
          contentType,
          fileName: name,
          disposition: 'attachment',
          read: (range) => once(range === undefined ? bytes : bytes.subarray(range.start, range.end + 1)),
        })
      },
    })
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

function toWire(view: ImportView, lang: 'zh' | 'en') {
  const { problem, progress } = view
  return {
    ...view,
    createdAt: view.createdAt.toISOString(),
    endedAt: view.endedAt?.toISOString() ?? null,
    expiresAt: view.expiresAt.toISOString(),
    progress: progress as z.input<typeof importView>['progress'],
    problem: problem === null ? null : { code: problem.code, message: problem[lang] },
  }
}
