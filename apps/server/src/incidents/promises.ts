/** What alerts, the roster, incidents and drills report on the promise page (SLA 3.10). */
import type { Clock } from '#src/clock.ts'
import { type Db, drillFindings } from '#src/db/db.ts'
import type { Monitoring } from '#src/monitoring/monitoring.ts'
import type { Report } from '#src/promises/promises.ts'
import type { Incidents } from './incidents.ts'

const dayMs = 86_400_000
/** A drill a week, and a few days to be late. */
const drillStaleMs = 10 * dayMs

export function incidentPromises(deps: {
  db: Db
  clock: Clock
  monitoring: Pick<Monitoring, 'channels' | 'gaps' | 'onCall'>
  incidents: Pick<Incidents, 'list'>
}): Report[] {
  const { db, clock, monitoring, incidents } = deps
  return [
    {
      key: '3.10/on-call',
      how: { zh: '值班表自此刻起一周内的空档', en: 'gaps in the roster of the week from now' },
      staleAfterMs: 3_600_000,
      evidence: null,
      async measure() {
        const at = clock.now()
        const shifts = await monitoring.onCall.list(at, new Date(at.getTime() + 7 * dayMs))
        if (shifts.length === 0)
          return { measured: { zh: '没有值班表', en: 'there is no roster' }, at: null, met: null }
        const { gaps } = await monitoring.gaps()
        return {
          measured: {
            zh: `${shifts.length} 个班次，${gaps.length} 处空档`,
            en: `${shifts.length} shifts, ${gaps.length} gaps`,
          },
          at,
          met: gaps.length === 0,
        }
      },
    },
    {
      key: '3.10/alerts',
      how: {
        zh: '各通道最近一次送达，取三者中最早者；30 天无送达即过期',
        en: 'when each way last delivered, the oldest of the three; stale after 30 days',
      },
      staleAfterMs: 30 * dayMs,
      evidence: null,
      async measure() {
        const wanted = (await monitoring.channels()).filter(({ name }) => name !== 'webhook')
        const working = wanted.filter(
          ({ configured, okAt, failingSince }) => configured && okAt && !failingSince,
        )
        const oldest = working.map(({ okAt }) => okAt?.getTime() ?? 0).sort((a, b) => a - b)[0]
        const configured = wanted.filter((one) => one.configured)
        const failing = configured.filter(({ failingSince }) => failingSince !== null)
        const names = (list: typeof wanted) => list.map(({ name }) => name).join(', ') || '–'
        return {
          measured: {
            zh: `已送达：${names(working)}；失败：${names(failing)}；已配置：${names(configured)}`,
            en: `delivered: ${names(working)}; failing: ${names(failing)}; configured: ${names(configured)}`,
          },
          at: failing.length > 0 ? clock.now() : oldest === undefined ? null : new Date(oldest),
          met: failing.length > 0 ? false : working.length === wanted.length ? true : null,
        }
      },
    },
    {
      key: '3.10/recovery',
      how: {
        zh: '一年内的严重故障：从开始到发现、到恢复的时间',
        en: 'severe incidents of a year: from their beginning to detection and to recovery',
      },
      staleAfterMs: 3_600_000,
      evidence: '/status',
      async measure() {
        const at = clock.now()
        const since = at.getTime() - 365 * dayMs
        const severe = (await incidents.list({ limit: 1000 })).filter(
          (one) => one.class === 'severe' && one.began_at.getTime() > since,
        )
        if (severe.length === 0)
          return {
            measured: { zh: '一年内没有严重故障', en: 'no severe incident in a year' },
            at: null,
            met: null,
          }
        const open = severe.filter(({ resolved_at }) => resolved_at === null).length
        const slowest = (pick: (one: (typeof severe)[number]) => number | null) =>
          Math.ceil(Math.max(...severe.map((one) => pick(one) ?? 0)) / 60)
        const [detected, resolved] = [
          slowest(({ times }) => times.detectS),
          slowest(({ times }) => times.resolveS),
        ]
        return {
          measured: {
            zh: `${severe.length} 次，${open} 次未恢复；最慢发现 ${detected} 分钟，最慢恢复 ${resolved} 分钟`,
            en: `${severe.length}, ${open} not over; slowest detection ${detected} min, slowest recovery ${resolved} min`,
          },
          at,
          // The agreement names no time, so that only an outage that goes on is broken.
          met: open === 0,
        }
      },
    },
    {
      key: '3.10/drill',
      how: {
        zh: '最近一次恢复演练的结果；10 天无演练即过期',
        en: 'how the last restore drill ended; stale after 10 days',
      },
      staleAfterMs: drillStaleMs,
      evidence: null,
      async measure() {
        const [last] = await db.ask((tx) => drillFindings(tx, 1))
        if (last === undefined || last.outcome === 'nothing_to_check')
          return { measured: { zh: '尚无对内容的演练', en: 'no drill of anything yet' }, at: null, met: null }
        const minutes = (ms: number | null) => (ms === null ? '–' : (ms / 60_000).toFixed(1))
        return {
          measured: {
            zh: `结果 ${last.outcome}；RPO ${minutes(last.rpoMs)} 分钟，RTO ${minutes(last.rtoMs)} 分钟`,
            en: `ended ${last.outcome}; RPO ${minutes(last.rpoMs)} min, RTO ${minutes(last.rtoMs)} min`,
          },
          at: new Date(last.endedAt),
          met: last.outcome === 'ok',
        }
      },
    },
  ]
}
