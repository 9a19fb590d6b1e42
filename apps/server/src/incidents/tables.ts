import type { ClassReason, IncidentClass, SlaService } from '@yinxin/sla'

export type NoteKind =
  | 'opened'
  | 'alert'
  | 'acknowledged'
  | 'escalated'
  | 'update'
  | 'classified'
  | 'cleared'
  | 'resolved'
  | 'cause'
  | 'action'
  | 'lesson'
  | 'closed'

export interface IncidentTables {
  incident: {
    id: string
    number: number
    class: IncidentClass
    class_reasons: ClassReason[]
    class_by: string | null
    title_zh: string
    title_en: string
    services: SlaService[]
    integrity: boolean
    published: boolean
    opened_by: string
    began_at: Date
    detected_at: Date
    acknowledged_at: Date | null
    acknowledged_by: string | null
    resolved_at: Date | null
    closed_at: Date | null
    closed_by: string | null
    bad_minutes: number
    affected_tenants: number
    active_tenants: number
    measured_at: Date | null
  }
  incident_alert: { alert_id: string; incident_id: string; rule: string; resolved_at: Date | null }
  incident_note: {
    id: string
    incident_id: string
    at: Date
    kind: NoteKind
    by: string
    text_zh: string
    text_en: string
    public: boolean
  }
  incident_tenant: {
    incident_id: string
    tenant_id: string
    service: SlaService
    valid: number
    failed: number
  }
}

export type IncidentRow = IncidentTables['incident']
export type NoteRow = IncidentTables['incident_note']
