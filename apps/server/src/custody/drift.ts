/** What differs from clause 3.5 (three copies in each of two sites, two databases in each), in plain words. */
import type { DatabaseCopy, SiteCopies } from './copies.ts'

export type DriftCode =
  | 'copies_missing'
  | 'copies_bad'
  | 'copies_stale'
  | 'devices_shared'
  | 'sites_together'
  | 'database_copies_missing'
  | 'database_unseen'

export interface Drift {
  code: DriftCode
  zh: string
  en: string
}

const hourMs = 3_600_000

export const promised = {
  copiesPerSite: 3,
  databasesPerSite: 2,
  /** Every replica is read fully within a day, of very large stores within a week. */
  verifiedWithinMs: { small: 24 * hourMs, large: 7 * 24 * hourMs },
} as const

/**
 * When a replica counts as not verified in time. Twice the period that the last pass kept, because an object's turn may
 * come at the end of one pass and at the begin of the next; a period longer than promised buys no more time.
 */
export const staleAfterMs = (periodMs: number): number =>
  2 * Math.min(periodMs, promised.verifiedWithinMs.large)

const siteNames = {
  primary: ['主站点', 'the primary site'],
  recovery: ['容灾站点', 'the recovery site'],
} as const
const clusterNames = { main: ['主库', 'main database'], keys: ['密钥库', 'keys database'] } as const

export function driftOf(sites: readonly SiteCopies[], database: readonly DatabaseCopy[] | null): Drift[] {
  const drift: Drift[] = []
  const say = (code: DriftCode, zh: string, en: string) => drift.push({ code, zh, en })
  for (const { site, copies, devices, places: held } of sites) {
    const [zh, en] = siteNames[site]
    const { copiesPerSite } = promised
    if (copies < copiesPerSite)
      say(
        'copies_missing',
        `${zh}有文件只有 ${copies} 份完好副本，承诺为 ${copiesPerSite} 份；缺少的副本正在补齐。`,
        `Some file has only ${copies} good copies in ${en}; ${copiesPerSite} are promised. What is missing is being made.`,
      )
    else if (devices < copiesPerSite)
      say(
        'devices_shared',
        `${zh}的 ${copies} 份副本只位于 ${devices} 个独立设备上：同一设备损坏会同时失去其上的副本。`,
        `The ${copies} copies in ${en} lie on ${devices} separate ${devices === 1 ? 'device' : 'devices'}: those on one device are lost together.`,
      )
    if (held.some(({ freshness }) => freshness === 'bad'))
      say(
        'copies_bad',
        `${zh}有副本在最近一次校验中不完好，正在修复。`,
        `A copy in ${en} was not good at its last verification and is being repaired.`,
      )
    if (held.some(({ freshness }) => freshness === 'stale'))
      say(
        'copies_stale',
        `${zh}有副本未按期校验，所示数值可能已过时。`,
        `A copy in ${en} was not verified in time; what is shown of it may be out of date.`,
      )
  }
  const devicesOf = (site: string) =>
    sites.find((one) => one.site === site)?.places.flatMap(({ device }) => device ?? []) ?? []
  const isShared = devicesOf('primary').some((device) => devicesOf('recovery').includes(device))
  // Regions of object storage speak for themselves; of folders nobody can see in which place they are.
  const isSeenApart = sites.every(({ places }) => places.every(({ device }) => device?.startsWith('s3 ')))
  if (isShared || !isSeenApart)
    say(
      'sites_together',
      isShared
        ? '两个站点的副本位于同一设备：此处实际只有一个站点。'
        : '从此处无法看出两个站点位于两地；运营者对此的声明只写入持久性报告，不计入此处。',
      isShared
        ? 'Copies of both sites lie on one device: here the two sites are really one.'
        : 'Nothing that is seen here shows that the two sites stand in two places; what the operator declares is told in the durability report and does not count here.',
    )
  if (database === null || database.some(({ site }) => site === 'unknown'))
    say(
      'database_unseen',
      '数据库由外部服务保管，此处看不到它的副本位于何处。',
      'The databases are run by somebody else; where their copies are cannot be seen from here.',
    )
  else
    for (const cluster of ['main', 'keys'] as const)
      for (const site of ['primary', 'recovery'] as const) {
        const count = database.filter(
          (copy) =>
            copy.cluster === cluster && copy.site === site && ['running', 'streaming'].includes(copy.state),
        ).length
        if (count >= promised.databasesPerSite) continue
        const [zh, en] = siteNames[site]
        say(
          'database_copies_missing',
          `${clusterNames[cluster][0]}在${zh}有 ${count} 份在用副本，承诺为 ${promised.databasesPerSite} 份。`,
          `The ${clusterNames[cluster][1]} has ${count} copies at work in ${en}; ${promised.databasesPerSite} are promised.`,
        )
      }
  return drift
}
