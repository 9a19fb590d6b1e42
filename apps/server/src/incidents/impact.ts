/** What an incident did, from the meter: bad minutes of its services, and the tenants whose requests failed. */
import { belowNinetyNine, minuteRows, minuteState, type SlaService } from '@yinxin/sla'
import type { Sla } from '#src/sla/sla.ts'

export interface Impact {
  /** The longest run of bad minutes of one service. */
  badMinutes: number
  /** The first bad minute; null when there was none. */
  firstBadAt: Date | null
  signingBelow99: boolean
  activeTenants: number
  tenants: { tenantId: string; service: SlaService; valid: number; failed: number }[]
}

/** Before it was noticed, an outage may have begun at most this long ago. */
const beforeMinutes = 15

export async function measureImpact(
  store: Sla['store'],
  { services, began, until }: { services: readonly SlaService[]; began: Date; until: Date },
): Promise<Impact> {
  const detectedMinute = Math.floor(began.getTime() / 60_000)
  const range = { from: detectedMinute - beforeMinutes, to: Math.floor(until.getTime() / 60_000) + 1 }
  // What has not been counted yet is no evidence of anything.
  const counted = { from: range.from, to: Math.max(range.from, range.to - 1) }
  const basis = { late: false, until }
  let badMinutes = 0
  let firstBad: number | null = null
  let signingBelow99 = false
  for (const service of services) {
    const [traffic, probes, windows] = await Promise.all([
      store.traffic(service, counted, basis),
      store.probes(service, counted, basis),
      store.windows(counted),
    ])
    const rows = minuteRows(counted, {
      traffic,
      probes,
      windows: windows.filter((window) => window.services.includes(service)),
    })
    let run = 0
    for (const row of rows) {
      const isBad = row.source !== 'nothing' && minuteState(row) === 'bad'
      if (isBad) {
        run += 1
        badMinutes = Math.max(badMinutes, run)
        firstBad = Math.min(firstBad ?? row.minute, row.minute)
      } else if (!row.maintenance && row.source !== 'nothing') run = 0
      const watched = service === 'signing' || service === 'certificate'
      if (watched && belowNinetyNine(rows, row.minute + 1) !== null) signingBelow99 = true
    }
  }
  const from = Math.min(firstBad ?? detectedMinute, detectedMinute)
  const { active, tenants } = await store.failedTenants(services, { from, to: range.to })
  return {
    badMinutes,
    firstBadAt: firstBad === null ? null : new Date(firstBad * 60_000),
    signingBelow99,
    activeTenants: active,
    tenants,
  }
}
