import type { Cause, ClaimAction, ClaimState, SlaService } from '@yinxin/sla'

/** Bad minutes in runs of downtime; half open. */
export interface DownRange {
  service: SlaService
  from: number
  to: number
}

/** What a company asked for in a minute without service, and did not get. */
export interface FailedOperations {
  service: SlaService
  minute: number
  valid: number
  failed: number
}

export interface CompensationTables {
  compensation_agreement: {
    id: string
    tenant_id: string
    number: string
    amount_fen: number
    from_at: Date
    until_at: Date | null
    proposed_by: string
    confirmed_by: string
    made_at: Date
  }
  compensation_cause: {
    id: string
    services: SlaService[]
    from_minute: number
    to_minute: number
    cause: Cause
    evidence: string[]
    tenant_id: string | null
    incident_number: number | null
    proposed_by: string
    confirmed_by: string | null
    decided_at: Date
  }
  compensation_claim: {
    id: string
    tenant_id: string
    month: string
    origin: 'platform' | 'company'
    state: ClaimState
    agreement_id: string | null
    down: unknown
    failures: unknown
    measured_at: Date
    loss_fen: number | null
    limit_fen: number | null
    award_fen: number | null
    created_at: Date
    changed_at: Date
  }
  compensation_item: {
    id: string
    claim_id: string
    tenant_id: string
    description: string
    claimed_fen: number
    minute: number | null
    verified_fen: number | null
    direct: boolean | null
    verified_note: string | null
    added_at: Date
  }
  compensation_proof: {
    id: string
    item_id: string
    tenant_id: string
    object_id: string
    name: string
    media_type: MediaType
    size_bytes: number
    sha256: string
    added_at: Date
  }
  compensation_step: {
    id: string
    claim_id: string
    tenant_id: string
    at: Date
    action: ClaimAction | 'draft'
    state: ClaimState
    by_kind: 'company' | 'platform'
    operator_ids: string[]
    words: string | null
    data: unknown
  }
  compensation_settlement: {
    claim_id: string
    tenant_id: string
    agreement_id: string
    payable_fen: number
    method: 'cash' | 'credit'
    reference: string
    proposed_by: string
    confirmed_by: string
    settled_at: Date
  }
  compensation_month: { month: string; revisions: number; drafted_at: Date }
}

export type MediaType = 'application/pdf' | 'image/png' | 'image/jpeg'
export type AgreementRow = CompensationTables['compensation_agreement']
export type CauseRow = CompensationTables['compensation_cause']
export type ClaimRow = Omit<CompensationTables['compensation_claim'], 'down' | 'failures'> & {
  down: DownRange[]
  failures: FailedOperations[]
}
export type ItemRow = CompensationTables['compensation_item']
export type ProofRow = CompensationTables['compensation_proof']
export type StepRow = CompensationTables['compensation_step']
export type SettlementRow = CompensationTables['compensation_settlement']
