import type { Placement, SiteName } from './domain.ts'
import { refuse } from './errors.ts'
import { pause, type Timers } from './timers.ts'

/**
 * draft: 2 of 3 in the primary site. signed (evidence and ledgers too): 2 in the primary site and
 * 1 in the recovery site, before anything may refer to the object.
 */
export type StorageClass = 'draft' | 'signed'

export type QuorumRule = Readonly<Record<SiteName, number>>

export const quorums: Readonly<Record<StorageClass, QuorumRule>> = {
  draft: { primary: 2, recovery: 0 },
  signed: { primary: 2, recovery: 1 },
}

export function isQuorum(rule: QuorumRule, sites: readonly SiteName[]): boolean {
  const count = (site: SiteName) => sites.filter((one) => one === site).length
  return count('primary') >= rule.primary && count('recovery') >= rule.recovery
}

/** One replica on its way. */
export interface ReplicaWrite {
  domain: string
  site: SiteName
  done: Promise<Placement>
}

/** A write that reached its quorum; late replicas still arrive until `settled`. */
export interface WriteOutcome {
  /** The domains that were to take it. */
  targets: string[]
  /** Durable so far; grows until settled. */
  placed: Placement[]
  /** The domains that failed so far. */
  failed: { domain: string; error: unknown }[]
  /** Never rejects. */
  settled: Promise<void>
}

export interface GatherOptions {
  timers: Timers
  /** A replica that takes longer counts as failed for the quorum; if it arrives later, it is welcome. */
  timeoutMs: number
  /** How long a reached quorum waits for the rest, so that healthy writes are complete when they return. */
  lingerMs: number
}

/**
 * Waits until the quorum is durable.
 * @throws Refusal `storage_unavailable` as soon as it cannot be reached any more
 */
export async function gatherQuorum(
  rule: QuorumRule,
  writes: readonly ReplicaWrite[],
  { timers, timeoutMs, lingerMs }: GatherOptions,
): Promise<WriteOutcome> {
  const placed: Placement[] = []
  const failed: { domain: string; error: unknown }[] = []
  const arrived: SiteName[] = []
  const hopeful = new Set(writes)
  let wake = () => {}

  const settled = Promise.all(
    writes.map(async (write) => {
      try {
        placed.push(await write.done)
        arrived.push(write.site)
      } catch (error) {
        failed.push({ domain: write.domain, error })
      }
      hopeful.delete(write)
      wake()
    }),
  ).then(() => undefined)

  const reachable = () => isQuorum(rule, [...arrived, ...[...hopeful].map((write) => write.site)])
  const cancelDeadline = timers.after(timeoutMs, () => {
    hopeful.clear()
    wake()
  })
  try {
    while (!isQuorum(rule, arrived)) {
      if (!reachable())
        throw refuse('storage_unavailable', { reason: describeFailure(rule, arrived, failed) })
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  } finally {
    cancelDeadline()
    wake = () => {}
  }
  if (hopeful.size > 0 && lingerMs > 0) {
    const enough = new AbortController()
    await Promise.race([settled, pause(timers, lingerMs, enough.signal)])
    enough.abort()
  }
  return { targets: writes.map((one) => one.domain), placed, failed, settled }
}

function describeFailure(
  rule: QuorumRule,
  arrived: SiteName[],
  failed: { domain: string; error: unknown }[],
): string {
  const count = (site: SiteName) => arrived.filter((one) => one === site).length
  const domains = failed.map((one) => one.domain).join(', ') || 'timeout'
  return `primary ${count('primary')}/${rule.primary}, recovery ${count('recovery')}/${rule.recovery}; ${domains}`
}
