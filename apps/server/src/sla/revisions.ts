/**
 * Months that were closed, and what was revised afterwards. Revision 1 counts what came in time. Whatever came later,
 * and every correction, makes the next revision; none is ever edited.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import {
  closesAtMs,
  type MinuteRange,
  type MonthVerdict,
  type SlaService,
  slaServices,
  type Tally,
  writeMinutesCsv,
} from '@yinxin/sla'
import { sql } from 'kysely'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import { refuse } from './errors.ts'
import { type Figures, type MonthFigures, monthOf, rangeOfMonth } from './figures.ts'
import type { Publisher } from './publish.ts'

export interface RevisionHead {
  month: string
  service: SlaService
  revision: number
  reason: string
  madeBy: string
  madeAt: Date
  verdict: RevisionVerdict
}

export type RevisionVerdict = MonthVerdict & Pick<MonthFigures, 'knownMinutes' | 'allowedDownMinutes'>

export interface Revision extends RevisionHead {
  csv: string
  note: string
}

export interface Correction extends MinuteRange {
  service: SlaService
  valid: number
  ok: number
  reason: string
  evidence: string
  madeBy: string
}

export type Revisions = ReturnType<typeof createRevisions>

const closer = 'platform'

export function createRevisions(deps: { db: Db; clock: Clock; figures: Figures; publisher: Publisher }) {
  const { db, clock, figures, publisher } = deps

  async function heads(month: string): Promise<RevisionHead[]> {
    const { rows } = await db.ask((tx) =>
      sql<RevisionHead>`
        select month, service, revision, reason, made_by as "madeBy", made_at as "madeAt", verdict
        from sla_revision where month = ${month} order by service, revision`.execute(tx),
    )
    return rows
  }

  async function read(month: string, service: SlaService, revision: number): Promise<Revision> {
    const { rows } = await db.ask((tx) =>
      sql<RevisionHead & { minutes: Buffer; note: string }>`
        select month, service, revision, reason, made_by as "madeBy", made_at as "madeAt", verdict,
          minutes_gz as minutes, note
        from sla_revision
        where month = ${month} and service = ${service} and revision = ${revision}`.execute(tx),
    )
    const [row] = rows
    if (row === undefined) throw refuse('sla_revision_not_found', { revision })
    const { minutes, ...head } = row
    return { ...head, csv: gunzipSync(minutes).toString('utf8') }
  }

  async function corrections(service: SlaService, range: MinuteRange): Promise<Map<number, Tally>> {
    const { rows } = await db.ask((tx) =>
      sql<{ from: number; to: number; valid: number; ok: number }>`
        select from_minute as "from", to_minute as "to", valid, ok from sla_correction
        where service = ${service} and from_minute < ${range.to} and to_minute > ${range.from}
        order by made_at, id`.execute(tx),
    )
    const found = new Map<number, Tally>()
    // The newest word about a minute is the last.
    for (const { from, to, valid, ok } of rows) {
      for (let minute = Math.max(from, range.from); minute < Math.min(to, range.to); minute += 1)
        found.set(minute, { valid, ok })
    }
    return found
  }

  /** Whether something came after a moment that a revision made then does not know. */
  async function hasNews(service: SlaService, range: MinuteRange, since: Date | null): Promise<boolean> {
    const from = since ?? new Date(0)
    const { rows } = await db.ask((tx) =>
      sql<{ news: boolean }>`
        select exists (select from sla_count where service = ${service} and minute >= ${range.from}
            and minute < ${range.to} and late and not rejected and received_at > ${from})
          or exists (select from sla_probe where service = ${service} and minute >= ${range.from}
            and minute < ${range.to} and late and official and not rejected and received_at > ${from})
          or exists (select from sla_correction where service = ${service} and from_minute < ${range.to}
            and to_minute > ${range.from} and made_at > ${from}) as news`.execute(tx),
    )
    return rows[0]?.news ?? false
  }

  async function write(
    month: string,
    service: SlaService,
    revision: number,
    how: { reason: string; madeBy: string; revised: boolean },
  ): Promise<boolean> {
    const range = rangeOfMonth(month)
    const at = clock.now()
    const around = { from: range.from - 1440, to: range.to + 1440 }
    const replaced = how.revised ? await corrections(service, around) : undefined
    const made = await figures.month(service, range, { late: how.revised, until: at }, replaced)
    const csv = writeMinutesCsv(made.rows)
    const note = publisher.sign({ month, service, revision, csv, madeAt: at })
    const { rows: _rows, ...verdict } = made
    return await db.work(async (tx) => {
      // Two schedulers at once make one revision.
      await sql`select pg_advisory_xact_lock(8420130)`.execute(tx)
      const taken = await sql`
        select 1 from sla_revision
        where month = ${month} and service = ${service} and revision = ${revision}`.execute(tx)
      if (taken.rows.length > 0) return false
      await sql`
        insert into sla_revision (month, service, revision, reason, made_by, made_at, minutes_gz, note, verdict)
        values (${month}, ${service}, ${revision}, ${how.reason}, ${how.madeBy}, ${at},
          ${gzipSync(Buffer.from(csv, 'utf8'))}, ${note}, ${JSON.stringify(verdict)}::jsonb)`.execute(tx)
      return true
    })
  }

  /** Revision 1 when the month is due and has none; the next one when something new came. */
  async function advance(
    month: string,
    service: SlaService,
    reason: string,
    madeBy: string,
  ): Promise<boolean> {
    const range = rangeOfMonth(month)
    if (clock.now().getTime() < closesAtMs(range)) return false
    const last = (await heads(month)).filter((one) => one.service === service).at(-1)
    if (last === undefined)
      return await write(month, service, 1, { reason: 'close', madeBy: closer, revised: false })
    // What revision 1 left out waits since ever; later ones know everything up to their moment.
    const since = last.revision === 1 ? null : last.madeAt
    if (!(await hasNews(service, range, since))) return false
    return await write(month, service, last.revision + 1, { reason, madeBy, revised: true })
  }

  function checkCorrection({ from, to, valid, ok, reason, evidence, madeBy }: Correction): void {
    const isWhole = [from, to, valid, ok].every(Number.isSafeInteger)
    if (!isWhole || ok < 0 || ok > valid || !reason.trim() || !evidence.trim() || !madeBy.trim())
      throw refuse('sla_correction_incomplete')
    if (to <= from) throw refuse('sla_range_unreadable')
  }

  return {
    heads,
    read,
    corrections,

    /** Closes every month that is due and takes late data along; returns what was made. */
    async closeDue(): Promise<{ month: string; service: SlaService; revisions: number }[]> {
      const first = await figures.firstMinute()
      const made: { month: string; service: SlaService; revisions: number }[] = []
      if (first === null) return made
      let month = monthOf(first)
      while (clock.now().getTime() >= closesAtMs(rangeOfMonth(month))) {
        for (const service of slaServices) {
          let revisions = 0
          while (await advance(month, service, 'late data', closer)) revisions += 1
          if (revisions > 0) made.push({ month, service, revisions })
        }
        month = monthOf(rangeOfMonth(month).to)
      }
      return made
    },

    /** Whether it can be recorded as it is. @throws Refusal */
    checkCorrection,

    /** Records a correction, in the caller's transaction. */
    async recordCorrection(tx: Tx, correction: Correction): Promise<void> {
      checkCorrection(correction)
      const { service, from, to, valid, ok, reason, evidence, madeBy } = correction
      await sql`
          insert into sla_correction (id, service, from_minute, to_minute, valid, ok, reason, evidence, made_by, made_at)
          values (${newId()}, ${service}, ${from}, ${to}, ${valid}, ${ok}, ${reason}, ${evidence}, ${madeBy},
            ${clock.now()})`.execute(tx)
    },

    /** A month that is closed gets its next revision at once; may be repeated, and comes with the hour anyway. */
    async reviseFor({ service, from, to, reason, madeBy }: Correction): Promise<{ months: string[] }> {
      const months: string[] = []
      for (let month = monthOf(from); ; month = monthOf(rangeOfMonth(month).to)) {
        if ((await heads(month)).some((one) => one.service === service)) {
          if (await advance(month, service, reason, madeBy)) months.push(month)
        }
        if (rangeOfMonth(month).to >= to) return { months }
      }
    },

    /** Corrections of a range, for anybody to see. */
    async listCorrections(range: MinuteRange) {
      const { rows } = await db.ask((tx) =>
        sql<Correction & { madeAt: Date }>`
          select service, from_minute as "from", to_minute as "to", valid, ok, reason, evidence,
            made_by as "madeBy", made_at as "madeAt"
          from sla_correction where from_minute < ${range.to} and to_minute > ${range.from}
          order by made_at, id limit 1000`.execute(tx),
      )
      return rows
    },
  }
}
