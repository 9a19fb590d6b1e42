import { sql } from 'kysely'
import type { Tx } from '#src/db/db.ts'
import type { Destruction, DomainDestruction, RemovalItem } from './catalogue.ts'
import type { Removal } from './domain.ts'
import { refuse } from './errors.ts'
import { lockReplica } from './pg-objects.ts'
import type { StorageTables } from './tables.ts'

const tables = (tx: Tx) => tx.withTables<StorageTables>()

/** Runs under the role of a request, too, which reads none of these rows. */
export async function destroyObjects(
  tx: Tx,
  objectIds: readonly string[],
  reason: string,
  at: Date,
  domains: readonly string[],
): Promise<void> {
  if (objectIds.length === 0) return
  try {
    await tables(tx)
      .insertInto('storage_destructions')
      .values(objectIds.map((object_id) => ({ object_id, at, reason })))
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  } catch (error) {
    // Foreign key: there is no such object.
    if ((error as { code?: string }).code === '23503') throw refuse('object_not_found', {}, error)
    throw error
  }
  if (domains.length === 0) return
  await tables(tx)
    .insertInto('storage_removals')
    .values(objectIds.flatMap((object_id) => domains.map((domain) => ({ object_id, domain, due_at: at }))))
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export async function findDestruction(tx: Tx, objectId: string): Promise<Destruction | undefined> {
  const { rows } = await sql<{
    at: Date
    reason: string
    domain: string | null
    removed_at: Date | null
    method: Removal | null
    verified_at: Date | null
  }>`
    select d.at, d.reason, m.domain, m.removed_at, m.method,
      (select max(i.finished_at) from storage_inventories i
       where i.domain = m.domain and i.started_at > m.removed_at) as verified_at
    from storage_destructions d left join storage_removals m on m.object_id = d.object_id
    where d.object_id = ${objectId} order by m.domain`.execute(tx)
  const first = rows[0]
  if (first === undefined) return undefined
  return {
    objectId,
    at: first.at,
    reason: first.reason,
    domains: rows.flatMap(({ domain, removed_at, method, verified_at }): DomainDestruction[] => {
      if (domain === null) return []
      if (removed_at === null) return [{ domain, state: 'pending' as const }]
      return [
        {
          domain,
          state: 'removed' as const,
          removedAt: removed_at,
          ...(method === null ? {} : { method }),
          ...(verified_at === null ? {} : { verifiedAbsentAt: verified_at }),
        },
      ]
    }),
  }
}

export async function claimRemovals(
  tx: Tx,
  now: Date,
  leaseUntil: Date,
  limit: number,
): Promise<RemovalItem[]> {
  // A replica in a domain that no setting names any more waits for its removal all the same.
  await sql`
    insert into storage_removals (object_id, domain, due_at)
    select r.object_id, r.domain, ${now} from storage_replicas r
    where r.object_id in (select object_id from storage_removals where removed_at is null)
    on conflict (object_id, domain) do update set removed_at = null, due_at = excluded.due_at
    where storage_removals.removed_at is not null`.execute(tx)
  const { rows } = await sql<{
    object_id: string
    domain: string
    attempts: number
    holder: string | null
    position: number | null
    size_bytes: number
  }>`
    with due as (
      select object_id, domain from storage_removals
      where removed_at is null and due_at <= ${now} order by due_at limit ${limit} for update skip locked
    ), claimed as (
      update storage_removals m set attempts = m.attempts + 1, due_at = ${leaseUntil}
      from due where m.object_id = due.object_id and m.domain = due.domain
      returning m.object_id, m.domain, m.attempts
    )
    select c.object_id, c.domain, c.attempts, r.holder, r.position, o.stored_size_bytes as size_bytes
    from claimed c join storage_objects o on o.id = c.object_id
    left join storage_replicas r on r.object_id = c.object_id and r.domain = c.domain`.execute(tx)
  return rows.map(({ object_id, domain, attempts, holder, position, size_bytes }) => ({
    objectId: object_id,
    domain,
    attempts,
    ...(holder === null || position === null
      ? {}
      : { placement: { domain, holder, position, sizeBytes: size_bytes } }),
  }))
}

export async function finishRemoval(
  tx: Tx,
  { objectId, domain, placement }: RemovalItem,
  method: Removal,
  at: Date,
): Promise<boolean> {
  const t = tables(tx)
  await lockReplica(tx, objectId, domain)
  const now = await t
    .selectFrom('storage_replicas')
    .select(['holder', 'position'])
    .where('object_id', '=', objectId)
    .where('domain', '=', domain)
    // A move that is under way ends first, and then this sees where it went.
    .forUpdate()
    .executeTakeFirst()
  if (now?.holder !== placement?.holder || now?.position !== placement?.position) {
    await postponeRemoval(tx, objectId, domain, at)
    return false
  }
  for (const table of ['storage_replicas', 'storage_scrubs', 'storage_repairs'] as const) {
    await t.deleteFrom(table).where('object_id', '=', objectId).where('domain', '=', domain).execute()
  }
  await t
    .updateTable('storage_removals')
    .set({ removed_at: at, method })
    .where('object_id', '=', objectId)
    .where('domain', '=', domain)
    .execute()
  return true
}

export async function postponeRemoval(tx: Tx, objectId: string, domain: string, dueAt: Date): Promise<void> {
  await tables(tx)
    .updateTable('storage_removals')
    .set({ due_at: dueAt })
    .where('object_id', '=', objectId)
    .where('domain', '=', domain)
    .execute()
}

export async function noteLateRemoval(
  tx: Tx,
  objectId: string,
  domain: string,
  method: Removal,
  at: Date,
): Promise<void> {
  // An open removal stays open: the replica that it speaks of may be another one.
  await tables(tx)
    .insertInto('storage_removals')
    .values({ object_id: objectId, domain, due_at: at, removed_at: at, method })
    .onConflict((conflict) =>
      conflict
        .columns(['object_id', 'domain'])
        .doUpdateSet({ removed_at: at, method })
        .where('storage_removals.removed_at', 'is not', null),
    )
    .execute()
}
