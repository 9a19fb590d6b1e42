import type { Generated } from 'kysely'
import type { Basis, DestructionState } from './lifecycle.ts'

export interface DestructionTables {
  destruction: {
    id: string
    task_id: string
    tenant_id: string
    person_id: string | null
    basis: Basis
    extent: 'access' | 'contract'
    state: DestructionState
    requested_at: Date
    approved_at: Date | null
    due_at: Date | null
    promised_at: Date | null
    agreement_task_id: string | null
    agreement_sha256: string | null
    shredded_at: Date | null
    provisional_at: Date | null
    final_at: Date | null
    ended_at: Date | null
    /** jsonb: {@link ShredRecord}. */
    record: unknown
    attempts: Generated<number>
    problem: string | null
    next_try_at: Date | null
    updated_at: Date
  }
  destruction_certificate: {
    destruction_id: string
    stage: 'provisional' | 'final'
    number: string
    tenant_id: string
    task_id: string
    certificate: string
    sha256: string
    entry: string
    timestamp_token: Buffer | null
    proof: string | null
    pdf: Buffer | null
    made_at: Date
  }
  legal_hold: {
    id: string
    task_id: string
    basis: 'court' | 'regulator' | 'dispute'
    reference: string
    placed_by: string
    placed_by_id: string | null
    placed_at: Date
    confirmed_by: string | null
    confirmed_by_id: string | null
    confirmed_at: Date | null
    release_asked_by: string | null
    release_asked_by_id: string | null
    release_asked_at: Date | null
    released_by: string | null
    released_by_id: string | null
    released_at: Date | null
  }
  service_term: { tenant_id: string; ended_at: Date; recorded_by: string; recorded_at: Date }
  retired_medium: {
    id: string
    device: string
    serial: string
    domain: string | null
    method: string
    standard: string
    proof_name: string
    proof_sha256: string
    retired_at: Date
    done_by: string
    done_by_id: string | null
    witnessed_by: string
    witnessed_by_id: string | null
    recorded_at: Date
  }
}
