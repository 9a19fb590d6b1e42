/** The tables of the meter. Sums are made by the database, so that processes add up by themselves. */
import { isLate, type MaintenanceWindow, type MinuteRange, type SlaService, type Tally } from '@yinxin/sla'
import { sql } from 'kysely'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { FlushRecord } from './journal.ts'
import { NOBODY } from './meter.ts'

/** A host whose clock is further off cannot say which minute it was (promises §4.1). */
export const clockOffsetMaxMs = 2_000
export const clockOffsetWarnMs = 500

/** Which rows count. */
export interface Basis {
  /** Also what came after the watermark. */
  late: boolean
  /** Nothing that came after this. */
  until: Date
  /** Of one tenant alone; probes are everybody's. */
  tenantId?: string
}

export interface ProbeRow {
  id: string
  service: SlaService
  minute: number
  ok: boolean
  latencyMs: number
  detail: string | null
}

export interface MinuteDetail {
  ok: number
  errors: number
  slow: number
  broken: number
  excluded: number
  late: number
  rejected: number
}

export interface SeenProbe {
  vantage: string
  official: boolean
  ok: boolean
  latencyMs: number
  detail: string | null
  late: boolean
  rejected: boolean
}

export interface StoredWindow extends MaintenanceWindow {
  id: string
  services: SlaService[]
  textZh: string
  textEn: string
  /** As announced; `to` ends earlier when it was withdrawn. */
  announcedTo: number
  withdrawnAt: Date | null
}

export type SlaStore = ReturnType<typeof createSlaStore>

export interface SlaStoreDeps {
  db: Db
  clock: Clock
  /** Told when this host's clock is off. */
  onClockOffset?: (offsetMs: number, rejected: boolean) => void
  /** How far this host's clock is from the database's; measured unless a test owns the time. */
  clockOffsetMs?: (tx: Tx) => Promise<number>
}

