import type { ColumnType } from 'kysely'
import type { StorageClass } from './quorum.ts'

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
    reason: 'missing' | 'bad'
    attempts: ColumnType<number, number | undefined, number>
    due_at: Date
    created_at: Date
  }
}
