interface IdentityColumns {
  verified_at: Date | null
  identity_method: string | null
  identity_provider: string | null
  identity_simulated: boolean
}

export interface AccountTables {
  subject: { id: string; kind: 'person' | 'corp'; created_at: Date }
  person: IdentityColumns & {
    id: string
    name: string | null
    id_type: 'id_card' | null
    id_number_sealed: Uint8Array | null
    id_number_hash: Uint8Array | null
    created_at: Date
  }
  corp: IdentityColumns & {
    id: string
    name: string
    credit_code: string
    legal_representative: string
    created_by: string
    created_at: Date
  }
  member: {
    tenant_id: string
    person_id: string
    role: 'admin' | 'member'
    active: boolean
    accepted_at: Date | null
    created_at: Date
  }
  account: {
    id: string
    person_id: string
    mobile: string | null
    email: string | null
    password_hash: string | null
    created_at: Date
  }
  login_code: {
    id: string
    login: string
    scope: string
    code_hash: Uint8Array
    /** Null when the owner asked, from a session or a link. */
    asked_from: Uint8Array | null
    tries: number
    created_at: Date
    expires_at: Date
    used_at: Date | null
  }
  login_guard: {
    login_hash: Uint8Array
    failures: number
    locked_until: Date | null
    last_failure_at: Date
  }
  session: {
    id: string
    token_hash: Uint8Array
    account_id: string
    person_id: string
    subject_id: string
    created_at: Date
    last_seen_at: Date
    expires_at: Date
    ended_at: Date | null
  }
  app: {
    app_id: string
    tenant_id: string
    name: string
    environment: 'sandbox' | 'production'
    callback_url: string | null
    active: boolean
    created_at: Date
  }
  hash_key: { name: string; key_sealed: Uint8Array; created_at: Date }
  app_secret: { app_id: string; secret_sealed: Uint8Array; created_at: Date }
}
