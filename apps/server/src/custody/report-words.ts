/** The rows of a report for people, both languages in one. */
import type { DurabilityReport } from '@yinxin/sla'

type Row = readonly [string, string]

/** A probability as people write it. */
export function loss(value: number): string {
  if (value === 0) return '0'
  return value >= 0.01 ? value.toPrecision(3) : value.toExponential(2)
}

const hours = (value: number) => `${Number(value.toPrecision(4))} h`
const sites: Record<string, string> = { primary: '主站点 primary', recovery: '容灾站点 recovery' }

export function figureRows({ figures, measurements }: DurabilityReport): Row[] {
  return [
    ['设备损坏 · lost devices (formula of 3.1, the weaker site)', loss(figures.disk)],
    ['静默损坏 · silent damage between verifications', loss(figures.latent)],
    ['站点损毁 · a lost site while something lay in it alone', loss(figures.site)],
    ['密钥库 · key store', loss(figures.key)],
    ['根密钥 · root key', loss(figures.rootKey)],
    [
      `实际丢失 · really lost（完整持有全期的 ${measurements.objects.heldWholePeriod} 个对象中）`,
      `${measurements.objects.lost}`,
    ],
    ...figures.bySite.map(
      ({ site, devices, w, n, loss: value }): Row => [
        `${sites[site] ?? site}：设备 devices ${devices}, w = ${w}, n = ${n}`,
        loss(value),
      ],
    ),
  ]
}

export function factRows({ measurements: m, figures, failures, assumptions }: DurabilityReport): Row[] {
  const bound = failures.upper === null ? '–' : loss(failures.upper)
  const apart = {
    seen: '可见 seen',
    declared: '运营者声明 declared',
    unknown: '无法确认 not known',
  }[m.sitesApart]
  return [
    ['期间 · period', `${m.from.slice(0, 16)}Z – ${m.to.slice(0, 16)}Z`],
    [
      `设备年损坏率 · yearly failure rate（${m.devices.failures} / ${m.devices.deviceMonths.toFixed(1)} 设备·月 device-months；95 % 上限 upper bound ${bound}）`,
      failures.basis === 'measured'
        ? `${loss(failures.afr)} 实测上限 measured bound`
        : `${loss(failures.afr)} 行业值 assumed`,
    ],
    ['u（月）· per month', figures.u.toExponential(3)],
    [`u′（${hours(figures.windowHours)}：发现与重建 detection and repair）`, figures.uPrime.toExponential(3)],
    [
      `修复 · repairs（${m.repairs.count} 次；p99 / 最长 longest）`,
      `${m.repairs.p99Hours === null ? '–' : hours(m.repairs.p99Hours)} / ${m.repairs.maxHours === null ? '–' : hours(m.repairs.maxHours)}`,
    ],
    [
      '副本最久未校验 · longest time without verification',
      m.unverifiedHours === null ? '–' : hours(m.unverifiedHours),
    ],
    ['两站点是否两地 · sites in two places', apart],
    ['仅存于一个站点 · in one site alone（对象·小时 object-hours）', m.exposure.oneSiteHours.toPrecision(3)],
    ['站点年损毁率 · loss of a site per year, assumed', loss(assumptions.siteLossPerYear)],
    [
      '密钥库完整副本 · complete copies of the key store',
      m.keyCopies === null
        ? '不可见 not seen'
        : `${m.keyCopies.length}（${new Set(m.keyCopies.map(({ device }) => device)).size} 设备 devices）`,
    ],
    [
      '根密钥份数 · copies of the root key',
      `${m.rootKeyCopies.copies}${m.rootKeyCopies.declared ? ' 声明 declared' : ' 未声明 not declared'}`,
    ],
    ['采样次数 · looks at the placement', String(m.samples)],
    ['最近一次完整核对 · last complete comparison', m.objects.comparedAt?.slice(0, 16).concat('Z') ?? '–'],
  ]
}
