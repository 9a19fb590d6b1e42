/** Why the promise is not met, in plain words, each with what would meet it. */
import { durability, monthlyLossTargets } from './durability.ts'
import type { DurabilityAssumptions, DurabilityFigures, DurabilityMeasurements } from './durability-report.ts'

export type DurabilityReasonCode =
  | 'objects_lost'
  | 'not_measured'
  | 'not_compared'
  | 'devices_too_few'
  | 'sites_together'
  | 'one_site_too_long'
  | 'repair_too_slow'
  | 'verified_too_seldom'
  | 'key_copies_too_few'
  | 'key_copies_unseen'
  | 'root_key_copies_too_few'
  | 'together_too_much'

export interface DurabilityReason {
  code: DurabilityReasonCode
  zh: string
  en: string
}

/** What is advised for one term leaves the rest of the line to the others. */
const termShare = 0.1

/** Replicas per site that the agreement promises (3.5). */
const promisedPerSite = 3

/** In the order of their weight; never empty when the design line is missed. */
export function reasonsOf(
  measured: DurabilityMeasurements,
  figures: DurabilityFigures,
  assumptions: DurabilityAssumptions,
): DurabilityReason[] {
  const limit = monthlyLossTargets.design
  const reasons: DurabilityReason[] = []
  const say = (code: DurabilityReasonCode, zh: string, en: string) => reasons.push({ code, zh, en })

  if (measured.objects.lost > 0)
    say(
      'objects_lost',
      `有 ${measured.objects.lost} 个对象丢失或不可读：请运行 yinxin fsck，并从备份或另一站点恢复。`,
      `${measured.objects.lost} objects are lost or unreadable: run yinxin fsck, and restore them from a backup or the other site.`,
    )
  if (measured.samples === 0)
    say(
      'not_measured',
      '本期没有副本分布的记录：每小时的采样须由带 worker 与 scheduler 角色的服务执行。',
      'The placement of replicas was not looked at in this period: a server with the roles worker and scheduler takes the hourly sample.',
    )
  if (measured.objects.comparedAt === null)
    say(
      'not_compared',
      '本期没有完成过全部存储与数据库的核对：每日自动进行，也可运行 yinxin fsck。',
      'Storage and database were not compared completely in this period: it happens daily, or run yinxin fsck.',
    )
  for (const place of measured.sites) {
    const isFew = place.n < promisedPerSite
    const loss = figures.bySite.find(({ site }) => site === place.site)?.loss ?? 1
    if (!isFew || loss <= limit) continue
    const [zhSite, enSite] =
      place.site === 'primary' ? ['主站点', 'the primary site'] : ['容灾站点', 'the recovery site']
    say(
      'devices_too_few',
      `${zhSite}的副本只位于 ${place.n} 个独立的存储设备上，同一设备（或同一存储区域）上的多个副本会一起损坏，只算一个：把 ${promisedPerSite} 个存储目录放到 ${promisedPerSite} 块不同的磁盘上。`,
      `The replicas in ${enSite} lie on ${place.n} separate ${place.n === 1 ? 'device' : 'devices'}; those on one device, or in one bucket region, fail together and count as one: put the ${promisedPerSite} folders on ${promisedPerSite} different disks.`,
    )
  }
  if (measured.sitesApart === 'unknown')
    say(
      'sites_together',
      '无法看出两个站点位于两地：同一台机器的目录只算一个站点。请把容灾站点放到另一地点；若这些目录确为两地的挂载，由运营者以 YINXIN_SITES_APART=declared 声明。',
      'Nothing shows that the sites stand in two places: folders of one machine are one site. Put the recovery site elsewhere; if the folders are mounts of two places, the operator says so with YINXIN_SITES_APART=declared.',
    )
  else if (figures.site > limit)
    say(
      'one_site_too_long',
      `有对象只存于一个站点的时间过长（共 ${hours(measured.exposure.oneSiteHours)} 对象·小时）：检查两地之间的连接与修复队列。`,
      `Objects lay in one site alone for too long (${hours(measured.exposure.oneSiteHours)} object-hours): look at the connection of the sites and at the repairs that wait.`,
    )
  const isPlaced = measured.sites.length > 0 && measured.sites.every(({ n }) => n >= promisedPerSite)
  if (isPlaced && figures.disk > limit)
    say(
      'repair_too_slow',
      `损坏的副本从发现到重建最长按 ${hours(figures.windowHours)} 小时计，期间再坏一块盘的可能过大：缩短修复时间，或减少与同一块盘共有副本的盘数。`,
      `A damaged replica counts as made again only after ${hours(figures.windowHours)} hours, in which another disk may fail: repair faster, or let fewer disks share replicas with one.`,
    )
  if (isPlaced && figures.latent > limit)
    say(
      'verified_too_seldom',
      `有副本 ${hours(measured.unverifiedHours ?? 0)} 小时未经读取校验，静默损坏可能未被发现：缩短 YINXIN_SCRUB_HOURS 或提高校验速度。`,
      `Some replica was not read and verified for ${hours(measured.unverifiedHours ?? 0)} hours, in which silent damage stays unseen: lower YINXIN_SCRUB_HOURS, or let the scrub read faster.`,
    )
  if (figures.key > limit) {
    if (measured.keyCopies === null || measured.keyCopies.some(({ device }) => device === null))
      say(
        'key_copies_unseen',
        '密钥库由外部 PostgreSQL 保管，看不到其副本位于哪些设备，按一份计：使用内置数据库的副本即可计入。',
        'The key store is an outside PostgreSQL; on which devices its copies lie cannot be seen from here, so they count as one: copies of the embedded database are counted.',
      )
    else {
      const needed = devicesNeeded(figures.u, figures.uPrime, limit * termShare)
      say(
        'key_copies_too_few',
        `密钥库的完整副本不足：丢失密钥等于丢失合同，需要位于 ${needed} 个独立设备上的 ${needed} 份（YINXIN_DB_COPIES=2+2，目录在不同的磁盘上）。`,
        `The key store has too few complete copies: losing the keys is losing the contracts; ${needed} of them on ${needed} separate devices are needed (YINXIN_DB_COPIES=2+2, folders on different disks).`,
      )
    }
  }
  if (figures.rootKey > limit) {
    const needed = Math.ceil(Math.log(limit * termShare) / Math.log(figures.u))
    const enough = Number.isFinite(needed) && needed > 0 ? needed : promisedPerSite
    const { copies, declared } = measured.rootKeyCopies
    say(
      'root_key_copies_too_few',
      `根密钥${declared ? '按声明' : '未声明备份，'}只计 ${copies} 份：把密钥目录或令牌另行备份到不同的地点，共 ${enough} 份，并以 YINXIN_ROOT_KEY_COPIES 声明份数。`,
      `The root key counts ${copies === 1 ? 'once' : `${copies} times`}${declared ? ', as declared' : '; no backup was declared'}: back up the key folder or token to ${enough} places altogether, and say how many with YINXIN_ROOT_KEY_COPIES.`,
    )
  }
  if (reasons.length === 0) {
    // No term alone is above the line; the heaviest one is where to begin.
    const [zh, en, value] = heaviest(figures)
    say(
      'together_too_much',
      `各项损失之和 ${figures.model.toExponential(2)} 高于 ${limit}，最大的一项是${zh}（${value.toExponential(1)}；设备年损坏率按 ${assumptions.latentAfr} 计）。`,
      `Together the losses are ${figures.model.toExponential(2)}, above ${limit}; the heaviest is ${en} (${value.toExponential(1)}, at a yearly failure rate of ${assumptions.latentAfr}).`,
    )
  }
  return reasons
}

function heaviest(figures: DurabilityFigures): [zh: string, en: string, value: number] {
  const terms: [string, string, number][] = [
    ['设备损坏', 'lost devices', figures.disk],
    ['静默损坏', 'silent damage', figures.latent],
    ['站点损毁', 'a lost site', figures.site],
    ['密钥库', 'the key store', figures.key],
    ['根密钥', 'the root key', figures.rootKey],
  ]
  return terms.reduce((most, one) => (one[2] > most[2] ? one : most))
}

const hours = (value: number) => (value >= 10 ? value.toFixed(0) : value.toPrecision(2))

function devicesNeeded(u: number, uPrime: number, limit: number): number {
  for (let n = 2; n < 10; n += 1) if (durability({ u, uPrime, w: n - 1, n }).loss <= limit) return n
  return 10
}
