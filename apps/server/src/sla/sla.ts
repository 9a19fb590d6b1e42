/**
 * The promise of availability (SLA 3.8): every request counted at the edge, by service, minute and tenant; probes where
 * there is no traffic; planned work announced in time; months closed and revised, signed, and explained to the minute.
 */
import { join } from 'node:path'
import type { Signer } from '@yinxin/pki'
import {
  CalendarError,
  type MinuteRange,
  type MinuteRow,
  minuteState,
  type SlaService,
  slaServices,
  type Tally,
  writeMinutesCsv,
} from '@yinxin/sla'
import { z } from 'zod'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Log } from '#src/log.ts'
import { refuse } from './errors.ts'
import { createFigures, figuresOf, type MonthFigures, monthOf, rangeOfMonth } from './figures.ts'
import { createFlush } from './flush.ts'
import { createMaintenance } from './maintenance.ts'
import type { Meter } from './meter.ts'
import { createProbeReports } from './probe-reports.ts'
import { createPublisher } from './publish.ts'
import { createRevisions, type RevisionHead, type RevisionVerdict } from './revisions.ts'
import { type Basis, createSlaStore, type SlaStoreDeps } from './store.ts'

export { slaPromises } from './promises.ts'
export { createSlaReports, readSlaReport, type SlaReports } from './reports.ts'
export { createSlaCommands } from './commands.ts'
export { refuse as refuseSla } from './errors.ts'
export { monthOf as monthNameOf, SLA_ZONE } from './figures.ts'
export { createMeter, type Meter } from './meter.ts'
export type { ProbeReport } from './probe-reports.ts'
export type { RevisionHead, RevisionVerdict } from './revisions.ts'
export type { MinuteDetail, SeenProbe, StoredWindow } from './store.ts'
export { watchCertificates, watchSigning } from './watch.ts'

export interface SlaDeps {
  db: Db
  clock: Clock
  log: Log
  jobs: Jobs
  kms: { signingKey(name: 'sla', algorithm: 'ed25519'): Promise<Signer> }
  meter: Meter
  /** For the journal of what the database does not have yet. */
  dataDir: string
  /** The operator's own probes, by app. */
  probeApps: readonly string[]
  /** Companies whose signatures are no traffic, asked once at the start. */
  taggedTenants?: () => Promise<string[]>
  clockOffsetMs?: SlaStoreDeps['clockOffsetMs']
}

export interface ServiceMonth {
  service: SlaService
  /** 0 while the month is open. */
  revision: number
  verdict: RevisionVerdict
}

export interface MonthView {
  month: string
  range: MinuteRange
  /** Closed months have revisions; an open one is told as far as it is settled. */
  closed: boolean
  /** False for the month in which measuring began: it is shown, and no service period (SLA 3.8 (1)). */
  servicePeriod: boolean
  services: ServiceMonth[]
  revisions: RevisionHead[]
}

export type Sla = Awaited<ReturnType<typeof createSla>>

/** What strangers ask again and again is computed once in this time. */
const freshMs = 30_000
const keptAnswers = 200

