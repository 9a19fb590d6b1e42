/** The copies of a database: where each stands by plan, and what is known of it now. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'

export type ClusterName = 'main' | 'keys'
export type DbSite = 'primary' | 'recovery'

export interface CopyPlan {
  /** `main-p1`: cluster, site, number; also the standby's name in the primary's eyes. */
  name: string
  site: DbSite
  /** Folder that belongs to this copy alone. */
  home: string
}

/** One cluster with all its copies and archives. */
export interface ClusterPlan {
  cluster: ClusterName
  /** The first one is where a new installation begins. */
  copies: [CopyPlan, ...CopyPlan[]]
  /** WAL and base backups, one folder per site. */
  archives: { site: DbSite; folder: string }[]
  /** Where the lease is written: one folder per site. */
  leaseFolders: string[]
}

/** What is known of one copy of a database; measured when asked, never taken from settings. */
export interface DbCopy {
  cluster: ClusterName
  name: string
  /** `unknown` for the copies of an outside PostgreSQL. */
  site: DbSite | 'unknown'
  role: 'primary' | 'standby'
  /**
   * `streaming`: follows live. `catching-up`: follows, behind by more than it takes in a moment. `making`: being
   * copied anew. `down`: its process or its connection is missing. `missing`: planned, and nothing is there.
   * `unknown`: it follows, and an outside PostgreSQL does not let this login see how far.
   */
  state: 'running' | 'streaming' | 'catching-up' | 'making' | 'down' | 'missing' | 'unknown'
  /** Bytes of log that this copy has not applied yet; null when it cannot be asked. */
  lagBytes: number | null
  /** Bytes of log that this copy has not safely on disk; null when it cannot be asked. */
  flushLagBytes: number | null
  /** Everything up to this moment is applied there; null when unknown. */
  replayedAt: Date | null
  /** Whether commits wait for it (or for another of the same site) now. */
  sync: boolean
  /** The device its files lie on: two copies on one device are lost together. */
  deviceId: string | null
}

/** Folders of the two clusters; settings decide the roots. */
export interface DatabaseFolders {
  dataDir: string
  /** Root of the main database's copies and backups in the recovery site. */
  recoveryDir: string
  keysDir: string
  keysRecoveryDir: string
}

export interface CopyCounts {
  primary: number
  recovery: number
}

/** Where everything stands. The main database's first copy keeps the place that it had before there were copies. */
export function planClusters(
  folders: DatabaseFolders,
  counts: CopyCounts,
): { main: ClusterPlan; keys: ClusterPlan } {
  return {
    main: planCluster('main', folders.dataDir, folders.dataDir, folders.recoveryDir, counts),
    keys: planCluster(
      'keys',
      join(folders.keysDir, 'keys-p1'),
      folders.keysDir,
      folders.keysRecoveryDir,
      counts,
    ),
  }
}

function planCluster(
  cluster: ClusterName,
  firstHome: string,
  root: string,
  recoveryRoot: string,
  counts: CopyCounts,
): ClusterPlan {
  const more = Array.from({ length: Math.max(0, counts.primary - 1) }, (_, index): CopyPlan => {
    const name = `${cluster}-p${index + 2}`
    return { name, site: 'primary', home: join(root, 'db-copies', name) }
  })
  const recovery = Array.from({ length: counts.recovery }, (_, index): CopyPlan => {
    const name = `${cluster}-r${index + 1}`
    return { name, site: 'recovery', home: join(recoveryRoot, 'db-copies', name) }
  })
  return {
    cluster,
    copies: [{ name: `${cluster}-p1`, site: 'primary', home: firstHome }, ...more, ...recovery],
    archives: [
      { site: 'primary', folder: join(root, 'db-archive') },
      { site: 'recovery', folder: join(recoveryRoot, 'db-archive') },
    ],
    leaseFolders: [root, recoveryRoot],
  }
}

/** The device under a folder; null when it is not there. */
export async function deviceOf(folder: string): Promise<string | null> {
  return await stat(folder).then(
    (facts) => String(facts.dev),
    () => null,
  )
}
