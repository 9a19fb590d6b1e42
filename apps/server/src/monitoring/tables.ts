import type { SlaService } from '@yinxin/sla'

export type Severity = 'P1' | 'P2' | 'P3'
export type ChannelName = 'dingtalk' | 'sms' | 'mail' | 'webhook'
export type AlertEvent = 'firing' | 'escalated' | 'resolved'
export type OnCallRole = 'primary' | 'secondary' | 'manager'

export interface MonitoringTables {
  monitoring_alert: {
    id: string
    key: string
    rule: string
    severity: Severity
    service: SlaService | null
    subject: string | null
    state: 'pending' | 'firing' | 'resolved'
    detail_zh: string
    detail_en: string
    began_at: Date
    opened_at: Date | null
    last_seen_at: Date
    clear_since: Date | null
    resolved_at: Date | null
    flaps: number
    notified_at: Date | null
    level: number
    escalate_at: Date | null
    acknowledged_at: Date | null
    acknowledged_by: string | null
    ack_hash: Uint8Array
    ack_sealed: Uint8Array
  }
  monitoring_message: {
    id: string
    channel: ChannelName
    target: string
    group_key: string
    state: 'sending' | 'waiting' | 'sent' | 'failed' | 'uncertain'
    attempts: number
    claimed_at: Date
    next_at: Date | null
    sent_at: Date | null
    receipt: string | null
    problem: string | null
  }
  monitoring_delivery: {
    id: string
    alert_id: string
    event: AlertEvent
    level: number
    channel: ChannelName
    recipient: string
    lang: 'zh' | 'en'
    mentions: string[]
    due_at: Date
    message_id: string | null
    created_at: Date
  }
  monitoring_channel: {
    name: string
    failing_since: Date | null
    failures: number
    problem: string | null
    ok_at: Date | null
    blocked_until: Date | null
  }
  monitoring_shift: {
    id: string
    person: string
    role: OnCallRole
    mobile: string | null
    mail: string | null
    lang: 'zh' | 'en'
    from_at: Date
    to_at: Date
    added_by: string
    added_at: Date
    removed_at: Date | null
    removed_by: string | null
  }
  monitoring_silence: {
    id: string
    maintenance_id: string
    rule: string | null
    from_at: Date
    to_at: Date
    reason: string
    made_by: string
    made_at: Date
    ended_at: Date | null
  }
  monitoring_evaluation: { only: boolean; minute: number; at: Date }
}

export type AlertRow = MonitoringTables['monitoring_alert']
export type DeliveryRow = MonitoringTables['monitoring_delivery']
export type MessageRow = MonitoringTables['monitoring_message']
