/** Tables of the keys database. */
export interface KeyTables {
  key_store: { only_row: boolean; secrets_key: Buffer; created_at: Date }
  signing_keys: {
    name: string
    key_id: string
    algorithm: string
    spki: Buffer
    wrapped: Buffer
    created_at: Date
  }
  tenant_keys: { tenant_id: string; epoch: number; wrapped: Buffer; created_at: Date }
  scope_keys: { scope_id: string; tenant_id: string; epoch: number; wrapped: Buffer; created_at: Date }
}
