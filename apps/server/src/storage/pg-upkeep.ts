import { type RawBuilder, sql } from 'kysely'
import type { Tx } from '#src/db/db.ts'
import type {
  BucketDigest,
  CataloguedReplica,
  Endangered,
  Finding,
  FindingClass,
  Known,
  Move,
  OpenFinding,
  Orphan,
  ReplicaFacts,
  ScrubPass,
  ScrubResult,
  Wanted,
} from './catalogue.ts'
import type { ListedReplica } from './domain.ts'
import type { StorageTables } from './tables.ts'

const tables = (tx: Tx) => tx.withTables<StorageTables>()

export async function replicaFacts(
  tx: Tx,
  of: { objectId: string } | { scopeId: string },
): Promise<ReplicaFacts[]> {
  const rows = await tables(tx)
    .selectFrom('storage_objects as o')
    .innerJoin('storage_replicas as r', 'r.object_id', 'o.id')
    // A verdict on what lay there before the replica was made again says nothing about this one.
    .leftJoin('storage_scrubs as s', (join) =>
      join
        .onRef('s.object_id', '=', 'r.object_id')
        .onRef('s.domain', '=', 'r.domain')
        .onRef('s.verified_at', '>=', 'r.written_at'),
    )
    .select([
      'r.object_id',
      'r.domain',
      'o.stored_size_bytes',
      'r.state',
      'r.written_at',
      's.verified_at',
      's.verdict',
    ])
    .where('objectId' in of ? 'o.id' : 'o.scope_id', '=', 'objectId' in of ? of.objectId : of.scopeId)
    .orderBy('r.object_id')
    .orderBy('r.domain')
    .execute()
  return rows.map((row) => ({
    objectId: row.object_id,
    domain: row.domain,
    bytes: row.stored_size_bytes,
    state: row.state,
    writtenAt: row.written_at,
    ...(row.verified_at === null ? {} : { lastVerifiedAt: row.verified_at }),
    ...(row.verdict === null ? {} : { lastVerdict: row.verdict }),
  }))
}

/** A stretch of objects by their ids, `after` excluded and `to` included; open at an end that is not given. */
export interface Stretch {
  after?: string
  to?: string
}

/** Where a stretch of so many objects ends; undefined when no more than that are left. */
export async function stretchEnd(
  tx: Tx,
  after: string | undefined,
  size: number,
): Promise<string | undefined> {
  const { rows } = await sql<{ id: string }>`
    select id from storage_objects where ${after ?? null}::uuid is null or id > ${after ?? null}::uuid
    order by id offset ${size - 1} limit 1`.execute(tx)
  return rows[0]?.id
}

export const within = (column: RawBuilder<unknown>, { after, to }: Stretch) => sql`
  (${after ?? null}::uuid is null or ${column} > ${after ?? null}::uuid)
  and (${to ?? null}::uuid is null or ${column} <= ${to ?? null}::uuid)`

export async function occurringSets(
  tx: Tx,
  stretch: Stretch,
): Promise<{ domains: string[]; objects: number }[]> {
  const { rows } = await sql<{ domains: string[]; objects: number }>`
    select domains, count(*) as objects
    from (select array_agg(domain order by domain) as domains from storage_replicas
          where ${within(sql`object_id`, stretch)} group by object_id) s
    group by domains order by domains`.execute(tx)
  return rows
}

