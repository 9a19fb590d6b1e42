export interface IdentityTables {
  identity_check: {
    id: string
    tenant_id: string
    kind: 'person' | 'corp'
    method: string
    provider: string
    simulated: boolean
    result: 'passed' | 'failed'
    reference: string
    reason: string | null
    claims_hash: Uint8Array
    created_at: Date
  }
  identity_attempt: { id: string; tenant_id: string; created_at: Date }
  willingness_code: {
    id: string
    tenant_id: string
    purpose: string
    actor_key: string
    code_hash: Uint8Array
    tries: number
    created_at: Date
    expires_at: Date
    used_at: Date | null
  }
}
