/** `yinxin custody`, wherever it runs. */
import type { DurabilityReport } from '@yinxin/sla'
import type { Custody } from './custody.ts'
import type { CustodyOverview, OverviewSources } from './overview.ts'
import { operatorPage } from './operator-page.ts'
import { readPublished } from './reports.ts'

/** The figure of now, or a report that was made. */
export type DurabilityAnswer = MadeReport | { report: DurabilityReport }

export interface MadeReport {
  month: string
  revision: number
  sha256: string
  report: DurabilityReport
}

export function createCustodyCommands(custody: Custody, sources: OverviewSources) {
  return {
    status: (): Promise<CustodyOverview> => custody.overview(sources),

    /** The same as a page for a browser; `live` when it can be asked for again. */
    page: async (lang: 'zh' | 'en', { live = false } = {}): Promise<string> =>
      operatorPage(await custody.overview(sources), lang, live),

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
