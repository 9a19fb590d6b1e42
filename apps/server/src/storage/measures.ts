/**
 * What the durability report and the right to know ask of the records of storage. Values of where replicas were
 * verified to lie, never of settings.
 */
import { sql } from 'kysely'
import type { Db, Tx } from '#src/db/db.ts'
import type { OpenFinding, Places, ScrubbedPlace } from './catalogue.ts'
import type { SiteName } from './domain.ts'
import { scatterWidths } from './placement.ts'
import { openFindings, type Stretch, stretchEnd, within } from './pg-upkeep.ts'

/** Rows of this many objects are summed up by one statement in about a second. */
const stretchSize = 50_000

export interface PlacementLook {
  /** Living objects. */
  objects: number
  /** Hours of objects since `since`, and of those that had good replicas in one site alone. */
  objectHours: number
  oneSiteHours: number
  /** When the good replica that waited longest was last read and verified, or written. */
  oldestVerifiedAt: Date | undefined
  sites: { site: SiteName; devices: string[]; w: number; n: number }[]
}

export interface PlacementQuestion {
  places: Places
  /** The moment of the look, and the one since which exposure counts. */
  at: Date
  since: Date
  /** A replica that was neither written nor verified since then does not count. */
  verifiedSince: Date
  /** A replica that was ordered after this is under repair and counts: that window is what u′ is for. */
  orderedSince: Date
}

/** Copies of one owner's objects in one failure domain. */
export interface DomainShare {
  domain: string
  replicas: number
  /** Not known to be bad, and not found bad by the last scrub. */
  good: number
  bytes: number
  /** Verified since written. */
  verified: number
  oldestVerifiedAt?: Date
  newestVerifiedAt?: Date
  /** The oldest writing of a replica that no scrub has verified yet. */
  oldestUnverifiedAt?: Date
}

export type StorageMeasures = ReturnType<typeof createStorageMeasures>