export function createSlaStore({
  db,
  clock,
  onClockOffset,
  clockOffsetMs = measureOffset(clock),
}: SlaStoreDeps) {
  return {
    /** Adds flushes and their counts; one that is there already changes nothing. Returns how many were new. */
    async insertFlushes(records: readonly FlushRecord[]): Promise<number> {
      return await db.work(async (tx) => {
        const offsetMs = await clockOffsetMs(tx)
        const rejected = Math.abs(offsetMs) > clockOffsetMaxMs
        if (Math.abs(offsetMs) > clockOffsetWarnMs) onClockOffset?.(offsetMs, rejected)
        let inserted = 0
        for (const record of records) {
          if (await insertFlush(tx, record, { at: clock.now(), offsetMs, rejected })) inserted += 1
        }
        return inserted
      })
    },

    /** The first minute that anything was measured in; null before. */
    async firstMinute(): Promise<number | null> {
      const { rows } = await db.ask((tx) =>
        sql<{ first: number | null }>`
          select min(from_minute) as first from sla_flush where not rejected`.execute(tx),
      )
      return rows[0]?.first ?? null
    },

    /** The last minute that a process reported on; null before. */
    async lastMinute(): Promise<number | null> {
      const { rows } = await db.ask((tx) =>
        sql<{ last: number | null }>`
          select max(to_minute) - 1 as last from (select to_minute from sla_flush where not rejected
            order by from_minute desc limit 100) as newest`.execute(tx),
      )
      return rows[0]?.last ?? null
    },

    /** Requests of each user in a range and how many failed; the worst share first. */
    async tenantTotals(service: SlaService, range: MinuteRange) {
      const { rows } = await db.ask((tx) =>
        sql<{ valid: number; failed: number }>`
          select sum(ok + errors + slow + broken)::bigint as valid, sum(errors + slow + broken)::bigint as failed
          from sla_count
          where service = ${service} and minute >= ${range.from} and minute < ${range.to} and not rejected
            and tenant_id <> ${NOBODY}
          group by tenant_id having sum(ok + errors + slow + broken) > 0
          order by sum(errors + slow + broken)::numeric / sum(ok + errors + slow + broken) desc,
            sum(ok + errors + slow + broken)`.execute(tx),
      )
      return rows
    },

    async traffic(service: SlaService, range: MinuteRange, basis: Basis): Promise<Map<number, Tally>> {
      const { rows } = await db.ask((tx) =>
        sql<{ minute: number; valid: number; ok: number }>`
          select minute, sum(ok + errors + slow + broken)::bigint as valid, sum(ok)::bigint as ok
          from sla_count
          where service = ${service} and minute >= ${range.from} and minute < ${range.to}
            and not rejected and (not late or ${basis.late}) and received_at <= ${basis.until}
            and (${basis.tenantId ?? null}::uuid is null or tenant_id = ${basis.tenantId ?? null}::uuid)
          group by minute`.execute(tx),
      )
      return tallies(rows)
    },

    async probes(service: SlaService, range: MinuteRange, basis: Basis): Promise<Map<number, Tally>> {
      const { rows } = await db.ask((tx) =>
        sql<{ minute: number; valid: number; ok: number }>`
          select minute, count(*)::bigint as valid, (count(*) filter (where ok))::bigint as ok
          from sla_probe
          where service = ${service} and minute >= ${range.from} and minute < ${range.to}
            and official and not rejected and (not late or ${basis.late}) and received_at <= ${basis.until}
          group by minute`.execute(tx),
      )
      return tallies(rows)
    },

    /** Tenants with traffic in a range, and of each whose requests failed how many, by service. */
    async failedTenants(services: readonly SlaService[], range: MinuteRange) {
      const { rows } = await db.ask((tx) =>
        sql<{ tenantId: string; service: SlaService; valid: number; failed: number }>`
          select tenant_id as "tenantId", service, sum(ok + errors + slow + broken)::bigint as valid,
            sum(errors + slow + broken)::bigint as failed
          from sla_count
          where service = any(${[...services]}) and minute >= ${range.from} and minute < ${range.to} and not rejected
            and tenant_id <> ${NOBODY}
          group by 1, 2 having sum(ok + errors + slow + broken) > 0`.execute(tx),
      )
      return {
        active: new Set(rows.map(({ tenantId }) => tenantId)).size,
        tenants: rows.filter(({ failed }) => failed > 0),
      }
    },

    /** What one tenant asked for and did not get, by service and minute. */
    async failuresOf(tenantId: string, range: MinuteRange) {
      const { rows } = await db.ask((tx) =>
        sql<{ service: SlaService; minute: number; valid: number; failed: number }>`
          select service, minute, sum(ok + errors + slow + broken)::bigint as valid,
            sum(errors + slow + broken)::bigint as failed
          from sla_count
          where tenant_id = ${tenantId} and minute >= ${range.from} and minute < ${range.to} and not rejected
          group by 1, 2 having sum(errors + slow + broken) > 0 order by 2, 1`.execute(tx),
      )
      return rows
    },

    /** Everything that was said of one minute, whether it counted or not. */
    async minuteDetail(service: SlaService, minute: number) {
      return await db.work(async (tx) => {
        const counted = await sql<MinuteDetail>`
          select coalesce(sum(ok) filter (where counts), 0)::bigint as ok,
            coalesce(sum(errors) filter (where counts), 0)::bigint as errors,
            coalesce(sum(slow) filter (where counts), 0)::bigint as slow,
            coalesce(sum(broken) filter (where counts), 0)::bigint as broken,
            coalesce(sum(excluded) filter (where counts), 0)::bigint as excluded,
            coalesce(sum(ok + errors + slow + broken) filter (where late and not rejected), 0)::bigint as late,
            coalesce(sum(ok + errors + slow + broken) filter (where rejected), 0)::bigint as rejected
          from (select *, not late and not rejected as counts from sla_count) as all_counts
          where service = ${service} and minute = ${minute}`.execute(tx)
        const probed = await sql<SeenProbe>`
          select vantage, official, ok, latency_ms as "latencyMs", detail, late, rejected
          from sla_probe where service = ${service} and minute = ${minute} order by id limit 200`.execute(tx)
        const alive = await sql<{ processes: number }>`
          select count(distinct source_id)::bigint as processes from sla_flush
          where from_minute <= ${minute} and to_minute > ${minute} and not rejected`.execute(tx)
        return {
          counted: counted.rows[0] as MinuteDetail,
          probes: probed.rows,
          processes: alive.rows[0]?.processes ?? 0,
        }
      })
    },

    /** Adds probe results; one that is there already changes nothing. */
    async insertProbes(
      by: { appId: string; tenantId: string; official: boolean; vantage: string; rejected: boolean },
      results: readonly ProbeRow[],
    ): Promise<void> {
      const at = clock.now()
      const rows = results.map((one) => ({ ...one, late: isLate(one.minute, at.getTime()) }))
      await db.work((tx) =>
        sql`
          insert into sla_probe (id, app_id, tenant_id, official, vantage, service, minute, ok, latency_ms, detail,
            received_at, late, rejected)
          select r.id, ${by.appId}, ${by.tenantId}::uuid, ${by.official}, ${by.vantage}, r.service, r.minute, r.ok,
            r."latencyMs", r.detail, ${at}, r.late, ${by.rejected}
          from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as r (id uuid, service text, minute integer,
            ok boolean, "latencyMs" integer, detail text, late boolean)
          on conflict do nothing`.execute(tx),
      )
    },

    async insertWindow(
      window: Omit<StoredWindow, 'announcedAtMs' | 'announcedTo' | 'withdrawnAt'> & { by: string; at: Date },
    ): Promise<void> {
      await db.work((tx) =>
        sql`
          insert into sla_maintenance (id, services, from_minute, to_minute, text_zh, text_en, announced_by, announced_at)
          values (${window.id}, ${window.services}, ${window.from}, ${window.to}, ${window.textZh}, ${window.textEn},
            ${window.by}, ${window.at})`.execute(tx),
      )
    },

    /** False when there is no such window, or it is over or withdrawn. */
    async withdrawWindow(id: string, by: string): Promise<boolean> {
      const at = clock.now()
      const minute = Math.ceil(at.getTime() / 60_000)
      const { rows } = await db.work((tx) =>
        sql`
          insert into sla_maintenance_withdrawal (maintenance_id, from_minute, withdrawn_by, withdrawn_at)
          select id, ${minute}, ${by}, ${at} from sla_maintenance where id = ${id} and to_minute > ${minute}
          on conflict do nothing returning maintenance_id`.execute(tx),
      )
      return rows.length > 0
    },

    /** Windows that touch a range, cut where they were withdrawn. */
    async windows(range: MinuteRange): Promise<StoredWindow[]> {
      const { rows } = await db.ask((tx) =>
        sql<{
          id: string
          services: SlaService[]
          from: number
          to: number
          textZh: string
          textEn: string
          announcedAt: Date
          withdrawnFrom: number | null
          withdrawnAt: Date | null
        }>`
          select m.id, m.services, m.from_minute as "from", m.to_minute as "to", m.text_zh as "textZh",
            m.text_en as "textEn", m.announced_at as "announcedAt", w.from_minute as "withdrawnFrom",
            w.withdrawn_at as "withdrawnAt"
          from sla_maintenance m left join sla_maintenance_withdrawal w on w.maintenance_id = m.id
          where m.from_minute < ${range.to} and m.to_minute > ${range.from}
          order by m.from_minute, m.id limit 10000`.execute(tx),
      )
      return rows.map(({ announcedAt, withdrawnFrom, to, ...row }) => ({
        ...row,
        announcedTo: to,
        to: withdrawnFrom === null ? to : Math.max(row.from, Math.min(to, withdrawnFrom)),
        announcedAtMs: announcedAt.getTime(),
      }))
    },
  }
}

