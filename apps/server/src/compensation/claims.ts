/** Steps of a claim: each is one transaction with the row, its step and its record; repeating the last one changes nothing. */
import { type ClaimAction, claimAfter } from '@yinxin/sla'
import type { Audit, AuditCaller } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import { refuse } from './errors.ts'
import { findClaim, insertStep, stepsOf, updateClaim } from './store.ts'
import type { ClaimRow } from './tables.ts'

export const pastOf = {
  submit: 'submitted',
  review: 'review-begun',
  want_proof: 'proof-wanted',
  offer: 'offered',
  refuse: 'refused',
  appeal: 'appealed',
  accept: 'accepted',
  settle: 'settled',
  withdraw: 'withdrawn',
} as const satisfies Record<ClaimAction, string>

export interface Step {
  id: string
  action: ClaimAction
  /** The company that acts, which sees its own claims alone. */
  tenantId?: string
  caller: AuditCaller
  operatorIds?: string[]
  words?: string
  /** Reads what the step needs of the locked claim, and says what changes besides the state. */
  change?(claim: ClaimRow): Promise<{ set?: Partial<ClaimRow>; data?: Record<string, unknown> }>
}

export type TakeStep = (tx: Tx, step: Step) => Promise<{ claim: ClaimRow; isNew: boolean }>

export function createSteps({ clock, audit }: { clock: Clock; audit: Audit }): TakeStep {
  return async (tx, { id, action, tenantId, caller, operatorIds = [], words, change }) => {
    // 1. The claim, locked, as far as the actor may see it.
    const claim = await findClaim(tx, id, { lock: true, ...(tenantId === undefined ? {} : { tenantId }) })
    if (claim === undefined) throw refuse('claim_not_found')
    // 2. What was done last may be said again.
    const byKind = tenantId === undefined ? 'platform' : 'company'
    const last = (await stepsOf(tx, id)).at(-1)
    const state = claimAfter(claim.state, action)
    if (state === undefined) {
      if (last?.action === action && last.state === claim.state && last.by_kind === byKind)
        return { claim, isNew: false }
      throw refuse('claim_state', { state: claim.state })
    }
    // 3. The change, its step and its record.
    const { set = {}, data = {} } = (await change?.(claim)) ?? {}
    const changed = { ...set, state, changed_at: clock.now() }
    await updateClaim(tx, id, changed)
    await insertStep(tx, {
      id: newId(),
      claim_id: id,
      tenant_id: claim.tenant_id,
      at: clock.now(),
      action,
      state,
      by_kind: byKind,
      operator_ids: operatorIds,
      words: words ?? null,
      data,
    })
    await audit.record(tx, {
      tenantId: claim.tenant_id,
      caller,
      action: `compensation.${pastOf[action]}`,
      subjectKind: 'compensation-claim',
      subjectId: id,
      data: { month: claim.month, ...data, ...(operatorIds.length === 2 ? { operatorIds } : {}) },
    })
    return { claim: { ...claim, ...changed }, isNew: true }
  }
}
