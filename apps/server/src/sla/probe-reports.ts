/** What probes report: steps of real transactions, from the operator's vantage points and from customers' own. */
import { latencyLimitMs, type SlaService } from '@yinxin/sla'
import type { Clock } from '#src/clock.ts'
import { refuse } from './errors.ts'
import type { Meter } from './meter.ts'
import { clockOffsetMaxMs, type SlaStore } from './store.ts'

export interface ProbeResult {
  /** Made by the probe, so that a report sent twice counts once. */
  id: string
  service: SlaService
  /** When the step began. */
  at: string
  ok: boolean
  latencyMs: number
  detail?: string | undefined
}

export interface ProbeReport {
  vantage: string
  /** By the clock of the probe, when it sent this. */
  sentAt: string
  results: ProbeResult[]
}

/** Besides its clock this holds the way here and a busy server. */
const transitMaxMs = 10_000
const oldestMs = 7 * 86_400_000

/** Services that a probe transaction passes through. */
const probed: readonly SlaService[] = ['frontend', 'backend', 'upload', 'signing', 'certificate']

export function createProbeReports(deps: {
  store: Pick<SlaStore, 'insertProbes'>
  meter: Pick<Meter, 'hasTraffic'>
  clock: Clock
  /** The operator's own probes, by app. */
  probeApps: readonly string[]
}) {
  return {
    /** Stores a report. `quiet` names the services that people do not use at present: there the probes must speak. */
    async take(
      caller: { appId: string; subjectId: string },
      { vantage, sentAt, results }: ProbeReport,
    ): Promise<{ official: boolean; accepted: boolean; quiet: SlaService[] }> {
      const nowMs = deps.clock.now().getTime()
      const offsetMs = Date.parse(sentAt) - nowMs
      // Against the probe's own clock a result cannot be newer than its report.
      const tooOld = results.some(({ at }) => Date.parse(at) < nowMs - oldestMs)
      if (tooOld || results.some(({ at }) => Date.parse(at) > Date.parse(sentAt))) {
        throw refuse('probe_report_from_future')
      }
      const official = deps.probeApps.includes(caller.appId)
      const rejected = offsetMs > clockOffsetMaxMs || offsetMs < -transitMaxMs
      await deps.store.insertProbes(
        { appId: caller.appId, tenantId: caller.subjectId, official, vantage, rejected },
        results.map((one) => ({
          id: one.id,
          service: one.service,
          minute: Math.floor(Date.parse(one.at) / 60_000),
          // The promise's limit holds for a probe as for anybody.
          ok: one.ok && one.latencyMs <= latencyLimitMs(one.service),
          latencyMs: one.latencyMs,
          detail: one.detail ?? null,
        })),
      )
      return {
        official,
        accepted: !rejected,
        quiet: probed.filter((service) => !deps.meter.hasTraffic(service)),
      }
    },
  }
}
