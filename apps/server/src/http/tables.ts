export interface HttpTables {
  call_pace: { key: Uint8Array; calls: number; until: Date }
  app_nonces: { app_id: string; nonce: string; expires_at: Date }
  idempotency_keys: {
    tenant_id: string
    credential: string
    key: string
    request_hash: string
    state: 'running' | 'done'
    lease_until: Date
    status: number | null
    answer: Uint8Array | null
    created_at: Date
  }
}
