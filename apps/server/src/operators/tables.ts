export interface OperatorTables {
  operator: {
    id: string
    name: string
    key_sha256: Buffer
    added_by: string | null
    added_at: Date
    counts_from: Date
    vouched_by: string | null
    revoked_by: string | null
    revoked_at: Date | null
  }
  operator_proposal: {
    id: string
    command: string
    options: unknown
    proposed_by: string
    proposed_at: Date
    expires_at: Date
    outcome: 'confirmed' | 'withdrawn' | null
    decided_by: string | null
    decided_at: Date | null
  }
}
