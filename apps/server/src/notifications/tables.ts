export interface NotificationTables {
  notification: {
    id: string
    tenant_id: string | null
    channel: 'mail' | 'sms'
    address: string
    template: string
    lang: 'zh' | 'en'
    purpose: string
    content_sealed: Uint8Array | null
    status: 'queued' | 'sent' | 'failed'
    carrier: string | null
    simulated: boolean
    carrier_reference: string | null
    attempts: number
    last_problem: string | null
    created_at: Date
    sent_at: Date | null
    about_task: string | null
  }
}
