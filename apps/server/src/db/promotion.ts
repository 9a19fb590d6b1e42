/** Makes a standby the primary: at any time one instance at most takes writes. */
import { setTimeout as wait } from 'node:timers/promises'
import { identityOf, positionOf, promoteInstance } from './cluster-questions.ts'
import { type ClusterOptions, isElsewhere, type Members, othersOf } from './cluster-members.ts'
import type { CommitConfirmation } from './commit-confirmation.ts'
import type { ClusterName, CopyPlan } from './copies.ts'
import type { CopyKeeper } from './copy-keeper.ts'
import { refuse } from './errors.ts'
import { writeLease } from './lease.ts'
import { startPrimary } from './primary-start.ts'
import { asking } from './standby.ts'

export interface Promotion {
  cluster: ClusterName
  from: string
  to: string
  term: number
  timeline: number
  /** The log that the new primary had received. */
  receivedLsn: string
  durationMs: number
}

export interface PromoteOptions {
  /** The most advanced standby unless named; a named one that is behind another is refused. */
  to?: string
  /** Goes on although a copy that may have confirmed commits cannot be asked. */
  acceptLoss?: boolean
  reason: string
}

export interface Candidate {
  copy: CopyPlan
  lsn: string
  bytes: bigint
}

export async function promoteCopy(
  members: Members,
  options: ClusterOptions,
  { confirmation, keeper }: { confirmation: CommitConfirmation; keeper: CopyKeeper },
  { to, acceptLoss = false, reason }: PromoteOptions,
): Promise<Promotion> {
  if (members.promoting) throw refuse('promotion_under_way')
  const begunMs = performance.now()
  const { plan } = members
  members.promoting = true
  let isFenced = false
  const old = { copy: members.primaryCopy, postgres: members.main }
  const before = members.lease
  try {
    // 1. Who can take over, judged before anything is changed.
    await choose(members, to, acceptLoss)

    // 2. The old primary ends: cleanly where it lives, so that its standbys get all it has; by force otherwise.
    isFenced = true
    if (old.postgres.pid() !== undefined) {
      await Promise.race([old.postgres.stop(), wait(10_000, undefined, { ref: false })])
    }
    await old.postgres.fence()

    // 3. The most advanced one, now that nothing more can come; the one asked for unless another has more.
    const best = await choose(members, undefined, acceptLoss)
    const asked = to === undefined ? best : await choose(members, to, true)
    const chosen = best.bytes > asked.bytes ? best : asked
    const next = members.standbys.get(chosen.copy.name)
    if (next === undefined) throw new Error(`${chosen.copy.name} is gone`)

    // 4. The lease, before the new primary takes its first write: a crash from here on ends in its favour.
    const term = members.lease.term + 1
    const since = options.clock.now().toISOString()
    const taken = { ...members.lease, term, primary: chosen.copy.name, since, reason }
    await writeLease(plan.leaseFolders, taken)
    members.lease = taken

    // 5. The promotion, and the timeline that proves it.
    next.becomesPrimary()
    await promoteInstance(next.postgres)
    members.standbys.delete(chosen.copy.name)
    members.primaryCopy = chosen.copy
    members.main = next.postgres
    const { timeline } = await asking(members.main, identityOf)
    members.lease = { ...members.lease, timeline }
    await writeLease(plan.leaseFolders, members.lease)

    // 6. Commits wait for the other site as before; only then do pools learn the new address.
    confirmation.forget()
    await confirmation.set(true)
    members.exposed = members.main
    for (const copy of othersOf(members)) {
      if (copy === old.copy) keeper.bring(copy, true)
      else await keeper.follow(copy)
    }
    const facts = { from: old.copy.name, to: chosen.copy.name, term, timeline }
    members.onEvent('database.promoted', { ...facts, reason })
    return {
      cluster: plan.cluster,
      ...facts,
      receivedLsn: chosen.lsn,
      durationMs: Math.round(performance.now() - begunMs),
    }
  } catch (error) {
    if (isFenced) members.onEvent('database.promotion-failed', { error: String(error) })
    // Before the lease names another, the old primary is still the one.
    if (isFenced && members.lease === before) {
      members.main = await startPrimary(options, old.copy, true, members.onEvent)
      members.exposed = members.main
    }
    throw error
  } finally {
    members.promoting = false
  }
}

async function choose(members: Members, to: string | undefined, acceptLoss: boolean): Promise<Candidate> {
  const { plan, primaryCopy, standbys } = members
  const others = othersOf(members)
  const wanted = to === undefined ? undefined : plan.copies.find(({ name }) => name === to)
  if (to !== undefined && (wanted === undefined || wanted === primaryCopy)) {
    if (wanted) throw refuse('promotion_is_primary', { copy: to })
    throw refuse('promotion_no_such_copy', {
      copy: to,
      copies: others.map(({ name }) => name).join(', '),
    })
  }
  const asked = await Promise.all(
    others.map(async (copy) => {
      const postgres = standbys.get(copy.name)?.postgres
      const position = postgres && (await asking(postgres, positionOf).catch(() => undefined))
      return { copy, position }
    }),
  )
  return mostAdvanced({
    candidates: asked.flatMap(({ copy, position }) =>
      position === undefined ? [] : [{ copy, ...position }],
    ),
    silent: asked.flatMap(({ copy, position }) =>
      position === undefined && isElsewhere(members, copy) ? [copy] : [],
    ),
    to,
    acceptLoss,
  })
}

/** The rule by which a copy may take over, the same with the platform running and stopped. */
export function mostAdvanced({
  candidates,
  silent,
  to,
  acceptLoss,
}: {
  candidates: Candidate[]
  /** Copies in the other site that cannot be asked. */
  silent: CopyPlan[]
  to: string | undefined
  acceptLoss: boolean
}): Candidate {
  if (silent.length > 0 && !acceptLoss) {
    throw refuse('promotion_copies_silent', { copies: silent.map(({ name }) => name).join(', ') })
  }
  const [best] = candidates.toSorted((a, b) => (b.bytes > a.bytes ? 1 : b.bytes < a.bytes ? -1 : 0))
  if (best === undefined) throw refuse('promotion_no_standby')
  const chosen = to === undefined ? best : candidates.find(({ copy }) => copy.name === to)
  if (chosen === undefined) throw refuse('promotion_copy_silent', { copy: to ?? '' })
  if (chosen.bytes < best.bytes && !acceptLoss) {
    throw refuse('promotion_behind', { copy: chosen.copy.name, best: best.copy.name })
  }
  return chosen
}