export async function replicasIn(
  tx: Tx,
  domain: string,
  page: { after?: string; bucket?: number; limit: number },
): Promise<CataloguedReplica[]> {
  let query = tables(tx)
    .selectFrom('storage_replicas as r')
    .innerJoin('storage_objects as o', 'o.id', 'r.object_id')
    .leftJoin('storage_destructions as d', 'd.object_id', 'r.object_id')
    .select([
      'r.object_id',
      'r.holder',
      'r.position',
      'r.state',
      'r.written_at',
      'o.stored_size_bytes',
      'o.stored_sha256',
    ])
    .where('r.domain', '=', domain)
    .where('d.at', 'is', null)
    .orderBy('r.object_id')
    .limit(page.limit)
  if (page.after !== undefined) query = query.where('r.object_id', '>', page.after)
  if (page.bucket !== undefined)
    query = query.where(sql<number>`get_byte(uuid_send(r.object_id), 15)`, '=', page.bucket)
  return (await query.execute()).map((row) => ({
    objectId: row.object_id,
    placement: {
      domain,
      holder: row.holder,
      position: row.position,
      sizeBytes: row.stored_size_bytes,
    },
    cipherSha256: row.stored_sha256.toString('hex'),
    state: row.state,
    writtenAt: row.written_at,
  }))
}

