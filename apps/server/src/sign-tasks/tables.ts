import type { Generated } from 'kysely'
import type { ActorStatus, TaskStatus } from './lifecycle.ts'

export interface PageSize {
  widthPt: number
  heightPt: number
}

export interface SignTaskTables {
  sign_task: {
    id: string
    tenant_id: string
    initiator_name: string
    creator_person_id: string | null
    title: string
    status: TaskStatus
    ordered: boolean
    deadline: Date | null
    reference: string | null
    end_reason: string | null
    created_at: Date
    updated_at: Date
    started_at: Date | null
    finished_at: Date | null
    /** When nothing but this row's numbers was left of it. */
    destroyed_at: Date | null
    /** Came with an import: signed on another installation. */
    adopted: Generated<boolean>
  }
  task_party: {
    task_id: string
    subject_id: string
    tenant_id: string
    access_destroyed_at: Generated<Date | null>
  }
  task_document: {
    id: string
    task_id: string
    tenant_id: string
    ref: string
    name: string
    position: number
    file_id: string
    page_count: number
    /** jsonb: an array of {@link PageSize}. */
    pages: unknown
    revision: Generated<number>
    sha256: string
    size_bytes: number
  }
  task_document_segment: {
    document_id: string
    revision: number
    tenant_id: string
    task_id: string
    object_id: string
    segment_bytes: number
    size_bytes: number
    sha256: string
    created_at: Date
  }
  task_actor: {
    id: string
    task_id: string
    tenant_id: string
    ref: string
    position: number
    kind: 'person' | 'corp'
    role: 'sign' | 'cc'
    name: string
    subject_id: string | null
    person_id: string | null
    mobile: string | null
    email: string | null
    sign_order: number
    status: ActorStatus
    seal_id: string | null
    free_sign_business_id: string | null
    signed_at: Date | null
    certificate_serial: string | null
    reject_reason: string | null
  }
  task_field: {
    id: string
    task_id: string
    tenant_id: string
    document_id: string
    actor_id: string
    kind: 'seal' | 'signature' | 'date'
    page: number
    x: number
    y: number
    width: number
    height: number
  }
  task_link: {
    token_hash: Buffer
    task_id: string
    tenant_id: string
    actor_id: string
    created_at: Date
    expires_at: Date
  }
  task_urge: { task_id: string; tenant_id: string; at: Date }
  usage_event: { task_id: string; type: string; tenant_id: string; occurred_at: Date; quantity: number }
}
