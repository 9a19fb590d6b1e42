/**
 * Incidents (SLA 3.10): opened by an alert or by an operator, classified by what they did, told on the status page,
 * resolved with their last alert and closed with a post-mortem.
 */
import { classifyIncident, type IncidentClass, type SlaService, slaServices } from '@yinxin/sla'
import { sql } from 'kysely'
import { z } from 'zod'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import {
  type AlertChange,
  type AlertRow,
  isRule,
  type Monitoring,
  ruleOf,
} from '#src/monitoring/monitoring.ts'
import type { Sla } from '#src/sla/sla.ts'
import { refuse } from './errors.ts'
import { measureImpact } from './impact.ts'
import { writePostMortem } from './post-mortem.ts'
import type { IncidentRow, IncidentTables, NoteKind, NoteRow } from './tables.ts'

export { incidentPromises } from './promises.ts'
export { createIncidentCommands } from './commands.ts'
export { createDiagnosis, createProblemMemory, type Diagnosis } from './diagnosis.ts'
export type { IncidentRow, NoteRow as IncidentNote } from './tables.ts'

export interface IncidentsDeps {
  db: Db
  clock: Clock
  jobs: Jobs
  sla: Pick<Sla, 'store'>
  monitoring: Pick<Monitoring, 'listen' | 'receipts'>
  baseUrl: string
}

export interface Incident extends IncidentRow {
  /** Seconds; null as long as it has not come to that. */
  times: { detectS: number; acknowledgeS: number | null; resolveS: number | null }
}

export interface IncidentStory {
  incident: Incident
  notes: NoteRow[]
  alerts: { alertId: string; rule: string; resolvedAt: Date | null }[]
  tenants: IncidentTables['incident_tenant'][]
}

export interface NewIncident {
  titleZh: string
  titleEn: string
  services: SlaService[]
  integrity: boolean
  published: boolean
  beganAt: Date
  by: string
}

/** What begins so shortly after another has the same cause as a rule. */
const sameCauseMs = 15 * 60_000

export type Incidents = ReturnType<typeof createIncidents>

const tables = (tx: Tx) => tx.$extendTables<IncidentTables>()

export function withTimes(row: IncidentRow): Incident {
  const between = (from: Date, to: Date | null) =>
    to === null ? null : Math.round((to.getTime() - from.getTime()) / 1000)
  return {
    ...row,
    times: {
      detectS: between(row.began_at, row.detected_at) ?? 0,
      acknowledgeS: between(row.detected_at, row.acknowledged_at),
      resolveS: between(row.began_at, row.resolved_at),
    },
  }
}

