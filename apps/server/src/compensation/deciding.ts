/** What operators decide: causes, what is proven, what is offered and paid. What burdens the company takes two. */
import {
  type Award,
  type AttributedMinute,
  type ClaimAction,
  type Cause,
  isExcluded,
  type SlaService,
} from '@yinxin/sla'
import type { Audit } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Operator } from '#src/operator-door.ts'
import type { Approval } from '#src/operators/operators.ts'
import type { Outbox } from '#src/outbox/outbox.ts'
import { assess, attributed } from './assessment.ts'
import type { TakeStep } from './claims.ts'
import { refuse } from './errors.ts'
import type { createMeasuring } from './measuring.ts'
import {
  agreementsOf,
  awardedUnder,
  causesOf,
  findAgreement,
  findClaim,
  findItem,
  insertAgreement,
  insertCause,
  insertSettlement,
  itemsOf,
  lockFor,
  stepsOf,
  updateItem,
} from './store.ts'
import type { AgreementRow, CauseRow, ClaimRow, ItemRow, SettlementRow } from './tables.ts'

export interface DecidingDeps {
  db: Db
  clock: Clock
  audit: Audit
  outbox: Pick<Outbox, 'append'>
  measuring: Pick<ReturnType<typeof createMeasuring>, 'measure' | 'changeBy' | 'agreementFor'>
  takeStep: TakeStep
}

export interface NewCause {
  services: SlaService[]
  from: number
  to: number
  cause: Cause
  evidence: string[]
  tenantId: string | null
  incident: number | null
}

export interface NewAgreement {
  tenantId: string
  number: string
  amountFen: number
  from: Date
  until: Date | null
}

