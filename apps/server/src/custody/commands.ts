/** `yinxin custody`, wherever it runs. */
import type { DurabilityReport } from '@yinxin/sla'
import type { Custody } from './custody.ts'
import type { CustodyOverview } from './overview.ts'
import { readPublished } from './reports.ts'

/** The figure of now, or a report that was made. */
export type DurabilityAnswer = MadeReport | { report: DurabilityReport }

export interface MadeReport {
  month: string
  revision: number
  sha256: string
  report: DurabilityReport
}

export function createCustodyCommands(custody: Custody) {
  return {
    status: (): Promise<CustodyOverview> => custody.overview(),

    /** The figure of now, or a new revision for a month that is over. */
    async report({ month }: Record<string, unknown>): Promise<DurabilityAnswer> {
      if (typeof month !== 'string') {
        await custody.look()
        return { report: (await custody.reports.now()).report }
      }
      const made = await custody.reports.close(month)
      await custody.reports.pdf(made)
      const { revision, report } = readPublished(made)
      return { month, revision, sha256: made.sha256, report }
    },
  }
}
