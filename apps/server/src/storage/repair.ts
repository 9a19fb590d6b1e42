import { createHash } from 'node:crypto'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import type { Log } from '#src/log.ts'
import type { Placement } from './domain.ts'
import { readStored, streamStored } from './reading.ts'
import type { ReplicaSet } from './replica-set.ts'
import { smallStoredBytes } from './sealed-content.ts'
import {
  claimRepairs,
  findObject,
  postponeRepair,
  putReplica,
  type RepairItem,
  type StoredObject,
} from './store.ts'

const leaseMs = 10 * 60_000
const firstDelayMs = 60_000
const longestDelayMs = 60 * 60_000

export interface RepairSummary {
  repaired: number
  failed: number
}

/** Makes missing and bad replicas again, always from one whose hash was verified on the way. */
export function createRepair(deps: { db: Db; clock: Clock; log: Log; replicas: ReplicaSet }) {
  const { db, clock, log, replicas } = deps

  /** Works off what is due, the most endangered first, until nothing is. */
  async function repairDue(batchSize = 50): Promise<RepairSummary> {
    const summary = { repaired: 0, failed: 0 }
    for (;;) {
      const now = clock.now()
      const items = await db.work((tx) => claimRepairs(tx, now, new Date(now.getTime() + leaseMs), batchSize))
      if (items.length === 0) return summary
      for (const item of items) {
        if (await repairOne(item)) summary.repaired += 1
        else summary.failed += 1
      }
    }
  }

  async function repairOne(item: RepairItem): Promise<boolean> {
    try {
      const object = await db.work((tx) => findObject(tx, item.objectId))
      if (object === undefined) throw new Error('the object has no replica at all')
      const placement = await remake(object, item.domain)
      await db.work((tx) => putReplica(tx, item.objectId, placement, clock.now()))
      return true
    } catch (error) {
      log.warn(
        { err: error, objectId: item.objectId, domain: item.domain },
        'a replica could not be repaired',
      )
      const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** (item.attempts - 1))
      await db.work((tx) => postponeRepair(tx, item, new Date(clock.now().getTime() + delayMs)))
      return false
    }
  }

  async function remake(object: StoredObject, domainName: string): Promise<Placement> {
    const target = replicas.domain(domainName)
    if (target === undefined)
      throw new Error(`there is no failure domain ${domainName} in this configuration`)
    let problem: unknown = new Error('there is no other replica to copy from')
    for (const source of object.replicas) {
      if (source.domain === domainName) continue
      try {
        return await copy(object, source, target)
      } catch (error) {
        problem = error
      }
    }
    throw problem
  }

  async function copy(
    object: StoredObject,
    source: Placement,
    target: NonNullable<ReturnType<ReplicaSet['domain']>>,
  ) {
    if (object.cipherSizeBytes <= smallStoredBytes) {
      const stored = await readStored(replicas, object, source)
      if (createHash('sha256').update(stored).digest('hex') !== object.cipherSha256) {
        throw new Error(`the replica in ${source.domain} does not have its hash`)
      }
      return target.append(object.id, stored, object.cipherSha256)
    }
    const writer = await target.begin(object.id)
    try {
      for await (const parts of streamStored(replicas, object, source)) await writer.write(parts)
    } catch (error) {
      await writer.abort()
      throw error
    }
    return writer.finish(true)
  }

  return { repairDue }
}
