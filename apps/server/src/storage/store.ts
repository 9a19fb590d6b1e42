import { sql } from 'kysely'
import { later, type Tx } from '#src/db/db.ts'
import type { Placement } from './domain.ts'
import type { StorageClass } from './quorum.ts'
import type { StorageTables } from './tables.ts'

/** An object that is durable on its quorum; nothing refers to it before `record`. */
export interface StoredObject {
  id: string
  tenantId: string
  scopeId: string
  class: StorageClass
  sizeBytes: number
  /** SHA-256 of the content, hex. */
  sha256: string
  /** Size and SHA-256 of what lies on the disks: envelope and ciphertext. */
  cipherSizeBytes: number
  cipherSha256: string
  wrappedKey: Buffer
  createdAt: Date
  /** The replicas that were durable when it was returned. */
  replicas: Placement[]
}

export interface RepairItem {
  objectId: string
  domain: string
  attempts: number
}

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
export async function findObject(tx: Tx, objectId: string): Promise<StoredObject | undefined> {
  const rows = await tx
    .withTables<StorageTables>()
    .selectFrom('storage_objects as o')
    .innerJoin('storage_replicas as r', 'r.object_id', 'o.id')
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
    replicas: rows.map(({ domain, holder, position }) => ({
      domain,
      holder,
      position,
      sizeBytes: first.stored_size_bytes,
    })),
  }
}

/** A replica that arrived late or was made again. False when the object itself is not (yet) recorded. */
export async function putReplica(tx: Tx, objectId: string, placement: Placement, at: Date): Promise<boolean> {
  const t = tx.withTables<StorageTables>()
  const known = await t
    .selectFrom('storage_objects')
    .select('id')
    .where('id', '=', objectId)
    .executeTakeFirst()
  if (known === undefined) return false
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
  await t
    .deleteFrom('storage_repairs')
    .where('object_id', '=', objectId)
    .where('domain', '=', placement.domain)
    .execute()
  return true
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
): Promise<RepairItem[]> {
  const t = tx.withTables<StorageTables>()
  const due = await t
    .selectFrom('storage_repairs as p')
    .select(['p.object_id', 'p.domain'])
    .where('p.due_at', '<=', now)
    .orderBy((eb) =>
      eb
        .selectFrom('storage_replicas as r')
        .select((inner) => inner.fn.countAll().as('good'))
        .whereRef('r.object_id', '=', 'p.object_id')
        .where('r.state', '=', 'good'),
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
