/**
 * The embedded databases as a whole: the main cluster and the keys cluster, each with its copies. The addresses
 * that the pools ask for follow a promotion.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '#src/clock.ts'
import { archiveStates, type BackupManifest, pruneBackups, takeBackup } from './backups.ts'
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
import { type MoveReport, type MoveStep, moveKeys } from './keys-move.ts'
import { DATABASE_NAMES, type DatabaseUrls, databaseUrls, provisionDatabases } from './provision.ts'
import { createWalArchive, type WalArchive } from './wal-archive.ts'

export interface DatabasesOptions {
  folders: DatabaseFolders
  counts: CopyCounts
  sync: SyncPolicy
  clock: Clock
  durable?: boolean
  /** The folder of `initdb` and `postgres`; the embedded ones unless given. */
  binDir?: string | undefined
  restartDelayMs?: number
  remakeAfterMs?: number
  onEvent?: (event: string, detail: Record<string, unknown>) => void
  /** For tests that end the process in the middle of the move of the keys. */
  onMoveStep?: (step: MoveStep) => Promise<void> | void
}

/** The addresses of {@link DatabaseUrls}, told anew at every connection. */
export type FollowingUrls = { [Name in keyof DatabaseUrls]: UrlSource }

export interface BackupRules {
  everyMs: number
  walEveryMs: number
  keptDays: number
  keysKeptDays: number
}

/** A new installation has other things to do first. */
const FIRST_BACKUP_MS = 20_000
const LOOK_EVERY_MS = 60_000

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
  /** Archives the log and takes base backups from now on, in both sites; the keys apart and for a shorter time. */
  beginBackups(rules: BackupRules): void
  backup(cluster: ClusterName): Promise<BackupManifest>
  archive(cluster: ClusterName): WalArchive
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
    binDir: options.binDir,
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
  const stops: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const one of stops) await one()
    await Promise.all(up.map((cluster) => cluster.stop()))
  }
  try {
    const failed = started.find((outcome) => outcome.status === 'rejected')
    if (failed) throw failed.reason
    const [main, keys] = up as [Cluster, Cluster]
    const moved = await moveKeys({
      from: main.primary(),
      to: keys.primary(),
      ...(options.onMoveStep ? { onStep: options.onMoveStep } : {}),
    })
    await Promise.all([
      provisionDatabases(main.primary(), [DATABASE_NAMES.main]),
      provisionDatabases(keys.primary(), [DATABASE_NAMES.keys]),
    ])
    const archiveFor = (cluster: Cluster) =>
      createWalArchive({
        primary: () => cluster.primary(),
        folders: cluster.plan.archives,
        clock,
        onEvent: (event, detail) => options.onEvent?.(event, { cluster: cluster.cluster, ...detail }),
      })
    const archives = { main: archiveFor(main), keys: archiveFor(keys) }
    const clusterOf = (name: ClusterName) => (name === 'main' ? main : keys)
    const backingUp = new Map<ClusterName, Promise<BackupManifest>>()
    /** One at a time per cluster; who asks meanwhile gets the one under way. */
    function backup(name: ClusterName): Promise<BackupManifest> {
      const running = backingUp.get(name)
      if (running) return running
      const work = (async () => {
        // The slot first, so that no log between the backup and the archive is ever missing.
        await archives[name].tick()
        const postgres = clusterOf(name).primary()
        const manifest = await takeBackup({
          cluster: name,
          postgres,
          folders: clusterOf(name).plan.archives,
          clock,
        })
        await archives[name].tick()
        return manifest
      })().finally(() => backingUp.delete(name))
      backingUp.set(name, work)
      return work
    }
    const ending = new AbortController()
    let backupLoop: Promise<void> | undefined
    const lookAtBackups = async (name: ClusterName, rules: BackupRules) => {
      const { archives: folders } = clusterOf(name).plan
      const states = await archiveStates(folders)
      const due = clock.now().getTime() - rules.everyMs
      const isDue = states.some(({ backups, missing }) => {
        const newest = backups.at(-1)
        return (
          newest === undefined ||
          Date.parse(newest.endedAt) < due ||
          missing.some((one) => one > newest.startWal)
        )
      })
      for (const { site, missing } of states) {
        if (missing.length > 0) options.onEvent?.('database.archive-gap', { cluster: name, site, missing })
      }
      if (isDue) await backup(name)
      await pruneBackups(folders, name === 'main' ? rules.keptDays : rules.keysKeptDays, clock)
    }
    stops.push(async () => {
      ending.abort()
      await backupLoop
      await Promise.allSettled(backingUp.values())
      await Promise.all([archives.main.stop(), archives.keys.stop()])
    })
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
      backup,
      archive: (cluster) => archives[cluster],
      beginBackups(rules) {
        archives.main.begin(rules.walEveryMs)
        archives.keys.begin(rules.walEveryMs)
        backupLoop ??= (async () => {
          await wait(FIRST_BACKUP_MS, undefined, { signal: ending.signal }).catch(() => undefined)
          while (!ending.signal.aborted) {
            for (const name of ['main', 'keys'] as const) {
              await lookAtBackups(name, rules).catch((error: unknown) =>
                options.onEvent?.('database.backup-failed', { cluster: name, error: String(error) }),
              )
            }
            await wait(LOOK_EVERY_MS, undefined, { signal: ending.signal }).catch(() => undefined)
          }
        })()
      },
      promote: (cluster, how) => clusterOf(cluster).promote(how),
      stop,
    }
  } catch (error) {
    await stop().catch(() => undefined)
    throw error
  }
}