export function createDeciding({ db, clock, audit, outbox, measuring, takeStep }: DecidingDeps) {
  const byOperator = (operator: Operator) => ({
    caller: { kind: 'operator', operatorId: operator.id } as const,
    operatorIds: [operator.id],
  })
  const byTwo = ({ proposedBy, confirmedBy }: Approval) => ({
    caller: { kind: 'operator', operatorId: confirmedBy.id } as const,
    operatorIds: [proposedBy.id, confirmedBy.id],
  })

  /** Whoever decided before proposes no new decision of the same claim. */
  async function requireFreshEyes(tx: Tx, claimId: string, { proposedBy }: Approval): Promise<void> {
    const earlier = (await stepsOf(tx, claimId)).filter(
      ({ action }) => action === 'offer' || action === 'refuse',
    )
    if (earlier.some(({ operator_ids }) => operator_ids.includes(proposedBy.id)))
      throw refuse('claim_same_decider')
  }

  /** Decisions that are about downtime of this company. */
  async function causesFor(tx: Tx, { tenant_id, down }: ClaimRow): Promise<CauseRow[]> {
    if (down.length === 0) return []
    const from = Math.min(...down.map((one) => one.from))
    const to = Math.max(...down.map((one) => one.to))
    return (await causesOf(tx, { from, to })).filter(
      (row) =>
        (row.tenant_id ?? tenant_id) === tenant_id &&
        down.some(
          (one) => row.services.includes(one.service) && row.from_minute < one.to && one.from < row.to_minute,
        ),
    )
  }

  /** The one the claim is under, or would be: it may have been recorded after the claim was made. */
  const agreementOf = (tx: Tx, claim: ClaimRow): Promise<AgreementRow | undefined> =>
    claim.agreement_id === null ? measuring.agreementFor(tx, claim) : findAgreement(tx, claim.agreement_id)

  /** What would be owed now; null where no agreement gives the limit. */
  async function assessment(
    tx: Tx,
    claim: ClaimRow,
    items: readonly ItemRow[],
    isUnlimited = false,
  ): Promise<{ causes: CauseRow[]; minutes: AttributedMinute[]; award: Award | null }> {
    const causes = await causesFor(tx, claim)
    const minutes = attributed(claim.tenant_id, claim.down, causes)
    const agreement = await agreementOf(tx, claim)
    if (agreement === undefined) return { causes, minutes, award: null }
    const awardedFen = await awardedUnder(tx, agreement.id, claim.id)
    return {
      causes,
      minutes,
      award: assess(items, minutes, { agreementFen: agreement.amount_fen, awardedFen, isUnlimited }),
    }
  }

  async function recordCause(
    tx: Tx,
    given: NewCause,
    by: { proposedBy: Operator; confirmedBy: Operator | null },
  ): Promise<CauseRow> {
    checkCause(given)
    if (isExcluded(given.cause) && by.confirmedBy === null) throw refuse('cause_incomplete')
    const row: CauseRow = {
      id: newId(),
      services: given.services,
      from_minute: given.from,
      to_minute: given.to,
      cause: given.cause,
      evidence: given.evidence,
      tenant_id: given.tenantId,
      incident_number: given.incident,
      proposed_by: by.proposedBy.id,
      confirmed_by: by.confirmedBy?.id ?? null,
      decided_at: clock.now(),
    }
    await insertCause(tx, row)
    const operator = by.confirmedBy ?? by.proposedBy
    await audit.record(tx, {
      tenantId: given.tenantId ?? '00000000-0000-0000-0000-000000000000',
      caller: { kind: 'operator', operatorId: operator.id },
      action: 'compensation.cause-decided',
      subjectKind: 'compensation-cause',
      subjectId: row.id,
      data: { cause: row.cause, from: row.from_minute, to: row.to_minute, evidence: row.evidence },
    })
    return row
  }

  return {
    assessment,
    recordCause,

    /** One operator's word is enough to burden the platform. */
    burden: (given: NewCause, operator: Operator): Promise<CauseRow> =>
      db.work((tx) => recordCause(tx, given, { proposedBy: operator, confirmedBy: null })),

    /** In the transaction in which the second person confirms what was signed. */
    async recordAgreement(tx: Tx, given: NewAgreement, by: Approval): Promise<AgreementRow> {
      await lockFor(tx, given.tenantId)
      const endOf = (until: Date | null) => until?.getTime() ?? Number.POSITIVE_INFINITY
      const overlaps = (await agreementsOf(tx, given.tenantId)).some(
        (one) =>
          one.number === given.number ||
          (one.from_at.getTime() < endOf(given.until) && given.from.getTime() < endOf(one.until_at)),
      )
      if (overlaps) throw refuse('agreement_overlaps')
      const row: AgreementRow = {
        id: newId(),
        tenant_id: given.tenantId,
        number: given.number,
        amount_fen: given.amountFen,
        from_at: given.from,
        until_at: given.until,
        proposed_by: by.proposedBy.id,
        confirmed_by: by.confirmedBy.id,
        made_at: clock.now(),
      }
      await insertAgreement(tx, row)
      await audit.record(tx, {
        tenantId: given.tenantId,
        caller: byTwo(by).caller,
        action: 'compensation.agreement-recorded',
        subjectKind: 'compensation-agreement',
        subjectId: row.id,
        data: { number: row.number, amountFen: row.amount_fen, operatorIds: byTwo(by).operatorIds },
      })
      return row
    },

    /** Begins a review, on the newest figures. */
    async review(id: string, operator: Operator): Promise<ClaimRow> {
      const known = await db.work((tx) => findClaim(tx, id))
      if (known === undefined) throw refuse('claim_not_found')
      const found = await measuring.measure(known.tenant_id, known.month)
      const { claim } = await db.work((tx) =>
        takeStep(tx, {
          id,
          action: 'review',
          ...byOperator(operator),
          change: async (locked) => ({ set: await measuring.changeBy(tx, locked, found) }),
        }),
      )
      return claim
    },

    /** Says what of a loss is proven, and whether it is direct. */
    async verify(
      itemId: string,
      given: { verifiedFen: number; isDirect: boolean; note: string },
      operator: Operator,
    ): Promise<void> {
      await db.work(async (tx) => {
        const named = await findItem(tx, itemId)
        if (named === undefined) throw refuse('claim_item_not_found')
        const claim = await findClaim(tx, named.claim_id, { lock: true })
        if (claim?.state !== 'in_review') throw refuse('claim_state', { state: claim?.state ?? '–' })
        const { verifiedFen, isDirect, note } = given
        if (!Number.isSafeInteger(verifiedFen) || verifiedFen < 0 || verifiedFen > named.claimed_fen)
          throw refuse('claim_verified_amount')
        await updateItem(tx, itemId, { verified_fen: verifiedFen, direct: isDirect, verified_note: note })
        await audit.record(tx, {
          tenantId: claim.tenant_id,
          caller: byOperator(operator).caller,
          action: 'compensation.loss-verified',
          subjectKind: 'compensation-claim',
          subjectId: claim.id,
          data: { itemId, verifiedFen, isDirect },
        })
      })
    },

    async wantProof(id: string, words: string, operator: Operator): Promise<ClaimRow> {
      const step = { id, action: 'want_proof', words, ...byOperator(operator) } as const
      return (await db.work((tx) => takeStep(tx, step))).claim
    },

    /** Offers what is owed by minutes, proof and agreement; the two name the amount that they stand for. */
    async offer(
      tx: Tx,
      given: { id: string; awardFen: number; isUnlimited: boolean; words: string },
      by: Approval,
    ): Promise<ClaimRow> {
      const { claim } = await takeStep(tx, {
        id: given.id,
        action: 'offer',
        words: given.words,
        ...byTwo(by),
        change: async (locked) => {
          await requireFreshEyes(tx, locked.id, by)
          // Claims under one agreement share its limit: one award at a time.
          const agreement = await agreementOf(tx, locked)
          if (agreement === undefined) throw refuse('claim_agreement_missing')
          await lockFor(tx, agreement.id)
          const items = await itemsOf(tx, locked.id)
          if (items.length === 0 || items.some((one) => one.verified_fen === null))
            throw refuse('claim_not_verified')
          const { award, minutes } = await assessment(tx, locked, items, given.isUnlimited)
          if (award === null) throw refuse('claim_agreement_missing')
          if (award.awardFen === 0) throw refuse('claim_award_zero')
          if (award.awardFen !== given.awardFen)
            throw refuse('claim_award_changed', { awardFen: award.awardFen })
          return {
            set: {
              agreement_id: agreement.id,
              loss_fen: award.lossFen,
              limit_fen: award.limitFen,
              award_fen: award.awardFen,
            },
            data: {
              ...award,
              agreementId: agreement.id,
              eligibleMinutes: minutes.filter(({ eligible }) => eligible).length,
              excludedMinutes: minutes.filter(({ eligible }) => !eligible).length,
            },
          }
        },
      })
      return claim
    },

    async refuseClaim(tx: Tx, given: { id: string; words: string }, by: Approval): Promise<ClaimRow> {
      const { claim } = await takeStep(tx, {
        id: given.id,
        action: 'refuse',
        words: given.words,
        ...byTwo(by),
        change: async (locked) => {
          await requireFreshEyes(tx, locked.id, by)
          return { set: { loss_fen: null, limit_fen: null, award_fen: null } }
        },
      })
      return claim
    },

    /** Writes what is to be paid and tells the ledger, once. */
    async settle(
      tx: Tx,
      given: { id: string; method: SettlementRow['method']; reference: string },
      by: Approval,
    ): Promise<ClaimRow> {
      const { claim } = await takeStep(tx, {
        id: given.id,
        action: 'settle' satisfies ClaimAction,
        ...byTwo(by),
        change: async (locked) => {
          const { award_fen, agreement_id } = locked
          if (award_fen === null || agreement_id === null)
            throw new Error('an accepted claim has neither award nor agreement')
          const row: SettlementRow = {
            claim_id: locked.id,
            tenant_id: locked.tenant_id,
            agreement_id,
            payable_fen: award_fen,
            method: given.method,
            reference: given.reference,
            proposed_by: by.proposedBy.id,
            confirmed_by: by.confirmedBy.id,
            settled_at: clock.now(),
          }
          await insertSettlement(tx, row)
          await outbox.append(tx, {
            type: 'compensation.settled',
            tenantId: locked.tenant_id,
            subjectKey: locked.id,
            payload: {
              claimId: locked.id,
              month: locked.month,
              agreementId: agreement_id,
              payableFen: award_fen,
              method: given.method,
              reference: given.reference,
              settledAt: row.settled_at.toISOString(),
            },
          })
          return { data: { payableFen: award_fen, method: given.method } }
        },
      })
      return claim
    },
  }
}

/** @throws `cause_incomplete` */
export function checkCause({ services, from, to, cause, evidence, tenantId }: NewCause): void {
  const isWhole = Number.isSafeInteger(from) && Number.isSafeInteger(to) && from < to
  if (services.length === 0 || !isWhole) throw refuse('cause_incomplete')
  if (isExcluded(cause) && evidence.length === 0) throw refuse('cause_incomplete')
  if (cause === 'customer' && tenantId === null) throw refuse('cause_incomplete')
}
