import type { ColumnType, Generated } from 'kysely'
import type { FindingClass, RepairReason, Severity, Verdict } from './catalogue.ts'
import type { Removal, SiteName } from './domain.ts'
import type { StorageClass } from './quorum.ts'

/** A column that need not be given. */
type Optional<T> = ColumnType<T | null, T | null | undefined, T | null>

export interface StorageTables {
  storage_objects: {
    id: string
    tenant_id: string
    scope_id: string
    class: StorageClass
    size_bytes: number
    sha256: Buffer
    stored_size_bytes: number
    stored_sha256: Buffer
    wrapped_key: Buffer
    created_at: Date
  }
  storage_replicas: {
    object_id: string
    domain: string
    holder: string
    position: number
    state: 'good' | 'bad'
    written_at: Date
  }
  storage_repairs: {
    object_id: string
    domain: string
    reason: RepairReason
    attempts: ColumnType<number, number | undefined, number>
    due_at: Date
    created_at: Date
  }
  storage_repair_times: {
    id: Generated<number>
    object_id: string
    domain: string
    reason: RepairReason
    detected_at: Date
    repaired_at: Date
  }
  storage_destructions: { object_id: string; at: Date; reason: string }
  storage_removals: {
    object_id: string
    domain: string
    attempts: ColumnType<number, number | undefined, number>
    due_at: Date
    removed_at: Optional<Date>
    method: Optional<Removal>
  }
  storage_scrubs: { domain: string; object_id: string; verified_at: Date; verdict: Verdict }
  storage_scrub_passes: {
    domain: string
    started_at: Date
    cursor: Optional<string>
    finished_at: Optional<Date>
    checked: number
    bad: number
    bytes: number
    site: Optional<SiteName>
    device: Optional<string>
    period_ms: Optional<number>
  }
  storage_inventories: { domain: string; started_at: Date; finished_at: Date; replicas: number }
  storage_orphans: {
    domain: string
    object_id: string
    holder: string
    position: number
    size_bytes: number
    found_at: Date
  }
  storage_findings: {
    class: FindingClass
    subject_id: string
    domain: string
    severity: Severity
    detail: string
    first_seen_at: Date
    last_seen_at: Date
    resolved_at: Optional<Date>
  }
  storage_quarantines: { domain: string; since: Date; reason: string; readmitted_at: Optional<Date> }
}
