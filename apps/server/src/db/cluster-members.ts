/** Who belongs to a cluster now: its primary, its standbys, and what is being done to it. */
import type { Clock } from '#src/clock.ts'
import type { CopyPlan, ClusterName, ClusterPlan } from './copies.ts'
import type { Lease } from './lease.ts'
import type { ManagedPostgres } from './postgres.ts'
import type { Standby } from './standby.ts'

/** What happens to commits when no copy in the other site confirms them. */
export interface SyncPolicy {
  /** `wait`: they end unconfirmed after the limit. `degrade`: they go on without, with an alarm. */
  onLoss: 'wait' | 'degrade'
  waitMs: number
}

export interface ClusterOptions {
  plan: ClusterPlan
  clock: Clock
  sync: SyncPolicy
  durable?: boolean
  /** As in `PostgresOptions`. */
  binDir?: string | undefined
  restartDelayMs?: number
  /** Settings of every instance. */
  settings?: Record<string, string>
  onEvent?: (event: string, detail: Record<string, unknown>) => void
  /** How long a standby that is up may be without its stream before it is made anew. */
  remakeAfterMs?: number
}

/** Changed by a promotion and by the keeping of copies; everything else reads it. */
export interface Members {
  readonly cluster: ClusterName
  readonly plan: ClusterPlan
  lease: Lease
  primaryCopy: CopyPlan
  main: ManagedPostgres
  /** What pools are told; changes only when commits are safe there. */
  exposed: ManagedPostgres
  readonly standbys: Map<string, Standby>
  /** Copies that are being made anew, by name. */
  readonly making: Set<string>
  stopping: boolean
  promoting: boolean
  onEvent: (event: string, detail?: Record<string, unknown>) => void
}

export const othersOf = ({ plan, primaryCopy }: Members) => plan.copies.filter((copy) => copy !== primaryCopy)

export const isElsewhere = ({ primaryCopy }: Members, copy: CopyPlan) => copy.site !== primaryCopy.site

/** Copies whose word a commit needs; without any in the other site nothing waits. */
export const confirmingOf = (members: Members) =>
  othersOf(members).filter((copy) => isElsewhere(members, copy))
