import { createHash } from 'node:crypto'
import type { Clock } from '#src/clock.ts'
import type { Log } from '#src/log.ts'
import type { Catalogue, CataloguedObject, Places, RepairItem } from './catalogue.ts'
import type { Domain, Placement } from './domain.ts'
import { readStored, streamStored } from './reading.ts'
import type { ReplicaSet } from './replica-set.ts'
import { smallStoredBytes } from './sealed-content.ts'

const leaseMs = 10 * 60_000
const firstDelayMs = 60_000
const longestDelayMs = 60 * 60_000

export interface RepairSummary {
  repaired: number
  failed: number
}

/** Makes missing and bad replicas again, always from one whose hash was verified on the way. */
export function createRepair(deps: {
  catalogue: Catalogue<unknown>
  clock: Clock
  log: Pick<Log, 'warn'>
  replicas: ReplicaSet
  /** Destroys a copy that came too late. */
  discard: (objectId: string, placement: Placement) => Promise<void>
  /** Takes away a copy of a living object that is not, or no longer, on record. */
  withdraw: (objectId: string, placement: Placement) => Promise<void>
  /** Marks an object for which a copy may be coming into being. */
  whileWriting: <R>(objectId: string, work: () => Promise<R>) => Promise<R>
  onRepaired: (outcome: 'repaired' | 'failed') => void
}) {
  const { catalogue, clock, log, replicas } = deps

  /** Works off what is due, the most endangered first, until nothing is. */
  async function repairDue(batchSize = 50): Promise<RepairSummary> {
    const summary = { repaired: 0, failed: 0 }
    for (;;) {
      const items = await catalogue.claimRepairs(clock.now(), leaseEnd(), batchSize, places())
      if (items.length === 0) return summary
      for (const item of items) {
        const isRepaired = await deps.whileWriting(item.objectId, () => repairOne(item))
        const outcome = isRepaired ? 'repaired' : 'failed'
        summary[outcome] += 1
        deps.onRepaired(outcome)
      }
    }
  }

  const leaseEnd = () => new Date(clock.now().getTime() + leaseMs)

  function places(): Places {
    return Object.fromEntries(
      replicas.domains.map((domain) => {
        const { site, deviceId } = domain.status()
        return [domain.name, deviceId === undefined ? { site } : { site, deviceId }]
      }),
    )
  }

  async function repairOne(item: RepairItem): Promise<boolean> {
    try {
      const object = await catalogue.findObject(item.objectId)
      if (object === undefined || object.replicas.length === 0)
        throw new Error('the object has no replica at all')
      if (object.destroyedAt !== undefined) return true
      const target = targetFor(object, item.domain)
      const placement = await remake(object, target)
      // Only now, and in one: a replica that is bad for want of an answer may be the last that there is to copy from.
      const answer =
        target.name === item.domain
          ? await catalogue.putReplica(item.objectId, placement, clock.now(), 'repaired')
          : await catalogue.moveReplica(item, placement, clock.now())
      if (answer === 'surplus') await deps.withdraw(item.objectId, placement)
      else if (answer !== 'recorded') await deps.discard(item.objectId, placement)
      const before = object.replicas.find((one) => one.domain === target.name)
      if (answer === 'recorded' && before !== undefined && !isSamePlace(before, placement))
        await deps.withdraw(item.objectId, before)
      return true
    } catch (error) {
      log.warn(
        { err: error, objectId: item.objectId, domain: item.domain },
        'a replica could not be repaired',
      )
      const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** (item.attempts - 1))
      await catalogue.postponeRepair(item, new Date(clock.now().getTime() + delayMs))
      return false
    }
  }

  /** The domain itself, or, while it takes no writes, another of its site that lacks the object. */
  function targetFor(object: CataloguedObject, name: string): Domain {
    const target = replicas.domain(name)
    if (target?.status().state === 'ready') return target
    const holding = new Set(object.replicas.map((one) => one.domain))
    const held = (site: Domain['site']) =>
      object.replicas.filter((one) => replicas.domain(one.domain)?.site === site).length
    const site = target?.site ?? (held('primary') <= held('recovery') ? 'primary' : 'recovery')
    const other = [...replicas.targets(object.id), ...replicas.domains].find(
      (domain) => domain.site === site && domain.status().state === 'ready' && !holding.has(domain.name),
    )
    if (other !== undefined) return other
    if (target === undefined) throw new Error(`there is no failure domain ${name} in this configuration`)
    return target
  }

  async function remake(object: CataloguedObject, target: Domain): Promise<Placement> {
    let problem: unknown = new Error('there is no other replica to copy from')
    for (const source of object.replicas) {
      if (source.domain === target.name) continue
      try {
        return await copy(object, source, target)
      } catch (error) {
        problem = error
      }
    }
    throw problem
  }

  async function copy(object: CataloguedObject, source: Placement, target: Domain): Promise<Placement> {
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

const isSamePlace = (one: Placement, other: Placement) =>
  one.holder === other.holder && one.position === other.position
