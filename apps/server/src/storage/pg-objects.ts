import { sql } from 'kysely'
import { later, type Tx } from '#src/db/db.ts'
import type { CataloguedObject, Places, PutAnswer, RepairItem, StoredObject } from './catalogue.ts'
import type { Placement } from './domain.ts'
import type { StorageTables } from './tables.ts'

/** Inserts objects, their replicas and what is still missing, in one round trip. */
export async function insertObjects(
  tx: Tx,
  objects: readonly StoredObject[],
  missing: readonly { objectId: string; domain: string; dueAt: Date }[],
): Promise<void> {
  const t = tx.withTables<StorageTables>()
  const replicas = objects.flatMap((object) =>
    object.replicas.map((one) => replicaRow(object.id, one, object.createdAt)),
  )
  const insertion = t.with('objects', (with_) =>
    with_.insertInto('storage_objects').values(objects.map(objectRow)),
  )
  if (missing.length === 0) {
    await later(tx, insertion.insertInto('storage_replicas').values(replicas))
    return
  }
  const repairs = insertion
    .with('replicas', (with_) => with_.insertInto('storage_replicas').values(replicas))
    .insertInto('storage_repairs')
    .values(
      missing.map(({ objectId, domain, dueAt }) => ({
        object_id: objectId,
        domain,
        reason: 'missing' as const,
        due_at: dueAt,
        created_at: objects[0]!.createdAt,
      })),
    )
  await later(tx, repairs)
}

/** The object with its replicas, the good ones first; undefined when there is none. */
export async function findObject(tx: Tx, objectId: string): Promise<CataloguedObject | undefined> {
  const rows = await tx
    .withTables<StorageTables>()
    .selectFrom('storage_objects as o')
    .leftJoin('storage_replicas as r', 'r.object_id', 'o.id')
    .leftJoin('storage_destructions as d', 'd.object_id', 'o.id')
    .select([
      'o.id',
      'o.tenant_id',
      'o.scope_id',
      'o.class',
      'o.size_bytes',
      'o.sha256',
      'o.stored_size_bytes',
      'o.stored_sha256',
      'o.wrapped_key',
      'o.created_at',
      'r.domain',
      'r.holder',
      'r.position',
      'd.at as destroyed_at',
    ])
    .where('o.id', '=', objectId)
    .orderBy(sql`r.state = 'bad'`)
    .orderBy('r.domain')
    .execute()
  const first = rows[0]
  if (first === undefined) return undefined
  return {
    id: first.id,
    tenantId: first.tenant_id,
    scopeId: first.scope_id,
    class: first.class,
    sizeBytes: first.size_bytes,
    sha256: first.sha256.toString('hex'),
    cipherSizeBytes: first.stored_size_bytes,
    cipherSha256: first.stored_sha256.toString('hex'),
    wrappedKey: first.wrapped_key,
    createdAt: first.created_at,
    replicas: rows.flatMap(({ domain, holder, position }) =>
      domain === null || holder === null || position === null
        ? []
        : [{ domain, holder, position, sizeBytes: first.stored_size_bytes }],
    ),
    ...(first.destroyed_at === null ? {} : { destroyedAt: first.destroyed_at }),
  }
}

/**
 * One at a time for a replica: whether it is recorded, moved or removed is decided under this lock, so that nothing is
 * recorded of an object whose removal is already proven.
 */
export async function lockReplica(tx: Tx, objectId: string, domain: string): Promise<void> {
  await later(tx, sql`select pg_advisory_xact_lock(hashtextextended(${`${objectId} ${domain}`}, 0))`)
}

/** A replica that arrived late or was made again. */
export async function putReplica(
  tx: Tx,
  objectId: string,
  placement: Placement,
  at: Date,
  how: 'late' | 'repaired',
): Promise<PutAnswer> {
  const t = tx.withTables<StorageTables>()
  await lockReplica(tx, objectId, placement.domain)
  const known = await t
    .selectFrom('storage_objects as o')
    .leftJoin('storage_destructions as d', 'd.object_id', 'o.id')
    .leftJoin('storage_replicas as r', (join) =>
      join.onRef('r.object_id', '=', 'o.id').on('r.domain', '=', placement.domain),
    )
    .select(['o.id', 'd.at as destroyed_at', 'r.state', 'r.holder', 'r.position'])
    .where('o.id', '=', objectId)
    .executeTakeFirst()
  if (known === undefined) return 'unknown'
  if (known.destroyed_at !== null) return 'destroyed'
  const isOther = known.holder !== placement.holder || known.position !== placement.position
  if (known.state === 'good' && isOther) {
    // Ordered by one who had not seen it yet: the order would bring a second copy for ever.
    await fulfil(tx, objectId, placement.domain, at)
    return 'surplus'
  }
  await t
    .insertInto('storage_replicas')
    .values(replicaRow(objectId, placement, at))
    .onConflict((conflict) =>
      conflict.columns(['object_id', 'domain']).doUpdateSet({
        holder: placement.holder,
        position: placement.position,
        state: 'good',
        written_at: at,
      }),
    )
    .execute()
  await fulfil(tx, objectId, placement.domain, at, how === 'repaired' ? placement.domain : undefined)
  return 'recorded'
}

