import type { Generated } from 'kysely'
import type { SignFieldType } from './fields.ts'

export interface FascTables {
  fasc_token: {
    app_id: string
    tenant_id: string
    token_hash: Uint8Array
    token_sealed: Uint8Array
    expires_at: Date
  }
  fasc_nonce: { app_id: string; nonce: string; expires_at: Date }
  fasc_upload: {
    id: string
    tenant_id: string
    app_id: string
    token_hash: Uint8Array | null
    state: 'waiting' | 'receiving' | 'received'
    object_id: string | null
    file_id: string | null
    file_name: string | null
    created_at: Date
    expires_at: Date
  }
  fasc_seal: { seal_no: Generated<number>; seal_id: string; tenant_id: string }
  fasc_task: {
    task_id: string
    tenant_id: string
    app_id: string
    callback_url: string | null
    /** jsonb: {@link TaskEcho}. */
    echo: unknown
  }
  fasc_field: {
    task_id: string
    tenant_id: string
    doc_ref: string
    field_id: string
    field_name: string
    field_type: SignFieldType
    page: number
    x: number
    y: number
    width: number
    height: number
    actor_ref: string | null
    seal_no: number | null
  }
}

/** What the client gave with a task only to get it back, and the scene for actors that come later. */
export interface TaskEcho {
  businessCode?: string | undefined
  signDocType?: string | undefined
  dueDate?: string | undefined
  businessId?: string | undefined
}
