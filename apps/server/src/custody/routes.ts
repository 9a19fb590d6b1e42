import { z } from 'zod'
import { type Http, pageOf } from '#src/http/http.ts'
import type { Custody } from './custody.ts'
import * as wire from './wire.ts'

const monthParams = z.object({ month: z.string().regex(/^\d{4}-(0[1-9]|1[0-2])$/) })
const revisionQuery = z.object({ revision: z.coerce.number().int().min(1).optional() })

export function addCustodyRoutes({ http, custody }: { http: Http; custody: Custody }): void {
  const { route } = http
  const { reports } = custody

  route({
    method: 'GET',
    url: '/api/v1/sign-tasks/:id/replicas',
    summary: 'Tells the parties of a task where its copies lie and when each was last verified.',
    access: 'caller',
    params: z.object({ id: z.uuid() }),
    answer: wire.copies,
    handle: ({ caller, params }) => custody.copiesOfContract(caller, params.id),
  })

  route({
    method: 'GET',
    url: '/api/v1/replicas',
    summary: 'Tells where the copies of everything lie that the acting subject owns.',
    access: 'caller',
    answer: wire.copies,
    handle: ({ caller }) => custody.copiesOfSubject(caller.subjectId),
  })

  route({
    method: 'GET',
    url: '/api/v1/durability',
    summary: 'Computes the durability of the last thirty days from what was measured.',
    access: 'caller',
    answer: wire.durabilityNow,
    handle: async () => {
      const { createdAt, report } = await reports.now()
      return { createdAt: createdAt.toISOString(), report }
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/durability/reports',
    summary: 'Lists the monthly durability reports with all their revisions, newest first.',
    access: 'caller',
    answer: pageOf(wire.reportSummary),
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
    url: '/api/v1/durability/reports/:month',
    summary: 'Gives the durability report of a month as JSON, byte for byte as it stands in the log.',
    access: 'caller',
    params: monthParams,
    query: revisionQuery,
    answer: 'raw',
    produces: ['application/json'],
    handle: async ({ params, query }) => {
      const report = await reports.find(params.month, query.revision)
      return { contentType: 'application/json; charset=utf-8', body: report.entry }
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/durability/reports/:month/pdf',
    summary: 'Gives the durability report of a month as a PDF sealed by the platform.',
    access: 'caller',
    params: monthParams,
    query: revisionQuery,
    answer: 'raw',
    produces: ['application/pdf'],
    handle: async ({ params, query }) => {
      const report = await reports.find(params.month, query.revision)
      return {
        contentType: 'application/pdf',
        body: await reports.pdf(report),
        headers: download(`durability-${report.month}-r${report.revision}.pdf`),
      }
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/durability/reports/:month/proof',
    summary: 'Proves that a durability report stands in the transparency log (C2SP tlog-proof).',
    access: 'caller',
    params: monthParams,
    query: revisionQuery,
    answer: 'raw',
    produces: ['text/plain'],
    handle: async ({ params, query }) => {
      const report = await reports.find(params.month, query.revision)
      return {
        contentType: 'text/plain; charset=utf-8',
        body: await reports.proof(report),
        headers: download(`durability-${report.month}-r${report.revision}.tlog-proof`),
      }
    },
  })
}

const download = (name: string) => ({ 'content-disposition': `attachment; filename="${name}"` })