export function createStorageMeasures(db: Db) {
  async function* stretches(): AsyncGenerator<Stretch> {
    for (let after: string | undefined; ; ) {
      const from = after
      const to = await db.ask((tx) => stretchEnd(tx, from, stretchSize))
      yield { ...(from === undefined ? {} : { after: from }), ...(to === undefined ? {} : { to }) }
      if (to === undefined) return
      after = to
    }
  }

  return {
    /** Where all living objects lie now. Replicas on one device are one. */
    async placement(question: PlacementQuestion): Promise<PlacementLook> {
      const groups: PlacementGroup[] = []
      for await (const stretch of stretches())
        groups.push(...(await db.ask((tx) => placementGroups(tx, question, stretch))))
      const sum = (of: (group: PlacementGroup) => number) => groups.reduce((all, one) => all + of(one), 0)
      const oldest = groups.flatMap((one) => (one.oldest === null ? [] : [one.oldest.getTime()]))
      return {
        objects: sum((one) => one.objects),
        objectHours: sum((one) => one.object_seconds) / 3600,
        oneSiteHours: sum((one) => one.one_site_seconds) / 3600,
        oldestVerifiedAt: oldest.length === 0 ? undefined : new Date(Math.min(...oldest)),
        sites: (['primary', 'recovery'] as const).map((site) => {
          const sets = groups.map((one) => one[site])
          return {
            site,
            devices: [...new Set(sets.flat())].sort(),
            w: Math.max(0, ...scatterWidths(sets.map((domains) => ({ domains }))).values()),
            n: sets.length === 0 ? 0 : Math.min(...sets.map((set) => set.length)),
          }
        }),
      }
    },

    /** Objects that were there from `from` to `to`, those that are there at `to`, and those lost between. */
    async holdings(from: Date, to: Date): Promise<{ heldWholePeriod: number; held: number; lost: number }> {
      return await db.ask(async (tx) => {
        const { rows } = await sql<{ whole: number; held: number; lost: number }>`
          select count(*) filter (where o.created_at <= ${from}) as whole, count(*) as held,
            (select count(distinct x.id) from storage_findings f
              join storage_objects x on f.class = 'a_object_lost' and x.id = f.subject_id
                or f.class = 'e_key_missing' and x.scope_id = f.subject_id
              where f.class in ('a_object_lost', 'e_key_missing')
                and f.first_seen_at >= ${from} and f.first_seen_at < ${to}
                and (f.resolved_at is null or f.resolved_at >= ${to})) as lost
          from storage_objects o
          left join storage_destructions d on d.object_id = o.id
          where o.created_at < ${to} and (d.at is null or d.at >= ${to})`.execute(tx)
        const { whole = 0, held = 0, lost = 0 } = rows[0] ?? {}
        return { heldWholePeriod: whole, held, lost }
      })
    },

    /** Repairs that ended in a period, in hours from being noticed to being durable. */
    async repairs(from: Date, to: Date) {
      return await db.ask(async (tx) => {
        const { rows } = await sql<{ count: number; p99: number | null; max: number | null }>`
          select count(*), percentile_disc(0.99) within group (order by hours) as p99, max(hours) as max
          from (select (extract(epoch from repaired_at - detected_at) / 3600)::float8 as hours
                from storage_repair_times where repaired_at >= ${from} and repaired_at < ${to}) r`.execute(tx)
        const { count = 0, p99 = null, max = null } = rows[0] ?? {}
        return { count, p99Hours: p99, maxHours: max }
      })
    },

    /** When the last of these domains was last walked completely within a period; undefined when one was not. */
    async comparedAt(domains: readonly string[], from: Date, to: Date): Promise<Date | undefined> {
      return await db.ask(async (tx) => {
        const { rows } = await sql<{ domain: string; at: Date }>`
          select domain, max(finished_at) as at from storage_inventories
          where finished_at >= ${from} and finished_at <= ${to} and domain = any (${[...domains]}::text[])
          group by domain`.execute(tx)
        if (rows.length === 0 || rows.length < domains.length) return undefined
        return new Date(Math.min(...rows.map(({ at }) => at.getTime())))
      })
    },

    /** Every domain that was ever scrubbed, as its last pass saw it, whatever the settings of now say. */
    async scrubbedPlaces(): Promise<(ScrubbedPlace & { name: string })[]> {
      return await db.ask(async (tx) => {
        const { rows } = await sql<{ name: string; site: SiteName; device: string | null; periodMs: number }>`
          select distinct on (domain) domain as name, site, device, period_ms as "periodMs"
          from storage_scrub_passes where site is not null
          order by domain, started_at desc`.execute(tx)
        return rows.map(({ device, ...place }) => ({
          ...place,
          ...(device === null ? {} : { deviceId: device }),
        }))
      })
    },

    openFindings: (): Promise<OpenFinding[]> => db.ask((tx) => openFindings(tx)),

    /** Every quarantine that began in a period, also those that have ended. */
    async quarantines(from: Date, to: Date) {
      return await db.ask(async (tx) => {
        const { rows } = await sql<{
          domain: string
          since: Date
          reason: string
          readmitted_at: Date | null
        }>`select domain, since, reason, readmitted_at from storage_quarantines
          where since >= ${from} and since < ${to} order by since`.execute(tx)
        return rows.map(({ domain, since, reason, readmitted_at: readmittedAt }) => ({
          domain,
          since,
          reason,
          readmittedAt,
        }))
      })
    },

    /** How many objects of a scope live, and how many were destroyed. */
    async objectsOf(scopeId: string): Promise<{ living: number; destroyed: number; bytes: number }> {
      return await db.ask(async (tx) => {
        const { rows } = await sql<{ living: number; destroyed: number; bytes: number | null }>`
          select count(*) filter (where d.at is null) as living, count(d.at) as destroyed,
            sum(o.stored_size_bytes) filter (where d.at is null)::bigint as bytes
          from storage_objects o left join storage_destructions d on d.object_id = o.id
          where o.scope_id = ${scopeId}`.execute(tx)
        const { living = 0, destroyed = 0, bytes = 0 } = rows[0] ?? {}
        return { living, destroyed, bytes: bytes ?? 0 }
      })
    },

    /**
     * What lies where of everything that a subject owns; `fewest` is how many good replicas the object with the fewest
     * has in each site.
     */
    async sharesOf(
      tenantId: string,
      places: readonly { name: string; site: SiteName }[],
    ): Promise<{
      objects: number
      destroyed: number
      shares: DomainShare[]
      fewest: Record<SiteName, number>
    }> {
      return await db.work(async (tx) => {
        const { rows: destroyed } = await sql<{ count: number }>`
          select count(*) from storage_objects o join storage_destructions d on d.object_id = o.id
          where o.tenant_id = ${tenantId}`.execute(tx)
        const { rows: fewest } = await sql<{
          objects: number
          primary: number | null
          recovery: number | null
        }>`
          with place as (
            select * from unnest(${places.map(({ name }) => name)}::text[],
              ${places.map(({ site }) => site)}::text[]) as p (domain, site)
          )
          select count(*) as objects, min("primary") as "primary", min(recovery) as recovery
          from (
            select o.id, count(*) filter (where p.site = 'primary') as "primary",
              count(*) filter (where p.site = 'recovery') as recovery
            from storage_objects o
            left join (storage_replicas r join place p on p.domain = r.domain
              left join storage_scrubs s
                on s.object_id = r.object_id and s.domain = r.domain and s.verified_at >= r.written_at)
              on r.object_id = o.id and r.state = 'good' and coalesce(s.verdict, 'good') = 'good'
            where o.tenant_id = ${tenantId}
              and not exists (select from storage_destructions d where d.object_id = o.id)
            group by o.id
          ) counted`.execute(tx)
        const { rows } = await sql<{
          domain: string
          replicas: number
          good: number
          bytes: number
          verified: number
          oldest: Date | null
          newest: Date | null
          unverified: Date | null
        }>`
          select r.domain, count(*) as replicas, sum(o.stored_size_bytes)::bigint as bytes,
            count(*) filter (where r.state = 'good' and coalesce(s.verdict, 'good') = 'good') as good,
            count(s.verified_at) as verified, min(s.verified_at) as oldest, max(s.verified_at) as newest,
            min(r.written_at) filter (where s.verified_at is null) as unverified
          from storage_objects o
          join storage_replicas r on r.object_id = o.id
          left join storage_scrubs s
            on s.object_id = r.object_id and s.domain = r.domain and s.verified_at >= r.written_at
          where o.tenant_id = ${tenantId}
            and not exists (select from storage_destructions d where d.object_id = o.id)
          group by r.domain order by r.domain`.execute(tx)
        return {
          objects: fewest[0]?.objects ?? 0,
          destroyed: destroyed[0]?.count ?? 0,
          fewest: { primary: fewest[0]?.primary ?? 0, recovery: fewest[0]?.recovery ?? 0 },
          shares: rows.map(({ oldest, newest, unverified, ...share }) => ({
            ...share,
            ...(oldest === null ? {} : { oldestVerifiedAt: oldest }),
            ...(newest === null ? {} : { newestVerifiedAt: newest }),
            ...(unverified === null ? {} : { oldestUnverifiedAt: unverified }),
          })),
        }
      })
    },
  }
}

