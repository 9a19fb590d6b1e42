import type { ExportRole, LossReason } from '@yinxin/evidence'

export type ExportStatus = 'queued' | 'collecting' | 'ready' | 'failed' | 'canceled' | 'expired' | 'voided'

export type ImportStatus =
  | 'receiving'
  | 'queued'
  | 'working'
  | 'done'
  | 'failed'
  | 'canceled'
  | 'expired'
  | 'voided'

/** A run of bytes of an entry: the whole of one storage object. */
export interface Piece {
  objectId: string
  sizeBytes: number
  /** With whose wrap of the contract's key it is read. */
  partyId?: string
  /** Made for this export alone, and destroyed with it. */
  generated?: true
}

export interface BucketPlace {
  endpoint: string
  region: string
  bucket: string
  pathStyle: boolean
  /** Name of the object to be. */
  key: string
}

export interface FileDetail {
  objectId: string
  sizeBytes: number
  /** Not in what was written before it was recorded here. */
  sha256?: string
}

/** How far a contract had come at the snapshot. */
export interface ContractDetail {
  ownerId: string
  events: number
  documents: { id: string; name: string; revision: number }[]
}

export interface Counts {
  files: number
  contracts: number
  documents: number
  events: number
  tables: Record<string, number>
}

export interface PortabilityTables {
  export_job: {
    id: string
    tenant_id: string
    status: ExportStatus
    requested_by: unknown
    lang: 'zh' | 'en'
    since: Date | null
    snapshot_at: Date | null
    counts: unknown
    part_bytes: number
    size_bytes: number
    entry_count: number
    manifest_sha256: string | null
    problem: string | null
    bucket: unknown
    bucket_secret_sealed: Buffer | null
    upload_id: string | null
    delivered_at: Date | null
    announced_at: Date | null
    created_at: Date
    ready_at: Date | null
    expires_at: Date | null
    loss_count: number
    resume_at: Date | null
  }
  export_item: {
    export_id: string
    position: number
    tenant_id: string
    kind: 'file' | 'contract'
    subject_id: string
    detail: unknown
    state: 'waiting' | 'done' | 'gone' | 'lost'
    tries: number
  }
  export_loss: {
    export_id: string
    path: string
    tenant_id: string
    subject_id: string
    reason: LossReason
    size_bytes: number | null
    sha256: string | null
  }
  export_entry: {
    export_id: string
    position: number
    tenant_id: string
    archive_offset: number
    path: string
    role: ExportRole
    size_bytes: number
    sha256: string
    sm3: string
    pieces: unknown
  }
  export_part: {
    export_id: string
    number: number
    tenant_id: string
    size_bytes: number
    sha256: string
    etag: string | null
  }
  import_job: {
    id: string
    tenant_id: string
    status: ImportStatus
    requested_by: unknown
    file_name: string
    size_bytes: number
    part_bytes: number
    options: unknown
    progress: unknown
    report: unknown
    problem: unknown
    created_at: Date
    ended_at: Date | null
    expires_at: Date
  }
  import_part: {
    import_id: string
    number: number
    tenant_id: string
    size_bytes: number
    sha256: string
    object_id: string
  }
  imported_history: {
    id: string
    tenant_id: string
    export_id: string
    source_tenant_id: string
    source_tenant_name: string
    origin: string
    snapshot_at: Date
    manifest_sha256: string
    records: number
    audit_object: string
    audit_sha256: string
    proof_object: string
    imported_at: Date
  }
  export_right: { app_id: string; tenant_id: string; granted_by: string; granted_at: Date }
  imported_contract: {
    task_id: string
    tenant_id: string
    origin: string
    log_keys: string[]
    source_tenant_id: string
    source_tenant_name: string
    export_id: string
    manifest_sha256: string
    package_sha256: string
    evidence_object_id: string
    imported_at: Date
  }
}
