import { z } from 'zod'
import type { Http } from '#src/http/http.ts'
import type { createDiagnosis, createProblemMemory, Incident, IncidentNote, Incidents } from './incidents.ts'
import { refuse } from './errors.ts'
import * as wire from './wire.ts'

export interface IncidentRoutesDeps {
  http: Http
  incidents: Incidents
  diagnose: ReturnType<typeof createDiagnosis>
  problems: ReturnType<typeof createProblemMemory>
}

const pace = { max: 120, perMs: 60_000 }

/** What the status page tells of incidents, a customer's own, and help for a single person. */
export function addIncidentRoutes({ http, incidents, diagnose, problems }: IncidentRoutesDeps): void {
  const { route } = http

  // Every refusal passes here as the text that the caller gets; its number leads back to it for a while.
  http.app.addHook('onSend', (request, reply, payload, done) => {
    if (reply.statusCode >= 400 && typeof payload === 'string') {
      const code = /^\{"type":"urn:yinxin:problem:([a-z0-9_]+)"/.exec(payload)?.[1]
      if (code !== undefined) problems.keep(request.id, { code, status: reply.statusCode })
    }
    done(null, payload)
  })

  route({
    method: 'GET',
    url: '/api/v1/incidents',
    summary: 'Lists published incidents of the platform, newest first, with what was said of them.',
    access: 'public',
    rateLimit: pace,
    query: z.object({ open: z.enum(['true', 'false']).optional() }),
    answer: z.object({ incidents: z.array(wire.incident) }),
    handle: async ({ query }) => {
      const found = await incidents.listPublished({ open: query.open === 'true', limit: 100 })
      return { incidents: found.map(onWire) }
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/incidents/:number',
    summary: 'Shows a published incident.',
    access: 'public',
    rateLimit: pace,
    params: z.object({ number: z.string().regex(/^\d{1,9}$/) }),
    answer: wire.incident,
    handle: async ({ params }) => {
      const found = await incidents.published(params.number)
      if (found === undefined) throw refuse('incident_not_found')
      return onWire(found)
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/incidents/mine',
    summary: 'Lists incidents in which requests of the acting subject failed, with how many.',
    access: 'caller',
    rateLimit: { max: 30, perMs: 60_000 },
    answer: z.object({ incidents: z.array(wire.ownIncident) }),
    handle: async ({ caller }) => ({
      incidents: (await incidents.ofTenant(caller.subjectId)).map((one) => ({
        ...briefly(one),
        failedRequests: one.failed,
        validRequests: one.valid,
      })),
    }),
  })

  route({
    method: 'POST',
    url: '/api/v1/help/diagnoses',
    summary: 'Says what is wrong with a request, a link or an error code, whether it is us, and what to do.',
    access: 'public',
    rateLimit: { max: 20, perMs: 60_000 },
    body: wire.question,
    answer: wire.diagnosis,
    handle: async ({ body, lang, request, requestId }) => ({
      diagnosisId: requestId,
      ...(await diagnose({ ...body, userAgent: request.headers['user-agent'] ?? '' }, lang)),
    }),
  })
}

function briefly(one: Incident) {
  return {
    number: one.number,
    class: one.class,
    titleZh: one.title_zh,
    titleEn: one.title_en,
    services: one.services,
    beganAt: one.began_at.toISOString(),
    detectedAt: one.detected_at.toISOString(),
    acknowledgedAt: one.acknowledged_at?.toISOString() ?? null,
    resolvedAt: one.resolved_at?.toISOString() ?? null,
  }
}

function onWire({ incident, notes }: { incident: Incident; notes: IncidentNote[] }) {
  return {
    ...briefly(incident),
    updates: notes.map(({ at, kind, text_zh, text_en }) => ({
      at: at.toISOString(),
      kind,
      textZh: text_zh,
      textEn: text_en,
    })),
  }
}