export async function createSla(deps: SlaDeps) {
  const { db, clock, log, meter } = deps
  const publisher = createPublisher(await deps.kms.signingKey('sla', 'ed25519'))
  const store = createSlaStore({
    db,
    clock,
    onClockOffset: (offsetMs, rejected) =>
      log.error({ offsetMs, rejected }, 'the clock of this host is off; see to its NTP service'),
    ...(deps.clockOffsetMs === undefined ? {} : { clockOffsetMs: deps.clockOffsetMs }),
  })
  const figures = createFigures({ store, clock })
  const revisions = createRevisions({ db, clock, figures, publisher })
  const remembered = rememberFor(freshMs, clock)
  let sweep = () => {}
  let started = false
  const flush = createFlush({
    meter,
    sweep: () => sweep(),
    store,
    clock,
    log,
    folder: join(deps.dataDir, 'sla'),
  })

  deps.jobs.define('sla.close', z.looseObject({}), async () => {
    for (const made of await revisions.closeDue()) log.info(made, 'a month of the service level was closed')
  })
  deps.jobs.schedule('sla.close', '7 * * * *')

  function range(month: string): MinuteRange {
    try {
      return rangeOfMonth(month)
    } catch (error) {
      if (error instanceof CalendarError) throw refuse('sla_month_unreadable')
      throw error
    }
  }

  /** The range of a month that was measured, if only in part. */
  async function measured(month: string): Promise<MinuteRange & { servicePeriod: boolean }> {
    const wanted = range(month)
    const first = await figures.firstMinute()
    const since = first === null ? '–' : new Date(first * 60_000).toISOString().slice(0, 10)
    if (first === null || wanted.to <= first || wanted.from > meter.minute())
      throw refuse('sla_month_not_measured', { since })
    return { ...wanted, servicePeriod: first <= wanted.from }
  }

  async function live(month: string, service: SlaService, wanted: MinuteRange): Promise<MonthFigures> {
    return await remembered(`month ${month} ${service}`, () =>
      figures.month(service, wanted, { late: false, until: clock.now() }),
    )
  }

  /** On what the newest word about a month stands. */
  async function basisOf(
    month: string,
    service: SlaService,
  ): Promise<{ revision: number; basis: Basis; corrections?: Map<number, Tally> }> {
    const last = (await revisions.heads(month)).filter((one) => one.service === service).at(-1)
    if (last === undefined) return { revision: 0, basis: { late: false, until: clock.now() } }
    const { revision, madeAt } = last
    if (revision === 1) return { revision, basis: { late: false, until: madeAt } }
    const { from, to } = rangeOfMonth(month)
    const corrections = await revisions.corrections(service, { from: from - 1440, to: to + 1440 })
    return { revision, basis: { late: true, until: madeAt }, corrections }
  }

  return {
    meter,
    flush,

    /** Begins to bring the counters home every minute. */
    async start(): Promise<void> {
      for (const tenantId of (await deps.taggedTenants?.()) ?? []) meter.tagTenant(tenantId)
      started = true
      await flush.start()
    },
    /** Brings home what is left. A command that only opens the rooms serves nobody and leaves no trace. */
    async stop(): Promise<void> {
      if (started) await flush.stop()
    },

    store,
    revisions,
    maintenance: createMaintenance({ store, clock }),
    probes: createProbeReports({ store, meter, clock, probeApps: deps.probeApps }),
    vkey: publisher.vkey,

    /** How the edge is told to count what hangs. */
    onSweep(run: () => void): void {
      sweep = run
    },

    /** Every month that was measured, newest first. */
    async months(): Promise<string[]> {
      const first = await figures.firstMinute()
      const months: string[] = []
      if (first === null) return months
      for (let month = monthOf(first); ; month = monthOf(rangeOfMonth(month).to)) {
        months.unshift(month)
        if (rangeOfMonth(month).to > meter.minute()) return months
      }
    },

    /** The figures of a month, each service on its newest revision. @throws `sla_month_not_measured` */
    async month(month: string): Promise<MonthView> {
      const { servicePeriod, ...wanted } = await measured(month)
      const heads = await revisions.heads(month)
      const services = await Promise.all(
        slaServices.map(async (service): Promise<ServiceMonth> => {
          const last = heads.filter((one) => one.service === service).at(-1)
          if (last !== undefined) return { service, revision: last.revision, verdict: last.verdict }
          const { rows: _rows, ...verdict } = await live(month, service, wanted)
          return { service, revision: 0, verdict }
        }),
      )
      const closed = services.every(({ revision }) => revision > 0)
      return { month, range: wanted, closed, servicePeriod, services, revisions: heads }
    },

    /** The published minutes of a month with the note that signs them; the newest revision unless one is named. */
    async minutes(
      month: string,
      service: SlaService,
      revision?: number,
    ): Promise<{ csv: string; note: string; revision: number }> {
      const { servicePeriod: _, ...wanted } = await measured(month)
      const wantedRevision = revision ?? (await basisOf(month, service)).revision
      if (wantedRevision > 0) return await revisions.read(month, service, wantedRevision)
      // Signed once, so that CSV and note, which are fetched apart, belong together.
      return await remembered(`minutes ${month} ${service}`, async () => {
        const csv = writeMinutesCsv((await live(month, service, wanted)).rows)
        const madeAt = clock.now()
        return { csv, note: publisher.sign({ month, service, revision: 0, csv, madeAt }), revision: 0 }
      })
    },

    /** The figures of one tenant, by the same function; probes speak where it sent nothing. */
    async tenantMonth(tenantId: string, month: string): Promise<Omit<MonthView, 'revisions'>> {
      const { servicePeriod, ...wanted } = await measured(month)
      const services = await Promise.all(
        slaServices.map(async (service): Promise<ServiceMonth> => {
          const { revision, basis } = await basisOf(month, service)
          const { rows: _rows, ...verdict } = await remembered(`tenant ${tenantId} ${month} ${service}`, () =>
            figures.month(service, wanted, { ...basis, tenantId }),
          )
          return { service, revision, verdict }
        }),
      )
      const closed = services.every(({ revision }) => revision > 0)
      return { month, range: wanted, closed, servicePeriod, services }
    },

    /**
     * Every minute of a month that counts as downtime, by the newest revision: of the platform, and with a tenant also
     * what was downtime for it alone; for its quiet minutes the platform speaks.
     * @throws `sla_month_not_measured`
     */
    async downMinutes(
      month: string,
      tenantId?: string,
    ): Promise<{ service: SlaService; minutes: Set<number> }[]> {
      const { servicePeriod: _, ...wanted } = await measured(month)
      return await Promise.all(
        slaServices.map(async (service) => {
          const { revision, basis, corrections } = await basisOf(month, service)
          // The same for every tenant of whom it is asked.
          const everybody = await remembered(`down ${month} ${service} ${revision}`, () =>
            figures.month(service, wanted, basis, corrections),
          )
          const minutes = new Set(badMinutes(everybody, wanted))
          if (tenantId !== undefined) {
            const own = await figures.month(service, wanted, { ...basis, tenantId })
            const merged = figuresOf(withOwn(everybody.rows, own.rows), wanted)
            for (const minute of badMinutes(merged, wanted)) minutes.add(minute)
          }
          return { service, minutes }
        }),
      )
    },

    /** Why a minute counted as it did: the verdict, and everything that was said of it. */
    async explain(service: SlaService, minute: number) {
      const { basis, corrections, revision } = await basisOf(monthOf(minute), service)
      const [explanation, detail, windows] = await Promise.all([
        figures.explain(service, minute, basis, corrections),
        store.minuteDetail(service, minute),
        store.windows({ from: minute, to: minute + 1 }),
      ])
      return {
        ...explanation,
        probes: detail.probes,
        processes: detail.processes,
        detail: detail.counted,
        revision,
        windows: windows.filter((window) => window.services.includes(service)),
      }
    },
  }
}