/** Ends the order for a domain; repaired in one, its time counts. */
async function fulfil(
  tx: Tx,
  objectId: string,
  domain: string,
  at: Date,
  repairedIn?: string,
): Promise<boolean> {
  const t = tx.withTables<StorageTables>()
  const ordered = await t
    .deleteFrom('storage_repairs')
    .where('object_id', '=', objectId)
    .where('domain', '=', domain)
    .returning(['reason', 'created_at'])
    .executeTakeFirst()
  if (ordered === undefined) return false
  if (repairedIn === undefined) return true
  const { reason, created_at: detected_at } = ordered
  await t
    .insertInto('storage_repair_times')
    .values({ object_id: objectId, domain: repairedIn, reason, detected_at, repaired_at: at })
    .execute()
  return true
}

/** Orders replicas that an object lacks; what is ordered already stays as it is. */
export async function orderReplicas(
  tx: Tx,
  missing: readonly { objectId: string; domain: string; dueAt: Date }[],
  at: Date,
): Promise<void> {
  if (missing.length === 0) return
  await tx
    .withTables<StorageTables>()
    .insertInto('storage_repairs')
    .values(
      missing.map(({ objectId, domain, dueAt }) => ({
        object_id: objectId,
        domain,
        reason: 'missing' as const,
        due_at: dueAt,
        created_at: at,
      })),
    )
    .onConflict((conflict) => conflict.columns(['object_id', 'domain']).doNothing())
    .execute()
}

/** Marks replicas as bad and orders their repair; nothing happens for an object that is not recorded. */
export async function markBad(tx: Tx, objectId: string, domains: readonly string[], at: Date): Promise<void> {
  const t = tx.withTables<StorageTables>()
  const marked = await t
    .updateTable('storage_replicas')
    .set({ state: 'bad' })
    .where('object_id', '=', objectId)
    .where('domain', 'in', domains)
    .returning('domain')
    .execute()
  if (marked.length === 0) return
  await t
    .insertInto('storage_repairs')
    .values(
      marked.map(({ domain }) => ({
        object_id: objectId,
        domain,
        reason: 'bad' as const,
        due_at: at,
        created_at: at,
      })),
    )
    .onConflict((conflict) => conflict.columns(['object_id', 'domain']).doNothing())
    .execute()
}

/**
 * Takes up repairs that are due, those of the most endangered objects first, and leases them: who
 * dies over one leaves it to the next.
 */
export async function claimRepairs(
  tx: Tx,
  now: Date,
  leaseUntil: Date,
  limit: number,
  places: Places,
): Promise<RepairItem[]> {
  const t = tx.withTables<StorageTables>()
  const known = sql`${JSON.stringify(places)}::jsonb`
  const due = await t
    .selectFrom('storage_repairs as p')
    .select(['p.object_id', 'p.domain'])
    .where('p.due_at', '<=', now)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('storage_destructions as d')
            .select('d.at')
            .whereRef('d.object_id', '=', 'p.object_id'),
        ),
      ),
    )
    // Replicas on one device fail together, those in one site burn together.
    .orderBy(
      sql`(select row(count(distinct coalesce(${known} -> r.domain ->> 'deviceId', r.domain)),
                      count(distinct ${known} -> r.domain ->> 'site'), count(*))
           from storage_replicas r where r.object_id = p.object_id and r.state = 'good')`,
    )
    .orderBy('p.due_at')
    .limit(limit)
    .forUpdate()
    .skipLocked()
    .execute()
  const items: RepairItem[] = []
  for (const { object_id, domain } of due) {
    const { attempts } = await t
      .updateTable('storage_repairs')
      .set((eb) => ({ attempts: eb('attempts', '+', 1), due_at: leaseUntil }))
      .where('object_id', '=', object_id)
      .where('domain', '=', domain)
      .returning('attempts')
      .executeTakeFirstOrThrow()
    items.push({ objectId: object_id, domain, attempts })
  }
  return items
}

/** A replica made elsewhere than ordered: on record with the same commit that gives up the bad one. */
export async function moveReplica(
  tx: Tx,
  { objectId, domain }: RepairItem,
  placement: Placement,
  at: Date,
): Promise<PutAnswer> {
  // In one order, so that two that move in opposite directions do not wait for each other.
  for (const name of [domain, placement.domain].sort()) await lockReplica(tx, objectId, name)
  const answer = await putReplica(tx, objectId, placement, at, 'repaired')
  if (answer === 'unknown' || answer === 'destroyed') return answer
  if (await fulfil(tx, objectId, domain, at, placement.domain)) {
    await tx
      .withTables<StorageTables>()
      .deleteFrom('storage_replicas')
      .where('object_id', '=', objectId)
      .where('domain', '=', domain)
      .where('state', '=', 'bad')
      .execute()
  }
  return answer
}

export async function postponeRepair(tx: Tx, item: RepairItem, dueAt: Date): Promise<void> {
  await tx
    .withTables<StorageTables>()
    .updateTable('storage_repairs')
    .set({ due_at: dueAt })
    .where('object_id', '=', item.objectId)
    .where('domain', '=', item.domain)
    .execute()
}

function objectRow(object: StoredObject): StorageTables['storage_objects'] {
  return {
    id: object.id,
    tenant_id: object.tenantId,
    scope_id: object.scopeId,
    class: object.class,
    size_bytes: object.sizeBytes,
    sha256: Buffer.from(object.sha256, 'hex'),
    stored_size_bytes: object.cipherSizeBytes,
    stored_sha256: Buffer.from(object.cipherSha256, 'hex'),
    wrapped_key: object.wrappedKey,
    created_at: object.createdAt,
  }
}

function replicaRow(objectId: string, placement: Placement, at: Date): StorageTables['storage_replicas'] {
  return {
    object_id: objectId,
    domain: placement.domain,
    holder: placement.holder,
    position: placement.position,
    state: 'good',
    written_at: at,
  }
}