interface Received {
  at: Date
  offsetMs: number
  rejected: boolean
}

async function insertFlush(
  tx: Tx,
  record: FlushRecord,
  { at, offsetMs, rejected }: Received,
): Promise<boolean> {
  const { sourceId, seq, fromMinute, toMinute, counts } = record
  const added = await sql`
    insert into sla_flush (source_id, seq, from_minute, to_minute, received_at, clock_offset_ms, rejected)
    values (${sourceId}, ${seq}, ${fromMinute}, ${toMinute}, ${at}, ${offsetMs}, ${rejected})
    on conflict do nothing returning seq`.execute(tx)
  if (added.rows.length === 0) return false
  if (counts.length === 0) return true
  const rows = counts.map((one) => ({ ...one, late: isLate(one.minute, at.getTime()) }))
  await sql`
    insert into sla_count (source_id, seq, service, minute, tenant_id, ok, errors, slow, broken, excluded, received_at,
      late, rejected)
    select ${sourceId}::uuid, ${seq}::integer, r.service, r.minute, r."tenantId", r.ok, r.error, r.slow, r.broken,
      r.excluded, ${at}, r.late, ${rejected}
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as r (service text, minute integer, "tenantId" uuid,
      ok integer, error integer, slow integer, broken integer, excluded integer, late boolean)`.execute(tx)
  return true
}

/** Against the database's clock, the middle of the question taken as its moment. */
function measureOffset(clock: Clock) {
  return async (tx: Tx): Promise<number> => {
    const beforeMs = clock.now().getTime()
    const { rows } = await sql<{ now: number }>`
      select extract(epoch from clock_timestamp())::double precision * 1000 as now`.execute(tx)
    const middleMs = (beforeMs + clock.now().getTime()) / 2
    return middleMs - (rows[0]?.now ?? Number.NaN)
  }
}

function tallies(rows: { minute: number; valid: number; ok: number }[]): Map<number, Tally> {
  return new Map(rows.map(({ minute, valid, ok }) => [minute, { valid, ok }]))
}
