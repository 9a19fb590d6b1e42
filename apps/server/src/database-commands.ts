/** What operators may ask about and of the databases, through the operator door. */
import type { App } from './app.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { archiveStates, listBackups, verifyBackup } from './db/backups.ts'
import type { ClusterName } from './db/copies.ts'
import type { Databases } from './db/databases.ts'
import { type DrillReport, recordDrill, runDrill } from './drill.ts'
import type { Log } from './log.ts'
import type { OperatorCommands } from './operator-door.ts'

export interface DatabaseCommandDeps {
  app: App
  config: Config
  clock: Clock
  log: Log
  databases: Databases
}

export interface DatabaseStatus {
  clusters: {
    cluster: ClusterName
    primary: string
    term: number
    timeline: number
    since: string
    reason: string
    /** Set while commits go on without the other site. */
    degradedSince: string | null
  }[]
  copies: Awaited<ReturnType<Databases['copies']>>
  backups: BackupStatus[]
}

export interface BackupStatus {
  cluster: ClusterName
  site: string
  folder: string
  backups: { id: string; endedAt: string; archiveBytes: number; timeline: number }[]
  archivedAt: string | null
  missing: string[]
}

const CLUSTERS = ['main', 'keys'] as const

export function databaseCommands(deps: DatabaseCommandDeps): OperatorCommands {
  const { databases } = deps
  const both = [databases.main, databases.keys]

  const backups = () => backupStates(databases)

  return {
    'db-status': async (): Promise<DatabaseStatus> => ({
      clusters: both.map((one) => {
        const { term, timeline, since, reason } = one.lease()
        const degradedSince = one.degradedSince()?.toISOString() ?? null
        return {
          cluster: one.cluster,
          primary: one.primaryName(),
          term,
          timeline,
          since,
          reason,
          degradedSince,
        }
      }),
      copies: await databases.copies(),
      backups: await backups(),
    }),
    'db-promote': async ({ cluster = 'main', to, acceptLoss = false }) =>
      await databases.promote(cluster === 'keys' ? 'keys' : 'main', {
        ...(typeof to === 'string' ? { to } : {}),
        acceptLoss: acceptLoss === true,
        reason: 'asked for by an operator',
      }),
    'backup-now': async () => {
      const made = []
      for (const cluster of CLUSTERS) {
        const { id, archiveBytes, files } = await databases.backup(cluster)
        made.push({ cluster, id, archiveBytes, files: files.length })
      }
      return { made }
    },
    'backup-list': async () => ({ archives: await backups() }),
    'backup-verify': async (_, { report }) => {
      const verdicts = []
      for (const { cluster, plan } of both) {
        for (const backup of await listBackups(plan.archives)) {
          const problems = await verifyBackup(backup)
          verdicts.push({ cluster, site: backup.site, id: backup.manifest.id, problems })
          report({ cluster, site: backup.site, id: backup.manifest.id, bad: problems.length })
        }
      }
      const archives = await backups()
      const clean =
        verdicts.every(({ problems }) => problems.length === 0) &&
        archives.every(({ missing }) => missing.length === 0)
      return { clean, verdicts, gaps: archives.filter(({ missing }) => missing.length > 0) }
    },
    drill: async (): Promise<DrillReport> => await drillNow(deps),
  }
}

/** What the archives of both databases hold in each site. */
export async function backupStates({ main, keys }: Databases): Promise<BackupStatus[]> {
  const found: BackupStatus[] = []
  for (const { cluster, plan } of [main, keys]) {
    for (const { site, folder, backups: here, mark, missing } of await archiveStates(plan.archives)) {
      const brief = here.map(({ id, endedAt, archiveBytes, timeline }) => ({
        id,
        endedAt,
        archiveBytes,
        timeline,
      }))
      found.push({ cluster, site, folder, backups: brief, archivedAt: mark?.archivedAt ?? null, missing })
    }
  }
  return found
}

/** One drill, with its row. */
export async function drillNow({ app, config, clock, log }: DatabaseCommandDeps): Promise<DrillReport> {
  const report = await runDrill({ config, clock, log })
  await recordDrill(app.db, report)
  if (report.outcome === 'failed') log.error({ problems: report.problems }, 'the restore drill failed')
  return report
}
