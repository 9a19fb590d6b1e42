export interface OutboxTables {
  outbox_facts: {
    id: string
    type: string
    tenant_id: string
    subject_key: string
    at: Date
    /** JSON on the way in, an object on the way out. */
    payload: unknown
  }
  outbox_deliveries: { fact_id: string; subscriber: string; at: Date }
}
