import { type RawBuilder, sql } from 'kysely'
import type { Db, Tx } from '#src/db/db.ts'
import type { BucketDigest, Catalogue } from './catalogue.ts'
import { mergeDigests } from './digest.ts'
import {
  claimRemovals,
  destroyObjects,
  findDestruction,
  finishRemoval,
  noteLateRemoval,
  postponeRemoval,
} from './pg-custody.ts'
import {
  claimRepairs,
  findObject,
  insertObjects,
  markBad,
  moveReplica,
  orderReplicas,
  postponeRepair,
  putReplica,
} from './pg-objects.ts'
import {
  digests,
  endangered,
  forgetOrphans,
  lastScrub,
  lookup,
  moveReplicas,
  noteFindings,
  noteOrphans,
  occurringSets,
  openFindings,
  orphansFoundBefore,
  recordScrubs,
  replicaFacts,
  replicasIn,
  resolveFindings,
  saveScrub,
  scopes,
  type Stretch,
  stretchEnd,
} from './pg-upkeep.ts'
import type { StorageTables } from './tables.ts'

/** Rows of this many objects are read or summed up by one statement in about a second. */
const defaultStretchSize = 50_000

/** The catalogue in the main database; each method opens its own transaction unless it takes one. */
export function createPgCatalogue(db: Db, stretchSize = defaultStretchSize): Catalogue<Tx> {
  const tables = (tx: Tx) => tx.withTables<StorageTables>()

  /** All objects, so many at a time that no statement is a long one. */
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
    transact: (work) => db.work(work),
    insertObjects,
    findObject: (objectId) => db.ask((tx) => findObject(tx, objectId)),
    putReplica: (objectId, placement, at, how = 'late') =>
      db.work((tx) => putReplica(tx, objectId, placement, at, how)),
    markBad: (objectId, domains, at) => db.work((tx) => markBad(tx, objectId, domains, at)),
    orderReplicas: (missing, at) => db.work((tx) => orderReplicas(tx, missing, at)),

    claimRepairs: (now, leaseUntil, limit, places) =>
      db.work((tx) => claimRepairs(tx, now, leaseUntil, limit, places)),
    postponeRepair: (item, dueAt) => db.work((tx) => postponeRepair(tx, item, dueAt)),
    moveReplica: (item, placement, at) => db.work((tx) => moveReplica(tx, item, placement, at)),
    async hastenRepairs(now) {
      await db.work((tx) => tables(tx).updateTable('storage_repairs').set({ due_at: now }).execute())
    },
    repairsWaiting: () =>
      db.ask((tx) =>
        count(
          tx,
          sql`storage_repairs p
            where not exists (select from storage_destructions d where d.object_id = p.object_id)`,
        ),
      ),
    async repairTimes(since) {
      const rows = await db.ask((tx) =>
        tables(tx)
          .selectFrom('storage_repair_times')
          .select(['domain', 'reason', 'detected_at', 'repaired_at'])
          .where('repaired_at', '>=', since)
          .orderBy('repaired_at')
          .execute(),
      )
      return rows.map((row) => ({
        domain: row.domain,
        reason: row.reason,
        detectedAt: row.detected_at,
        repairedAt: row.repaired_at,
      }))
    },

    destroy: destroyObjects,
    destruction: (objectId) => db.ask((tx) => findDestruction(tx, objectId)),
    claimRemovals: (now, leaseUntil, limit) => db.work((tx) => claimRemovals(tx, now, leaseUntil, limit)),
    finishRemoval: (item, method, at) => db.work((tx) => finishRemoval(tx, item, method, at)),
    postponeRemoval: (item, dueAt) => db.work((tx) => postponeRemoval(tx, item.objectId, item.domain, dueAt)),
    async hastenRemovals(now) {
      await db.work((tx) =>
        tables(tx)
          .updateTable('storage_removals')
          .set({ due_at: now })
          .where('removed_at', 'is', null)
          .execute(),
      )
    },
    noteLateRemoval: (objectId, domain, method, at) =>
      db.work((tx) => noteLateRemoval(tx, objectId, domain, method, at)),
    removalsWaiting: () => db.ask((tx) => count(tx, sql`storage_removals where removed_at is null`)),

    replicaFacts: (of) => db.ask((tx) => replicaFacts(tx, of)),
    async occurringSets() {
      const sets = new Map<string, { domains: string[]; objects: number }>()
      for await (const stretch of stretches()) {
        for (const { domains, objects } of await db.ask((tx) => occurringSets(tx, stretch))) {
          const known = sets.get(domains.join(' '))
          sets.set(domains.join(' '), { domains, objects: objects + (known?.objects ?? 0) })
        }
      }
      return Array.from(sets.values()).sort((a, b) => (a.domains.join(' ') < b.domains.join(' ') ? -1 : 1))
    },
    replicasIn: (domain, page) => db.ask((tx) => replicasIn(tx, domain, page)),
    recordScrubs: (domain, results) => db.work((tx) => recordScrubs(tx, domain, results)),
    lastScrub: (domain) => db.ask((tx) => lastScrub(tx, domain)),
    saveScrub: (pass) => db.work((tx) => saveScrub(tx, pass)),

    async digests(domain) {
      const whole = new Map<number, BucketDigest>()
      for await (const stretch of stretches()) {
        for (const [bucket, part] of await db.ask((tx) => digests(tx, domain, stretch)))
          whole.set(bucket, mergeDigests(whole.get(bucket), part))
      }
      return whole
    },
    lookup: (domain, objectIds) => db.ask((tx) => lookup(tx, domain, objectIds)),
    async recordInventory(domain, startedAt, finishedAt, replicas) {
      await db.work((tx) =>
        tables(tx)
          .insertInto('storage_inventories')
          .values({ domain, started_at: startedAt, finished_at: finishedAt, replicas })
          .onConflict((conflict) => conflict.doNothing())
          .execute(),
      )
    },
    moveReplicas: (moves, at) => db.work((tx) => moveReplicas(tx, moves, at)),
    async endangered(wanted, createdBefore, limit) {
      const found: Awaited<ReturnType<typeof endangered>> = []
      for await (const stretch of stretches())
        found.push(...(await db.ask((tx) => endangered(tx, wanted, createdBefore, limit, stretch))))
      found.sort((a, b) => a.good.length - b.good.length || (a.objectId < b.objectId ? -1 : 1))
      return found.slice(0, limit)
    },
    scopes: (after, limit) => db.ask((tx) => scopes(tx, after, limit)),

    noteOrphans: (orphans, at) => db.work((tx) => noteOrphans(tx, orphans, at)),
    orphansFoundBefore: (domain, before, limit) =>
      db.ask((tx) => orphansFoundBefore(tx, domain, before, limit)),
    forgetOrphans: (domain, objectIds) => db.work((tx) => forgetOrphans(tx, domain, objectIds)),

    noteFindings: (findings, at) => db.work((tx) => noteFindings(tx, findings, at)),
    resolveFindings: (classes, notSeenSince, at) =>
      db.work((tx) => resolveFindings(tx, classes, notSeenSince, at)),
    openFindings: () => db.ask(openFindings),

    async quarantine(domain, reason, at) {
      await db.work((tx) =>
        tables(tx)
          .insertInto('storage_quarantines')
          .values({ domain, since: at, reason })
          .onConflict((conflict) => conflict.doNothing())
          .execute(),
      )
    },
    async readmit(domain, at) {
      await db.work((tx) =>
        tables(tx)
          .updateTable('storage_quarantines')
          .set({ readmitted_at: at })
          .where('domain', '=', domain)
          .where('readmitted_at', 'is', null)
          .execute(),
      )
    },
    quarantines: () =>
      db.ask((tx) =>
        tables(tx)
          .selectFrom('storage_quarantines')
          .select(['domain', 'reason', 'since'])
          .where('readmitted_at', 'is', null)
          .orderBy('domain')
          .execute(),
      ),
  }
}

async function count(tx: Tx, rows: RawBuilder<unknown>): Promise<number> {
  const { rows: answer } = await sql<{ n: number }>`select count(*) as n from ${rows}`.execute(tx)
  return answer[0]?.n ?? 0
}
