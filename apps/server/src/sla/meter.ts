/** The counters that every request passes: in memory, one look-up per request, taken away by the flush. */
import type { Outcome, SlaService } from '@yinxin/sla'
import type { Clock } from '#src/clock.ts'

/** Stands for requests of nobody who is logged in. */
export const NOBODY = '00000000-0000-0000-0000-000000000000'

export interface CountDelta extends Record<Outcome, number> {
  minute: number
  service: SlaService
  tenantId: string
}

export interface Counted {
  service: SlaService
  tenantId: string | null
  /** In which the request was received. */
  minute: number
  outcome: Outcome
}

export type Meter = ReturnType<typeof createMeter>

export function createMeter(clock: Clock) {
  let deltas = new Map<string, CountDelta>()
  /** Companies of probes and load tests: what is done for them in the background is no traffic. */
  const tagged = new Set<string>()
  /** Requests that counted, by service, in the minutes that ended last. */
  const recent = new Map<SlaService, { minute: number; valid: number; before: number }>()

  function count({ service, tenantId, minute, outcome }: Counted): void {
    const tenant = tenantId ?? NOBODY
    const key = `${minute}${service}${tenant}`
    let delta = deltas.get(key)
    if (delta === undefined) {
      delta = { minute, service, tenantId: tenant, ok: 0, error: 0, slow: 0, broken: 0, excluded: 0 }
      deltas.set(key, delta)
    }
    delta[outcome] += 1
    if (outcome !== 'excluded') remember(service, minute)
  }

  function remember(service: SlaService, minute: number): void {
    const last = recent.get(service)
    if (last === undefined || minute > last.minute) {
      recent.set(service, { minute, valid: 1, before: last?.minute === minute - 1 ? last.valid : 0 })
    } else if (minute === last.minute) last.valid += 1
    else if (minute === last.minute - 1) last.before += 1
  }

  return {
    count,
    minute: () => Math.floor(clock.now().getTime() / 60_000),

    tagTenant: (tenantId: string) => void tagged.add(tenantId),
    isTagged: (tenantId: string) => tagged.has(tenantId),

    /** What was counted since the last time; it is the taker's from now on. */
    take(): CountDelta[] {
      const taken = [...deltas.values()]
      deltas = new Map()
      return taken
    },

    /** Whether this process saw requests to a service in the minute that ended last. */
    hasTraffic(service: SlaService): boolean {
      const ended = Math.floor(clock.now().getTime() / 60_000) - 1
      const last = recent.get(service)
      return last !== undefined && (last.minute === ended || (last.minute === ended + 1 && last.before > 0))
    },

    /** Counts what is done without a request of its own; a refusal is its caller's affair and does not count. */
    async watch<T>(
      service: SlaService,
      tenantId: string | null,
      limitMs: number,
      isCallers: (error: unknown) => boolean,
      work: () => Promise<T> | T,
    ): Promise<T> {
      const minute = Math.floor(clock.now().getTime() / 60_000)
      const startMs = performance.now()
      const isOurs = tenantId !== null && tagged.has(tenantId)
      const end = (outcome: Outcome) =>
        count({ service, tenantId, minute, outcome: isOurs ? 'excluded' : outcome })
      try {
        const done = await work()
        end(performance.now() - startMs <= limitMs ? 'ok' : 'slow')
        return done
      } catch (error) {
        end(isCallers(error) ? 'excluded' : 'error')
        throw error
      }
    },
  }
}
