/** `yinxin restore`: both databases in a fresh folder, from which `yinxin up` starts. */
import { join } from 'node:path'
import type { Config } from './config.ts'
import { planClusters } from './db/copies.ts'
import { type RestoreReport, restoreCluster } from './db/restore.ts'
import { markRestored } from './restored-log.ts'
import { defaultSites } from './storage/storage.ts'

export interface RestoredInstallation {
  restores: RestoreReport[]
  /** The settings with which `yinxin up` starts the restored platform over the stored contracts. */
  environment: Record<string, string>
}

/**
 * The main database as it was at the moment; the keys as they were at the end of their archive, so that what was
 * destroyed since stays destroyed. The archives of the installation that the settings describe are only read.
 */
export async function restoreInstallation(
  config: Config,
  { to, at, keysAt }: { to: string; at?: Date; keysAt?: Date },
): Promise<RestoredInstallation> {
  const { binDir } = config.databaseCopies
  const from = planClusters(config.databaseCopies.folders, { primary: 1, recovery: 0 })
  const dataDir = join(to, 'data')
  const keysDir = join(to, 'data-keysdb')
  const target = planClusters(
    {
      dataDir,
      recoveryDir: join(dataDir, 'db-recovery'),
      keysDir,
      keysRecoveryDir: join(keysDir, 'db-recovery'),
    },
    { primary: 1, recovery: 0 },
  )
  const restores = [
    await restoreCluster({
      cluster: 'main',
      archives: from.main.archives,
      home: target.main.copies[0].home,
      binDir,
      ...(at ? { at } : {}),
    }),
    await restoreCluster({
      cluster: 'keys',
      archives: from.keys.archives,
      home: target.keys.copies[0].home,
      binDir,
      ...(keysAt ? { at: keysAt } : {}),
    }),
  ]
  await markRestored(dataDir, restores[0]?.reachedAt ?? '')
  const sites = config.sites ?? defaultSites(config.dataDir)
  const folders = (site: 'primary' | 'recovery') =>
    sites.flatMap((one) => (one.site === site ? one.folders : [])).join(',')
  return {
    restores,
    environment: {
      YINXIN_DATA_DIR: dataDir,
      YINXIN_KEYS_DB_DIR: keysDir,
      YINXIN_KEY_DIR: config.keyDir,
      ...(binDir === undefined ? {} : { YINXIN_POSTGRES_BIN_DIR: binDir }),
      ...(config.buckets === undefined
        ? { YINXIN_PRIMARY_SITE_DIRS: folders('primary'), YINXIN_RECOVERY_SITE_DIRS: folders('recovery') }
        : {}),
    },
  }
}
