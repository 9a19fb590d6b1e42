/** Keeps every copy of a cluster behind its primary: starts it, looks after it, makes it anew when it fell out. */
import { setTimeout as wait } from 'node:timers/promises'
import { followersOf } from './cluster-questions.ts'
import { type ClusterOptions, type Members, othersOf } from './cluster-members.ts'
import type { CommitConfirmation } from './commit-confirmation.ts'
import type { CopyPlan } from './copies.ts'
import { stopLeftover } from './postgres.ts'
import {
  asking,
  ensureCopiesLogin,
  ensureSlot,
  holdsStandby,
  makeStandby,
  type StandbyDeps,
  startStandby,
} from './standby.ts'

export interface CopyKeeper {
  /** Begins a standby; makes it first when its folder holds none or when it must be made anew. */
  bring(copy: CopyPlan, mustMake: boolean): Promise<void>
  /** A standby that lived on goes behind the new primary. */
  follow(copy: CopyPlan): Promise<void>
  /** From now on the copies are looked at every second. */
  begin(): void
  /** Resolves when nothing is being done to any copy; `members.stopping` is set before. */
  end(): Promise<void>
}

const LOOK_EVERY_MS = 1000

export function createCopyKeeper(
  members: Members,
  { durable = true, binDir, settings = {}, remakeAfterMs = 20_000 }: ClusterOptions,
  confirmation: CommitConfirmation,
): CopyKeeper {
  /** What is being done to a copy now, in order: never two things at once. */
  const works = new Map<string, Promise<void>>()
  const unwellSinceMs = new Map<string, number>()
  let looking: Promise<void> | undefined
  const wakeUp = new AbortController()

  function depsOf(copy: CopyPlan): StandbyDeps {
    return { copy, durable, binDir, settings, primary: () => members.main, onEvent: members.onEvent }
  }

  /** One thing at a time per copy. */
  function inTurn(copy: CopyPlan, work: () => Promise<void>): Promise<void> {
    const before = works.get(copy.name) ?? Promise.resolve()
    const next = before.then(async () => {
      if (members.stopping || copy === members.primaryCopy) return
      await work().catch((error: unknown) => {
        if (!members.stopping)
          members.onEvent('database.copy-failed', { copy: copy.name, error: String(error) })
      })
    })
    works.set(copy.name, next)
    return next
  }

  function bring(copy: CopyPlan, mustMake: boolean): Promise<void> {
    return inTurn(copy, async () => {
      unwellSinceMs.delete(copy.name)
      const running = members.standbys.get(copy.name)
      members.standbys.delete(copy.name)
      await running?.postgres.stop()
      const deps = depsOf(copy)
      if (mustMake || !(await holdsStandby(copy))) {
        members.making.add(copy.name)
        try {
          await stopLeftover(copy.home, members.main.password)
          await makeStandby(deps)
        } finally {
          members.making.delete(copy.name)
        }
      } else {
        await asking(members.main, async (client) => {
          await ensureCopiesLogin(client, members.main.password)
          await ensureSlot(client, copy.name, false)
        })
      }
      members.standbys.set(copy.name, await startStandby(deps))
    })
  }

  async function follow(copy: CopyPlan): Promise<void> {
    const standby = members.standbys.get(copy.name)
    if (standby === undefined) return void bring(copy, true)
    await asking(members.main, (client) => ensureSlot(client, copy.name, true))
    await inTurn(copy, () => standby.postgres.restart())
  }

  async function lookAfter(): Promise<void> {
    while (!members.stopping) {
      await wait(LOOK_EVERY_MS, undefined, { signal: wakeUp.signal }).catch(() => undefined)
      if (members.stopping) return
      if (members.promoting || members.main.pid() === undefined) continue
      await look().catch((error: unknown) => {
        if (!members.stopping && !members.promoting)
          members.onEvent('database.copies-unknown', { error: String(error) })
      })
    }
  }

  async function look(): Promise<void> {
    const nowMs = performance.now()
    const followers = await asking(members.main, followersOf)
    for (const copy of othersOf(members)) {
      if (members.making.has(copy.name)) continue
      const follower = followers.get(copy.name)
      if (follower?.state === 'streaming' || follower?.state === 'catchup') {
        unwellSinceMs.delete(copy.name)
        continue
      }
      const since = unwellSinceMs.get(copy.name) ?? nowMs
      unwellSinceMs.set(copy.name, since)
      const isGone = !(await holdsStandby(copy).catch(() => false))
      const isLost = follower?.slot === 'lost'
      if (isLost || isGone || nowMs - since > remakeAfterMs) {
        members.onEvent('database.copy-remade', {
          copy: copy.name,
          because: isLost ? 'fell too far behind' : isGone ? 'its files are gone' : 'does not follow',
        })
        unwellSinceMs.set(copy.name, nowMs)
        bring(copy, true)
      }
    }
    await confirmation.apply(followers)
  }

  return {
    bring,
    follow,
    begin() {
      looking ??= lookAfter()
    },
    async end() {
      wakeUp.abort()
      await looking
      await Promise.all(works.values())
    },
  }
}
