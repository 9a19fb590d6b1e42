import type { SitePlacement } from '@yinxin/sla'
import type { ColumnType } from 'kysely'

/** Written as text, read as what it is. */
type Json<T> = ColumnType<T, string, never>

export interface CustodyTables {
  custody_sample: {
    at: Date
    since: Date
    objects: number
    object_hours: number
    one_site_hours: number
    unverified_hours: number | null
    sites: Json<SitePlacement[]>
    device_hours: number
    key_copies: ColumnType<KeyCopy[] | null, string | null, never>
  }
  custody_report: {
    id: string
    month: string
    revision: number
    created_at: Date
    verdict: 'met' | 'not_met'
    entry: Buffer
    sha256: Buffer
  }
  custody_report_pdf: { report_id: string; made_at: Date; pdf: Buffer }
}

/** A complete copy of the key store. */
export interface KeyCopy {
  name: string
  site: string
  device: string | null
}
