/** The last three days of every service, minute by minute: what burn rates are computed from, without asking anew. */
import { type MinuteRange, minuteRows, type SlaService, slaServices, type WatchedMinute } from '@yinxin/sla'
import type { Clock } from '#src/clock.ts'
import type { Sla } from '#src/sla/sla.ts'

const keptMinutes = 4320
/** So far back something may still arrive, or be announced. */
const openMinutes = 12

export function createWatchedMinutes({ sla, clock }: { sla: Pick<Sla, 'store'>; clock: Clock }) {
  const known = new Map<SlaService, WatchedMinute[]>()

  async function read(service: SlaService, range: MinuteRange): Promise<WatchedMinute[]> {
    const basis = { late: false, until: clock.now() }
    const [traffic, probes, windows] = await Promise.all([
      sla.store.traffic(service, range, basis),
      sla.store.probes(service, range, basis),
      sla.store.windows(range),
    ])
    return minuteRows(range, {
      traffic,
      probes,
      windows: windows.filter((window) => window.services.includes(service)),
    })
  }

  return {
    /** Up to the minute that ended last. Nothing before anything was measured. */
    async until(nowMinute: number): Promise<ReadonlyMap<SlaService, readonly WatchedMinute[]>> {
      const first = await sla.store.firstMinute()
      await Promise.all(
        slaServices.map(async (service) => {
          const before = known.get(service) ?? []
          const oldest = Math.max(first ?? nowMinute, nowMinute - keptMinutes)
          const last = before.at(-1)?.minute
          const from =
            last === undefined ? oldest : Math.max(oldest, Math.min(last + 1, nowMinute) - openMinutes)
          if (from >= nowMinute) return
          const fresh = await read(service, { from, to: nowMinute })
          known.set(service, [...before.filter(({ minute }) => minute >= oldest && minute < from), ...fresh])
        }),
      )
      return known
    },
  }
}
