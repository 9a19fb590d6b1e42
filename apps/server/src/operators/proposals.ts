/** What takes two people: one operator proposes, another confirms, and only then it is done. */
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Operator, OperatorCall, OperatorCommands } from '#src/operator-door.ts'
import { refuse } from './errors.ts'
import {
  decideProposal,
  insertProposal,
  listOperators,
  lockProposal,
  openProposals,
  type ProposalRow,
} from './store.ts'

/** The two who stand for it. */
export interface Approval {
  proposedBy: Operator
  confirmedBy: Operator
}

interface Kind {
  check(options: Record<string, unknown>): unknown
  decide(tx: Tx, input: unknown, by: Approval): Promise<unknown>
  after(input: unknown, decided: unknown): Promise<unknown>
}

const EXPIRES_MS = 7 * 86_400_000

export interface ProposalsDeps {
  db: Db
  clock: Clock
  requireOperator: (call: Pick<OperatorCall, 'operator'>) => Operator
  record: (operator: Operator | null, action: string, data: Record<string, unknown>, tx?: Tx) => Promise<void>
}

export function createProposals({ db, clock, requireOperator, record }: ProposalsDeps) {
  const kinds = new Map<string, Kind>()

  async function openProposal(tx: Tx, id: string): Promise<ProposalRow> {
    const row = await lockProposal(tx, id)
    if (row === undefined || row.outcome !== null) throw refuse('proposal_not_found')
    if (row.expires_at <= clock.now()) throw refuse('proposal_expired', { at: row.expires_at.toISOString() })
    return row
  }

  return {
    /**
     * A command that takes two. `check` reads the options when it is proposed and again when it is confirmed; `decide`
     * does it, in the very transaction that marks the proposal as confirmed; `after` follows the commit, for what may
     * be repeated or comes by itself later.
     */
    define<Input, Decided>(
      command: string,
      kind: {
        check(options: Record<string, unknown>): Input
        decide(tx: Tx, input: Input, by: Approval): Promise<Decided>
        after?(input: Input, decided: Decided): Promise<unknown>
      },
    ): OperatorCommands[string] {
      kinds.set(command, {
        check: kind.check,
        decide: (tx, input, by) => kind.decide(tx, input as Input, by),
        after: async (input, decided) =>
          kind.after === undefined ? decided : await kind.after(input as Input, decided as Decided),
      })
      return async (options, call) => {
        const operator = requireOperator(call)
        kind.check(options)
        const now = clock.now()
        const row: ProposalRow = {
          id: newId(now.getTime()),
          command,
          options,
          proposed_by: operator.id,
          proposed_at: now,
          expires_at: new Date(now.getTime() + EXPIRES_MS),
          outcome: null,
          decided_by: null,
          decided_at: null,
        }
        await db.work(async (tx) => {
          await insertProposal(tx, row)
          await record(operator, 'operator.proposed', { proposalId: row.id, command }, tx)
        })
        return { proposalId: row.id, command, expiresAt: row.expires_at, needs: 'another operator' }
      }
    },

    /** The word of the second person; what was proposed is done. @throws Refusal, also of the command itself */
    async confirm(id: string, call: Pick<OperatorCall, 'operator'>): Promise<unknown> {
      const second = requireOperator(call)
      const done = await db.work(async (tx) => {
        const row = await openProposal(tx, id)
        if (row.proposed_by === second.id) throw refuse('operator_second_person')
        const first = (await listOperators(tx)).find((one) => one.id === row.proposed_by)
        // Whoever proposed it and was taken out of office since stands for nothing any more.
        if (first === undefined || first.revoked_at !== null) throw refuse('proposal_not_found')
        const kind = kinds.get(row.command)
        if (kind === undefined) throw refuse('proposal_not_found')
        const input = kind.check(row.options as Record<string, unknown>)
        await decideProposal(tx, id, { outcome: 'confirmed', decided_by: second.id, decided_at: clock.now() })
        await record(
          second,
          'operator.confirmed',
          { proposalId: id, command: row.command, proposedBy: first.name },
          tx,
        )
        const proposedBy = { id: first.id, name: first.name, countsFrom: first.counts_from }
        return { kind, input, decided: await kind.decide(tx, input, { proposedBy, confirmedBy: second }) }
      })
      return await done.kind.after(done.input, done.decided)
    },

    /** Any operator may take a proposal back. */
    async withdraw(id: string, call: Pick<OperatorCall, 'operator'>): Promise<void> {
      const operator = requireOperator(call)
      await db.work(async (tx) => {
        const { command } = await openProposal(tx, id)
        await decideProposal(tx, id, {
          outcome: 'withdrawn',
          decided_by: operator.id,
          decided_at: clock.now(),
        })
        await record(operator, 'operator.withdrew', { proposalId: id, command }, tx)
      })
    },

    /** Those that wait for a second person, with the name of the first. */
    async list() {
      return await db.work(async (tx) => {
        const names = new Map((await listOperators(tx)).map((one) => [one.id, one.name]))
        return (await openProposals(tx, clock.now())).map((one) => ({
          id: one.id,
          command: one.command,
          options: one.options,
          proposedBy: names.get(one.proposed_by),
          proposedAt: one.proposed_at,
          expiresAt: one.expires_at,
        }))
      })
    },
  }
}