/** What a tenant saw where it sent something, and what everybody saw elsewhere. */
function withOwn(everybody: readonly MinuteRow[], own: readonly MinuteRow[]): MinuteRow[] {
  const sent = new Map(own.filter(({ source }) => source === 'traffic').map((row) => [row.minute, row]))
  return everybody.map((row) => sent.get(row.minute) ?? row)
}

/** The bad minutes of runs of downtime, inside a month. */
function badMinutes({ rows, runs }: MonthFigures, month: MinuteRange): number[] {
  return runs.flatMap((run) =>
    rows
      .filter(({ minute }) => run.from <= minute && minute < run.to)
      .filter(({ minute }) => month.from <= minute && minute < month.to)
      .filter((row) => minuteState(row) === 'bad')
      .map(({ minute }) => minute),
  )
}

/** Answers that many ask for, computed by the first of them. */
function rememberFor(ms: number, clock: Clock) {
  const answers = new Map<string, { atMs: number; answer: Promise<unknown> }>()
  return <T>(key: string, compute: () => Promise<T>): Promise<T> => {
    const nowMs = clock.now().getTime()
    const known = answers.get(key)
    if (known !== undefined && nowMs - known.atMs < ms) return known.answer as Promise<T>
    const answer = compute()
    answers.delete(key)
    answers.set(key, { atMs: nowMs, answer })
    // What failed is asked again.
    answer.catch(() => answers.delete(key))
    for (const oldest of answers.keys()) {
      if (answers.size <= keptAnswers) break
      answers.delete(oldest)
    }
    return answer
  }
}
