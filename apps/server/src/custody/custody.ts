/**
 * What custody promises, as figures: the durability report, computed from what was measured and never from settings,
 * and the right to know where every copy is.
 */
import type { Font } from '@yinxin/pades'
import { z } from 'zod'
import type { Caller } from '#src/accounts/accounts.ts'
import type { Ca } from '#src/ca/ca.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, DbCopy } from '#src/db/db.ts'
import type { Evidence } from '#src/evidence/evidence.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Log } from '#src/log.ts'
import type { SignTasks } from '#src/sign-tasks/sign-tasks.ts'
import { createStorageMeasures, type Storage } from '#src/storage/storage.ts'
import type { Timestamps } from '#src/timestamps/timestamps.ts'
import { createCopies } from './copies.ts'
import { createMeasuring } from './measuring.ts'
import { createOverview } from './overview.ts'
import { reportPdf } from './report-pdf.ts'
import { createReports, type PublishedReport, readPublished } from './reports.ts'
import { createSampling } from './sampling.ts'
import { insertPdf, pdfOf, type StoredReport } from './store.ts'

export { custodyPromises } from './promises.ts'
export type { Copies, DatabaseCopy, PlaceCopies, SiteCopies } from './copies.ts'
export { createCustodyCommands, type DurabilityAnswer } from './commands.ts'
export type { Concern } from './concerns.ts'
export { findingDetail, operatorWord, type OperatorWord } from './operator-words.ts'
export type { CustodyOverview, OverviewSources, SiteBackups } from './overview.ts'
export { type PublishedReport, readPublished } from './reports.ts'
export type { StoredReport } from './store.ts'

export interface CustodyDeps {
  db: Db
  clock: Clock
  log: Log
  jobs?: Jobs
  storage: Storage
  evidence: Pick<Evidence, 'enter' | 'proveEntry'>
  ca: Pick<Ca, 'platformSigner' | 'isDevelopment'>
  timestamps: Pick<Timestamps, 'stamp'>
  signTasks: Pick<SignTasks, 'get'>
  font: () => Promise<Font>
  dbCopies: () => Promise<DbCopy[]>
  environment: () => PublishedReport['environment']
  scrubPeriodMs: number
  declared: { sitesApart: boolean; rootKeyCopies: number | undefined }
  storageKind: 'folders' | 'buckets'
}

export type Custody = ReturnType<typeof createCustody>

export function createCustody(deps: CustodyDeps) {
  const { db, clock, log, jobs, evidence } = deps
  const measures = createStorageMeasures(db)
  const look = createSampling({ ...deps, measures })
  const measure = createMeasuring({ ...deps, measures })
  const reports = createReports({ ...deps, measure, look })
  const copies = createCopies({ ...deps, measures })

  const proof = (report: StoredReport) => evidence.proveEntry(report.id, report.entry)

  /** The signed page; made once, when its place in the log is known. */
  async function pdf(report: StoredReport): Promise<Buffer> {
    const known = await db.ask((tx) => pdfOf(tx, report.id))
    if (known !== undefined) return known
    const papers = {
      published: readPublished(report),
      entry: report.entry,
      sha256: report.sha256,
      proof: await proof(report),
    }
    const now = clock.now()
    const made = await reportPdf(papers, now, deps)
    return await db.work(async (tx) => {
      await insertPdf(tx, report.id, made, now)
      return (await pdfOf(tx, report.id)) ?? Buffer.from(made)
    })
  }

  async function closeDue(): Promise<StoredReport[]> {
    const made = await reports.closeDue()
    for (const report of made) {
      log.info({ month: report.month, verdict: report.verdict }, 'durability report made')
      await pdf(report)
    }
    return made
  }

  jobs?.define('custody.look', z.looseObject({}), async () => void (await look()))
  jobs?.schedule('custody.look', '3 * * * *')
  jobs?.define('custody.close', z.looseObject({}), async () => void (await closeDue()))
  // Four in the morning in China, when the day's comparison of storage and database may still be under way; the month
  // that has just ended had one every day.
  jobs?.schedule('custody.close', '5 20 * * *')

  return {
    look,
    reports: { ...reports, closeDue, proof, pdf },
    /** Where the copies of a contract are, for its parties. @throws Refusal `sign_task_not_found` and those of access */
    async copiesOfContract(caller: Caller, taskId: string) {
      await deps.signTasks.get(caller, taskId)
      return await copies.ofContract(taskId)
    },
    /** Where the copies of everything are that the acting subject owns. */
    copiesOfSubject: (subjectId: string) => copies.ofSubject(subjectId),
    /** What operators must know of. */
    overview: createOverview({ ...deps, measures }),
  }
}
