import { minuteText, type MonthVerdict } from '@yinxin/sla'
import { z } from 'zod'
import type { Http } from '#src/http/http.ts'
import { plain } from '#src/http/plain.ts'
import { readMinute } from './commands.ts'
import { SLA_ZONE, type MonthView, type RevisionVerdict, type Sla, type StoredWindow } from './sla.ts'
import * as wire from './wire.ts'

export interface SlaRoutesDeps {
  http: Http
  sla: Sla
}

const monthParams = z.object({ month: z.string().max(7) })
const serviceParams = monthParams.extend({ service: wire.service })
const revisionQuery = z.object({ revision: z.coerce.number().int().min(1).max(10_000).optional() })

/** Public pages ask a few times; who asks for much more recomputes from the published minutes. */
const pace = { max: 120, perMs: 60_000 }

/** Public but for the caller's own figures and the reports of probes. */
export function addSlaRoutes({ http, sla }: SlaRoutesDeps): void {
  const { route } = http

  route({
    method: 'GET',
    url: '/api/v1/sla/months',
    summary: 'Lists the months in which availability was measured, newest first.',
    access: 'public',
    rateLimit: pace,
    answer: z.object({ months: z.array(z.string()) }),
    handle: async () => ({ months: await sla.months() }),
  })

  route({
    method: 'GET',
    url: '/api/v1/sla/months/:month',
    summary: 'Gives downtime, availability and verdict of every service in a month, and its revisions.',
    access: 'public',
    rateLimit: pace,
    params: monthParams,
    answer: wire.month,
    handle: async ({ params }) => {
      const view = await sla.month(params.month)
      return {
        ...monthOnWire(view),
        revisions: view.revisions.map(({ madeAt, verdict, service, revision, reason, madeBy }) => ({
          service,
          revision,
          reason,
          madeBy,
          madeAt: madeAt.toISOString(),
          downMinutes: verdict.downMinutes,
          availability: verdict.availability,
        })),
      }
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/sla/months/:month/:service/minutes.csv',
    summary: 'Gives the raw minutes behind the figures of a service in a month.',
    access: 'public',
    rateLimit: pace,
    params: serviceParams,
    query: revisionQuery,
    answer: 'raw',
    produces: ['text/csv'],
    handle: async ({ params, query }) => {
      const { csv, revision } = await sla.minutes(params.month, params.service, query.revision)
      return {
        contentType: 'text/csv; charset=utf-8',
        body: csv,
        headers: fileHeaders(`minutes-${params.month}-${params.service}-r${revision}.csv`),
      }
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/sla/months/:month/:service/minutes.note',
    summary: 'Gives the signed note over the raw minutes: number of rows and SHA-256 of the CSV.',
    access: 'public',
    rateLimit: pace,
    params: serviceParams,
    query: revisionQuery,
    answer: 'raw',
    produces: ['text/plain'],
    handle: async ({ params, query }) => {
      const { note, revision } = await sla.minutes(params.month, params.service, query.revision)
      return {
        contentType: 'text/plain; charset=utf-8',
        body: note,
        headers: fileHeaders(`minutes-${params.month}-${params.service}-r${revision}.note`),
      }
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/sla/vkey',
    summary: 'Gives the public key that signs published minutes.',
    access: 'public',
    answer: 'raw',
    produces: ['text/plain'],
    handle: async () => ({ contentType: 'text/plain; charset=utf-8', body: `${sla.vkey}\n` }),
  })

  route({
    method: 'GET',
    url: '/api/v1/sla/minutes/:service/:minute',
    summary: 'Explains why a minute counted as it did: traffic, probes, processes, maintenance.',
    access: 'public',
    rateLimit: { max: 60, perMs: 60_000 },
    params: z.object({ service: wire.service, minute: z.string().max(20) }),
    answer: wire.minute,
    handle: async ({ params }) => {
      const at = readMinute(params.minute)
      const { row, run, counted, processes, windows, ...rest } = await sla.explain(params.service, at)
      const traffic = rest.detail
      return {
        service: params.service,
        minute: minuteText(at),
        revision: rest.revision,
        state: rest.state,
        counted,
        source: row?.source ?? null,
        valid: row?.valid ?? 0,
        ok: row?.ok ?? 0,
        run: run === null ? null : runOnWire(run),
        traffic,
        probes: rest.probes,
        processes,
        maintenance: windows.map(windowOnWire),
      }
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/sla/maintenance',
    summary: 'Lists planned maintenance of the last year and what is announced.',
    access: 'public',
    rateLimit: pace,
    answer: z.object({ maintenance: z.array(wire.maintenance) }),
    handle: async () => ({ maintenance: (await sla.maintenance.list()).map(windowOnWire) }),
  })

  route({
    method: 'GET',
    url: '/api/v1/sla/mine/:month',
    summary:
      "Gives the acting subject's own figures of a month, computed by the same function from its own requests.",
    access: 'caller',
    rateLimit: { max: 30, perMs: 60_000 },
    params: monthParams,
    answer: wire.tenantMonth,
    handle: async ({ caller, params }) => monthOnWire(await sla.tenantMonth(caller.subjectId, params.month)),
  })

  route({
    method: 'POST',
    url: '/api/v1/sla/probe-reports',
    summary: 'Takes the results of synthetic transactions, from the probes of the operator or of a customer.',
    access: 'app',
    body: wire.probeReport,
    answer: wire.probeAnswer,
    rateLimit: pace,
    handle: ({ caller, body }) => sla.probes.take(caller, plain(body)),
  })
}

function monthOnWire(view: Omit<MonthView, 'revisions'>) {
  return {
    month: view.month,
    timeZone: SLA_ZONE,
    closed: view.closed,
    servicePeriod: view.servicePeriod,
    services: view.services.map(({ service, revision, verdict }) => ({
      service,
      revision,
      verdict: verdictOnWire(verdict),
    })),
  }
}

function verdictOnWire({ runs, ...verdict }: RevisionVerdict) {
  return { ...verdict, runs: runs.map(runOnWire) }
}

function runOnWire({ from, to, minutes }: MonthVerdict['runs'][number]) {
  return { from: minuteText(from), to: minuteText(to), minutes }
}

function windowOnWire(window: StoredWindow) {
  return {
    id: window.id,
    services: window.services,
    from: minuteText(window.from),
    to: minuteText(window.announcedTo),
    textZh: window.textZh,
    textEn: window.textEn,
    announcedAt: new Date(window.announcedAtMs).toISOString(),
    withdrawnAt: window.withdrawnAt?.toISOString() ?? null,
  }
}

const fileHeaders = (name: string) => ({
  'content-disposition': `attachment; filename="${name}"`,
  'cache-control': 'public, max-age=60',
})