export async function recordScrubs(tx: Tx, domain: string, results: readonly ScrubResult[]): Promise<void> {
  if (results.length === 0) return
  await tables(tx)
    .insertInto('storage_scrubs')
    .values(
      results.map(({ objectId, verifiedAt, verdict }) => ({
        domain,
        object_id: objectId,
        verified_at: verifiedAt,
        verdict,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['object_id', 'domain']).doUpdateSet((eb) => ({
        verified_at: eb.ref('excluded.verified_at'),
        verdict: eb.ref('excluded.verdict'),
      })),
    )
    .execute()
}

export async function lastScrub(tx: Tx, domain: string): Promise<ScrubPass | undefined> {
  const row = await tables(tx)
    .selectFrom('storage_scrub_passes')
    .select(['started_at', 'cursor', 'finished_at', 'checked', 'bad', 'bytes', 'site', 'device', 'period_ms'])
    .where('domain', '=', domain)
    .orderBy('started_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (row === undefined) return undefined
  return {
    domain,
    startedAt: row.started_at,
    checked: row.checked,
    bad: row.bad,
    bytes: row.bytes,
    ...(row.cursor === null ? {} : { cursor: row.cursor }),
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
    ...(row.site === null || row.period_ms === null
      ? {}
      : {
          seen: {
            site: row.site,
            periodMs: row.period_ms,
            ...(row.device === null ? {} : { deviceId: row.device }),
          },
        }),
  }
}

export async function saveScrub(tx: Tx, pass: ScrubPass): Promise<void> {
  const state = {
    cursor: pass.cursor ?? null,
    finished_at: pass.finishedAt ?? null,
    checked: pass.checked,
    bad: pass.bad,
    bytes: pass.bytes,
    site: pass.seen?.site ?? null,
    device: pass.seen?.deviceId ?? null,
    period_ms: pass.seen?.periodMs ?? null,
  }
  await tables(tx)
    .insertInto('storage_scrub_passes')
    .values({ domain: pass.domain, started_at: pass.startedAt, ...state })
    .onConflict((conflict) => conflict.columns(['domain', 'started_at']).doUpdateSet(state))
    .execute()
}

export async function digests(tx: Tx, domain: string, stretch: Stretch): Promise<Map<number, BucketDigest>> {
  const { rows } = await sql<{ bucket: number; count: number; xor: string }>`
    select get_byte(uuid_send(r.object_id), 15) as bucket, count(*) as count,
      bit_xor(('x' || encode(sha256(uuid_send(r.object_id) || o.stored_sha256), 'hex'))::bit(256))::text as xor
    from storage_replicas r join storage_objects o on o.id = r.object_id
    left join storage_destructions d on d.object_id = r.object_id
    where r.domain = ${domain} and r.state = 'good' and d.at is null
      and ${within(sql`r.object_id`, stretch)}
    group by 1`.execute(tx)
  return new Map(
    rows.map(({ bucket, count, xor }) => [
      bucket,
      { count, xor: BigInt(`0b${xor}`).toString(16).padStart(64, '0') },
    ]),
  )
}

export async function lookup(
  tx: Tx,
  domain: string,
  objectIds: readonly string[],
): Promise<Map<string, Known>> {
  if (objectIds.length === 0) return new Map()
  const rows = await tables(tx)
    .selectFrom('storage_objects as o')
    .leftJoin('storage_replicas as r', (join) =>
      join.onRef('r.object_id', '=', 'o.id').on('r.domain', '=', domain),
    )
    .leftJoin('storage_destructions as d', 'd.object_id', 'o.id')
    .select([
      'o.id',
      'o.stored_size_bytes',
      'o.stored_sha256',
      'o.created_at',
      'd.at',
      'r.holder',
      'r.position',
      'r.state',
      'r.written_at',
    ])
    .where('o.id', '=', sql<string>`any(${objectIds}::uuid[])`)
    .execute()
  return new Map(
    rows.map((row) => [
      row.id,
      {
        cipherSizeBytes: row.stored_size_bytes,
        cipherSha256: row.stored_sha256.toString('hex'),
        createdAt: row.created_at,
        ...(row.at === null ? {} : { destroyedAt: row.at }),
        ...(row.holder === null || row.position === null || row.state === null || row.written_at === null
          ? {}
          : {
              replica: {
                holder: row.holder,
                position: row.position,
                state: row.state,
                writtenAt: row.written_at,
              },
            }),
      },
    ]),
  )
}

export async function moveReplicas(tx: Tx, moves: readonly Move[], at: Date): Promise<Set<string>> {
  if (moves.length === 0) return new Set()
  const list = moves.map(({ objectId, from, to }) => ({
    object_id: objectId,
    domain: from.domain,
    holder: from.holder,
    position: from.position,
    new_holder: to.holder,
    new_position: to.position,
  }))
  const { rows } = await sql<{ object_id: string }>`
    update storage_replicas r set holder = m.new_holder, position = m.new_position, written_at = ${at}
    from jsonb_to_recordset(${JSON.stringify(list)}::jsonb) as m (object_id uuid, domain text, holder text,
      position bigint, new_holder text, new_position bigint)
    where r.object_id = m.object_id and r.domain = m.domain and r.holder = m.holder and r.position = m.position
      and r.state = 'good'
      and not exists (select from storage_destructions d where d.object_id = r.object_id)
    returning r.object_id`.execute(tx)
  return new Set(rows.map((row) => row.object_id))
}

export async function endangered(
  tx: Tx,
  { primary, recovery }: Wanted,
  createdBefore: Date,
  limit: number,
  stretch: Stretch,
): Promise<Endangered[]> {
  const goodIn = (domains: readonly string[]) =>
    sql`count(*) filter (where r.state = 'good' and r.domain = any(${domains}::text[]))`
  const { rows } = await sql<{ object_id: string; good: string[]; domains: string[] }>`
    select o.id as object_id,
      coalesce(array_agg(r.domain order by r.domain) filter (where r.state = 'good'), '{}') as good,
      coalesce(array_agg(r.domain order by r.domain) filter (where r.domain is not null), '{}') as domains
    from storage_objects o left join storage_replicas r on r.object_id = o.id
    where ${within(sql`o.id`, stretch)}
      and not exists (select from storage_destructions d where d.object_id = o.id)
    group by o.id having count(*) filter (where r.state = 'good') = 0
      or (o.created_at < ${createdBefore} and (${goodIn(primary.domains)} < ${primary.replicas}
        or ${goodIn(recovery.domains)} < ${recovery.replicas}))
    order by count(*) filter (where r.state = 'good'), 1 limit ${limit}`.execute(tx)
  return rows.map(({ object_id, good, domains }) => ({ objectId: object_id, good, domains }))
}

export async function scopes(
  tx: Tx,
  after: string | undefined,
  limit: number,
): Promise<{ scopeId: string; living: number; destroyed: number; lastDestroyedAt?: Date }[]> {
  const { rows } = await sql<{ scope_id: string; living: number; destroyed: number; last: Date | null }>`
    select o.scope_id, count(*) filter (where d.at is null) as living, count(d.at) as destroyed, max(d.at) as last
    from storage_objects o left join storage_destructions d on d.object_id = o.id
    where o.scope_id > ${after ?? '00000000-0000-0000-0000-000000000000'}
    group by o.scope_id order by o.scope_id limit ${limit}`.execute(tx)
  return rows.map(({ scope_id, living, destroyed, last }) => ({
    scopeId: scope_id,
    living,
    destroyed,
    ...(last === null ? {} : { lastDestroyedAt: last }),
  }))
}

export async function noteOrphans(tx: Tx, orphans: readonly ListedReplica[], at: Date): Promise<void> {
  if (orphans.length === 0) return
  await tables(tx)
    .insertInto('storage_orphans')
    .values(
      orphans.map(({ objectId, placement }) => ({
        domain: placement.domain,
        object_id: objectId,
        holder: placement.holder,
        position: placement.position,
        size_bytes: placement.sizeBytes,
        found_at: at,
      })),
    )
    // Found first is what counts; where it lies may have changed.
    .onConflict((conflict) =>
      conflict.columns(['domain', 'object_id']).doUpdateSet((eb) => ({
        holder: eb.ref('excluded.holder'),
        position: eb.ref('excluded.position'),
      })),
    )
    .execute()
}

export async function orphansFoundBefore(
  tx: Tx,
  domain: string,
  before: Date,
  limit: number,
): Promise<Orphan[]> {
  const rows = await tables(tx)
    .selectFrom('storage_orphans')
    .select(['object_id', 'holder', 'position', 'size_bytes', 'found_at'])
    .where('domain', '=', domain)
    .where('found_at', '<', before)
    .orderBy('object_id')
    .limit(limit)
    .execute()
  return rows.map((row) => ({
    objectId: row.object_id,
    placement: { domain, holder: row.holder, position: row.position, sizeBytes: row.size_bytes },
    foundAt: row.found_at,
  }))
}

export async function forgetOrphans(tx: Tx, domain: string, objectIds: readonly string[]): Promise<void> {
  if (objectIds.length === 0) return
  await tables(tx)
    .deleteFrom('storage_orphans')
    .where('domain', '=', domain)
    .where('object_id', 'in', objectIds)
    .execute()
}

export async function noteFindings(tx: Tx, findings: readonly Finding[], at: Date): Promise<void> {
  if (findings.length === 0) return
  await tables(tx)
    .insertInto('storage_findings')
    .values(
      findings.map(({ subjectId, ...finding }) => ({
        ...finding,
        subject_id: subjectId,
        first_seen_at: at,
        last_seen_at: at,
      })),
    )
    .onConflict((conflict) =>
      conflict
        .columns(['class', 'subject_id', 'domain'])
        .where('resolved_at', 'is', null)
        .doUpdateSet((eb) => ({
          last_seen_at: eb.ref('excluded.last_seen_at'),
          severity: eb.ref('excluded.severity'),
          detail: eb.ref('excluded.detail'),
        })),
    )
    .execute()
}

export async function resolveFindings(
  tx: Tx,
  classes: readonly FindingClass[],
  notSeenSince: Date,
  at: Date,
): Promise<void> {
  await tables(tx)
    .updateTable('storage_findings')
    .set({ resolved_at: at })
    .where('resolved_at', 'is', null)
    .where('last_seen_at', '<', notSeenSince)
    .where('class', 'in', classes)
    .execute()
}

export async function openFindings(tx: Tx): Promise<OpenFinding[]> {
  const rows = await tables(tx)
    .selectFrom('storage_findings')
    .select(['class', 'subject_id', 'domain', 'severity', 'detail', 'first_seen_at', 'last_seen_at'])
    .where('resolved_at', 'is', null)
    .orderBy('class')
    .orderBy('subject_id')
    .orderBy('domain')
    .execute()
  return rows.map((row) => ({
    class: row.class,
    severity: row.severity,
    subjectId: row.subject_id,
    domain: row.domain,
    detail: row.detail,
    firstSeenAt: row.first_seen_at,
    lastSeenAt: row.last_seen_at,
  }))
}
