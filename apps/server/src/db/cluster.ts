/** One cluster with its copies in both sites, as a whole. */
import { setTimeout as wait } from 'node:timers/promises'
import { type Followers, followersOf } from './cluster-questions.ts'
import { type ClusterOptions, type Members, othersOf } from './cluster-members.ts'
import { createCommitConfirmation } from './commit-confirmation.ts'
import type { ClusterName, ClusterPlan, DbCopy } from './copies.ts'
import { reportCopies } from './copies-report.ts'
import { createCopyKeeper } from './copy-keeper.ts'
import type { Lease } from './lease.ts'
import type { ManagedPostgres } from './postgres.ts'
import { startByLease } from './primary-start.ts'
import { promoteCopy, type PromoteOptions, type Promotion } from './promotion.ts'
import { asking } from './standby.ts'

export type { ClusterOptions, SyncPolicy } from './cluster-members.ts'
export type { PromoteOptions, Promotion } from './promotion.ts'

export interface Cluster {
  readonly cluster: ClusterName
  readonly plan: ClusterPlan
  /** A process left over by a killed server was stopped first. */
  readonly recovered: boolean
  /** The instance that takes writes now. */
  primary(): ManagedPostgres
  primaryName(): string
  lease(): Lease
  /** Starts the standbys, making those that are missing, and looks after them from now on. */
  beginCopies(): void
  /**
   * Resolves once commits wait for the other site: true when every planned copy follows, false when the limit
   * came first. Commits wait in both cases, unless the policy says otherwise.
   */
  copiesReady(limitMs: number): Promise<boolean>
  copies(): Promise<DbCopy[]>
  /** Makes a standby the primary and the old primary, once it is surely dead, a standby. */
  promote(options: PromoteOptions): Promise<Promotion>
  /** Set while commits go on without the other site. */
  degradedSince(): Date | undefined
  stop(): Promise<void>
}

/** Starts the primary that the lease names; the copies begin when they are told to. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { plan, clock } = options
  const onEvent = (event: string, detail: Record<string, unknown> = {}) =>
    options.onEvent?.(event, { cluster: plan.cluster, ...detail })
  const { copy, postgres, lease } = await startByLease(options, onEvent)
  const members: Members = {
    cluster: plan.cluster,
    plan,
    lease,
    primaryCopy: copy,
    main: postgres,
    exposed: postgres,
    standbys: new Map(),
    making: new Set(),
    stopping: false,
    promoting: false,
    onEvent,
  }
  const confirmation = createCommitConfirmation(members, options)
  const keeper = createCopyKeeper(members, options, confirmation)
  return {
    cluster: plan.cluster,
    plan,
    recovered: postgres.recovered,
    primary: () => members.exposed,
    primaryName: () => members.primaryCopy.name,
    lease: () => members.lease,
    degradedSince: confirmation.degradedSince,
    beginCopies() {
      for (const one of othersOf(members)) keeper.bring(one, false)
      keeper.begin()
    },
    async copiesReady(limitMs) {
      if (othersOf(members).length === 0) return true
      const deadline = performance.now() + limitMs
      let isReady = false
      while (!members.stopping && !isReady && performance.now() < deadline) {
        const followers = await asking(members.main, followersOf).catch(() => new Map() as Followers)
        isReady = othersOf(members).every(({ name }) => followers.get(name)?.state === 'streaming')
        if (!isReady) await wait(50)
      }
      await confirmation.set(true)
      return isReady
    },
    copies: () => reportCopies(members, clock.now(), confirmation.isOn()),
    promote: (how) => promoteCopy(members, options, { confirmation, keeper }, how),
    async stop() {
      members.stopping = true
      await keeper.end()
      // The primary first: its standbys then receive the last of its log.
      await members.main.stop()
      await Promise.all([...members.standbys.values()].map((one) => one.postgres.stop()))
    },
  }
}
