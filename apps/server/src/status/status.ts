/** The status page: services now, ninety days by day, incidents with their timeline, planned maintenance. */
import { type SlaService, slaServices } from '@yinxin/sla'
import type { Clock } from '#src/clock.ts'
import type { Incidents } from '#src/incidents/incidents.ts'
import type { MonthView, Sla } from '#src/sla/sla.ts'
import { statusPage } from './page.ts'

export { createStatusCommands } from './commands.ts'

export interface StatusDay {
  /** A day in China. */
  day: string
  /** Null where nothing was measured. */
  downMinutes: number | null
}

export interface StatusView {
  format: 'yinxin.status/1'
  madeAt: string
  services: { service: SlaService; state: 'up' | 'down' | 'maintenance' | 'unknown'; days: StatusDay[] }[]
  incidents: {
    number: number
    class: 'general' | 'severe'
    titleZh: string
    titleEn: string
    services: SlaService[]
    beganAt: string
    resolvedAt: string | null
    updates: { at: string; textZh: string; textEn: string }[]
  }[]
  maintenance: {
    services: SlaService[]
    from: string
    to: string
    textZh: string
    textEn: string
    withdrawn: boolean
  }[]
}

export type Status = ReturnType<typeof createStatus>

export const shownDays = 90
const dayMinutes = 1440
/** China has no daylight saving time: its days begin at 16:00 UTC. */
const chinaOffsetMinutes = 480
/** Counts arrive within a minute; what is older says nothing of now. */
const freshMinutes = 5
const freshMs = 30_000

export function createStatus({ clock, sla, incidents }: { clock: Clock; sla: Sla; incidents: Incidents }) {
  let kept: { atMs: number; view: Promise<StatusView> } | undefined

  async function make(): Promise<StatusView> {
    const madeAt = clock.now()
    const now = Math.floor(madeAt.getTime() / 60_000)
    const today = Math.floor((now + chinaOffsetMinutes) / dayMinutes)
    const [last, months, found, windows] = await Promise.all([
      sla.store.lastMinute(),
      sla.months(),
      incidents.listPublished({ open: false, limit: 50 }),
      sla.maintenance.list(),
    ])
    // Four months hold ninety days; each answer is kept by the meter for a while.
    const views: MonthView[] = []
    for (const month of months.slice(0, 4)) views.push(await sla.month(month))
    const first = await sla.store.firstMinute()
    const open = found.filter(({ incident }) => incident.resolved_at === null)
    return {
      format: 'yinxin.status/1',
      madeAt: madeAt.toISOString(),
      services: slaServices.map((service) => {
        // A run over the edge of a month is told by both of them.
        const runs = new Map(
          views
            .flatMap((view) => view.services.filter((one) => one.service === service))
            .flatMap(({ verdict }) => verdict.runs)
            .map((run) => [run.from, run] as const),
        )
        const isPlanned = windows.some(
          (one) => one.services.includes(service) && one.from <= now && now < one.to,
        )
        const isBroken = open.some(({ incident }) => incident.services.includes(service))
        return {
          service,
          state: isPlanned
            ? 'maintenance'
            : isBroken
              ? 'down'
              : last === null || now - last > freshMinutes
                ? 'unknown'
                : 'up',
          days: daysOf([...runs.values()], today, first),
        }
      }),
      incidents: found
        .filter(
          ({ incident }) =>
            incident.resolved_at === null ||
            now - incident.began_at.getTime() / 60_000 < shownDays * dayMinutes,
        )
        .map(({ incident, notes }) => ({
          number: incident.number,
          class: incident.class,
          titleZh: incident.title_zh,
          titleEn: incident.title_en,
          services: incident.services,
          beganAt: incident.began_at.toISOString(),
          resolvedAt: incident.resolved_at?.toISOString() ?? null,
          updates: notes.map(({ at, text_zh, text_en }) => ({
            at: at.toISOString(),
            textZh: text_zh,
            textEn: text_en,
          })),
        })),
      maintenance: windows
        .filter(({ announcedTo }) => announcedTo > now - 30 * dayMinutes)
        .map((one) => ({
          services: one.services,
          from: new Date(one.from * 60_000).toISOString(),
          to: new Date(one.announcedTo * 60_000).toISOString(),
          textZh: one.textZh,
          textEn: one.textEn,
          withdrawn: one.withdrawnAt !== null,
        })),
    }
  }

  async function view(): Promise<StatusView> {
    const nowMs = clock.now().getTime()
    if (kept !== undefined && nowMs >= kept.atMs && nowMs - kept.atMs < freshMs) return await kept.view
    const made = make()
    kept = { atMs: nowMs, view: made }
    made.catch(() => {
      kept = undefined
    })
    return await made
  }

  return {
    view,
    /** Files that any web server can show, also while this one does not answer. */
    async files(): Promise<Record<string, string>> {
      const seen = await view()
      const languages = { zh: 'index.html', en: 'en.html' }
      return {
        'index.html': statusPage(seen, 'zh', { languages, links: [], json: 'status.json' }),
        'en.html': statusPage(seen, 'en', { languages, links: [], json: 'status.json' }),
        'status.json': `${JSON.stringify(seen, null, 1)}\n`,
      }
    },
  }
}

/** Ninety days, the last of them today; a run is cut where a day ends. */
export function daysOf(
  runs: readonly { from: number; to: number }[],
  today: number,
  firstMinute: number | null,
): StatusDay[] {
  return Array.from({ length: shownDays }, (_, index) => {
    const number = today - shownDays + 1 + index
    const from = number * dayMinutes - chinaOffsetMinutes
    const to = from + dayMinutes
    const down = runs.reduce(
      (sum, run) => sum + Math.max(0, Math.min(run.to, to) - Math.max(run.from, from)),
      0,
    )
    return {
      day: new Date(number * dayMinutes * 60_000).toISOString().slice(0, 10),
      downMinutes: firstMinute === null || to <= firstMinute ? null : down,
    }
  })
}
