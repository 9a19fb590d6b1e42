import type { Clock } from '#src/clock.ts'
import type { Log } from '#src/log.ts'
import type { Catalogue } from './catalogue.ts'
import { type CompactionSummary, createCompaction } from './compaction.ts'
import type { Counters } from './counters.ts'
import type { Placement } from './domain.ts'
import { refuse } from './errors.ts'
import { createInventory, type InventorySummary } from './inventory.ts'
import type { createQuarantines } from './quarantines.ts'
import { createReconcile, type KeyDestroyed, type KeyPresent, type ReconcileSummary } from './reconcile.ts'
import type { ReplicaSet } from './replica-set.ts'
import { createScrub, type ScrubOptions, type ScrubSummary } from './scrub.ts'
import type { Timers } from './timers.ts'

export interface UpkeepOptions {
  signal?: AbortSignal
}

export interface Upkeep {
  /** Reads and compares replicas of every domain, as far as the period or `fresh` asks for. */
  scrub(options?: ScrubOptions): Promise<ScrubSummary[]>
  /** Compares digests of every domain with the catalogue and looks into the buckets that differ. */
  antiEntropy(options?: UpkeepOptions): Promise<InventorySummary[]>
  /** The full comparison of database, objects and keys; open findings are in the summary. */
  reconcile(
    options?: UpkeepOptions & { onDomain?: (summary: InventorySummary) => void },
  ): Promise<ReconcileSummary>
  /** Clears destroyed and superseded records out of the journals. */
  compact(options?: UpkeepOptions): Promise<CompactionSummary[]>
  /**
   * Lets a quarantined domain take writes again after every replica in it was read; what was bad is made again.
   * @throws Refusal `domain_unknown`, `domain_not_verified` when replicas gave no answer at all
   */
  readmit(name: string, options?: ScrubOptions): Promise<ScrubSummary>
}

export interface UpkeepDeps {
  catalogue: Catalogue<unknown>
  clock: Clock
  timers: Timers
  log: Pick<Log, 'warn' | 'error'>
  replicas: ReplicaSet
  counters: Counters
  quarantines: ReturnType<typeof createQuarantines>
  removeFound: (objectId: string, placement: Placement) => Promise<void>
  withdraw: (objectId: string, placement: Placement) => Promise<void>
  repairDue: () => Promise<unknown>
  keyPresent?: KeyPresent
  keyDestroyed?: KeyDestroyed
  destroy: (objectIds: readonly string[], reason: string) => Promise<void>
  scrubPeriodMs: number
  scrubBytesPerSecond: number
}

/** The work that keeps what was promised true: everything here runs by itself and can be asked for. */
export function createUpkeep(deps: UpkeepDeps): Upkeep {
  const { replicas, log } = deps
  const scrubbing = createScrub({
    ...deps,
    periodMs: deps.scrubPeriodMs,
    bytesPerSecond: deps.scrubBytesPerSecond,
  })
  const inventory = createInventory(deps)
  const reconciling = createReconcile({ ...deps, inventory })
  const compaction = createCompaction(deps)
  let lastScrub: Promise<unknown> = Promise.resolve()

  /** Domain after domain; one that fails keeps no other from its turn, and the failure is told at the end. */
  async function each<T>(what: string, work: (name: string) => Promise<T | undefined>): Promise<T[]> {
    const done: T[] = []
    const failed: unknown[] = []
    for (const { name } of replicas.domains) {
      try {
        const one = await work(name)
        if (one !== undefined) done.push(one)
      } catch (error) {
        log.warn({ err: error, domain: name }, `${what} could not be done`)
        failed.push(error)
      }
    }
    if (failed.length === 0) return done
    throw new AggregateError(failed, `${what} could not be done in ${failed.length} failure domains`)
  }

  const domainOf = (name: string) => {
    const domain = replicas.domain(name)
    if (domain === undefined) throw refuse('domain_unknown', { domain: name })
    return domain
  }

  return {
    scrub(options = {}) {
      // One after the other: two over the same pass would read everything twice.
      const mine = lastScrub.then(async () => {
        try {
          return await each('a scrub', (name) => scrubbing.scrubDomain(domainOf(name), options))
        } finally {
          if (!options.signal?.aborted) await deps.repairDue()
        }
      })
      lastScrub = mine.catch(() => undefined)
      return mine
    },
    async antiEntropy({ signal } = {}) {
      const looked = await each('a comparison', async (name) => {
        const buckets = await inventory.differingBuckets(domainOf(name), signal)
        if (buckets.size === 0 || signal?.aborted) return undefined
        return await inventory.take(domainOf(name), { buckets, ...(signal ? { signal } : {}) })
      })
      deps.counters.add('antiEntropyRuns')
      return looked
    },
    reconcile: (options) => reconciling.reconcile(options),
    compact: (options = {}) => each('compaction', (name) => compaction.compact(domainOf(name), options)),
    async readmit(name, options = {}) {
      const domain = domainOf(name)
      const pass = await scrubbing.scrubDomain(domain, { ...options, fresh: true })
      const { unreadable } = pass.verdicts
      if (unreadable > 0 || pass.finishedAt === undefined)
        throw refuse('domain_not_verified', { domain: name, bad: unreadable })
      await deps.quarantines.readmit(name)
      await deps.repairDue()
      return pass
    },
  }
}
