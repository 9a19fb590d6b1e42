/** The edge: sees every request from the moment it is received until its connection is done with it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { latencyLimitMs, type Outcome, requestOutcome, type SlaService } from '@yinxin/sla'
import type { Http } from '#src/http/http.ts'
import type { Meter } from './meter.ts'

export interface EdgeDeps {
  http: Http
  meter: Meter
  /** Apps of probes and load tests: their requests are no traffic. */
  taggedApps: readonly string[]
  /** Told of every request that belongs to a service; the time is null when its answer never began. */
  seen?: (service: SlaService, outcome: Outcome, latencyMs: number | null) => void
}

interface Passing {
  minute: number
  receivedMs: number
  /** Of the beginning of the answer. */
  answeredMs: number | null
  service: SlaService | null
  streamed: boolean
  tenantId: string | null
  tagged: boolean
  broken: boolean
  streamedBytes: number
}

/** Not part of any promise: what monitors ask, and what probes report. */
const unmeasured = /^\/(healthz|readyz|metrics)$|^\/api\/v1\/sla\/probe-reports$|^\/api\/v1\/alert-acks\//

/** The service that a route belongs to, by its pattern. */
export function serviceOf(method: string, pattern: string): SlaService | null {
  if (unmeasured.test(pattern)) return null
  if (pattern === '/*') return 'frontend'
  if (method === 'POST' && pattern === '/api/v1/files') return 'upload'
  if (method === 'PUT' && pattern === '/api/v5/upload/:token') return 'upload'
  if (method === 'POST' && pattern === '/api/v1/ceremonies/:token/sign') return 'signing'
  return 'backend'
}

/** Begins to measure; to be called before anything listens. Returns the sweep of requests that hang. */
export function measureEdge({ http, meter, taggedApps, seen }: EdgeDeps): { sweep(): void } {
  const { app } = http
  const passing = new Map<ServerResponse, Passing>()
  const services = new Map<string, SlaService | null>()
  const tagged = new Set(taggedApps)

  function known(method: string, pattern: string): SlaService | null {
    const key = `${method} ${pattern}`
    let service = services.get(key)
    if (service === undefined) {
      service = serviceOf(method, pattern)
      services.set(key, service)
    }
    return service
  }

  function end(response: ServerResponse, one: Passing): void {
    passing.delete(response)
    if (one.service === null) return
    const outcome = requestOutcome({
      status: one.answeredMs === null ? null : response.statusCode,
      latencyMs: (one.answeredMs ?? performance.now()) - one.receivedMs,
      limitMs: latencyLimitMs(one.service, one.streamed ? one.streamedBytes : 0),
      broken: one.broken,
      tagged: one.tagged,
    })
    meter.count({ service: one.service, tenantId: one.tenantId, minute: one.minute, outcome })
    seen?.(one.service, outcome, one.answeredMs === null ? null : one.answeredMs - one.receivedMs)
  }

  // Before the router and every hook, so that a request which is refused there was received too.
  app.server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    const one: Passing = {
      minute: meter.minute(),
      receivedMs: performance.now(),
      answeredMs: null,
      service: null,
      streamed: false,
      tenantId: null,
      tagged: false,
      broken: false,
      streamedBytes: Number(request.headers['content-length'] ?? 0) || 0,
    }
    passing.set(response, one)
    response.once('close', () => {
      if (passing.has(response)) end(response, one)
    })
  })

  app.addHook('onRequest', (request, reply, done) => {
    const one = passing.get(reply.raw)
    if (one !== undefined) name(one, request)
    done()
  })

  app.addHook('onSend', (request, reply, payload, done) => {
    const one = passing.get(reply.raw)
    if (one !== undefined) {
      // A refusal of an earlier hook comes here without having passed the one above.
      name(one, request)
      one.answeredMs = performance.now()
      const caller = request.caller
      if (caller !== null) {
        one.tenantId = caller.subjectId
        one.tagged = caller.kind === 'app' && tagged.has(caller.appId)
        // The seal of its company signs in the background, without a caller.
        if (one.tagged) meter.tagTenant(caller.subjectId)
      }
      if (isStream(payload)) {
        payload.once('error', () => {
          one.broken = true
        })
      }
    }
    done(null, payload)
  })

  function name(
    one: Passing,
    request: {
      method: string
      routeOptions: { url?: string | undefined }
      headers: IncomingMessage['headers']
    },
  ): void {
    if (one.service !== null) return
    // An address that no route has is the caller's affair.
    const pattern = request.routeOptions.url
    if (pattern === undefined) return
    one.service = known(request.method, pattern)
    one.streamed = request.headers['content-type'] !== 'application/json'
  }

  return {
    /** A request that hangs beyond its limit counts now, and not only when its caller gives up. */
    sweep() {
      const nowMs = performance.now()
      for (const [response, one] of passing) {
        if (one.service === null || one.answeredMs !== null) continue
        const limit = latencyLimitMs(one.service, one.streamed ? one.streamedBytes : 0)
        if (nowMs - one.receivedMs > limit) end(response, one)
      }
    },
  }
}

function isStream(payload: unknown): payload is NodeJS.ReadableStream {
  return typeof payload === 'object' && payload !== null && 'pipe' in payload && 'once' in payload
}
