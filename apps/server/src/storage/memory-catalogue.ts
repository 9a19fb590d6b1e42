import type {
  BucketDigest,
  Catalogue,
  CataloguedReplica,
  OpenFinding,
  Orphan,
  PutAnswer,
  RepairReason,
  RepairTime,
  ScrubPass,
  ScrubResult,
  StoredObject,
} from './catalogue.ts'
import { addToDigest, bucketOf } from './digest.ts'
import type { Placement, Removal } from './domain.ts'
import { refuse } from './errors.ts'

/** A transaction: what it does becomes true at its end, all together. */
export interface MemoryTx {
  /** Objects that will exist once it is true. */
  readonly created: Set<string>
  onCommit(change: () => void): void
}

interface ReplicaRow {
  placement: Placement
  state: 'good' | 'bad'
  writtenAt: Date
}
interface RepairRow {
  objectId: string
  domain: string
  reason: RepairReason
  attempts: number
  dueAt: Date
  createdAt: Date
}
interface RemovalRow {
  objectId: string
  domain: string
  attempts: number
  dueAt: Date
  removedAt?: Date
  method?: Removal
}

/** The catalogue without a database, for simulations: nothing in it is ever lost or torn. */
export function createMemoryCatalogue(): Catalogue<MemoryTx> {
  const objects = new Map<string, Omit<StoredObject, 'replicas'>>()
  const replicas = new Map<string, Map<string, ReplicaRow>>()
  const repairs = new Map<string, RepairRow>()
  const destructions = new Map<string, { at: Date; reason: string }>()
  const removals = new Map<string, RemovalRow>()
  const scrubs = new Map<string, ScrubResult>()
  const passes = new Map<string, ScrubPass[]>()
  const times: RepairTime[] = []
  const inventories: { domain: string; startedAt: Date; finishedAt: Date }[] = []
  const orphans = new Map<string, Orphan>()
  let findings: (OpenFinding & { resolvedAt?: Date })[] = []
  let quarantines: { domain: string; reason: string; since: Date; readmittedAt?: Date }[] = []

  const key = (objectId: string, domain: string) => `${objectId} ${domain}`
  const replicasOf = (objectId: string) => replicas.get(objectId) ?? new Map<string, ReplicaRow>()
  const sorted = (domains: Map<string, ReplicaRow>) =>
    Array.from(domains).sort(([a], [b]) => (a < b ? -1 : 1))
  const goodOf = (objectId: string) => sorted(replicasOf(objectId)).filter(([, row]) => row.state === 'good')
  const isLiving = (objectId: string) => !destructions.has(objectId)

  function setReplica(objectId: string, placement: Placement, writtenAt: Date) {
    const of = replicas.get(objectId) ?? new Map<string, ReplicaRow>()
    replicas.set(objectId, of)
    of.set(placement.domain, { placement, state: 'good', writtenAt })
  }

  function order(objectId: string, domain: string, reason: RepairReason, dueAt: Date, createdAt: Date) {
    if (repairs.has(key(objectId, domain))) return
    repairs.set(key(objectId, domain), { objectId, domain, reason, attempts: 0, dueAt, createdAt })
  }

  function listIn(domain: string): CataloguedReplica[] {
    const found: CataloguedReplica[] = []
    for (const [objectId, of] of replicas) {
      const row = of.get(domain)
      const object = objects.get(objectId)
      if (row === undefined || object === undefined || !isLiving(objectId)) continue
      found.push({ objectId, ...row, cipherSha256: object.cipherSha256 })
    }
    return found.sort((a, b) => (a.objectId < b.objectId ? -1 : 1))
  }

  function record(
    objectId: string,
    placement: Placement,
    at: Date,
    how: 'late' | 'repaired' = 'late',
  ): PutAnswer {
    if (!objects.has(objectId)) return 'unknown'
    if (!isLiving(objectId)) return 'destroyed'
    const row = replicasOf(objectId).get(placement.domain)
    const isOther =
      row?.placement.holder !== placement.holder || row.placement.position !== placement.position
    if (row?.state === 'good' && isOther) {
      // Ordered by one who had not seen it yet: the order would bring a second copy for ever.
      fulfil(objectId, placement.domain, at)
      return 'surplus'
    }
    setReplica(objectId, placement, at)
    fulfil(objectId, placement.domain, at, how === 'repaired' ? placement.domain : undefined)
    return 'recorded'
  }

  /** Ends the order for a domain; repaired in one, its time counts. */
  function fulfil(objectId: string, domain: string, at: Date, repairedIn?: string): boolean {
    const ordered = repairs.get(key(objectId, domain))
    if (ordered === undefined) return false
    repairs.delete(key(objectId, domain))
    const { reason, createdAt } = ordered
    if (repairedIn !== undefined)
      times.push({ domain: repairedIn, reason, detectedAt: createdAt, repairedAt: at })
    return true
  }

  return {
    async transact(work) {
      const changes: (() => void)[] = []
      const result = await work({ created: new Set(), onCommit: (change) => changes.push(change) })
      for (const change of changes) change()
      return result
    },

    async insertObjects(tx, stored, missing) {
      const copies = stored.map((object) => ({ ...object, replicas: [...object.replicas] }))
      for (const { id } of copies) {
        if (objects.has(id) || tx.created.has(id)) throw new Error(`the object ${id} is recorded twice`)
        tx.created.add(id)
      }
      tx.onCommit(() => {
        for (const { replicas: placed, ...object } of copies) {
          objects.set(object.id, object)
          for (const placement of placed) setReplica(object.id, placement, object.createdAt)
        }
        for (const { objectId, domain, dueAt } of missing)
          order(objectId, domain, 'missing', dueAt, copies[0]!.createdAt)
      })
    },

    async findObject(objectId) {
      const object = objects.get(objectId)
      if (object === undefined) return undefined
      const all = sorted(replicasOf(objectId))
      const ordered = [
        ...all.filter(([, row]) => row.state === 'good'),
        ...all.filter(([, row]) => row.state === 'bad'),
      ]
      const destroyed = destructions.get(objectId)
      return {
        ...object,
        replicas: ordered.map(([, row]) => row.placement),
        ...(destroyed === undefined ? {} : { destroyedAt: destroyed.at }),
      }
    },

    putReplica: async (objectId, placement, at, how) => record(objectId, placement, at, how),

    async markBad(objectId, domains, at) {
      for (const domain of domains) {
        const row = replicas.get(objectId)?.get(domain)
        if (row === undefined) continue
        row.state = 'bad'
        order(objectId, domain, 'bad', at, at)
      }
    },

    async orderReplicas(missing, at) {
      for (const { objectId, domain, dueAt } of missing) order(objectId, domain, 'missing', dueAt, at)
    },

    async claimRepairs(now, leaseUntil, limit, places) {
      const danger = ({ objectId }: RepairRow) => {
        const good = goodOf(objectId).map(([domain]) => domain)
        const sites = good.flatMap((domain) => places[domain]?.site ?? [])
        return [
          new Set(good.map((domain) => places[domain]?.deviceId ?? domain)).size,
          new Set(sites).size,
          good.length,
        ]
      }
      const due = Array.from(repairs.values())
        .filter((row) => row.dueAt <= now && isLiving(row.objectId))
        .map((row) => ({ row, danger: [...danger(row), row.dueAt.getTime()] }))
        .sort((a, b) => compareLists(a.danger, b.danger))
        .slice(0, limit)
      return due.map(({ row }) => {
        row.attempts += 1
        row.dueAt = leaseUntil
        return { objectId: row.objectId, domain: row.domain, attempts: row.attempts }
      })
    },

    async postponeRepair(item, dueAt) {
      const row = repairs.get(key(item.objectId, item.domain))
      if (row !== undefined) row.dueAt = dueAt
    },

    async moveReplica({ objectId, domain }, placement, at) {
      const answer = record(objectId, placement, at, 'repaired')
      if (answer === 'unknown' || answer === 'destroyed') return answer
      if (fulfil(objectId, domain, at, placement.domain) && replicasOf(objectId).get(domain)?.state === 'bad')
        replicasOf(objectId).delete(domain)
      return answer
    },

    async hastenRepairs(now) {
      for (const row of repairs.values()) row.dueAt = now
    },
    repairsWaiting: async () => Array.from(repairs.values()).filter((row) => isLiving(row.objectId)).length,
    repairTimes: async (since) => times.filter((one) => one.repairedAt >= since),

    async destroy(tx, objectIds, reason, at, domains) {
      for (const objectId of objectIds)
        if (!objects.has(objectId) && !tx.created.has(objectId)) throw refuse('object_not_found')
      tx.onCommit(() => {
        for (const objectId of objectIds) {
          if (!destructions.has(objectId)) destructions.set(objectId, { at, reason })
          for (const domain of domains) {
            if (!removals.has(key(objectId, domain)))
              removals.set(key(objectId, domain), { objectId, domain, attempts: 0, dueAt: at })
          }
        }
      })
    },

    async destruction(objectId) {
      const destroyed = destructions.get(objectId)
      if (destroyed === undefined) return undefined
      const rows = Array.from(removals.values()).filter((row) => row.objectId === objectId)
      rows.sort((a, b) => (a.domain < b.domain ? -1 : 1))
      return {
        objectId,
        ...destroyed,
        domains: rows.map(({ domain, removedAt, method }) => {
          if (removedAt === undefined) return { domain, state: 'pending' as const }
          const verified = inventories
            .filter((one) => one.domain === domain && one.startedAt > removedAt)
            .map((one) => one.finishedAt.getTime())
          return {
            domain,
            state: 'removed' as const,
            removedAt,
            ...(method === undefined ? {} : { method }),
            ...(verified.length === 0 ? {} : { verifiedAbsentAt: new Date(Math.max(...verified)) }),
          }
        }),
      }
    },

    async claimRemovals(now, leaseUntil, limit) {
      const open = Array.from(removals.values()).filter((row) => row.removedAt === undefined)
      for (const { objectId } of open) {
        for (const domain of replicasOf(objectId).keys()) {
          const row = removals.get(key(objectId, domain))
          if (row === undefined)
            removals.set(key(objectId, domain), { objectId, domain, attempts: 0, dueAt: now })
          else if (row.removedAt !== undefined) {
            delete row.removedAt
            row.dueAt = now
          }
        }
      }
      const due = Array.from(removals.values())
        .filter((row) => row.removedAt === undefined && row.dueAt <= now)
        .sort((a, b) => a.dueAt.getTime() - b.dueAt.getTime())
        .slice(0, limit)
      return due.map((row) => {
        row.attempts += 1
        row.dueAt = leaseUntil
        const { objectId, domain, attempts } = row
        const placement = replicasOf(objectId).get(domain)?.placement
        return { objectId, domain, attempts, ...(placement === undefined ? {} : { placement }) }
      })
    },

    async finishRemoval({ objectId, domain, placement }, method, at) {
      const row = removals.get(key(objectId, domain))
      if (row === undefined) return false
      const now = replicasOf(objectId).get(domain)?.placement
      if (now?.holder !== placement?.holder || now?.position !== placement?.position) {
        row.dueAt = at
        return false
      }
      replicas.get(objectId)?.delete(domain)
      scrubs.delete(key(objectId, domain))
      repairs.delete(key(objectId, domain))
      row.removedAt = at
      row.method = method
      return true
    },

    async postponeRemoval(item, dueAt) {
      const row = removals.get(key(item.objectId, item.domain))
      if (row !== undefined) row.dueAt = dueAt
    },

    async hastenRemovals(now) {
      for (const row of removals.values()) row.dueAt = now
    },

    async noteLateRemoval(objectId, domain, method, at) {
      const row = removals.get(key(objectId, domain))
      if (row === undefined)
        removals.set(key(objectId, domain), {
          objectId,
          domain,
          attempts: 0,
          dueAt: at,
          removedAt: at,
          method,
        })
      else if (row.removedAt !== undefined) Object.assign(row, { removedAt: at, method })
    },

    removalsWaiting: async () =>
      Array.from(removals.values()).filter((row) => row.removedAt === undefined).length,

    async replicaFacts(of) {
      const ids =
        'objectId' in of
          ? [of.objectId]
          : Array.from(objects.values(), (object) => object)
              .filter((object) => object.scopeId === of.scopeId)
              .map((object) => object.id)
              .sort()
      return ids.flatMap((objectId) =>
        sorted(replicasOf(objectId)).map(([domain, row]) => {
          const scrub = scrubs.get(key(objectId, domain))
          const isOfThis = scrub !== undefined && scrub.verifiedAt >= row.writtenAt
          return {
            objectId,
            domain,
            bytes: objects.get(objectId)!.cipherSizeBytes,
            state: row.state,
            writtenAt: row.writtenAt,
            ...(isOfThis ? { lastVerifiedAt: scrub.verifiedAt, lastVerdict: scrub.verdict } : {}),
          }
        }),
      )
    },

    async occurringSets() {
      const sets = new Map<string, { domains: string[]; objects: number }>()
      for (const of of replicas.values()) {
        if (of.size === 0) continue
        const domains = Array.from(of.keys()).sort()
        const set = sets.get(domains.join(' ')) ?? { domains, objects: 0 }
        set.objects += 1
        sets.set(domains.join(' '), set)
      }
      return Array.from(sets.values()).sort((a, b) => (a.domains.join(' ') < b.domains.join(' ') ? -1 : 1))
    },

    replicasIn: async (domain, { after, bucket, limit }) =>
      listIn(domain)
        .filter((one) => after === undefined || one.objectId > after)
        .filter((one) => bucket === undefined || bucketOf(one.objectId) === bucket)
        .slice(0, limit),

    async recordScrubs(domain, results) {
      for (const result of results) scrubs.set(key(result.objectId, domain), { ...result })
    },
    async lastScrub(domain) {
      const last = passes.get(domain)?.at(-1)
      return last === undefined ? undefined : { ...last }
    },
    async saveScrub(pass) {
      const of = passes.get(pass.domain) ?? []
      passes.set(pass.domain, of)
      const last = of.at(-1)
      if (last?.startedAt.getTime() === pass.startedAt.getTime()) of[of.length - 1] = { ...pass }
      else of.push({ ...pass })
    },

    async digests(domain) {
      const found = new Map<number, BucketDigest>()
      for (const { objectId, cipherSha256, state } of listIn(domain)) {
        if (state === 'good') addToDigest(found, objectId, cipherSha256)
      }
      return found
    },

    async lookup(domain, objectIds) {
      return new Map(
        objectIds.flatMap((objectId) => {
          const object = objects.get(objectId)
          if (object === undefined) return []
          const row = replicasOf(objectId).get(domain)
          const destroyed = destructions.get(objectId)
          return [
            [
              objectId,
              {
                cipherSizeBytes: object.cipherSizeBytes,
                cipherSha256: object.cipherSha256,
                createdAt: object.createdAt,
                ...(destroyed === undefined ? {} : { destroyedAt: destroyed.at }),
                ...(row === undefined
                  ? {}
                  : {
                      replica: {
                        holder: row.placement.holder,
                        position: row.placement.position,
                        state: row.state,
                        writtenAt: row.writtenAt,
                      },
                    }),
              },
            ],
          ]
        }),
      )
    },

    async recordInventory(domain, startedAt, finishedAt) {
      inventories.push({ domain, startedAt, finishedAt })
    },

    async moveReplicas(moves, at) {
      const moved = new Set<string>()
      for (const { objectId, from, to } of moves) {
        const row = replicasOf(objectId).get(from.domain)
        if (row === undefined || row.state !== 'good' || !isLiving(objectId)) continue
        if (row.placement.holder !== from.holder || row.placement.position !== from.position) continue
        row.placement = { ...to, sizeBytes: row.placement.sizeBytes }
        row.writtenAt = at
        moved.add(objectId)
      }
      return moved
    },

    async endangered(wanted, createdBefore, limit) {
      const isShort = (good: readonly string[]) =>
        [wanted.primary, wanted.recovery].some(
          ({ domains, replicas: count }) => good.filter((one) => domains.includes(one)).length < count,
        )
      return Array.from(objects.values())
        .filter(({ id, createdAt }) => {
          if (!isLiving(id)) return false
          const good = goodOf(id).map(([domain]) => domain)
          return good.length === 0 || (createdAt < createdBefore && isShort(good))
        })
        .map(({ id }) => ({
          objectId: id,
          good: goodOf(id).map(([domain]) => domain),
          domains: sorted(replicasOf(id)).map(([domain]) => domain),
        }))
        .sort((a, b) => a.good.length - b.good.length || (a.objectId < b.objectId ? -1 : 1))
        .slice(0, limit)
    },

    async scopes(after, limit) {
      const found = new Map<
        string,
        { scopeId: string; living: number; destroyed: number; lastDestroyedAt?: Date }
      >()
      for (const { id, scopeId } of objects.values()) {
        if (after !== undefined && !(scopeId > after)) continue
        const scope = found.get(scopeId) ?? { scopeId, living: 0, destroyed: 0 }
        found.set(scopeId, scope)
        const destroyed = destructions.get(id)
        if (destroyed === undefined) scope.living += 1
        else {
          scope.destroyed += 1
          if (scope.lastDestroyedAt === undefined || scope.lastDestroyedAt < destroyed.at)
            scope.lastDestroyedAt = destroyed.at
        }
      }
      return Array.from(found.values())
        .sort((a, b) => (a.scopeId < b.scopeId ? -1 : 1))
        .slice(0, limit)
    },

    async noteOrphans(found, at) {
      for (const { objectId, placement } of found) {
        const known = orphans.get(key(objectId, placement.domain))
        orphans.set(key(objectId, placement.domain), { objectId, placement, foundAt: known?.foundAt ?? at })
      }
    },
    orphansFoundBefore: async (domain, before, limit) =>
      Array.from(orphans.values())
        .filter((one) => one.placement.domain === domain && one.foundAt < before)
        .sort((a, b) => (a.objectId < b.objectId ? -1 : 1))
        .slice(0, limit),
    async forgetOrphans(domain, objectIds) {
      for (const objectId of objectIds) orphans.delete(key(objectId, domain))
    },

    async noteFindings(seen, at) {
      for (const finding of seen) {
        const known = findings.find(
          (one) =>
            one.resolvedAt === undefined &&
            one.class === finding.class &&
            one.subjectId === finding.subjectId &&
            one.domain === finding.domain,
        )
        if (known === undefined) findings.push({ ...finding, firstSeenAt: at, lastSeenAt: at })
        else Object.assign(known, { ...finding, lastSeenAt: at })
      }
    },
    async resolveFindings(classes, notSeenSince, at) {
      findings = findings.map((one) =>
        one.resolvedAt === undefined && one.lastSeenAt < notSeenSince && classes.includes(one.class)
          ? { ...one, resolvedAt: at }
          : one,
      )
    },
    openFindings: async () =>
      findings
        .filter((one) => one.resolvedAt === undefined)
        .map(({ resolvedAt: _, ...one }) => one)
        .sort((a, b) =>
          `${a.class} ${a.subjectId} ${a.domain}` < `${b.class} ${b.subjectId} ${b.domain}` ? -1 : 1,
        ),

    async quarantine(domain, reason, since) {
      const isOpen = quarantines.some((one) => one.domain === domain && one.readmittedAt === undefined)
      if (!isOpen) quarantines.push({ domain, reason, since })
    },
    async readmit(domain, at) {
      quarantines = quarantines.map((one) =>
        one.domain === domain && one.readmittedAt === undefined ? { ...one, readmittedAt: at } : one,
      )
    },
    quarantines: async () =>
      quarantines
        .filter((one) => one.readmittedAt === undefined)
        .map(({ domain, reason, since }) => ({ domain, reason, since }))
        .sort((a, b) => (a.domain < b.domain ? -1 : 1)),
  }
}

function compareLists(a: readonly number[], b: readonly number[]): number {
  for (const [at, one] of a.entries()) if (one !== b[at]) return one - (b[at] ?? 0)
  return 0
}
