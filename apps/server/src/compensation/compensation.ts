/**
 * Compensation (SLA 3.14): claims drafted from the record of a month, losses with proof, causes that exclude decided by
 * two people, an award of direct loss up to twice the agreement, appeal, and the amount that is to be paid.
 */
import type { ClaimAction } from '@yinxin/sla'
import type { Caller } from '#src/accounts/accounts.ts'
import type { Db } from '#src/db/db.ts'
import type { Incidents } from '#src/incidents/incidents.ts'
import type { Operator } from '#src/operator-door.ts'
import { createSteps } from './claims.ts'
import { createDeciding, type DecidingDeps } from './deciding.ts'
import { refuse } from './errors.ts'
import { createLosses, type LossesDeps, requireClaimant } from './losses.ts'
import { createMeasuring, type MeasuringDeps } from './measuring.ts'
import {
  findAgreement,
  findClaim,
  itemsOf,
  listClaims,
  listSettlements,
  proofsOf,
  settlementOf,
  stepsOf,
} from './store.ts'
import type { ClaimRow } from './tables.ts'

export { createCompensationCommands } from './commands.ts'
export { type NewLoss, PROOF_BYTES_MAX } from './losses.ts'
export type { ClaimRow, SettlementRow } from './tables.ts'

export interface CompensationDeps extends MeasuringDeps, LossesDeps, Pick<DecidingDeps, 'outbox'> {
  db: Db
  incidents: Pick<Incidents, 'ofTenant'>
}

export type Compensation = ReturnType<typeof createCompensation>
export type ClaimView = Awaited<ReturnType<Compensation['get']>>

/** What a company may do of itself; the rest is the platform's. */
type OwnAction = Extract<ClaimAction, 'submit' | 'appeal' | 'accept' | 'withdraw'>

export const WORDS_MAX = 2000

export function createCompensation(deps: CompensationDeps) {
  const { db, incidents } = deps
  const measuring = createMeasuring(deps)
  const takeStep = createSteps(deps)
  const deciding = createDeciding({ ...deps, measuring, takeStep })
  const { add: addLoss, remove: removeLoss, addProof, proof } = createLosses(deps)

  async function view(id: string, tenantId?: string) {
    const found = await db.work(async (tx) => {
      const claim = await findClaim(tx, id, tenantId === undefined ? {} : { tenantId })
      if (claim === undefined) throw refuse('claim_not_found')
      const [items, proofs, steps] = [await itemsOf(tx, id), await proofsOf(tx, id), await stepsOf(tx, id)]
      return {
        claim,
        items: items.map((item) => ({ ...item, proofs: proofs.filter((one) => one.item_id === item.id) })),
        steps,
        agreement:
          claim.agreement_id === null ? null : ((await findAgreement(tx, claim.agreement_id)) ?? null),
        settlement: (await settlementOf(tx, id)) ?? null,
        ...(await deciding.assessment(tx, claim, items)),
      }
    })
    return { ...found, incidents: await incidentsOf(found.claim) }
  }

  async function incidentsOf({ tenant_id, down }: ClaimRow): Promise<{ number: number }[]> {
    if (down.length === 0) return []
    const minuteOf = (at: Date) => Math.floor(at.getTime() / 60_000)
    const all = await incidents.ofTenant(tenant_id)
    return all
      .filter(({ began_at, resolved_at }) =>
        down.some(
          ({ from, to }) =>
            minuteOf(began_at) < to &&
            from <= (resolved_at === null ? Number.POSITIVE_INFINITY : minuteOf(resolved_at)),
        ),
      )
      .map(({ number }) => ({ number }))
  }

  return {
    draftDue: measuring.draftDue,
    draft: measuring.draft,
    addLoss,
    removeLoss,
    addProof,
    proof: (caller: Caller, id: string) => proof(id, { caller }),

    /** Of the acting subject, newest first. */
    async list(caller: Caller, page: { beforeId?: string; limit: number }): Promise<ClaimRow[]> {
      const { subjectId } = requireClaimant(caller)
      return await db.work((tx) => listClaims(tx, { ...page, tenantId: subjectId }))
    },

    get: async (caller: Caller, id: string) => await view(id, requireClaimant(caller).subjectId),

    /** Begins a claim for a month that was measured. @throws `claim_exists`, `sla_month_not_measured` */
    async begin(caller: Caller, month: string): Promise<string> {
      const session = requireClaimant(caller)
      const tenantId = session.subjectId
      const found = await measuring.measure(tenantId, month)
      return await db.work(async (tx) => {
        const claim = await measuring.create(tx, { tenantId, month, origin: 'company', found })
        if (claim === undefined) throw refuse('claim_exists', { month })
        await deps.audit.record(tx, {
          tenantId,
          caller: session,
          action: 'compensation.begun',
          subjectKind: 'compensation-claim',
          subjectId: claim.id,
          data: { month },
        })
        return claim.id
      })
    },

    /** A step of the company. Repeating it changes nothing. */
    async act(caller: Caller, id: string, action: OwnAction, words?: string): Promise<void> {
      const session = requireClaimant(caller)
      if (action === 'appeal' && (words ?? '') === '') throw refuse('claim_reason_missing')
      await db.work((tx) =>
        takeStep(tx, {
          id,
          action,
          tenantId: session.subjectId,
          caller: session,
          ...(words === undefined ? {} : { words }),
          async change(claim) {
            if (action === 'withdraw') return { set: { loss_fen: null, limit_fen: null, award_fen: null } }
            if (action !== 'submit') return {}
            const [items, proofs] = [await itemsOf(tx, claim.id), await proofsOf(tx, claim.id)]
            const isProven = ({ id: itemId }: { id: string }) =>
              proofs.some(({ item_id }) => item_id === itemId)
            if (items.length === 0 || !items.every(isProven)) throw refuse('claim_without_loss')
            return { data: { claimedFen: items.reduce((sum, one) => sum + one.claimed_fen, 0) } }
          },
        }),
      )
    },

    /** For operators, who are answerable for each of it. */
    operating: {
      ...deciding,
      queue: (all: boolean) => db.work((tx) => listClaims(tx, { open: !all, limit: 500 })),
      show: (id: string) => view(id),
      proof: (id: string, operator: Operator) => proof(id, { operatorId: operator.id }),
      /** What is to be paid, for the ledger; newest first. */
      settlements: () => db.work((tx) => listSettlements(tx, 500)),
    },
  }
}
