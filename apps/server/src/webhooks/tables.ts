export type CallbackStyle = 'standard' | 'fasc'
export type CallbackStatus = 'waiting' | 'delivered' | 'failed'

export interface WebhookTables {
  webhook_app: { app_id: string; tenant_id: string; style: CallbackStyle; updated_at: Date }
  webhook_event: {
    id: string
    tenant_id: string
    app_id: string
    url: string
    url_of: 'app' | 'task'
    style: CallbackStyle
    event: string
    /** jsonb: an object. */
    payload: unknown
    dedup_key: string
    status: CallbackStatus
    attempts: number
    next_at: Date | null
    created_at: Date
    delivered_at: Date | null
  }
  webhook_attempt: {
    id: string
    event_id: string
    tenant_id: string
    at: Date
    duration_ms: number
    status: number | null
    problem: string | null
    response_head: string | null
  }
}
