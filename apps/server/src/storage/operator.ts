import type { Clock } from '#src/clock.ts'
import type { OpenFinding, RepairTime, ScrubPass } from './catalogue.ts'
import type { StorageCore } from './core.ts'
import type { DomainStatus } from './domain.ts'
import type { InventorySummary } from './inventory.ts'
import type { ScrubSummary } from './scrub.ts'

/** What operators see of the failure domains. */
export interface DomainOverview extends DomainStatus {
  freeBytes?: number
  scatterWidth: number
  lastScrub?: ScrubPass
}

export interface FsckReport {
  clean: boolean
  domains: DomainOverview[]
  /** Replicas on one device are as one; how many devices there are in each site. */
  devices: Record<'primary' | 'recovery', number>
  inventories: Omit<InventorySummary, 'findings'>[]
  unanswered: { domain: string; reason: string }[]
  findings: OpenFinding[]
  waiting: { repairs: number; removals: number }
  /** What a restored database believed alive though its keys were destroyed; by the platform's own command. */
  destroyedAgain?: { contracts: number; accesses: number; held: string[]; failed: string[] }
}

export interface ScrubReport {
  clean: boolean
  passes: ScrubSummary[]
  repaired: number
  waiting: { repairs: number; removals: number }
}

export interface RepairReport {
  clean: boolean
  repaired: number
  failed: number
  removed: number
  readmitted?: string
  times: RepairTime[]
  waiting: { repairs: number; removals: number }
}

interface Call {
  report(progress: unknown): void
  signal: AbortSignal
}

/** `yinxin fsck`, `scrub` and `repair`, wherever they run. Clean means that nothing is left for people to do. */
export function createStorageCommands({ storage, clock }: { storage: StorageCore<never>; clock: Clock }) {
  async function domains(): Promise<DomainOverview[]> {
    const [free, widths, scrubs] = [
      await storage.freeBytes(),
      await storage.scatterWidths(),
      await storage.lastScrubs(),
    ]
    return storage.status().domains.map((status) => {
      const freeBytes = free.find((one) => one.domain === status.name)?.bytes
      const lastScrub = scrubs.find((one) => one.domain === status.name)
      return {
        ...status,
        scatterWidth: widths.get(status.name) ?? 0,
        ...(freeBytes === undefined ? {} : { freeBytes }),
        ...(lastScrub === undefined ? {} : { lastScrub }),
      }
    })
  }

  return {
    async fsck(_options: Record<string, unknown>, { report, signal }: Call): Promise<FsckReport> {
      await storage.repairDue()
      const summary = await storage.reconcile({
        signal,
        onDomain: ({ findings: _, ...inventory }) => report(inventory),
      })
      // What the walk marked is on order by now, and made again as far as it can be; what was tried in vain before is
      // tried once more: a full disk is for people to see.
      const { failed } = await storage.repairDue({ hasten: true })
      const known = await domains()
      const devices = (site: string) =>
        new Set(known.filter((one) => one.site === site).map((one) => one.deviceId ?? one.name)).size
      const isSerious = summary.findings.some((finding) => finding.severity !== 'warning')
      return {
        clean:
          !isSerious &&
          failed === 0 &&
          summary.unanswered.length === 0 &&
          summary.inventories.every(({ bad, undead }) => bad === 0 && undead === 0) &&
          known.every((domain) => domain.state === 'ready'),
        domains: known,
        devices: { primary: devices('primary'), recovery: devices('recovery') },
        inventories: summary.inventories.map(({ findings: _, ...inventory }) => inventory),
        unanswered: summary.unanswered,
        findings: summary.findings,
        waiting: await storage.waiting(),
      }
    },

    async scrub(_options: Record<string, unknown>, { report, signal }: Call): Promise<ScrubReport> {
      const since = clock.now()
      const passes = await storage.scrub({ fresh: true, signal, onProgress: report })
      const bad = passes.reduce((sum, pass) => sum + pass.bad, 0)
      const isWhole = passes.every((pass) => pass.finishedAt !== undefined)
      return {
        clean: bad === 0 && isWhole,
        passes,
        repaired: (await storage.repairTimes(since)).length,
        waiting: await storage.waiting(),
      }
    },

    async repair({ readmit }: Record<string, unknown>, { report, signal }: Call): Promise<RepairReport> {
      const since = clock.now()
      if (typeof readmit === 'string') await storage.readmit(readmit, { signal, onProgress: report })
      const repairs = await storage.repairDue({ hasten: true })
      const removals = await storage.removeDue({ hasten: true })
      const waiting = await storage.waiting()
      const times = await storage.repairTimes(since)
      return {
        clean: waiting.repairs === 0 && waiting.removals === 0,
        repaired: times.length,
        failed: repairs.failed + removals.failed,
        removed: removals.removed,
        ...(typeof readmit === 'string' ? { readmitted: readmit } : {}),
        times,
        waiting,
      }
    },
  }
}
