/**
 * One cluster and its copies: the primary of the lease, standbys in both sites, commits that wait for the other
 * site, and the change of the primary. At any time one instance at most takes writes.
 */
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '#src/clock.ts'
import { isPromotable } from './base-copy.ts'
import {
  type Followers,
  followersOf,
  holdsCluster,
  identityOf,
  positionOf,
  promoteInstance,
} from './cluster-questions.ts'
import { type ClusterName, type ClusterPlan, type CopyPlan, type DbCopy, deviceOf } from './copies.ts'
import { type Lease, readLease, writeLease } from './lease.ts'
import { type ManagedPostgres, startPostgres, stopLeftover } from './postgres.ts'
import { findPlace } from './postgres-place.ts'
import {
  asking,
  copySettings,
  ensureCopiesLogin,
  ensureSlot,
  holdsStandby,
  makeStandby,
  type Standby,
  type StandbyDeps,
  startStandby,
} from './standby.ts'

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
  restartDelayMs?: number
  /** Settings of every instance. */
  settings?: Record<string, string>
  onEvent?: (event: string, detail: Record<string, unknown>) => void
  /** How long a standby that is up may be without its stream before it is made anew. */
  remakeAfterMs?: number
}

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

const LOOK_EVERY_MS = 1000

/** Why a promotion is not done; nothing was changed. */
export class PromotionRefused extends Error {
  override readonly name = 'PromotionRefused'
}

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { plan, clock, sync, durable = true, settings = {} } = options
  const onEvent = (event: string, detail: Record<string, unknown> = {}) =>
    options.onEvent?.(event, { cluster: plan.cluster, ...detail })
  const copyNamed = (name: string): CopyPlan => {
    const found = plan.copies.find((copy) => copy.name === name)
    if (found) return found
    throw new Error(
      `the primary of the ${plan.cluster} database is ${name}, which YINXIN_DB_COPIES does not foresee: set it as it was, or promote another copy first`,
    )
  }

  const found = await readLease(plan.leaseFolders, plan.cluster)
  let lease: Lease
  let main: ManagedPostgres
  let primaryCopy = copyNamed(found?.primary ?? plan.copies[0].name)
  const standbys = new Map<string, Standby>()
  /** What is being done to a copy now, in order: never two things at once. */
  const works = new Map<string, Promise<void>>()
  const making = new Set<string>()
  const unwellSinceMs = new Map<string, number>()
  let stopping = false
  let promoting = false
  let degradedSince: Date | undefined
  let isSyncOn = false
  let looking: Promise<void> | undefined
  const wakeUp = new AbortController()

  const place = await findPlace(primaryCopy.home)
  const isHalfPromoted = found !== undefined && (await isPromotable(join(place.folder, 'data')))
  main = isHalfPromoted
    ? await finishPromotion(primaryCopy)
    : await startPrimary(primaryCopy, found !== undefined)
  const { recovered } = main
  /** What pools are told; changes only when commits are safe there. */
  let exposed = main
  try {
    lease = await claim()
  } catch (error) {
    await main.stop()
    throw error
  }

  async function startPrimary(copy: CopyPlan, isKnown: boolean): Promise<ManagedPostgres> {
    return await startPostgres({
      dataDir: copy.home,
      durable,
      restartDelayMs: options.restartDelayMs ?? 0,
      existing: isKnown,
      settings: () => ({ ...settings, ...copySettings(copy.name) }),
      onEvent: (event, detail) => onEvent(event, { copy: copy.name, ...detail }),
    }).catch((cause: unknown) => {
      if (!isKnown || /in use by another/.test(String(cause))) throw cause
      throw new Error(
        `the primary ${copy.name} of the ${plan.cluster} database does not start (${cause instanceof Error ? cause.message : cause}). If it is lost, \`yinxin db promote --cluster ${plan.cluster}\` makes the most advanced copy the primary`,
        { cause },
      )
    })
  }

  /** The lease was written and the promotion did not come to its end. */
  async function finishPromotion(copy: CopyPlan): Promise<ManagedPostgres> {
    let isStandby = true
    const postgres = await startPostgres({
      dataDir: copy.home,
      durable,
      restartDelayMs: options.restartDelayMs ?? 0,
      existing: true,
      standby: () => isStandby,
      settings: () => ({ ...settings, ...copySettings(copy.name) }),
      onEvent: (event, detail) => onEvent(event, { copy: copy.name, ...detail }),
    })
    isStandby = false
    try {
      await promoteInstance(postgres)
    } catch (error) {
      await postgres.stop()
      throw error
    }
    onEvent('database.promotion-finished', { copy: copy.name })
    return postgres
  }

  /** Who it is and on which timeline: a primary older than its lease is a copy of the past. */
  async function claim(): Promise<Lease> {
    return await asking(main, async (client) => {
      await client.query(`alter system set synchronous_standby_names = ''`)
      await client.query('select pg_reload_conf()')
      const { systemIdentifier, timeline } = await identityOf(client)
      if (found && found.systemIdentifier !== systemIdentifier) {
        throw new Error(`${primaryCopy.home} holds another database than the one the lease names`)
      }
      if (found && timeline < found.timeline) {
        throw new Error(
          `${primaryCopy.home} holds the ${plan.cluster} database as it was before a promotion (timeline ${timeline}, the lease says ${found.timeline})`,
        )
      }
      const next: Lease = found
        ? { ...found, timeline }
        : {
            cluster: plan.cluster,
            term: 1,
            primary: primaryCopy.name,
            systemIdentifier,
            timeline,
            since: clock.now().toISOString(),
            reason: 'first start',
          }
      await writeLease(plan.leaseFolders, next)
      return next
    })
  }

  function depsOf(copy: CopyPlan): StandbyDeps {
    return {
      copy,
      durable,
      settings,
      primary: () => main,
      onEvent: (event, detail) => onEvent(event, detail),
    }
  }

  const isElsewhere = (copy: CopyPlan) => copy.site !== primaryCopy.site
  const others = () => plan.copies.filter((copy) => copy !== primaryCopy)
  /** Copies whose word a commit needs; without any in the other site nothing waits. */
  const confirming = () => others().filter(isElsewhere)

  async function setSync(isOn: boolean): Promise<void> {
    const names = isOn ? confirming().map(({ name }) => `"${name}"`) : []
    const text = names.length === 0 ? '' : `ANY 1 (${names.join(', ')})`
    await asking(main, async (client) => {
      await client.query(`alter system set synchronous_standby_names = ${client.escapeLiteral(text)}`)
      await client.query('select pg_reload_conf()')
    })
    isSyncOn = isOn && names.length > 0
  }

  /** One thing at a time per copy. */
  function inTurn(copy: CopyPlan, work: () => Promise<void>): Promise<void> {
    const before = works.get(copy.name) ?? Promise.resolve()
    const next = before.then(async () => {
      if (stopping || copy === primaryCopy) return
      await work().catch((error: unknown) => {
        if (!stopping) onEvent('database.copy-failed', { copy: copy.name, error: String(error) })
      })
    })
    works.set(copy.name, next)
    return next
  }

  /** Begins a standby; makes it first when its folder holds none or when it must be made anew. */
  function bring(copy: CopyPlan, mustMake: boolean): Promise<void> {
    return inTurn(copy, async () => {
      unwellSinceMs.delete(copy.name)
      const running = standbys.get(copy.name)
      standbys.delete(copy.name)
      await running?.postgres.stop()
      const deps = depsOf(copy)
      if (mustMake || !(await holdsStandby(copy))) {
        making.add(copy.name)
        try {
          await stopLeftover(copy.home, main.password)
          await makeStandby(deps)
        } finally {
          making.delete(copy.name)
        }
      } else {
        await asking(main, async (client) => {
          await ensureCopiesLogin(client, main.password)
          await ensureSlot(client, copy.name, false)
        })
      }
      standbys.set(copy.name, await startStandby(deps))
    })
  }

  async function lookAfter(): Promise<void> {
    while (!stopping) {
      await wait(LOOK_EVERY_MS, undefined, { signal: wakeUp.signal }).catch(() => undefined)
      if (stopping) return
      if (promoting || main.pid() === undefined) continue
      await look().catch((error: unknown) => {
        if (!stopping && !promoting) onEvent('database.copies-unknown', { error: String(error) })
      })
    }
  }

  async function look(): Promise<void> {
    const nowMs = performance.now()
    const followers = await asking(main, followersOf)
    for (const copy of others()) {
      if (making.has(copy.name)) continue
      const follower = followers.get(copy.name)
      if (follower?.state === 'streaming' || follower?.state === 'catchup') {
        unwellSinceMs.delete(copy.name)
        continue
      }
      const since = unwellSinceMs.get(copy.name) ?? nowMs
      unwellSinceMs.set(copy.name, since)
      const isGone = !(await holdsStandby(copy).catch(() => false))
      const isLost = follower?.slot === 'lost'
      if (isLost || isGone || nowMs - since > (options.remakeAfterMs ?? 20_000)) {
        onEvent('database.copy-remade', {
          copy: copy.name,
          because: isLost ? 'fell too far behind' : isGone ? 'its files are gone' : 'does not follow',
        })
        unwellSinceMs.set(copy.name, nowMs)
        bring(copy, true)
      }
    }
    await applyPolicy(followers)
  }

  let unconfirmedSinceMs: number | undefined
  async function applyPolicy(followers: Followers): Promise<void> {
    if (confirming().length === 0 || (!isSyncOn && degradedSince === undefined)) return
    const isConfirmed = confirming().some(({ name }) => followers.get(name)?.state === 'streaming')
    if (isConfirmed) {
      unconfirmedSinceMs = undefined
      if (degradedSince !== undefined) {
        await setSync(true)
        onEvent('database.sync-restored', { since: degradedSince.toISOString() })
        degradedSince = undefined
      }
      return
    }
    unconfirmedSinceMs ??= performance.now()
    if (performance.now() - unconfirmedSinceMs < sync.waitMs || degradedSince !== undefined) return
    if (sync.onLoss === 'degrade') {
      degradedSince = clock.now()
      await setSync(false)
      onEvent('database.sync-degraded', { waited: sync.waitMs })
      return
    }
    const ended = await asking(main, async (client) => {
      const { rowCount } = await client.query(
        `select pg_cancel_backend(pid) from pg_stat_activity
         where wait_event = 'SyncRep' and clock_timestamp() - query_start > make_interval(secs => $1)`,
        [sync.waitMs / 1000],
      )
      return rowCount ?? 0
    })
    if (ended > 0) onEvent('database.commits-unconfirmed', { commits: ended })
  }

  async function copies(): Promise<DbCopy[]> {
    const now = clock.now()
    const followers = await asking(main, followersOf).catch(() => undefined)
    return await Promise.all(
      plan.copies.map(async (copy): Promise<DbCopy> => {
        const folder = (await findPlace(copy.home)).folder
        const facts = {
          cluster: plan.cluster,
          name: copy.name,
          site: copy.site,
          deviceId: (await holdsCluster(copy)) ? await deviceOf(folder) : null,
        }
        if (copy === primaryCopy) {
          const isUp = followers !== undefined
          return {
            ...facts,
            role: 'primary',
            state: isUp ? 'running' : 'down',
            lagBytes: isUp ? 0 : null,
            flushLagBytes: isUp ? 0 : null,
            replayedAt: isUp ? now : null,
            sync: false,
          }
        }
        const follower = followers?.get(copy.name)
        const isFollowing = follower?.state === 'streaming' || follower?.state === 'catchup'
        const lagBytes = isFollowing ? (follower.replayLag ?? null) : null
        return {
          ...facts,
          role: 'standby',
          state: making.has(copy.name)
            ? 'making'
            : isFollowing
              ? follower.state === 'streaming'
                ? 'streaming'
                : 'catching-up'
              : facts.deviceId === null
                ? 'missing'
                : 'down',
          lagBytes,
          flushLagBytes: isFollowing ? (follower.flushLag ?? null) : null,
          replayedAt: (isFollowing ? follower.replayedAt : undefined) ?? null,
          sync: isSyncOn && isFollowing && isElsewhere(copy),
        }
      }),
    )
  }

  async function promote({ to, acceptLoss = false, reason }: PromoteOptions): Promise<Promotion> {
    if (promoting) throw new PromotionRefused('a promotion is under way already')
    const begunMs = performance.now()
    promoting = true
    let isFenced = false
    const old = { copy: primaryCopy, postgres: main }
    const before = lease
    try {
      // 1. Who can take over, judged before anything is changed.
      await choose(to, acceptLoss)

      // 2. The old primary ends: cleanly where it lives, so that its standbys get all it has; by force otherwise.
      isFenced = true
      if (old.postgres.pid() !== undefined) {
        await Promise.race([old.postgres.stop(), wait(10_000, undefined, { ref: false })])
      }
      await old.postgres.fence()

      // 3. The most advanced one, now that nothing more can come; the one asked for unless another has more.
      const best = await choose(undefined, acceptLoss)
      const asked = to === undefined ? best : await choose(to, true)
      const chosen = best.bytes > asked.bytes ? best : asked
      const next = standbys.get(chosen.copy.name)
      if (next === undefined) throw new Error(`${chosen.copy.name} is gone`)

      // 4. The lease, before the new primary takes its first write: a crash from here on ends in its favour.
      const term = lease.term + 1
      const taken = { ...lease, term, primary: chosen.copy.name, since: clock.now().toISOString(), reason }
      await writeLease(plan.leaseFolders, taken)
      lease = taken

      // 5. The promotion, and the timeline that proves it.
      next.becomesPrimary()
      await promoteInstance(next.postgres)
      standbys.delete(chosen.copy.name)
      primaryCopy = chosen.copy
      main = next.postgres
      const { timeline } = await asking(main, identityOf)
      lease = { ...lease, timeline }
      await writeLease(plan.leaseFolders, lease)

      // 6. Commits wait for the other site as before; only then do pools learn the new address.
      unconfirmedSinceMs = undefined
      degradedSince = undefined
      await setSync(true)
      exposed = main
      for (const copy of others()) {
        if (copy === old.copy) bring(copy, true)
        else await follow(copy)
      }
      onEvent('database.promoted', { from: old.copy.name, to: chosen.copy.name, term, timeline, reason })
      return {
        cluster: plan.cluster,
        from: old.copy.name,
        to: chosen.copy.name,
        term,
        timeline,
        receivedLsn: chosen.lsn,
        durationMs: Math.round(performance.now() - begunMs),
      }
    } catch (error) {
      if (isFenced) onEvent('database.promotion-failed', { error: String(error) })
      // Before the lease names another, the old primary is still the one.
      if (isFenced && lease === before) exposed = main = await startPrimary(old.copy, true)
      throw error
    } finally {
      promoting = false
    }
  }

  /** A standby that lived on goes behind the new primary. */
  async function follow(copy: CopyPlan): Promise<void> {
    const standby = standbys.get(copy.name)
    if (standby === undefined) return void bring(copy, true)
    await asking(main, (client) => ensureSlot(client, copy.name, true))
    await inTurn(copy, () => standby.postgres.restart())
  }

  async function choose(to: string | undefined, acceptLoss: boolean) {
    const wanted = to === undefined ? undefined : plan.copies.find(({ name }) => name === to)
    if (to !== undefined && (wanted === undefined || wanted === primaryCopy)) {
      throw new PromotionRefused(
        wanted
          ? `${to} is the primary already`
          : `there is no copy ${to}; there are ${others()
              .map(({ name }) => name)
              .join(', ')}`,
      )
    }
    const asked = await Promise.all(
      others().map(async (copy) => {
        const postgres = standbys.get(copy.name)?.postgres
        const position = postgres && (await asking(postgres, positionOf).catch(() => undefined))
        return { copy, position }
      }),
    )
    const silent = asked.filter(({ copy, position }) => position === undefined && isElsewhere(copy))
    if (silent.length > 0 && !acceptLoss) {
      throw new PromotionRefused(
        `${silent.map(({ copy }) => copy.name).join(', ')} cannot be asked and may alone hold confirmed commits; bring it back, or accept the loss expressly`,
      )
    }
    const ranked = asked
      .flatMap(({ copy, position }) => (position === undefined ? [] : [{ copy, ...position }]))
      .toSorted((a, b) => (b.bytes > a.bytes ? 1 : b.bytes < a.bytes ? -1 : 0))
    const best = ranked[0]
    if (best === undefined) throw new PromotionRefused('no standby answers')
    const chosen = wanted === undefined ? best : ranked.find(({ copy }) => copy === wanted)
    if (chosen === undefined) throw new PromotionRefused(`${to} does not answer`)
    if (chosen.bytes < best.bytes && !acceptLoss) {
      throw new PromotionRefused(`${chosen.copy.name} is behind ${best.copy.name}; promote that one`)
    }
    return chosen
  }

  return {
    cluster: plan.cluster,
    plan,
    recovered,
    primary: () => exposed,
    primaryName: () => primaryCopy.name,
    lease: () => lease,
    degradedSince: () => degradedSince,
    beginCopies() {
      for (const copy of others()) bring(copy, false)
      looking ??= lookAfter()
    },
    async copiesReady(limitMs) {
      if (others().length === 0) return true
      const deadline = performance.now() + limitMs
      let isReady = false
      while (!stopping && !isReady && performance.now() < deadline) {
        const followers = await asking(main, followersOf).catch(() => new Map() as Followers)
        isReady = others().every(({ name }) => followers.get(name)?.state === 'streaming')
        if (!isReady) await wait(50)
      }
      await setSync(true)
      return isReady
    },
    copies,
    promote,
    async stop() {
      stopping = true
      wakeUp.abort()
      await looking
      await Promise.all(works.values())
      // The primary first: its standbys then receive the last of its log.
      await main.stop()
      await Promise.all([...standbys.values()].map(({ postgres }) => postgres.stop()))
    },
  }
}
