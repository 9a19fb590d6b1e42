/**
 * The embedded databases as a whole: the main cluster and the keys cluster, each with its copies. The addresses
 * that the pools ask for follow a promotion.
 */
import type { Clock } from '#src/clock.ts'
import {
  type Cluster,
  type Promotion,
  type PromoteOptions,
  startCluster,
  type SyncPolicy,
} from './cluster.ts'
import {
  type ClusterName,
  type CopyCounts,
  type DatabaseFolders,
  type DbCopy,
  planClusters,
} from './copies.ts'
import type { UrlSource } from './db.ts'
import { type MoveReport, moveKeys } from './keys-move.ts'
import { DATABASE_NAMES, type DatabaseUrls, databaseUrls, provisionDatabases } from './provision.ts'

export interface DatabasesOptions {
  folders: DatabaseFolders
  counts: CopyCounts
  sync: SyncPolicy
  clock: Clock
  durable?: boolean
  restartDelayMs?: number
  remakeAfterMs?: number
  onEvent?: (event: string, detail: Record<string, unknown>) => void
}

/** The addresses of {@link DatabaseUrls}, told anew at every connection. */
export type FollowingUrls = { [Name in keyof DatabaseUrls]: UrlSource }

export interface Databases {
  main: Cluster
  keys: Cluster
  recovered: boolean
  /** Set when the keys database of an older installation was moved into its own cluster by this start. */
  moved: MoveReport | undefined
  /** The addresses of now. */
  urls(): DatabaseUrls
  following: FollowingUrls
  copies(): Promise<DbCopy[]>
  promote(cluster: ClusterName, options: PromoteOptions): Promise<Promotion>
  stop(): Promise<void>
}

/** Several instances share one machine, whose own cache holds the pages as well. */
const BUFFERS = { main: { shared_buffers: '64MB' }, keys: { shared_buffers: '32MB' } }

export async function startDatabases(options: DatabasesOptions): Promise<Databases> {
  const { folders, counts, sync, clock } = options
  const plans = planClusters(folders, counts)
  const more = {
    clock,
    sync,
    ...(options.durable === undefined ? {} : { durable: options.durable }),
    ...(options.restartDelayMs === undefined ? {} : { restartDelayMs: options.restartDelayMs }),
    ...(options.remakeAfterMs === undefined ? {} : { remakeAfterMs: options.remakeAfterMs }),
    ...(options.onEvent ? { onEvent: options.onEvent } : {}),
  }
  const started = await Promise.allSettled([
    startCluster({ ...more, plan: plans.main, settings: BUFFERS.main }),
    startCluster({ ...more, plan: plans.keys, settings: BUFFERS.keys }),
  ])
  const up = started.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const stop = async () => {
    await Promise.all(up.map((cluster) => cluster.stop()))
  }
  try {
    const failed = started.find((outcome) => outcome.status === 'rejected')
    if (failed) throw failed.reason
    const [main, keys] = up as [Cluster, Cluster]
    const moved = await moveKeys({ from: main.primary(), to: keys.primary() })
    await Promise.all([
      provisionDatabases(main.primary(), [DATABASE_NAMES.main]),
      provisionDatabases(keys.primary(), [DATABASE_NAMES.keys]),
    ])
    const urls = () => databaseUrls(main.primary(), DATABASE_NAMES, keys.primary())
    return {
      main,
      keys,
      recovered: main.recovered || keys.recovered,
      moved,
      urls,
      following: {
        url: () => urls().url,
        ownerUrl: () => urls().ownerUrl,
        keysUrl: () => urls().keysUrl,
        keysOwnerUrl: () => urls().keysOwnerUrl,
      },
      copies: async () => (await Promise.all([main.copies(), keys.copies()])).flat(),
      promote: (cluster, how) => (cluster === 'main' ? main : keys).promote(how),
      stop,
    }
  } catch (error) {
    await stop().catch(() => undefined)
    throw error
  }
}