export function createIncidents({ db, clock, jobs, sla, monitoring, baseUrl }: IncidentsDeps) {
  async function note(
    tx: Tx,
    incidentId: string,
    kind: NoteKind,
    words: { by: string; zh: string; en: string; public?: boolean },
  ): Promise<void> {
    await tables(tx)
      .insertInto('incident_note')
      .values({
        id: newId(),
        incident_id: incidentId,
        at: clock.now(),
        kind,
        by: words.by,
        text_zh: words.zh,
        text_en: words.en,
        public: words.public ?? false,
      })
      .execute()
  }

  async function insert(tx: Tx, given: NewIncident & { detectedAt: Date }): Promise<IncidentRow> {
    // One at a time, so that numbers have no gaps and one outage opens one incident.
    await sql`select pg_advisory_xact_lock(8420151)`.execute(tx)
    const { last } = await tables(tx)
      .selectFrom('incident')
      .select((eb) => eb.fn.coalesce(eb.fn.max('number'), eb.lit(0)).as('last'))
      .executeTakeFirstOrThrow()
    const { class: graded, reasons } = classifyIncident({
      badMinutes: 0,
      affectedTenants: 0,
      activeTenants: 0,
      integrity: given.integrity,
      signingBelow99: false,
    })
    const row: IncidentRow = {
      id: newId(),
      number: Number(last) + 1,
      class: graded,
      class_reasons: reasons,
      class_by: null,
      title_zh: given.titleZh,
      title_en: given.titleEn,
      services: given.services,
      integrity: given.integrity,
      published: given.published,
      opened_by: given.by,
      began_at: given.beganAt,
      detected_at: given.detectedAt,
      acknowledged_at: null,
      acknowledged_by: null,
      resolved_at: null,
      closed_at: null,
      closed_by: null,
      bad_minutes: 0,
      affected_tenants: 0,
      active_tenants: 0,
      measured_at: null,
    }
    await tables(tx).insertInto('incident').values(row).execute()
    await note(tx, row.id, 'opened', { by: given.by, zh: given.titleZh, en: given.titleEn, public: true })
    await jobs.enqueue(tx, 'incidents.measure', { id: row.id }, { key: `incident:${row.id}` })
    return row
  }

  async function openOnes(tx: Tx): Promise<IncidentRow[]> {
    return await tables(tx)
      .selectFrom('incident')
      .selectAll()
      .where('resolved_at', 'is', null)
      .orderBy('began_at')
      .execute()
  }

  async function ofAlert(tx: Tx, alertId: string): Promise<IncidentRow | undefined> {
    return await tables(tx)
      .selectFrom('incident')
      .innerJoin('incident_alert', 'incident_alert.incident_id', 'incident.id')
      .selectAll('incident')
      .where('incident_alert.alert_id', '=', alertId)
      .executeTakeFirst()
  }

  /** The open incident that an alert belongs to, or a new one. */
  async function incidentFor(tx: Tx, alert: AlertRow): Promise<IncidentRow> {
    const openedAt = alert.opened_at ?? clock.now()
    await sql`select pg_advisory_xact_lock(8420151)`.execute(tx)
    const joined = (await openOnes(tx)).find(
      ({ services, detected_at }) =>
        (alert.service !== null && services.includes(alert.service)) ||
        Math.abs(openedAt.getTime() - detected_at.getTime()) <= sameCauseMs,
    )
    if (joined === undefined) {
      const rule = isRule(alert.rule) ? ruleOf(alert.rule) : undefined
      const about = alert.service ?? alert.subject
      const isSeen =
        alert.service !== null ||
        ['database-unreachable', 'storage-readonly', 'key-store'].includes(alert.rule)
      return await insert(tx, {
        titleZh: `${rule?.zh ?? alert.rule}${about === null ? '' : `：${about}`}`,
        titleEn: `${rule?.en ?? alert.rule}${about === null ? '' : `: ${about}`}`,
        // What touches no service by name may touch all.
        services: alert.service === null ? (isSeen ? [...slaServices] : []) : [alert.service],
        integrity: rule?.integrity === true,
        // A disk that is replaced without anybody noticing is no news for the public.
        published: isSeen,
        beganAt: alert.began_at,
        detectedAt: openedAt,
        by: `rule ${alert.rule}`,
      })
    }
    const services = [...new Set([...joined.services, ...(alert.service === null ? [] : [alert.service])])]
    const integrity = joined.integrity || (isRule(alert.rule) && ruleOf(alert.rule).integrity === true)
    const published = joined.published || alert.service !== null
    await tables(tx)
      .updateTable('incident')
      .set({ services, integrity, published })
      .where('id', '=', joined.id)
      .execute()
    await note(tx, joined.id, 'alert', { by: `rule ${alert.rule}`, zh: alert.detail_zh, en: alert.detail_en })
    return joined
  }

  async function hear(tx: Tx, change: AlertChange, alert: AlertRow): Promise<void> {
    if (change === 'opened') {
      if (!isRule(alert.rule) || ruleOf(alert.rule).incident !== true) return
      const incident = await incidentFor(tx, alert)
      // A rate looks back: it would hold an incident open minutes after its bad minutes ended.
      if (alert.rule.startsWith('burn-') && incident.opened_by !== `rule ${alert.rule}`) return
      await tables(tx)
        .insertInto('incident_alert')
        .values({ alert_id: alert.id, incident_id: incident.id, rule: alert.rule, resolved_at: null })
        .execute()
      return
    }
    const incident = await ofAlert(tx, alert.id)
    if (incident === undefined) return
    if (change === 'acknowledged') {
      const by = alert.acknowledged_by ?? ''
      await note(tx, incident.id, 'acknowledged', { by, zh: `已认领 ${alert.key}`, en: `took ${alert.key}` })
      await tables(tx)
        .updateTable('incident')
        .set({ acknowledged_at: clock.now(), acknowledged_by: by })
        .where('id', '=', incident.id)
        .where('acknowledged_at', 'is', null)
        .execute()
      return
    }
    if (change === 'escalated') {
      await note(tx, incident.id, 'escalated', {
        by: `rule ${alert.rule}`,
        zh: `无人认领，升级至第 ${alert.level} 级`,
        en: `nobody answered; level ${alert.level} was told`,
      })
      return
    }
    await tables(tx)
      .updateTable('incident_alert')
      .set({ resolved_at: alert.resolved_at })
      .where('alert_id', '=', alert.id)
      .execute()
    await note(tx, incident.id, 'cleared', {
      by: `rule ${alert.rule}`,
      zh: `告警 ${alert.key} 已恢复`,
      en: `the alert ${alert.key} is over`,
    })
    await resolveWithAlerts(tx, incident)
  }

  async function resolveWithAlerts(tx: Tx, incident: IncidentRow): Promise<void> {
    const all = await tables(tx)
      .selectFrom('incident_alert')
      .select('resolved_at')
      .where('incident_id', '=', incident.id)
      .execute()
    const ends = all.map(({ resolved_at }) => resolved_at)
    if (incident.resolved_at !== null || ends.length === 0 || ends.includes(null)) return
    const end = new Date(Math.max(incident.began_at.getTime(), ...ends.map((at) => at?.getTime() ?? 0)))
    await finish(tx, incident, end, 'platform')
  }

  async function finish(tx: Tx, incident: IncidentRow, at: Date, by: string): Promise<void> {
    await tables(tx).updateTable('incident').set({ resolved_at: at }).where('id', '=', incident.id).execute()
    await note(tx, incident.id, 'resolved', { by, zh: '已恢复', en: 'resolved', public: true })
    await jobs.enqueue(tx, 'incidents.measure', { id: incident.id }, { key: `incident:${incident.id}` })
  }

  monitoring.listen(hear)

  /** Computes what it did so far, and its class; a class only gets graver by itself. */
  async function measure(id: string): Promise<void> {
    const row = await db.work((tx) =>
      tables(tx).selectFrom('incident').selectAll().where('id', '=', id).executeTakeFirst(),
    )
    if (row === undefined) return
    const impact = await measureImpact(sla.store, {
      services: row.services,
      began: row.began_at,
      until: row.resolved_at ?? clock.now(),
    })
    const affected = new Set(impact.tenants.map(({ tenantId }) => tenantId)).size
    const graded = classifyIncident({
      badMinutes: impact.badMinutes,
      affectedTenants: affected,
      activeTenants: impact.activeTenants,
      integrity: row.integrity,
      signingBelow99: impact.signingBelow99,
    })
    const isRaised = row.class_by === null && graded.class === 'severe' && row.class === 'general'
    await db.work(async (tx) => {
      await tables(tx)
        .updateTable('incident')
        .set({
          bad_minutes: impact.badMinutes,
          affected_tenants: affected,
          active_tenants: impact.activeTenants,
          measured_at: clock.now(),
          ...(impact.firstBadAt !== null && impact.firstBadAt < row.began_at
            ? { began_at: impact.firstBadAt }
            : {}),
          ...(row.class_by === null
            ? { class_reasons: [...new Set([...row.class_reasons, ...graded.reasons])] }
            : {}),
          ...(isRaised ? { class: 'severe' as const } : {}),
        })
        .where('id', '=', id)
        .execute()
      if (isRaised)
        await note(tx, id, 'classified', {
          by: 'platform',
          zh: `定为严重：${graded.reasons.join('、')}`,
          en: `severe: ${graded.reasons.join(', ')}`,
        })
      await tables(tx).deleteFrom('incident_tenant').where('incident_id', '=', id).execute()
      if (impact.tenants.length === 0) return
      await sql`
        insert into incident_tenant (incident_id, tenant_id, service, valid, failed)
        select ${id}::uuid, r."tenantId", r.service, r.valid, r.failed
        from jsonb_to_recordset(${JSON.stringify(impact.tenants)}::jsonb)
          as r ("tenantId" uuid, service text, valid bigint, failed bigint)`.execute(tx)
    })
  }

  jobs.define('incidents.measure', z.looseObject({ id: z.uuid().optional() }), async ({ id }) => {
    if (id !== undefined) return await measure(id)
    // What arrives late, up to the watermark, is counted too.
    const since = new Date(clock.now().getTime() - 20 * 60_000)
    const due = await db.ask((tx) =>
      tables(tx)
        .selectFrom('incident')
        .select('id')
        .where((eb) => eb.or([eb('resolved_at', 'is', null), eb('resolved_at', '>', since)]))
        .execute(),
    )
    for (const one of due) await measure(one.id)
  })
  jobs.schedule('incidents.measure', '* * * * *')

  async function find(tx: Tx, which: string): Promise<IncidentRow> {
    const query = tables(tx).selectFrom('incident').selectAll()
    const row = /^\d{1,9}$/.test(which)
      ? await query.where('number', '=', Number(which)).executeTakeFirst()
      : /^[0-9a-f-]{36}$/i.test(which)
        ? await query.where('id', '=', which).executeTakeFirst()
        : undefined
    if (row === undefined) throw refuse('incident_not_found')
    return row
  }

  async function story(which: string): Promise<IncidentStory> {
    return await db.work(async (tx) => {
      const row = await find(tx, which)
      const notes = await tables(tx)
        .selectFrom('incident_note')
        .selectAll()
        .where('incident_id', '=', row.id)
        .orderBy('at')
        .orderBy('id')
        .execute()
      const alerts = await tables(tx)
        .selectFrom('incident_alert')
        .select(['alert_id as alertId', 'rule', 'resolved_at as resolvedAt'])
        .where('incident_id', '=', row.id)
        .execute()
      const tenants = await tables(tx)
        .selectFrom('incident_tenant')
        .selectAll()
        .where('incident_id', '=', row.id)
        .orderBy('failed', 'desc')
        .limit(10_000)
        .execute()
      return { incident: withTimes(row), notes, alerts, tenants }
    })
  }

  return {
    measure,
    story,

    /** @throws Refusal `incident_incomplete` */
    async open(given: NewIncident): Promise<{ id: string; number: number }> {
      const now = clock.now()
      const isReadable =
        given.titleZh !== '' &&
        given.titleEn !== '' &&
        given.by !== '' &&
        given.beganAt.getTime() <= now.getTime()
      if (!isReadable) throw refuse('incident_incomplete')
      const { id, number } = await db.work((tx) => insert(tx, { ...given, detectedAt: now }))
      return { id, number }
    },

    /** @throws Refusal `incident_not_found`, `incident_incomplete` */
    async write(
      which: string,
      kind: 'update' | 'cause' | 'action' | 'lesson',
      words: { zh: string; en: string; by: string; public: boolean },
    ): Promise<void> {
      if (words.zh === '' || words.en === '' || words.by === '') throw refuse('incident_incomplete')
      await db.work(async (tx) => note(tx, (await find(tx, which)).id, kind, words))
    },

    /** An operator decides; figures do not overrule it. @throws Refusal `incident_not_found`, `incident_incomplete` */
    async classify(which: string, graded: IncidentClass, reason: string, by: string): Promise<void> {
      if (reason === '' || by === '') throw refuse('incident_incomplete')
      await db.work(async (tx) => {
        const { id } = await find(tx, which)
        await tables(tx)
          .updateTable('incident')
          .set({ class: graded, class_by: by })
          .where('id', '=', id)
          .execute()
        const zh = graded === 'severe' ? '定为严重' : '定为一般'
        await note(tx, id, 'classified', { by, zh: `${zh}：${reason}`, en: `${graded}: ${reason}` })
      })
    },

    /** @throws Refusal `incident_not_found`, `incident_state`, `incident_alerts_firing` */
    async resolve(which: string, by: string): Promise<void> {
      if (by === '') throw refuse('incident_incomplete')
      await db.work(async (tx) => {
        const row = await find(tx, which)
        if (row.resolved_at !== null) throw refuse('incident_state')
        const firing = await tables(tx)
          .selectFrom('incident_alert')
          .select('alert_id')
          .where('incident_id', '=', row.id)
          .where('resolved_at', 'is', null)
          .executeTakeFirst()
        if (firing !== undefined) throw refuse('incident_alerts_firing')
        await finish(tx, row, clock.now(), by)
      })
    },

    /** The post-mortem is written. @throws Refusal `incident_not_found`, `incident_state`, `postmortem_incomplete` */
    async close(which: string, by: string): Promise<void> {
      if (by === '') throw refuse('incident_incomplete')
      const { incident, notes } = await story(which)
      if (incident.resolved_at === null || incident.closed_at !== null) throw refuse('incident_state')
      const has = (kind: NoteKind) => notes.some((one) => one.kind === kind)
      if (!has('cause') || (incident.class === 'severe' && !has('action')))
        throw refuse('postmortem_incomplete')
      await db.work(async (tx) => {
        await tables(tx)
          .updateTable('incident')
          .set({ closed_at: clock.now(), closed_by: by })
          .where('id', '=', incident.id)
          .execute()
        await note(tx, incident.id, 'closed', { by, zh: '复盘完成，结案', en: 'post-mortem done, closed' })
      })
    },

    /** The document, in Markdown. @throws Refusal `incident_not_found` */
    async postMortem(which: string, lang: 'zh' | 'en'): Promise<string> {
      return writePostMortem(await story(which), lang, baseUrl)
    },

    /** Newest first. `published` for the status page; operators see all. */
    async list(filter: { published?: boolean; open?: boolean; limit: number }): Promise<Incident[]> {
      const rows = await db.work((tx) => {
        let query = tables(tx)
          .selectFrom('incident')
          .selectAll()
          .orderBy('began_at', 'desc')
          .limit(filter.limit)
        if (filter.published === true) query = query.where('published', '=', true)
        if (filter.open === true) query = query.where('resolved_at', 'is', null)
        return query.execute()
      })
      return rows.map(withTimes)
    },

    /** What the status page may say of one, or undefined. */
    async published(which: string): Promise<{ incident: Incident; notes: NoteRow[] } | undefined> {
      const { incident, notes } = await story(which)
      return incident.published ? { incident, notes: notes.filter((one) => one.public) } : undefined
    },

    /** Published incidents that touch a range of minutes, for the report of a month. */
    async publishedIn({ from, to }: { from: number; to: number }) {
      const rows = await db.ask((tx) =>
        tables(tx)
          .selectFrom('incident')
          .selectAll()
          .where('published', '=', true)
          .where('began_at', '<', new Date(to * 60_000))
          .where((eb) =>
            eb.or([eb('resolved_at', 'is', null), eb('resolved_at', '>', new Date(from * 60_000))]),
          )
          .orderBy('began_at')
          .execute(),
      )
      return rows.map((row) => ({
        number: row.number,
        class: row.class,
        titleZh: row.title_zh,
        titleEn: row.title_en,
        services: row.services,
        beganAt: row.began_at.toISOString(),
        resolvedAt: row.resolved_at?.toISOString() ?? null,
      }))
    },

    /** What the status page tells, newest first. */
    async listPublished({ open, limit }: { open: boolean; limit: number }) {
      return await db.work(async (tx) => {
        let query = tables(tx)
          .selectFrom('incident')
          .selectAll()
          .where('published', '=', true)
          .orderBy('began_at', 'desc')
          .limit(limit)
        if (open) query = query.where('resolved_at', 'is', null)
        const rows = await query.execute()
        if (rows.length === 0) return []
        const notes = await tables(tx)
          .selectFrom('incident_note')
          .selectAll()
          .where('public', '=', true)
          .where(
            'incident_id',
            'in',
            rows.map(({ id }) => id),
          )
          .orderBy('at')
          .orderBy('id')
          .execute()
        return rows.map((row) => ({
          incident: withTimes(row),
          notes: notes.filter(({ incident_id }) => incident_id === row.id),
        }))
      })
    },

    /** Incidents in which requests of a tenant failed, with how many. */
    async ofTenant(tenantId: string): Promise<(Incident & { failed: number; valid: number })[]> {
      const { rows } = await db.work((tx) =>
        sql<{ id: string; failed: number; valid: number }>`
          select incident_id as id, sum(failed)::bigint as failed, sum(valid)::bigint as valid
          from incident_tenant where tenant_id = ${tenantId} group by 1 limit 1000`.execute(tx),
      )
      if (rows.length === 0) return []
      const found = await db.work((tx) =>
        tables(tx)
          .selectFrom('incident')
          .selectAll()
          .where(
            'id',
            'in',
            rows.map(({ id }) => id),
          )
          .orderBy('began_at', 'desc')
          .execute(),
      )
      return found.map((row) => {
        const mine = rows.find(({ id }) => id === row.id)
        return { ...withTimes(row), failed: mine?.failed ?? 0, valid: mine?.valid ?? 0 }
      })
    },

    ago: (days: number) => new Date(clock.now().getTime() - days * 86_400_000),

    /** Means over incidents that were resolved since a time, in seconds. */
    async means(
      since: Date,
    ): Promise<{ count: number; mttdS: number | null; mttaS: number | null; mttrS: number | null }> {
      const { rows } = await db.ask((tx) =>
        sql<{ count: number; mttd: number | null; mtta: number | null; mttr: number | null }>`
          select count(*)::int as count, avg(extract(epoch from detected_at - began_at))::float8 as mttd,
            avg(extract(epoch from acknowledged_at - detected_at))::float8 as mtta,
            avg(extract(epoch from resolved_at - began_at))::float8 as mttr
          from incident where resolved_at >= ${since}`.execute(tx),
      )
      const { count = 0, mttd = null, mtta = null, mttr = null } = rows[0] ?? {}
      return { count, mttdS: mttd, mttaS: mtta, mttrS: mttr }
    },
  }
}
