import type { Tx } from '#src/db/db.ts'
import type { CustodyTables, KeyCopy } from './tables.ts'
import type { SitePlacement } from '@yinxin/sla'

const tables = (tx: Tx) => tx.withTables<CustodyTables>()

export interface Sample {
  at: Date
  since: Date
  objects: number
  objectHours: number
  oneSiteHours: number
  unverifiedHours: number | null
  sites: SitePlacement[]
  deviceHours: number
  keyCopies: KeyCopy[] | null
}

export interface StoredReport {
  id: string
  month: string
  revision: number
  createdAt: Date
  verdict: 'met' | 'not_met'
  /** The report as JSON: what is downloaded, and the leaf in the log. */
  entry: Buffer
  sha256: string
}

/** Two processes may look in the same moment; the first look stays. */
export async function insertSample(tx: Tx, sample: Sample): Promise<void> {
  await tables(tx)
    .insertInto('custody_sample')
    .values({
      at: sample.at,
      since: sample.since,
      objects: sample.objects,
      object_hours: sample.objectHours,
      one_site_hours: sample.oneSiteHours,
      unverified_hours: sample.unverifiedHours,
      sites: JSON.stringify(sample.sites),
      device_hours: sample.deviceHours,
      key_copies: sample.keyCopies === null ? null : JSON.stringify(sample.keyCopies),
    })
    .onConflict((conflict) => conflict.column('at').doNothing())
    .execute()
}

const sampleColumns = [
  'at',
  'since',
  'objects',
  'object_hours',
  'one_site_hours',
  'unverified_hours',
  'sites',
  'device_hours',
  'key_copies',
] as const

/** The looks of a period, oldest first. */
export async function samplesOf(tx: Tx, from: Date, to: Date): Promise<Sample[]> {
  const rows = await tables(tx)
    .selectFrom('custody_sample')
    .select(sampleColumns)
    .where('at', '>', from)
    .where('at', '<=', to)
    .orderBy('at')
    .execute()
  return rows.map((row) => ({
    at: row.at,
    since: row.since,
    objects: row.objects,
    objectHours: row.object_hours,
    oneSiteHours: row.one_site_hours,
    unverifiedHours: row.unverified_hours,
    sites: row.sites,
    deviceHours: row.device_hours,
    keyCopies: row.key_copies,
  }))
}

/** When the first and the last look were, and the hours of devices in service until a time. */
export async function sampledUntil(tx: Tx, to: Date) {
  const row = await tables(tx)
    .selectFrom('custody_sample')
    .select((of) => [
      of.fn.min<Date | null>('at').as('first'),
      of.fn.max<Date | null>('at').as('last'),
      of.fn.sum<number | null>('device_hours').as('device_hours'),
    ])
    .where('at', '<=', to)
    .executeTakeFirstOrThrow()
  return { first: row.first ?? undefined, last: row.last ?? undefined, deviceHours: row.device_hours ?? 0 }
}

export async function insertReport(tx: Tx, report: StoredReport): Promise<void> {
  await tables(tx)
    .insertInto('custody_report')
    .values({
      id: report.id,
      month: report.month,
      revision: report.revision,
      created_at: report.createdAt,
      verdict: report.verdict,
      entry: report.entry,
      sha256: Buffer.from(report.sha256, 'hex'),
    })
    .execute()
}

const reportColumns = ['id', 'month', 'revision', 'created_at', 'verdict', 'entry', 'sha256'] as const

/** Revisions of a month, newest first; those of all months without one. */
export async function reportsOf(tx: Tx, month?: string): Promise<StoredReport[]> {
  let query = tables(tx)
    .selectFrom('custody_report')
    .select(reportColumns)
    .orderBy('month', 'desc')
    .orderBy('revision', 'desc')
    .limit(240)
  if (month !== undefined) query = query.where('month', '=', month)
  return (await query.execute()).map((row) => ({
    id: row.id,
    month: row.month,
    revision: row.revision,
    createdAt: row.created_at,
    verdict: row.verdict,
    entry: row.entry,
    sha256: row.sha256.toString('hex'),
  }))
}

export async function pdfOf(tx: Tx, reportId: string): Promise<Buffer | undefined> {
  const row = await tables(tx)
    .selectFrom('custody_report_pdf')
    .select('pdf')
    .where('report_id', '=', reportId)
    .executeTakeFirst()
  return row?.pdf
}

/** The first signed page of a report stays. */
export async function insertPdf(tx: Tx, reportId: string, pdf: Uint8Array, at: Date): Promise<void> {
  await tables(tx)
    .insertInto('custody_report_pdf')
    .values({ report_id: reportId, made_at: at, pdf: Buffer.from(pdf) })
    .onConflict((conflict) => conflict.column('report_id').doNothing())
    .execute()
}
