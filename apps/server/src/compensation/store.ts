import { sql } from 'kysely'
import type { Tx } from '#src/db/db.ts'
import type {
  AgreementRow,
  CauseRow,
  ClaimRow,
  CompensationTables,
  ItemRow,
  ProofRow,
  SettlementRow,
  StepRow,
} from './tables.ts'

const tables = (tx: Tx) => tx.$extendTables<CompensationTables>()

export async function findClaim(
  tx: Tx,
  id: string,
  options: { lock?: boolean; tenantId?: string } = {},
): Promise<ClaimRow | undefined> {
  const row = await tables(tx)
    .selectFrom('compensation_claim')
    .selectAll()
    .where('id', '=', id)
    .$if(options.tenantId !== undefined, (query) => query.where('tenant_id', '=', options.tenantId ?? ''))
    .$if(options.lock === true, (query) => query.forUpdate())
    .executeTakeFirst()
  return row as ClaimRow | undefined
}

/** The claim of a month that was not withdrawn. */
export async function claimOfMonth(tx: Tx, tenantId: string, month: string): Promise<ClaimRow | undefined> {
  const row = await tables(tx)
    .selectFrom('compensation_claim')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('month', '=', month)
    .where('state', '!=', 'withdrawn')
    .forUpdate()
    .executeTakeFirst()
  return row as ClaimRow | undefined
}

export async function listClaims(
  tx: Tx,
  options: { tenantId?: string; open?: boolean; beforeId?: string; limit: number },
): Promise<ClaimRow[]> {
  const rows = await tables(tx)
    .selectFrom('compensation_claim')
    .selectAll()
    .$if(options.tenantId !== undefined, (query) => query.where('tenant_id', '=', options.tenantId ?? ''))
    .$if(options.open === true, (query) =>
      query.where('state', 'in', ['submitted', 'in_review', 'appealed', 'accepted']),
    )
    .$if(options.beforeId !== undefined, (query) => query.where('id', '<', options.beforeId ?? ''))
    .orderBy('id', 'desc')
    .limit(options.limit)
    .execute()
  return rows as ClaimRow[]
}

/** False where the month has a claim already. */
export async function insertClaim(tx: Tx, row: ClaimRow): Promise<boolean> {
  const made = await tables(tx)
    .insertInto('compensation_claim')
    .values({ ...row, down: JSON.stringify(row.down), failures: JSON.stringify(row.failures) })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  return made !== undefined
}

export async function updateClaim(tx: Tx, id: string, change: Partial<ClaimRow>): Promise<void> {
  const { down, failures, ...rest } = change
  await tables(tx)
    .updateTable('compensation_claim')
    .set({
      ...rest,
      ...(down === undefined ? {} : { down: JSON.stringify(down) }),
      ...(failures === undefined ? {} : { failures: JSON.stringify(failures) }),
    })
    .where('id', '=', id)
    .execute()
}

export const insertStep = async (tx: Tx, row: StepRow): Promise<void> => {
  await tables(tx)
    .insertInto('compensation_step')
    .values({ ...row, data: JSON.stringify(row.data) })
    .execute()
}

export const stepsOf = (tx: Tx, claimId: string): Promise<StepRow[]> =>
  tables(tx)
    .selectFrom('compensation_step')
    .selectAll()
    .where('claim_id', '=', claimId)
    .orderBy('at')
    .orderBy('id')
    .execute()

export const itemsOf = (tx: Tx, claimId: string): Promise<ItemRow[]> =>
  tables(tx)
    .selectFrom('compensation_item')
    .selectAll()
    .where('claim_id', '=', claimId)
    .orderBy('id')
    .execute()

export const findItem = (tx: Tx, id: string): Promise<ItemRow | undefined> =>
  tables(tx).selectFrom('compensation_item').selectAll().where('id', '=', id).executeTakeFirst()

export const insertItem = async (tx: Tx, row: ItemRow): Promise<void> => {
  await tables(tx).insertInto('compensation_item').values(row).execute()
}

export const updateItem = async (tx: Tx, id: string, change: Partial<ItemRow>): Promise<void> => {
  await tables(tx).updateTable('compensation_item').set(change).where('id', '=', id).execute()
}

