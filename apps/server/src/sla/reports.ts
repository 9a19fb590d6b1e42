/** The monthly report (SLA 3.8): made when a month is closed, anew when it is revised, sealed and entered in the log. */
import { createHash } from 'node:crypto'
import type { Font } from '@yinxin/pades'
import { minuteText, type MinuteRange, type SlaService } from '@yinxin/sla'
import { sql } from 'kysely'
import { z } from 'zod'
import type { Ca } from '#src/ca/ca.ts'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import type { Evidence } from '#src/evidence/evidence.ts'
import { newId } from '#src/ids.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Log } from '#src/log.ts'
import type { Timestamps } from '#src/timestamps/timestamps.ts'
import { refuse } from './errors.ts'
import { SLA_ZONE } from './figures.ts'
import { slaReportPdf } from './report-pdf.ts'
import type { Sla } from './sla.ts'

export interface ReportedIncident {
  number: number
  class: 'general' | 'severe'
  titleZh: string
  titleEn: string
  services: string[]
  beganAt: string
  resolvedAt: string | null
}

/** The published text. */
export interface PublishedSlaReport {
  type: 'report.sla'
  id: string
  month: string
  revision: number
  createdAt: string
  timeZone: string
  environment: { mode: string; developmentCa: boolean; simulators: string[] }
  /** A month that was not measured whole is none (SLA 3.8 (1)). */
  verdict: 'met' | 'not_met' | 'no_service_period'
  services: {
    service: SlaService
    revision: number
    totalMinutes: number
    maintenanceMinutes: number
    downMinutes: number
    allowedDownMinutes: number
    knownMinutes: number
    availability: number | null
    pass: boolean
    runs: { from: string; to: string; minutes: number }[]
    /** Of the published minutes that these figures follow from. */
    minutesSha256: string
  }[]
  maintenance: { services: SlaService[]; from: string; to: string; textZh: string; textEn: string }[]
  incidents: ReportedIncident[]
}

export interface StoredSlaReport {
  id: string
  month: string
  revision: number
  createdAt: Date
  verdict: PublishedSlaReport['verdict']
  entry: Buffer
  sha256: string
}

export interface SlaReportsDeps {
  db: Db
  clock: Clock
  log: Log
  jobs: Jobs
  sla: Sla
  evidence: Pick<Evidence, 'enter' | 'proveEntry'>
  ca: Pick<Ca, 'platformSigner' | 'isDevelopment'>
  timestamps: Pick<Timestamps, 'stamp'>
  font: () => Promise<Font>
  environment: () => PublishedSlaReport['environment']
  /** Published incidents that touch a range; the room of incidents stands below this one. */
  incidents: (range: MinuteRange) => Promise<ReportedIncident[]>
}

export type SlaReports = ReturnType<typeof createSlaReports>

