/** What the meter reports on the promise page (SLA 3.8). */
import { failureRate, type SlaService, slaServices } from '@yinxin/sla'
import type { Clock } from '#src/clock.ts'
import type { Reading, Report } from '#src/promises/promises.ts'
import { SLA_ZONE } from './figures.ts'
import type { MonthView, Sla } from './sla.ts'

const hourMs = 3_600_000
const yearMinutes = 365 * 24 * 60

/** @param sla the meter; the newest month and the last whole one are judged, and red is whichever is broken */
export function slaPromises({ sla, clock }: { sla: Sla; clock: Clock }): Report[] {
  /** The month that runs and the last whole service period, as far as they were measured. */
  async function views(): Promise<{ running?: MonthView; whole?: MonthView; at: Date | null }> {
    const last = await sla.store.lastMinute()
    if (last === null) return { at: null }
    const months = await sla.months()
    const running = months[0] === undefined ? undefined : await sla.month(months[0])
    const before = months[1] === undefined ? undefined : await sla.month(months[1])
    return {
      ...(running === undefined ? {} : { running }),
      ...(before?.servicePeriod === true ? { whole: before } : {}),
      at: new Date(last * 60_000),
    }
  }

  async function read(services: readonly SlaService[], isDowntime: boolean): Promise<Reading> {
    const { running, whole, at } = await views()
    const all = [whole, running].filter((one) => one !== undefined)
    if (at === null || all.length === 0)
      return { measured: { zh: '尚未测量', en: 'nothing was measured yet' }, at: null, met: null }
    const told = all.map((view) => {
      const judged = view.services.filter(({ service }) => services.includes(service))
      const worst = judged.reduce((one, other) =>
        other.verdict.downMinutes > one.verdict.downMinutes ? other : one,
      )
      const { availability, downMinutes, allowedDownMinutes, knownMinutes, pass } = worst.verdict
      const share = availability === null ? '—' : `${(availability * 100).toFixed(4)}%`
      const isWhole = view === whole
      return {
        isWhole,
        // An open month is broken once its budget is spent, and kept only when it is over.
        met: isWhole
          ? judged.every((one) => one.verdict.pass)
          : downMinutes > allowedDownMinutes
            ? false
            : null,
        pass,
        zh: `${view.month}${isWhole ? '' : '（至今）'}：${isDowntime ? `最差服务宕机 ${downMinutes} 分钟` : `${share}，宕机 ${downMinutes} 分钟`}（已知 ${knownMinutes} 分钟）`,
        en: `${view.month}${isWhole ? '' : ' (so far)'}: ${isDowntime ? `worst service down ${downMinutes} min` : `${share}, down ${downMinutes} min`} (${knownMinutes} min known)`,
      }
    })
    const met = told.some((one) => one.met === false)
      ? false
      : told.some((one) => one.met === true)
        ? true
        : null
    const note =
      met === null
        ? { zh: '；尚无完整自然月', en: '; no whole calendar month has been measured yet' }
        : { zh: '', en: '' }
    return {
      measured: {
        zh: `${told.map(({ zh }) => zh).join('；')}${note.zh}`,
        en: `${told.map(({ en }) => en).join('; ')}${note.en}`,
      },
      at,
      met,
    }
  }

  const perUser = (service: 'upload' | 'signing'): Report => ({
    key: `3.8/${service}-failures`,
    how: {
      zh: '365 天内每个用户的请求逐一计数，取最差的用户；单侧 95% 上限为 Clopper-Pearson',
      en: 'requests of every user in 365 days, the worst user told; one-sided 95 % Clopper-Pearson bound',
    },
    staleAfterMs: 2 * hourMs,
    evidence: '/sla',
    async measure() {
      const now = Math.floor(clock.now().getTime() / 60_000)
      const last = await sla.store.lastMinute()
      const users = await sla.store.tenantTotals(service, { from: now - yearMinutes, to: now })
      const [worst] = users
      if (last === null || worst === undefined)
        return { measured: { zh: '尚无请求', en: 'no requests yet' }, at: null, met: null }
      const rate = failureRate(worst.valid, worst.failed)
      const bound = `${(rate.upperBound * 10_000).toFixed(2)}/10,000`
      return {
        measured: {
          zh: `${users.length} 个用户；最差者 ${worst.valid} 次中失败 ${worst.failed} 次，上限 ${bound}${rate.pass && !rate.proven ? '（次数尚不足以证明）' : ''}`,
          en: `${users.length} users; the worst: ${worst.failed} of ${worst.valid} failed, bound ${bound}${rate.pass && !rate.proven ? ' (too few to prove it)' : ''}`,
        },
        at: new Date(last * 60_000),
        met: rate.pass,
      }
    },
  })

  const how = {
    zh: `每个请求在入口按分钟计数，连续 5 分钟及以上不可用计为宕机（${SLA_ZONE}）`,
    en: `every request counted at the edge by the minute; five bad minutes on end and more are downtime (${SLA_ZONE})`,
  }
  return [
    ...slaServices.map(
      (service): Report => ({
        key: `3.8/${service}`,
        how,
        staleAfterMs: hourMs,
        evidence: '/sla',
        measure: () => read([service], false),
      }),
    ),
    {
      key: '3.8/downtime',
      how,
      staleAfterMs: hourMs,
      evidence: '/sla',
      measure: () => read(slaServices, true),
    },
    perUser('upload'),
    perUser('signing'),
  ]
}
