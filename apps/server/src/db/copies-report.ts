/** What is known of each copy of a cluster at this moment, measured at the primary and in the folders. */
import { followersOf, holdsCluster } from './cluster-questions.ts'
import { isElsewhere, type Members } from './cluster-members.ts'
import { type DbCopy, deviceOf } from './copies.ts'
import { findPlace } from './postgres-place.ts'
import { asking } from './standby.ts'

export async function reportCopies(members: Members, now: Date, isSyncOn: boolean): Promise<DbCopy[]> {
  const { plan, primaryCopy, making } = members
  const followers = await asking(members.main, followersOf).catch(() => undefined)
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
        sync: isSyncOn && isFollowing && isElsewhere(members, copy),
      }
    }),
  )
}
