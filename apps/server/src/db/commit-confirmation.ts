/** Which copies a commit waits for, and what happens when none of them answers. */
import type { Clock } from '#src/clock.ts'
import type { Followers } from './cluster-questions.ts'
import { confirmingOf, type Members, type SyncPolicy } from './cluster-members.ts'
import { asking } from './standby.ts'

export interface CommitConfirmation {
  /** Commits wait for the other site from now on, or for nobody. */
  set(isOn: boolean): Promise<void>
  isOn(): boolean
  /** After a promotion nothing of before counts. */
  forget(): void
  /** Called at every look: ends commits that nobody confirms, or lets them go on without. */
  apply(followers: Followers): Promise<void>
  degradedSince(): Date | undefined
}

export function createCommitConfirmation(
  members: Members,
  { sync, clock }: { sync: SyncPolicy; clock: Clock },
): CommitConfirmation {
  let isSyncOn = false
  let degradedSince: Date | undefined
  let unconfirmedSinceMs: number | undefined

  async function set(isOn: boolean): Promise<void> {
    const names = isOn ? confirmingOf(members).map(({ name }) => `"${name}"`) : []
    const text = names.length === 0 ? '' : `ANY 1 (${names.join(', ')})`
    await asking(members.main, async (client) => {
      await client.query(`alter system set synchronous_standby_names = ${client.escapeLiteral(text)}`)
      await client.query('select pg_reload_conf()')
    })
    isSyncOn = isOn && names.length > 0
  }

  async function apply(followers: Followers): Promise<void> {
    const confirming = confirmingOf(members)
    if (confirming.length === 0 || (!isSyncOn && degradedSince === undefined)) return
    const isConfirmed = confirming.some(({ name }) => followers.get(name)?.state === 'streaming')
    if (isConfirmed) {
      unconfirmedSinceMs = undefined
      if (degradedSince !== undefined) {
        await set(true)
        members.onEvent('database.sync-restored', { since: degradedSince.toISOString() })
        degradedSince = undefined
      }
      return
    }
    unconfirmedSinceMs ??= performance.now()
    if (performance.now() - unconfirmedSinceMs < sync.waitMs || degradedSince !== undefined) return
    if (sync.onLoss === 'degrade') {
      degradedSince = clock.now()
      await set(false)
      members.onEvent('database.sync-degraded', { waited: sync.waitMs })
      return
    }
    const ended = await asking(members.main, async (client) => {
      const { rowCount } = await client.query(
        `select pg_cancel_backend(pid) from pg_stat_activity
         where wait_event = 'SyncRep' and clock_timestamp() - query_start > make_interval(secs => $1)`,
        [sync.waitMs / 1000],
      )
      return rowCount ?? 0
    })
    if (ended > 0) members.onEvent('database.commits-unconfirmed', { commits: ended })
  }

  return {
    set,
    apply,
    isOn: () => isSyncOn,
    degradedSince: () => degradedSince,
    forget() {
      unconfirmedSinceMs = undefined
      degradedSince = undefined
    },
  }
}
