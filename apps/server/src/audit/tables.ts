export interface AuditTables {
  audit_record: {
    id: string
    tenant_id: string
    at: Date
    caller_kind: 'session' | 'app' | 'system' | 'public' | 'operator'
    caller_id: string | null
    session_id: string | null
    action: string
    subject_kind: string
    subject_id: string
    /** jsonb: goes in as text, comes out parsed. */
    data: unknown
  }
}
