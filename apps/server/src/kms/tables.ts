/** Tables of the keys database. */
export interface KeyTables {
  key_store: { only_row: boolean; secrets_key: Buffer; root_version: number; created_at: Date }
  signing_keys: {
    name: string
    key_id: string
    algorithm: string
    spki: Buffer
    wrapped: Buffer
    root_version: number
    created_at: Date
  }
  key_versions: {
    family: 'root' | 'epoch'
    version: number
    driver: string
    wrapped: Buffer | null
    created_at: Date
    retired_at: Date | null
    closed_at: Date | null
    destroy_after: Date | null
    destroyed_at: Date | null
    receipt: string | null
  }
  open_epochs: { epoch: number }
  open_roots: { version: number }
  tenant_keys: {
    tenant_id: string
    epoch: number | null
    wrapped: Buffer | null
    created_at: Date
    destroyed_at: Date | null
  }
  /** The register of contract keys; `tenant_id` is the owner. No key bytes, and a row for ever. */
  scope_keys: {
    scope_id: string
    tenant_id: string
    key_id: string
    created_at: Date
    destroyed_at: Date | null
  }
  scope_key_wraps: { scope_id: string; party_id: string; epoch: number; wrapped: Buffer; created_at: Date }
  key_tombstones: {
    id: string
    scope_id: string | null
    party_id: string
    key_id: string | null
    epoch: number
    at: Date
    receipt: string
    receipt_sha256: string
  }
  /** How many destructions there were. */
  key_destructions: { only_row: boolean; n: number }
}
