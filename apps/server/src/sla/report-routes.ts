import { z } from 'zod'
import { type Http, pageOf } from '#src/http/http.ts'
import type { SlaReports } from './reports.ts'
import * as wire from './wire.ts'

const monthParams = z.object({ month: z.string().regex(/^\d{4}-(0[1-9]|1[0-2])$/) })
const revisionQuery = z.object({ revision: z.coerce.number().int().min(1).max(10_000).optional() })
const pace = { max: 60, perMs: 60_000 }

/** Monthly reports are for everybody. */
export function addSlaReportRoutes({ http, reports }: { http: Http; reports: SlaReports }): void {
  const { route } = http

  route({
    method: 'GET',
    url: '/api/v1/sla/reports',
    summary: 'Lists the monthly reports of the service level with all their revisions, newest first.',
    access: 'public',
    rateLimit: pace,
    answer: pageOf(wire.report),
    handle: async () => ({
      items: (await reports.list()).map(({ month, revision, createdAt, verdict, sha256 }) => ({
        month,
        revision,
        createdAt: createdAt.toISOString(),
        verdict,
        sha256,
      })),
      nextCursor: null,
    }),
  })

  route({
    method: 'GET',
    url: '/api/v1/sla/reports/:month',
    summary: 'Gives the report of a month as JSON, byte for byte as it stands in the log.',
    access: 'public',
    rateLimit: pace,
    params: monthParams,
    query: revisionQuery,
    answer: 'raw',
    produces: ['application/json'],
    handle: async ({ params, query }) => ({
      contentType: 'application/json; charset=utf-8',
      body: (await reports.find(params.month, query.revision)).entry,
    }),
  })

  route({
    method: 'GET',
    url: '/api/v1/sla/reports/:month/pdf',
    summary: 'Gives the report of a month as a PDF sealed by the platform, with JSON and proof attached.',
    access: 'public',
    rateLimit: pace,
    params: monthParams,
    query: revisionQuery,
    answer: 'raw',
    produces: ['application/pdf'],
    handle: async ({ params, query }) => {
      const report = await reports.find(params.month, query.revision)
      return {
        contentType: 'application/pdf',
        body: await reports.pdf(report),
        headers: download(`sla-${report.month}-r${report.revision}.pdf`),
      }
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/sla/reports/:month/proof',
    summary: 'Proves that the report of a month stands in the transparency log (C2SP tlog-proof).',
    access: 'public',
    rateLimit: pace,
    params: monthParams,
    query: revisionQuery,
    answer: 'raw',
    produces: ['text/plain'],
    handle: async ({ params, query }) => {
      const report = await reports.find(params.month, query.revision)
      return {
        contentType: 'text/plain; charset=utf-8',
        body: await reports.proof(report),
        headers: download(`sla-${report.month}-r${report.revision}.tlog-proof`),
      }
    },
  })
}

const download = (name: string) => ({ 'content-disposition': `attachment; filename="${name}"` })
