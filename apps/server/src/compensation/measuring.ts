/** Who was without service in a month, and drafts of claims for everybody whose operations failed in it. */
import { slaServices } from '@yinxin/sla'
import { z } from 'zod'
import type { Audit } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Sla } from '#src/sla/sla.ts'
import { failuresIn, rangesOf } from './assessment.ts'
import {
  agreementsOf,
  claimOfMonth,
  findAgreement,
  insertClaim,
  insertStep,
  takeMonth,
  updateClaim,
} from './store.ts'
import type { AgreementRow, ClaimRow, DownRange, FailedOperations } from './tables.ts'

export interface MeasuringDeps {
  db: Db
  clock: Clock
  jobs: Jobs
  audit: Audit
  sla: Pick<Sla, 'months' | 'month' | 'downMinutes' | 'store'>
}

export interface Measured {
  down: DownRange[]
  failures: FailedOperations[]
  measuredAt: Date
}

export function createMeasuring({ db, clock, jobs, audit, sla }: MeasuringDeps) {
  /**
   * Minutes of a month in which the platform was down, or was so for this company alone, and what failed for it then.
   */
  async function measure(tenantId: string, month: string): Promise<Measured> {
    const measuredAt = clock.now()
    const down = (await sla.downMinutes(month, tenantId)).flatMap(({ service, minutes }) =>
      rangesOf(service, minutes),
    )
    if (down.length === 0) return { down, failures: [], measuredAt }
    const from = Math.min(...down.map((one) => one.from))
    const to = Math.max(...down.map((one) => one.to))
    return {
      down,
      failures: failuresIn(down, await sla.store.failuresOf(tenantId, { from, to })),
      measuredAt,
    }
  }

  /** Drafts a claim, or brings a draft up to date; a company that lost nothing gets none. */
  async function draft(tenantId: string, month: string): Promise<boolean> {
    const found = await measure(tenantId, month)
    if (found.failures.length === 0) return false
    return await db.work(async (tx) => {
      const known = await claimOfMonth(tx, tenantId, month)
      if (known !== undefined) {
        if (known.state === 'drafted') await updateClaim(tx, known.id, await changeBy(tx, known, found))
        return false
      }
      return (await create(tx, { tenantId, month, origin: 'platform', found })) !== undefined
    })
  }

  /** Undefined where the month has a claim already. */
  async function create(
    tx: Tx,
    given: { tenantId: string; month: string; origin: ClaimRow['origin']; found: Measured },
  ): Promise<ClaimRow | undefined> {
    const { tenantId, month, origin, found } = given
    const now = clock.now()
    const row: ClaimRow = {
      id: newId(),
      tenant_id: tenantId,
      month,
      origin,
      state: 'drafted',
      agreement_id: null,
      down: found.down,
      failures: found.failures,
      measured_at: found.measuredAt,
      loss_fen: null,
      limit_fen: null,
      award_fen: null,
      created_at: now,
      changed_at: now,
    }
    row.agreement_id = (await agreementFor(tx, row))?.id ?? null
    if (!(await insertClaim(tx, row))) return undefined
    await insertStep(tx, {
      id: newId(),
      claim_id: row.id,
      tenant_id: tenantId,
      at: now,
      action: 'draft',
      state: 'drafted',
      by_kind: origin,
      operator_ids: [],
      words: null,
      data: {},
    })
    if (origin === 'platform')
      await audit.record(tx, {
        tenantId,
        caller: { kind: 'system', duty: 'compensation' },
        action: 'compensation.drafted',
        subjectKind: 'compensation-claim',
        subjectId: row.id,
        data: { month },
      })
    return row
  }

  /** What new figures change about a claim. An agreement that an award was made under stays. */
  async function changeBy(tx: Tx, claim: ClaimRow, found: Measured): Promise<Partial<ClaimRow>> {
    const { down, failures, measuredAt } = found
    const agreement =
      claim.award_fen === null ? await agreementFor(tx, { ...claim, down }) : await standing(tx, claim)
    return {
      down,
      failures,
      measured_at: measuredAt,
      agreement_id: agreement?.id ?? null,
      changed_at: clock.now(),
    }
  }

  /** The agreement in force when the downtime began, or when the claim was made where there was none. */
  async function agreementFor(
    tx: Tx,
    { tenant_id, down, created_at }: Pick<ClaimRow, 'tenant_id' | 'down' | 'created_at'>,
  ): Promise<AgreementRow | undefined> {
    const at = down.length === 0 ? created_at.getTime() : Math.min(...down.map(({ from }) => from)) * 60_000
    return (await agreementsOf(tx, tenant_id)).find(
      ({ from_at, until_at }) =>
        from_at.getTime() <= at && at < (until_at?.getTime() ?? Number.POSITIVE_INFINITY),
    )
  }

  jobs.define('compensation.draft', z.object({ tenantId: z.uuid(), month: z.string() }), async (given) => {
    await draft(given.tenantId, given.month)
  })
  jobs.define('compensation.drafts', z.looseObject({}), () => draftDue())
  jobs.schedule('compensation.drafts', '17 * * * *')

  /** Queues drafts for every closed month, and again for one whose figures were revised. */
  async function draftDue(): Promise<void> {
    for (const month of await sla.months()) {
      const { closed, services, range } = await sla.month(month)
      if (!closed) continue
      const revisions = services.reduce((sum, { revision }) => sum + revision, 0)
      const { tenants } = await sla.store.failedTenants(slaServices, range)
      const ids = new Set(tenants.map(({ tenantId }) => tenantId))
      await db.work(async (tx) => {
        if (!(await takeMonth(tx, month, revisions, clock.now()))) return
        for (const tenantId of ids)
          await jobs.enqueue(
            tx,
            'compensation.draft',
            { tenantId, month },
            { key: `compensation:${month}:${tenantId}` },
          )
      })
    }
  }

  return { measure, draft, draftDue, create, changeBy, agreementFor }
}

const standing = async (tx: Tx, { agreement_id }: ClaimRow) =>
  agreement_id === null ? undefined : await findAgreement(tx, agreement_id)
