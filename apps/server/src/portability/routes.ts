import { z } from 'zod'
import {
  decodeCursor,
  encodeCursor,
  fileAnswer,
  type Http,
  pageFrom,
  pageOf,
  pageQuery,
} from '#src/http/http.ts'
import type { ExportView, Portability } from './portability.ts'

const when = z.iso.datetime()

const exportView = z.object({
  id: z.uuid(),
  status: z.enum(['queued', 'collecting', 'ready', 'failed', 'canceled', 'expired', 'voided']),
  since: when.nullable(),
  snapshotAt: when.nullable(),
  createdAt: when,
  readyAt: when.nullable(),
  expiresAt: when.nullable(),
  counts: z
    .object({ files: z.number(), contracts: z.number(), documents: z.number(), events: z.number() })
    .nullable(),
  progress: z.object({ items: z.number(), settled: z.number() }),
  outcome: z.enum(['complete', 'complete_with_losses']).nullable(),
  lossCount: z.number(),
  losses: z.array(
    z.object({
      path: z.string(),
      subjectId: z.string(),
      reason: z.enum(['unreadable', 'damaged', 'key_missing', 'failed']),
      sizeBytes: z.number().nullable(),
      sha256: z.string().nullable(),
    }),
  ),
  sizeBytes: z.number(),
  entries: z.number(),
  partBytes: z.number(),
  manifestSha256: z.string().nullable(),
  bucket: z
    .object({ endpoint: z.string(), bucket: z.string(), key: z.string(), deliveredAt: when.nullable() })
    .nullable(),
  problem: z.string().nullable(),
})

const exportInput = z.object({
  code: z.string().max(20).optional(),
  since: when.optional(),
  bucket: z
    .object({
      endpoint: z.url().max(300),
      region: z.string().min(1).max(60),
      bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/),
      key: z.string().max(500).default(''),
      pathStyle: z.boolean().default(false),
      keyId: z.string().min(1).max(200),
      secret: z.string().min(1).max(500),
    })
    .optional(),
})

const idParams = z.object({ id: z.uuid() })
const part = z.object({ number: z.number(), sizeBytes: z.number(), sha256: z.string() })

export function addPortabilityRoutes({ http, portability }: { http: Http; portability: Portability }): void {
  const { route } = http

  route({
    method: 'POST',
    url: '/api/v1/export-codes',
    summary: 'Sends the code that a person needs to order an export, to the login of the session.',
    access: 'session',
    answer: z.object({ sentTo: z.string(), expiresAt: when }),
    rateLimit: { max: 10, perMs: 60_000 },
    handle: async ({ caller, lang }) => {
      const { sentTo, expiresAt } = await portability.sendCode(caller, lang)
      return { sentTo, expiresAt: expiresAt.toISOString() }
    },
  })

  route({
    method: 'POST',
    url: '/api/v1/exports',
    summary:
      'Orders an export of everything that the company or person owns, to be downloaded or put into a bucket.',
    access: 'caller',
    body: exportInput,
    answer: exportView,
    status: 202,
    rateLimit: { max: 20, perMs: 60_000 },
    handle: async ({ caller, body, lang }) =>
      toWire(
        await portability.create(
          caller,
          {
            code: body.code,
            since: body.since === undefined ? undefined : new Date(body.since),
            bucket: body.bucket,
          },
          lang,
        ),
      ),
  })

  route({
    method: 'GET',
    url: '/api/v1/exports',
    summary: 'Lists exports, newest first.',
    access: 'caller',
    query: pageQuery,
    answer: pageOf(exportView),
    handle: async ({ caller, query }) => {
      const position = decodeCursor(query.cursor, z.tuple([z.uuid()]))
      const found = await portability.list(caller, {
        ...(position === undefined ? {} : { beforeId: position[0] }),
        limit: query.limit + 1,
      })
      return pageFrom(found, query.limit, (one) => [one.id], toWire)
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/exports/:id',
    summary: 'Shows an export and how far it is.',
    access: 'caller',
    params: idParams,
    answer: exportView,
    handle: async ({ caller, params }) => toWire(await portability.get(caller, params.id)),
  })

  route({
    method: 'POST',
    url: '/api/v1/exports/:id/cancel',
    summary: 'Cancels an export; what was made for it is destroyed.',
    access: 'caller',
    params: idParams,
    answer: exportView,
    handle: async ({ caller, params }) => toWire(await portability.cancel(caller, params.id)),
  })

  route({
    method: 'GET',
    url: '/api/v1/exports/:id/parts',
    summary: 'Lists the parts of a finished archive with the SHA-256 of each.',
    access: 'caller',
    params: idParams,
    query: pageQuery.extend({ limit: z.coerce.number().int().min(1).max(1000).default(1000) }),
    answer: pageOf(part),
    handle: async ({ caller, params, query }) => {
      const position = decodeCursor(query.cursor, z.tuple([z.number().int()]))
      const found = await portability.parts(caller, params.id, {
        after: position?.[0] ?? 0,
        limit: query.limit + 1,
      })
      const items = found.slice(0, query.limit)
      const last = items.at(-1)
      const hasMore = found.length > query.limit && last !== undefined
      return { items, nextCursor: hasMore ? encodeCursor([last.number]) : null }
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/exports/:id/archive',
    summary: 'Downloads the archive of an export (tar), whole or any range of bytes.',
    access: 'caller',
    params: idParams,
    answer: 'raw',
    produces: ['application/x-tar'],
    handle: async ({ caller, params, request }) => {
      const archive = await portability.archive(caller, params.id)
      return fileAnswer({
        range: request.headers.range,
        sizeBytes: archive.sizeBytes,
        sha256: archive.manifestSha256,
        contentType: 'application/x-tar',
        fileName: archive.fileName,
        disposition: 'attachment',
        read: archive.read,
      })
    },
  })

  route({
    method: 'PUT',
    url: '/api/v1/apps/:appId/export-right',
    summary: 'Lets a program export the data of the company, or ends that.',
    access: 'session',
    params: z.object({ appId: z.string().max(64) }),
    body: z.object({ allowed: z.boolean(), code: z.string().max(20).optional() }),
    answer: z.object({ appId: z.string(), allowed: z.boolean() }),
    handle: async ({ caller, params, body }) => {
      await portability.rights.set(caller, params.appId, body.allowed, body.code)
      return { appId: params.appId, allowed: body.allowed }
    },
  })
}

function toWire(view: ExportView) {
  const { counts, bucket } = view
  return {
    ...view,
    since: view.since?.toISOString() ?? null,
    snapshotAt: view.snapshotAt?.toISOString() ?? null,
    createdAt: view.createdAt.toISOString(),
    readyAt: view.readyAt?.toISOString() ?? null,
    expiresAt: view.expiresAt?.toISOString() ?? null,
    counts,
    bucket:
      bucket === null
        ? null
        : {
            endpoint: bucket.endpoint,
            bucket: bucket.bucket,
            key: bucket.key,
            deliveredAt: bucket.deliveredAt?.toISOString() ?? null,
          },
  }
}
