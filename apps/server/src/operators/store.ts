import { type Selectable, sql } from 'kysely'
import type { Tx } from '#src/db/db.ts'
import type { OperatorTables } from './tables.ts'

export type OperatorRow = Selectable<OperatorTables['operator']>
export type ProposalRow = Selectable<OperatorTables['operator_proposal']>

const open = (tx: Tx) => tx.$extendTables<OperatorTables>()
const operators = (tx: Tx) => open(tx).selectFrom('operator').selectAll()
const proposals = (tx: Tx) => open(tx).selectFrom('operator_proposal').selectAll()

/** Adding, vouching and revoking come one after the other: who counts depends on who is there. */
export async function lockOperators(tx: Tx): Promise<void> {
  await sql`select pg_advisory_xact_lock(8420141)`.execute(tx)
}

export const listOperators = (tx: Tx): Promise<OperatorRow[]> => operators(tx).orderBy('id').execute()

export const findByKey = (tx: Tx, keySha256: Buffer): Promise<OperatorRow | undefined> =>
  operators(tx).where('key_sha256', '=', keySha256).where('revoked_at', 'is', null).executeTakeFirst()

export async function insertOperator(tx: Tx, row: OperatorRow): Promise<void> {
  await open(tx).insertInto('operator').values(row).execute()
}

export async function updateOperator(
  tx: Tx,
  id: string,
  change: Partial<Pick<OperatorRow, 'counts_from' | 'vouched_by' | 'revoked_by' | 'revoked_at'>>,
): Promise<void> {
  await open(tx).updateTable('operator').set(change).where('id', '=', id).execute()
}

export async function insertProposal(tx: Tx, row: ProposalRow): Promise<void> {
  await open(tx)
    .insertInto('operator_proposal')
    .values({ ...row, options: JSON.stringify(row.options) })
    .execute()
}

export const lockProposal = (tx: Tx, id: string): Promise<ProposalRow | undefined> =>
  proposals(tx).where('id', '=', id).forUpdate().executeTakeFirst()

export const openProposals = (tx: Tx, now: Date): Promise<ProposalRow[]> =>
  proposals(tx).where('outcome', 'is', null).where('expires_at', '>', now).orderBy('id').execute()

export async function decideProposal(
  tx: Tx,
  id: string,
  change: Pick<ProposalRow, 'outcome' | 'decided_by' | 'decided_at'>,
): Promise<void> {
  await open(tx).updateTable('operator_proposal').set(change).where('id', '=', id).execute()
}
