export interface SigningTables {
  sign_act: {
    task_id: string
    actor_id: string
    tenant_id: string
    attempt_id: string
    attempts: number
    holder: string
    status: 'intended' | 'done' | 'failed'
    free_sign: boolean
    intended_at: Date
    lease_until: Date
    /** jsonb */
    intent: unknown
    certificate_serial: string | null
    certificate: Buffer | null
    failure: string | null
    /** jsonb */
    result: unknown
    done_at: Date | null
  }
}
