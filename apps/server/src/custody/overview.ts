/** For operators: the failure domains, what the last comparisons found, disks out of service, what waits. */
import type { Clock } from '#src/clock.ts'
import type { Db, DbCopy } from '#src/db/db.ts'
import type { DomainStatus, OpenFinding, ScrubPass, Storage, StorageMeasures } from '#src/storage/storage.ts'
import { reportsOf } from './store.ts'

export interface CustodyOverview {
  at: Date
  domains: (DomainStatus & { scatterWidth: number; freeBytes?: number; lastScrub?: ScrubPass })[]
  findings: OpenFinding[]
  quarantines: { domain: string; since: Date; reason: string; readmittedAt: Date | null }[]
  waiting: { repairs: number; removals: number }
  repairs: { count: number; p99Hours: number | null; maxHours: number | null }
  databases: DbCopy[]
  reports: { month: string; revision: number; verdict: 'met' | 'not_met'; createdAt: Date }[]
}

export interface OverviewDeps {
  db: Db
  clock: Clock
  storage: Pick<Storage, 'places' | 'scatterWidths' | 'lastScrubs' | 'freeBytes' | 'waiting'>
  measures: Pick<StorageMeasures, 'quarantines' | 'repairs' | 'openFindings'>
  dbCopies: () => Promise<DbCopy[]>
}

const monthMs = 30 * 24 * 3_600_000

export function createOverview({ db, clock, storage, measures, dbCopies }: OverviewDeps) {
  return async function overview(): Promise<CustodyOverview> {
    const at = clock.now()
    const since = new Date(at.getTime() - monthMs)
    const [widths, scrubs, free] = [
      await storage.scatterWidths(),
      await storage.lastScrubs(),
      await storage.freeBytes(),
    ]
    return {
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
      waiting: await storage.waiting(),
      repairs: await measures.repairs(since, at),
      databases: await dbCopies(),
      reports: (await db.ask((tx) => reportsOf(tx))).map(({ month, revision, verdict, createdAt }) => ({
        month,
        revision,
        verdict,
        createdAt,
      })),
    }
  }
}
