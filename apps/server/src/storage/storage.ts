import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import { createStorageCore, type StorageCore } from './core.ts'
import type { Disk } from './disk.ts'
import type { Domain, SiteName } from './domain.ts'
import { createFolderDomain } from './folder-domain.ts'
import { nodeDisk } from './node-disk.ts'
import { createPgCatalogue } from './pg-catalogue.ts'
import type { KeyDestroyed, KeyPresent } from './reconcile.ts'
import { systemTimers, type Timers } from './timers.ts'

export { type BucketClient, createBucketClient, type UploadedPart } from './bucket-client.ts'
export { BucketError } from './bucket-errors.ts'
export { type BucketSite, openBucketSites } from './bucket-sites.ts'
export type { OpenFinding, RepairTime, ScrubbedPlace, ScrubPass, StoredObject } from './catalogue.ts'
export type { DestructionReport, PutRequest, ReadOptions, ReplicaReport } from './core.ts'
export type { Domain, DomainStatus } from './domain.ts'
export type { InventorySummary } from './inventory.ts'
export {
  createStorageMeasures,
  type DomainShare,
  type PlacementLook,
  type StorageMeasures,
} from './measures.ts'
export {
  createStorageCommands,
  type DomainOverview,
  type FsckReport,
  type RepairReport,
  type ScrubReport,
} from './operator.ts'
export { createBucketNotes, createFolderNotes, type SiteNotes } from './site-notes.ts'
export type { StorageClass } from './quorum.ts'
export type { KeyPresent, ReconcileSummary } from './reconcile.ts'
export type { ScrubSummary } from './scrub.ts'
export type { ByteRange } from './reading.ts'

/** Immutable encrypted objects, recorded in the main database. */
export type Storage = StorageCore<Tx>

export interface SiteFolders {
  site: SiteName
  /** One folder per failure domain; their order gives the domains' names: `primary-1`, `primary-2` … */
  folders: readonly string[]
}

export interface StorageDeps {
  db: Db
  clock: Clock
  log: Log
  kms: Kms
  /** Folders as failure domains; or domains of another kind, ready made. */
  sites: readonly SiteFolders[] | readonly Domain[]
  /** With it, repair and removal run every minute, and the rest of the upkeep by its periods. */
  jobs?: Jobs
  disk?: Disk
  timers?: Timers
  /** A segment of a journal is left when it reaches this size. */
  segmentBytes?: number
  /** A failure domain that takes longer than this for a write is left to repair. */
  writeTimeoutMs?: number
  /** How long a reached quorum waits for the other replicas, so that healthy writes need no second transaction. */
  lingerMs?: number
  /** Which scopes have a key that opens; without it the daily comparison leaves keys out. */
  keyPresent?: KeyPresent
  /** Which scopes had a key that was destroyed: their objects are, too, whatever a restored database says. */
  keyDestroyed?: KeyDestroyed
  /** Every replica is read within this time. */
  scrubPeriodMs?: number
  /** How fast a scrub may read from one failure domain. */
  scrubBytesPerSecond?: number
}

/** The default layout: three folders per site below the data folder. */
export function defaultSites(dataDir: string): SiteFolders[] {
  const folders = (site: SiteName) => ['a', 'b', 'c'].map((name) => join(dataDir, 'storage', site, name))
  return [
    { site: 'primary', folders: folders('primary') },
    { site: 'recovery', folders: folders('recovery') },
  ]
}

/** A file that is still under its passing name after this time belongs to a writer that died. */
/** How long one job of the scrub works before it leaves its place to the next. */
const scrubSliceMs = 40_000
const leftoverAgeMs = 24 * 60 * 60_000

export function createStorage(deps: StorageDeps): Storage {
  const { db, clock, log, jobs, timers = systemTimers } = deps
  const domains = deps.sites.flatMap((one) => ('folders' in one ? folderDomains(one, deps) : [one]))
  const core = createStorageCore<Tx>({
    catalogue: createPgCatalogue(db),
    domains,
    keys: deps.kms,
    clock,
    timers,
    newId,
    random: randomBytes,
    log,
    ...(deps.writeTimeoutMs === undefined ? {} : { writeTimeoutMs: deps.writeTimeoutMs }),
    ...(deps.lingerMs === undefined ? {} : { lingerMs: deps.lingerMs }),
    ...(deps.keyPresent === undefined ? {} : { keyPresent: deps.keyPresent }),
    ...(deps.keyDestroyed === undefined ? {} : { keyDestroyed: deps.keyDestroyed }),
    ...(deps.scrubPeriodMs === undefined ? {} : { scrubPeriodMs: deps.scrubPeriodMs }),
    ...(deps.scrubBytesPerSecond === undefined ? {} : { scrubBytesPerSecond: deps.scrubBytesPerSecond }),
  })

  const every = (name: string, cron: string, work: () => Promise<unknown>) => {
    jobs?.define(`storage.${name}`, z.looseObject({}), async () => void (await work()))
    jobs?.schedule(`storage.${name}`, cron)
  }
  /** Long walks: one at a time of a kind; a domain that fails is told of in the log and has its turn again. */
  const everyAlone = (name: string, cron: string, work: () => Promise<unknown>) => {
    let isRunning = false
    every(name, cron, async () => {
      if (isRunning) return
      isRunning = true
      try {
        await work()
      } catch (error) {
        log.warn({ err: error, work: name }, 'upkeep of storage was not complete')
      } finally {
        isRunning = false
      }
    })
  }
  every('repair', '* * * * *', () => core.repairDue())
  every('removal', '* * * * *', () => core.removeDue())
  everyAlone('scrub', '* * * * *', async () => {
    const slice = new AbortController()
    const cancel = timers.after(scrubSliceMs, () => slice.abort())
    await core.scrub({ signal: slice.signal }).finally(cancel)
  })
  everyAlone('anti-entropy', '7 * * * *', () => core.antiEntropy())
  everyAlone('reconcile', '37 2 * * *', () => core.reconcile())
  everyAlone('compaction', '11 4 * * *', () => core.compact())
  every('sweep', '17 3 * * *', async () => {
    const before = new Date(clock.now().getTime() - leftoverAgeMs)
    for (const domain of domains) await domain.sweep(before)
  })
  return core
}

function folderDomains({ site, folders }: SiteFolders, deps: StorageDeps): Domain[] {
  const { clock, log, disk = nodeDisk, segmentBytes = 64 << 20 } = deps
  return folders.map((folder, index) =>
    createFolderDomain({
      name: `${site}-${index + 1}`,
      site,
      folder,
      disk,
      clock,
      newName: () => newId(clock.now().getTime()),
      segmentBytes,
      onQuarantine: (status) =>
        log.error({ domain: status.name, reason: status.reason }, 'failure domain quarantined'),
    }),
  )
}