/** With its proofs. */
export const deleteItem = async (tx: Tx, id: string): Promise<void> => {
  await tables(tx).deleteFrom('compensation_proof').where('item_id', '=', id).execute()
  await tables(tx).deleteFrom('compensation_item').where('id', '=', id).execute()
}

export const proofsOf = (tx: Tx, claimId: string): Promise<ProofRow[]> =>
  tables(tx)
    .selectFrom('compensation_proof')
    .innerJoin('compensation_item', 'compensation_item.id', 'compensation_proof.item_id')
    .selectAll('compensation_proof')
    .where('compensation_item.claim_id', '=', claimId)
    .orderBy('compensation_proof.id')
    .execute()

export const findProof = (tx: Tx, id: string): Promise<(ProofRow & { claim_id: string }) | undefined> =>
  tables(tx)
    .selectFrom('compensation_proof')
    .innerJoin('compensation_item', 'compensation_item.id', 'compensation_proof.item_id')
    .selectAll('compensation_proof')
    .select('compensation_item.claim_id')
    .where('compensation_proof.id', '=', id)
    .executeTakeFirst()

export const insertProof = async (tx: Tx, row: ProofRow): Promise<void> => {
  await tables(tx).insertInto('compensation_proof').values(row).execute()
}

/** Decisions about any minute of a range. */
export const causesOf = (tx: Tx, range: { from: number; to: number }): Promise<CauseRow[]> =>
  tables(tx)
    .selectFrom('compensation_cause')
    .selectAll()
    .where('from_minute', '<', range.to)
    .where('to_minute', '>', range.from)
    .orderBy('decided_at')
    .execute()

export const insertCause = async (tx: Tx, row: CauseRow): Promise<void> => {
  await tables(tx).insertInto('compensation_cause').values(row).execute()
}

/** One change under an agreement, or among those of a company, at a time. */
export const lockFor = async (tx: Tx, id: string): Promise<void> => {
  await sql`select pg_advisory_xact_lock(8420168, hashtext(${id}))`.execute(tx)
}

export const agreementsOf = (tx: Tx, tenantId: string): Promise<AgreementRow[]> =>
  tables(tx)
    .selectFrom('compensation_agreement')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .orderBy('from_at')
    .execute()

export const findAgreement = (tx: Tx, id: string): Promise<AgreementRow | undefined> =>
  tables(tx).selectFrom('compensation_agreement').selectAll().where('id', '=', id).executeTakeFirst()

export const insertAgreement = async (tx: Tx, row: AgreementRow): Promise<void> => {
  await tables(tx).insertInto('compensation_agreement').values(row).execute()
}

/** What other claims under an agreement were awarded, offers that stand included. */
export async function awardedUnder(tx: Tx, agreementId: string, exceptClaimId: string): Promise<number> {
  const { rows } = await sql<{ fen: number }>`
    select coalesce(sum(award_fen), 0)::bigint as fen from compensation_claim
    where agreement_id = ${agreementId} and award_fen is not null and id <> ${exceptClaimId}`.execute(tx)
  return rows[0]?.fen ?? 0
}

export const insertSettlement = async (tx: Tx, row: SettlementRow): Promise<void> => {
  await tables(tx).insertInto('compensation_settlement').values(row).execute()
}

export const listSettlements = (tx: Tx, limit: number): Promise<SettlementRow[]> =>
  tables(tx)
    .selectFrom('compensation_settlement')
    .selectAll()
    .orderBy('settled_at', 'desc')
    .limit(limit)
    .execute()

export const settlementOf = (tx: Tx, claimId: string): Promise<SettlementRow | undefined> =>
  tables(tx)
    .selectFrom('compensation_settlement')
    .selectAll()
    .where('claim_id', '=', claimId)
    .executeTakeFirst()

/** True once for each state of a month's figures. */
export async function takeMonth(tx: Tx, month: string, revisions: number, at: Date): Promise<boolean> {
  const made = await tables(tx)
    .insertInto('compensation_month')
    .values({ month, revisions, drafted_at: at })
    .onConflict((conflict) => conflict.doNothing())
    .returning('month')
    .executeTakeFirst()
  return made !== undefined
}
