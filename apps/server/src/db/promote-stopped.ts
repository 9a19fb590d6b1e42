/** A promotion while no server runs, because its primary is lost: the lease is moved, the next start does the rest. */
import { stat } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '#src/clock.ts'
import { holdsCluster, positionOf } from './cluster-questions.ts'
import type { ClusterPlan, CopyPlan } from './copies.ts'
import { refuse } from './errors.ts'
import { readLease, writeLease } from './lease.ts'
import { startPostgres } from './postgres.ts'
import { type Candidate, mostAdvanced } from './promotion.ts'
import { asking, holdsStandby } from './standby.ts'

export interface StoppedPromotion {
  cluster: ClusterPlan['cluster']
  from: string
  to: string
  term: number
  receivedLsn: string
}

interface StoppedPromotionOptions {
  to?: string
  acceptLoss?: boolean
  clock: Clock
  binDir?: string | undefined
}

export async function promoteStopped(
  plan: ClusterPlan,
  { to, acceptLoss = false, clock, binDir }: StoppedPromotionOptions,
): Promise<StoppedPromotion> {
  const lease = await readLease(plan.leaseFolders, plan.cluster)
  if (lease === undefined) throw refuse('promotion_never_started')
  const primary = plan.copies.find(({ name }) => name === lease.primary)
  const others = plan.copies.filter((copy) => copy !== primary)
  const positions: Candidate[] = []
  const silent: CopyPlan[] = []
  for (const copy of others) {
    const position = await positionIn(copy, binDir).catch((error: unknown) => {
      // A live server on this folder is no reason to take another copy.
      if (/in use by another/.test(String(error))) throw error
    })
    if (position) positions.push({ copy, ...position })
    else if (copy.site !== primary?.site) silent.push(copy)
  }
  const chosen = mostAdvanced({ candidates: positions, silent, to, acceptLoss })
  const term = lease.term + 1
  await writeLease(plan.leaseFolders, {
    ...lease,
    term,
    primary: chosen.copy.name,
    since: clock.now().toISOString(),
    reason: 'asked for by an operator while stopped',
  })
  return { cluster: plan.cluster, from: lease.primary, to: chosen.copy.name, term, receivedLsn: chosen.lsn }
}

const ANSWER_TIMEOUT_MS = 30_000

async function positionIn(
  copy: CopyPlan,
  binDir: string | undefined,
): Promise<{ lsn: string; bytes: bigint } | undefined> {
  // Asking must not create the folder of a site that is away.
  if ((await stat(copy.home).catch(() => undefined)) === undefined) return undefined
  if (!(await holdsCluster(copy)) || !(await holdsStandby(copy))) return undefined
  const postgres = await startPostgres({
    dataDir: copy.home,
    binDir,
    existing: true,
    settings: () => ({ hot_standby: 'on' }),
    standby: () => true,
  })
  try {
    const deadline = performance.now() + ANSWER_TIMEOUT_MS
    for (;;) {
      const position = await asking(postgres, positionOf).catch(() => undefined)
      if (position !== undefined || performance.now() > deadline) return position
      await wait(50)
    }
  } finally {
    await postgres.stop()
  }
}
