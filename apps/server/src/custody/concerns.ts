/** What of an overview people have to look at, in plain words; nothing when all is well. */
import { staleAfterMs, promised } from './drift.ts'
import type { CustodyOverview } from './overview.ts'

export interface Concern {
  code:
    | 'domain_quarantined'
    | 'domain_silent'
    | 'scrub_late'
    | 'finding'
    | 'database_copy'
    | 'database_backup'
    | 'drill_failed'
    | 'drill_late'
    | 'destruction_stuck'
  zh: string
  en: string
}

const dayMs = 24 * 3_600_000
/** A backup is taken daily and a drill every week; one of each may be missed. */
const backupLateMs = 2 * dayMs
const drillLateMs = 15 * dayMs

export function concernsOf(overview: Omit<CustodyOverview, 'concerns'>): Concern[] {
  const concerns: Concern[] = []
  const say = (code: Concern['code'], zh: string, en: string) => concerns.push({ code, zh, en })
  const now = overview.at.getTime()
  const isBefore = (at: Date | string, ageMs: number) => now - new Date(at).getTime() > ageMs

  for (const { name, state, reason, unanswered } of overview.domains) {
    if (state === 'quarantined')
      say(
        'domain_quarantined',
        `${name} 已隔离，不再写入：${reason ?? '原因不明'}。检查后运行 yinxin repair --readmit ${name}。`,
        `${name} is quarantined and takes no writes: ${reason ?? 'no reason known'}. Once looked at: yinxin repair --readmit ${name}.`,
      )
    if (unanswered !== undefined)
      say(
        'domain_silent',
        `${name} 没有应答：${unanswered.reason}`,
        `${name} does not answer: ${unanswered.reason}`,
      )
  }
  const late = overview.domains.filter(({ lastScrub }) => {
    const limitMs = staleAfterMs(lastScrub?.seen?.periodMs ?? promised.verifiedWithinMs.small)
    return lastScrub !== undefined && isBefore(lastScrub.startedAt, limitMs)
  })
  if (late.length > 0) {
    const names = late.map(({ name }) => name)
    say(
      'scrub_late',
      `上次校验已逾期，副本可能与所示不符：${names.join('、')}。`,
      `The last scrub is overdue, and replicas may not be as shown: ${names.join(', ')}.`,
    )
  }
  const serious = overview.findings.filter(({ severity }) => severity !== 'warning')
  if (serious.length > 0)
    say(
      'finding',
      `核对有 ${serious.length} 项严重发现，见下。`,
      `Serious findings of the comparison: ${serious.length}, see below.`,
    )
  for (const { name, state } of overview.databases)
    if (state === 'down' || state === 'missing')
      say(
        'database_copy',
        `数据库副本 ${name} ${state === 'down' ? '不可用' : '缺失'}。`,
        `The database copy ${name} is ${state}.`,
      )
  for (const { cluster, site, backups, missing } of overview.backups ?? []) {
    const last = backups.at(-1)
    const [clusterZh, siteZh] = [
      cluster === 'main' ? '主库' : '密钥库',
      site === 'primary' ? '主站点' : '容灾站点',
    ]
    if (missing.length > 0)
      say(
        'database_backup',
        `${clusterZh}在${siteZh}的日志归档有缺口（${missing.length} 段）。`,
        `The log archive of the ${cluster} database in the ${site} site has holes: ${missing.length} segments.`,
      )
    if (last !== undefined && isBefore(last.endedAt, backupLateMs))
      say(
        'database_backup',
        `${clusterZh}在${siteZh}两天没有新备份。`,
        `The ${cluster} database has had no new backup in the ${site} site for two days.`,
      )
  }
  const [drill] = overview.drills
  if (drill?.outcome === 'failed')
    say(
      'drill_failed',
      `最近一次恢复演练失败：${drill.problems[0] ?? '见报告'}`,
      `The last restore drill failed: ${drill.problems[0] ?? 'see its report'}`,
    )
  else if (drill !== undefined && isBefore(drill.begunAt, drillLateMs))
    say('drill_late', '两周没有恢复演练。', 'There has been no restore drill for two weeks.')
  const stuck = overview.destructions.first.filter(({ problem }) => problem !== null)
  if (stuck.length > 0)
    say(
      'destruction_stuck',
      `${stuck.length} 项销毁未能完成，正在重试，见下。`,
      `Destructions that could not be completed and are tried again: ${stuck.length}, see below.`,
    )
  return concerns
}