export function createSlaReports(deps: SlaReportsDeps) {
  const { db, clock, sla, evidence } = deps

  async function find(month?: string): Promise<StoredSlaReport[]> {
    const { rows } = await db.ask((tx) =>
      sql<Omit<StoredSlaReport, 'sha256'> & { sha256: Buffer }>`
        select id, month, revision, created_at as "createdAt", verdict, entry, sha256 from sla_report
        where ${month ?? null}::text is null or month = ${month ?? null}
        order by month desc, revision desc limit 240`.execute(tx),
    )
    return rows.map((row) => ({ ...row, sha256: row.sha256.toString('hex') }))
  }

  async function contentOf(month: string) {
    const view = await sla.month(month)
    const services = await Promise.all(
      view.services.map(async ({ service, revision, verdict }) => {
        const { csv } = await sla.minutes(month, service, revision)
        return {
          service,
          revision,
          totalMinutes: verdict.totalMinutes,
          maintenanceMinutes: verdict.maintenanceMinutes,
          downMinutes: verdict.downMinutes,
          allowedDownMinutes: verdict.allowedDownMinutes,
          knownMinutes: verdict.knownMinutes,
          availability: verdict.availability,
          pass: verdict.pass,
          runs: verdict.runs.map(({ from, to, minutes }) => ({
            from: minuteText(from),
            to: minuteText(to),
            minutes,
          })),
          minutesSha256: createHash('sha256').update(csv, 'utf8').digest('hex'),
        }
      }),
    )
    const verdict = view.servicePeriod
      ? services.every(({ pass }) => pass)
        ? ('met' as const)
        : ('not_met' as const)
      : ('no_service_period' as const)
    const windows = await sla.store.windows(view.range)
    return {
      verdict,
      services,
      maintenance: windows.map(({ services: touched, from, to, textZh, textEn }) => ({
        services: touched,
        from: minuteText(from),
        to: minuteText(to),
        textZh,
        textEn,
      })),
      incidents: await deps.incidents(view.range),
    }
  }

  /** Makes the report of a closed month unless there is one of these very revisions. */
  async function make(month: string, basis: string): Promise<StoredSlaReport | null> {
    const content = await contentOf(month)
    const createdAt = clock.now()
    return await db.work(async (tx) => {
      // Two processes that close a month at once make one report.
      await sql`select pg_advisory_xact_lock(8420170)`.execute(tx)
      const { rows } = await sql<{ known: boolean | null; last: number | null }>`
        select bool_or(basis = ${basis}) as known, max(revision) as last from sla_report
        where month = ${month}`.execute(tx)
      if (rows[0]?.known === true) return null
      const revision = (rows[0]?.last ?? 0) + 1
      const id = newId(createdAt.getTime())
      const { mode, developmentCa, simulators } = deps.environment()
      const published: PublishedSlaReport = {
        type: 'report.sla',
        id,
        month,
        revision,
        createdAt: createdAt.toISOString(),
        timeZone: SLA_ZONE,
        environment: { mode, developmentCa, simulators: [...simulators] },
        ...content,
      }
      const entry = Buffer.from(JSON.stringify(published), 'utf8')
      const sha256 = createHash('sha256').update(entry).digest()
      await sql`
        insert into sla_report (id, month, revision, created_at, verdict, basis, entry, sha256)
        values (${id}, ${month}, ${revision}, ${createdAt}, ${content.verdict}, ${basis}, ${entry}, ${sha256})`.execute(
        tx,
      )
      await evidence.enter(tx, id, entry)
      return {
        id,
        month,
        revision,
        createdAt,
        verdict: content.verdict,
        entry,
        sha256: sha256.toString('hex'),
      }
    })
  }

  const proof = (report: StoredSlaReport) => evidence.proveEntry(report.id, report.entry)

  async function storedPdf(id: string): Promise<Buffer | undefined> {
    const { rows } = await db.ask((tx) =>
      sql<{ pdf: Buffer }>`select pdf from sla_report_pdf where report_id = ${id}`.execute(tx),
    )
    return rows[0]?.pdf
  }

  /** The sealed page; made once, when its place in the log is known. */
  async function pdf(report: StoredSlaReport): Promise<Buffer> {
    const known = await storedPdf(report.id)
    if (known !== undefined) return known
    const now = clock.now()
    const made = Buffer.from(
      await slaReportPdf(
        {
          published: readSlaReport(report),
          entry: report.entry,
          sha256: report.sha256,
          proof: await proof(report),
        },
        now,
        deps,
      ),
    )
    await db.work((tx) =>
      sql`insert into sla_report_pdf (report_id, made_at, pdf) values (${report.id}, ${now}, ${made})
        on conflict do nothing`.execute(tx),
    )
    return (await storedPdf(report.id)) ?? made
  }

  async function closeDue(): Promise<StoredSlaReport[]> {
    const made: StoredSlaReport[] = []
    for (const month of (await sla.months()).toReversed()) {
      const heads = await sla.revisions.heads(month)
      const newest = new Map(heads.map(({ service, revision }) => [service, revision]))
      const view = heads.length === 0 ? undefined : await sla.month(month)
      if (view?.closed !== true) continue
      const basis = [...newest]
        .map(([service, revision]) => `${service} ${revision}`)
        .sort()
        .join(', ')
      const report = await make(month, basis)
      if (report === null) continue
      deps.log.info({ month, verdict: report.verdict }, 'report of the service level made')
      await pdf(report)
      made.push(report)
    }
    return made
  }

  deps.jobs.define('sla.report', z.looseObject({}), async () => void (await closeDue()))
  deps.jobs.schedule('sla.report', '23 * * * *')

  return {
    closeDue,
    proof,
    pdf,
    list: () => find(),
    /** The newest revision of a month, or the one asked for. @throws Refusal `sla_report_not_found` */
    async find(month: string, revision?: number): Promise<StoredSlaReport> {
      const found = (await find(month)).find((one) => revision === undefined || one.revision === revision)
      if (found === undefined) throw refuse('sla_report_not_found', { month })
      return found
    },
  }
}

export function readSlaReport({ entry }: Pick<StoredSlaReport, 'entry'>): PublishedSlaReport {
  return JSON.parse(entry.toString('utf8')) as PublishedSlaReport
}