interface PlacementGroup {
  primary: string[]
  recovery: string[]
  objects: number
  oldest: Date | null
  object_seconds: number
  one_site_seconds: number
}

/** Objects of a stretch by the devices on which they lie in both sites. */
async function placementGroups(
  tx: Tx,
  { places, at, since, verifiedSince, orderedSince }: PlacementQuestion,
  stretch: Stretch,
): Promise<PlacementGroup[]> {
  const known = Object.entries(places)
  const { rows } = await sql<PlacementGroup>`
    with place as (
      select * from unnest(${known.map(([domain]) => domain)}::text[],
        ${known.map(([, place]) => place.site)}::text[],
        ${known.map(([, place]) => place.deviceId ?? '?')}::text[]) as p (domain, site, device)
    ), living as (
      select id, greatest(created_at, ${since}::timestamptz) as since from storage_objects o
      where created_at < ${at} and ${within(sql`id`, stretch)}
        and not exists (select from storage_destructions d where d.object_id = o.id)
    ), held as (
      select r.object_id, p.site, p.device, r.written_at, coalesce(s.verified_at, r.written_at) as seen_at
      from living o
      join storage_replicas r on r.object_id = o.id and r.state = 'good'
      join place p on p.domain = r.domain
      left join storage_scrubs s
        on s.object_id = r.object_id and s.domain = r.domain and s.verified_at >= r.written_at
      where coalesce(s.verdict, 'good') = 'good'
    ), counted as (
      select object_id, site, device from held where seen_at >= ${verifiedSince}
      union
      select q.object_id, p.site, p.device
      from living o join storage_repairs q on q.object_id = o.id join place p on p.domain = q.domain
      where q.created_at >= ${orderedSince}
    ), devices as (
      select object_id,
        array_agg(device order by device) filter (where site = 'primary') as "primary",
        array_agg(device order by device) filter (where site = 'recovery') as recovery
      from counted group by object_id
    ), reached as (
      select object_id, min(seen_at) as oldest,
        -- When the second site had it too; null while it has not.
        greatest(min(written_at) filter (where site = 'primary'),
          case when count(*) filter (where site = 'primary') = 0
            or count(*) filter (where site = 'recovery') = 0 then 'infinity'::timestamptz end,
          min(written_at) filter (where site = 'recovery')) as both_at
      from held group by object_id
    )
    select coalesce(v."primary", '{}') as "primary", coalesce(v.recovery, '{}') as recovery,
      count(*) as objects, min(h.oldest) as oldest,
      sum(extract(epoch from ${at}::timestamptz - o.since))::float8 as object_seconds,
      sum(greatest(0, extract(epoch from least(coalesce(h.both_at, 'infinity'::timestamptz), ${at}::timestamptz) - o.since)))::float8
        as one_site_seconds
    from living o
    left join devices v on v.object_id = o.id
    left join reached h on h.object_id = o.id
    group by 1, 2`.execute(tx)
  return rows
}
