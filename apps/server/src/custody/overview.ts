/**
 * For operators: the failure domains, what the last comparisons found, disks out of service and retired, what waits, and
 * whether the way back was rehearsed.
 */
import type { Clock } from '#src/clock.ts'
import { type Db, type DbCopy, type DrillFinding, drillFindings } from '#src/db/db.ts'
import type { Destruction } from '#src/destruction/destruction.ts'
import type { DomainStatus, OpenFinding, ScrubPass, Storage, StorageMeasures } from '#src/storage/storage.ts'
import { type Concern, concernsOf } from './concerns.ts'
import { reportsOf } from './store.ts'

/** What the archive of one database holds in one site. */
export interface SiteBackups {
  cluster: 'main' | 'keys'
  site: string
  folder: string
  backups: { id: string; endedAt: string; archiveBytes: number }[]
  /** Until when the log is archived. */
  archivedAt: string | null
  /** Segments of the log that are not there. */
  missing: string[]
}

/** How a disk was sanitised, by whom, and the proof. */
export interface RetiredDisk {
  device: string
  serial: string
  domain: string | null
  method: string
  standard: string
  proofName: string
  proofSha256: string
  retiredAt: Date
  doneBy: string
  witnessedBy: string
}

export interface CustodyOverview {
  at: Date
  /** What people have to look at; empty when all is well. */
  concerns: Concern[]
  domains: (DomainStatus & { scatterWidth: number; freeBytes?: number; lastScrub?: ScrubPass })[]
  findings: OpenFinding[]
  quarantines: { domain: string; since: Date; reason: string; readmittedAt: Date | null }[]
  /** Disks that left. */
  media: RetiredDisk[]
  waiting: { repairs: number; removals: number }
  repairs: { count: number; p99Hours: number | null; maxHours: number | null }
  /** Requests to destroy that have not come to their end: all of them counted, the first of them named. */
  destructions: Awaited<ReturnType<Destruction['queue']>>
  databases: DbCopy[]
  /** Null where the databases are run, and backed up, by somebody else. */
  backups: SiteBackups[] | null
  drills: DrillFinding[]
  reports: { month: string; revision: number; verdict: 'met' | 'not_met'; createdAt: Date }[]
}

export interface OverviewDeps {
  db: Db
  clock: Clock
  storage: Pick<Storage, 'places' | 'scatterWidths' | 'lastScrubs' | 'freeBytes' | 'waiting'>
  measures: Pick<StorageMeasures, 'quarantines' | 'repairs' | 'openFindings'>
  dbCopies: () => Promise<DbCopy[]>
}

/** What other rooms and the process itself know. */
export interface OverviewSources {
  destruction: Pick<Destruction, 'queue'> & { media: Pick<Destruction['media'], 'list'> }
  backups?: () => Promise<SiteBackups[]>
}

/** A drill a week: a quarter of a year. */
const drillsShown = 13
const monthMs = 30 * 24 * 3_600_000

export function createOverview({ db, clock, storage, measures, dbCopies }: OverviewDeps) {
  return async function overview({ destruction, backups }: OverviewSources): Promise<CustodyOverview> {
    const at = clock.now()
    const since = new Date(at.getTime() - monthMs)
    const [widths, scrubs, free] = [
      await storage.scatterWidths(),
      await storage.lastScrubs(),
      await storage.freeBytes(),
    ]
    const seen = {
      at,
      domains: (await storage.places()).map((status) => {
        const lastScrub = scrubs.find(({ domain }) => domain === status.name)
        const freeBytes = free.find(({ domain }) => domain === status.name)?.bytes
        return {
          ...status,
          scatterWidth: widths.get(status.name) ?? 0,
          ...(freeBytes === undefined ? {} : { freeBytes }),
          ...(lastScrub === undefined ? {} : { lastScrub }),
        }
      }),
      findings: await measures.openFindings(),
      quarantines: await measures.quarantines(new Date(0), at),
      media: (await destruction.media.list()).map((row) => ({
        device: row.device,
        serial: row.serial,
        domain: row.domain,
        method: row.method,
        standard: row.standard,
        proofName: row.proof_name,
        proofSha256: row.proof_sha256,
        retiredAt: row.retired_at,
        doneBy: row.done_by,
        witnessedBy: row.witnessed_by,
      })),
      waiting: await storage.waiting(),
      repairs: await measures.repairs(since, at),
      destructions: await destruction.queue(),
      databases: await dbCopies(),
      backups: backups === undefined ? null : await backups(),
      drills: await db.ask((tx) => drillFindings(tx, drillsShown)),
      reports: (await db.ask((tx) => reportsOf(tx))).map(({ month, revision, verdict, createdAt }) => ({
        month,
        revision,
        verdict,
        createdAt,
      })),
    }
    return { ...seen, concerns: concernsOf(seen) }
  }
}
