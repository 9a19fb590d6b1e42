/** Durability reports: computed at any time, made for a month when it is over, never edited. */
import { createHash } from 'node:crypto'
import { type DurabilityReport, durabilityReport, monthMinutes } from '@yinxin/sla'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import type { Evidence } from '#src/evidence/evidence.ts'
import { newId } from '#src/ids.ts'
import { refuse } from './errors.ts'
import type { createMeasuring } from './measuring.ts'
import { insertReport, reportsOf, sampledUntil, type StoredReport } from './store.ts'

/** Months of the agreement are those of China. */
export const reportZone = 'Asia/Shanghai'
const minuteMs = 60_000
const trailingMs = 30 * 24 * 60 * minuteMs

/** Published text: who says it, about which month, in which revision. */
export interface PublishedReport {
  type: 'report.durability'
  id: string
  month: string
  revision: number
  createdAt: string
  environment: { mode: string; developmentCa: boolean; simulators: string[] }
  report: DurabilityReport
}

export interface ReportsDeps {
  db: Db
  clock: Clock
  evidence: Pick<Evidence, 'enter'>
  measure: ReturnType<typeof createMeasuring>
  look: () => Promise<unknown>
  environment: () => PublishedReport['environment']
}

/** A look that is older is taken anew before the figure of now is told. */
const lookFreshMs = 15 * minuteMs

export function createReports(deps: ReportsDeps) {
  const { db, clock, measure } = deps
  let looking: Promise<unknown> | undefined

  async function freshLook(): Promise<void> {
    const now = clock.now()
    const { last } = await db.ask((tx) => sampledUntil(tx, now))
    if (last !== undefined && now.getTime() - last.getTime() < lookFreshMs) return
    looking ??= deps.look().finally(() => {
      looking = undefined
    })
    await looking
  }

  /** Makes a revision of a month that is over. @throws Refusal `durability_month_not_over`, `durability_month_not_seen` */
  async function close(month: string): Promise<StoredReport> {
    const period = periodOf(month)
    const createdAt = clock.now()
    if (period.to > createdAt) throw refuse('durability_month_not_over', { month })
    const measurements = await measure(period, true)
    if (measurements.samples === 0) throw refuse('durability_month_not_seen', { month })
    const report = durabilityReport(measurements)
    return await db.work(async (tx) => {
      const revision = ((await reportsOf(tx, month))[0]?.revision ?? 0) + 1
      const id = newId(createdAt.getTime())
      const { mode, developmentCa, simulators } = deps.environment()
      const published: PublishedReport = {
        type: 'report.durability',
        id,
        month,
        revision,
        createdAt: createdAt.toISOString(),
        environment: { mode, developmentCa, simulators: [...simulators] },
        report,
      }
      const entry = Buffer.from(JSON.stringify(published), 'utf8')
      const sha256 = createHash('sha256').update(entry).digest('hex')
      const stored = { id, month, revision, createdAt, verdict: report.verdict, entry, sha256 }
      // The unique number of the revision keeps two processes from making the same one.
      await insertReport(tx, stored)
      await deps.evidence.enter(tx, id, entry)
      return stored
    })
  }

  return {
    close,

    /** The figure of the last thirty days until now; nothing is stored. */
    async now(): Promise<{ createdAt: Date; report: DurabilityReport }> {
      await freshLook()
      const createdAt = clock.now()
      const month = monthOf(createdAt)
      const from = new Date(createdAt.getTime() - trailingMs)
      return { createdAt, report: durabilityReport(await measure({ month, from, to: createdAt }, false)) }
    },

    /** Makes the reports of all months that are over and have none; returns them. */
    async closeDue(): Promise<StoredReport[]> {
      const now = clock.now()
      const { first } = await db.ask((tx) => sampledUntil(tx, now))
      if (first === undefined) return []
      const known = new Set((await db.ask((tx) => reportsOf(tx))).map(({ month }) => month))
      const made: StoredReport[] = []
      for (let month = monthOf(first); periodOf(month).to <= now; month = nextMonth(month)) {
        if (known.has(month)) continue
        try {
          made.push(await close(month))
        } catch (error) {
          // A month in which nothing ran has nothing to report on.
          if ((error as { code?: string }).code !== 'durability_month_not_seen') throw error
        }
      }
      return made
    },

    list: () => db.ask((tx) => reportsOf(tx)),

    /** The newest revision of a month, or the one asked for. @throws Refusal `durability_report_not_found` */
    async find(month: string, revision?: number): Promise<StoredReport> {
      const found = (await db.ask((tx) => reportsOf(tx, month))).find(
        (one) => revision === undefined || one.revision === revision,
      )
      if (found === undefined) throw refuse('durability_report_not_found', { month })
      return found
    },
  }
}

export function readPublished(stored: Pick<StoredReport, 'entry'>): PublishedReport {
  return JSON.parse(stored.entry.toString('utf8')) as PublishedReport
}

export function periodOf(month: string): { month: string; from: Date; to: Date } {
  const { from, to } = monthMinutes(month, reportZone)
  return { month, from: new Date(from * minuteMs), to: new Date(to * minuteMs) }
}

export function monthOf(at: Date): string {
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone: reportZone,
    year: 'numeric',
    month: '2-digit',
  }).formatToParts(at)
  const part = (wanted: string) => parts.find(({ type }) => type === wanted)?.value ?? ''
  return `${part('year')}-${part('month')}`
}

export function nextMonth(month: string): string {
  const [year = 0, number = 0] = month.split('-').map(Number)
  return number === 12 ? `${year + 1}-01` : `${year}-${String(number + 1).padStart(2, '0')}`
}
