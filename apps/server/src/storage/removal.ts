import type { Clock } from '#src/clock.ts'
import type { Log } from '#src/log.ts'
import type { Catalogue, RemovalItem } from './catalogue.ts'
import type { Placement, Removal } from './domain.ts'
import type { ReplicaSet } from './replica-set.ts'

const leaseMs = 10 * 60_000
const firstDelayMs = 30_000
const longestDelayMs = 60 * 60_000

export interface RemovalSummary {
  removed: number
  failed: number
}

/** Removes the replicas of destroyed objects everywhere, and does not give up. */
export function createRemoval(deps: {
  catalogue: Catalogue<unknown>
  clock: Clock
  log: Pick<Log, 'warn'>
  replicas: ReplicaSet
  onRemoved: (outcome: 'removed' | 'failed') => void
}) {
  const { catalogue, clock, log, replicas } = deps

  async function removeDue(batchSize = 100): Promise<RemovalSummary> {
    const summary = { removed: 0, failed: 0 }
    for (;;) {
      const now = clock.now()
      const items = await catalogue.claimRemovals(now, new Date(now.getTime() + leaseMs), batchSize)
      if (items.length === 0) return summary
      for (const item of items) {
        const outcome = (await removeOne(item)) ? 'removed' : 'failed'
        summary[outcome] += 1
        deps.onRemoved(outcome)
      }
    }
  }

  async function removeOne(item: RemovalItem): Promise<boolean> {
    try {
      const method = item.placement === undefined ? 'absent' : await removeAt(item.objectId, item.placement)
      // Moved by a compaction meanwhile: it is claimed again at its new place, and this was not it.
      return await catalogue.finishRemoval(item, method, clock.now())
    } catch (error) {
      log.warn({ err: error, objectId: item.objectId, domain: item.domain }, 'a replica could not be removed')
      const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** (item.attempts - 1))
      await catalogue.postponeRemoval(item, new Date(clock.now().getTime() + delayMs))
      return false
    }
  }

  async function removeAt(objectId: string, placement: Placement): Promise<Removal> {
    const domain = replicas.domain(placement.domain)
    if (domain === undefined)
      throw new Error(`there is no failure domain ${placement.domain} in this configuration`)
    return await domain.remove(objectId, placement)
  }

  /** A replica of a destroyed object that turned up after all: gone at once, and on record. */
  async function removeFound(objectId: string, placement: Placement): Promise<void> {
    const method = await removeAt(objectId, placement)
    await catalogue.noteLateRemoval(objectId, placement.domain, method, clock.now())
  }

  /**
   * A copy of a living object that is not on record: gone at once, for no removal would know its place. One that cannot
   * be reached now is left to the inventory and to compaction.
   */
  async function withdraw(objectId: string, placement: Placement): Promise<void> {
    try {
      await removeAt(objectId, placement)
    } catch (error) {
      log.warn({ err: error, objectId, domain: placement.domain }, 'a second copy could not be taken away')
    }
  }

  return { removeDue, removeAt, removeFound, withdraw }
}
