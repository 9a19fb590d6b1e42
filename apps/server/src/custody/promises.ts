/** What custody reports on the promise page. */
import type { DbCopy } from '#src/db/db.ts'
import type { Report } from '#src/promises/promises.ts'
import type { Clock } from '#src/clock.ts'
import type { Custody } from './custody.ts'
import { loss } from './report-words.ts'

const hourMs = 3_600_000
/** A replica is verified within this time, or nobody knows whether it is there (SLA 3.5 as a custody report counts it). */
const verifiedWithinHours = 48

export function custodyPromises(deps: {
  custody: Pick<Custody, 'reports'>
  dbCopies: () => Promise<DbCopy[]>
  clock: Clock
}): Report[] {
  const { custody, dbCopies, clock } = deps
  const durability = (line: 'design' | 'contract'): Report['measure'] => {
    return async () => {
      const { createdAt, report } = await custody.reports.now()
      const { figures, measurements } = report
      const nines = figures.nines === null ? '' : ` (${figures.nines.toFixed(2)} nines)`
      return {
        measured: {
          zh: `模型丢失概率 ${loss(figures.model)}/月${nines}；实际丢失 ${measurements.objects.lost} 个，现存 ${measurements.objects.held} 个对象`,
          en: `modelled loss ${loss(figures.model)} per month${nines}; ${measurements.objects.lost} really lost, ${measurements.objects.held} objects held`,
        },
        at: createdAt,
        met: report[line].met,
      }
    }
  }
  const how = {
    zh: '由最近 30 天的副本位置、修复时间、校验间隔按 3.1 公式计算',
    en: 'the formula of 3.1 over placement, repairs and verification of the last 30 days',
  }
  return [
    ...(['design', 'contract'] as const).map(
      (line): Report => ({
        key: `3.1/${line}`,
        how,
        staleAfterMs: 2 * hourMs,
        evidence: '/api/v1/durability',
        measure: durability(line),
      }),
    ),
    {
      key: '3.5/replicas',
      how: {
        zh: '每个对象在各站点的有效副本所在设备数，由校验与采样得出',
        en: 'devices with a good, verified replica of every object, from scrubs and looks',
      },
      staleAfterMs: 2 * hourMs,
      evidence: '/api/v1/replicas',
      async measure() {
        const { createdAt, report } = await custody.reports.now()
        const { sites, unverifiedHours, objects } = report.measurements
        if (objects.held === 0)
          return { measured: { zh: '尚无对象', en: 'nothing is stored yet' }, at: null, met: null }
        const n = (site: string) => sites.find((one) => one.site === site)?.n ?? 0
        const [primary, recovery] = [n('primary'), n('recovery')]
        const since = unverifiedHours === null ? '–' : unverifiedHours.toFixed(1)
        const isFresh = unverifiedHours !== null && unverifiedHours <= verifiedWithinHours
        return {
          measured: {
            zh: `独立设备上的副本：主站点 ${primary} 份，容灾站点 ${recovery} 份；最久 ${since} 小时未校验`,
            en: `replicas on devices of their own: primary ${primary}, recovery ${recovery}; longest without verification ${since} h`,
          },
          // What was not verified in time is as old as its verification.
          at: isFresh ? createdAt : new Date(createdAt.getTime() - (unverifiedHours ?? 1e6) * hourMs),
          met: primary >= 3 && recovery >= 3,
        }
      },
    },
    {
      key: '3.5/databases',
      how: {
        zh: '向主库询问各副本的复制状态，按站点与设备计数',
        en: 'the primary is asked how each copy follows; counted by site and device',
      },
      staleAfterMs: hourMs,
      evidence: '/api/v1/replicas',
      async measure() {
        const all = await dbCopies()
        const at = clock.now()
        if (all.length === 0)
          return {
            measured: { zh: '数据库由外部运行', en: 'the database is run elsewhere' },
            at: null,
            met: null,
          }
        if (all.every(({ site }) => site === 'unknown'))
          return {
            measured: { zh: '外部数据库，站点不可见', en: 'an outside database whose sites cannot be seen' },
            at: null,
            met: null,
          }
        const good = all.filter(({ state }) => state === 'running' || state === 'streaming')
        const least = (site: string) =>
          Math.min(
            ...(['main', 'keys'] as const).map(
              (cluster) => good.filter((one) => one.cluster === cluster && one.site === site).length,
            ),
          )
        const devices = new Set(good.map(({ deviceId }) => deviceId)).size
        const [primary, recovery] = [least('primary'), least('recovery')]
        return {
          measured: {
            zh: `主站点 ${primary} 份，容灾站点 ${recovery} 份在跟随，分布于 ${devices} 个设备`,
            en: `${primary} in the primary and ${recovery} in the recovery site follow, on ${devices} devices`,
          },
          at,
          met: primary >= 2 && recovery >= 2 && devices >= 4,
        }
      },
    },
  ]
}
