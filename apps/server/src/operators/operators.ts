/**
 * Who operates the platform. Each operator has a key of its own, every command stands in the record under the name of
 * who gave it, and what takes two people takes two keys. The token of the data folder alone is nobody in particular:
 * it runs what one person may run.
 */
import { createHash } from 'node:crypto'
import type { Audit } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId, newToken } from '#src/ids.ts'
import type { Log } from '#src/log.ts'
import type { Operator, OperatorCall, OperatorCommands } from '#src/operator-door.ts'
import { refuse } from './errors.ts'
import { createProposals } from './proposals.ts'
import {
  findByKey,
  insertOperator,
  listOperators,
  lockOperators,
  type OperatorRow,
  updateOperator,
} from './store.ts'

export { createOperatorCommands } from './commands.ts'
export type { Approval } from './proposals.ts'

export interface OperatorsDeps {
  db: Db
  clock: Clock
  log: Log
  audit: Audit
}

/** Whose affairs it is when it is nobody's in particular; no subject has this id. */
const PLATFORM = '00000000-0000-0000-0000-000000000000'
/** How long an operator whom one person alone added waits for a word that counts: time for the others to notice. */
const WAITING_MS = 72 * 3_600_000
const PREFIX = 'yxo_'

export type Operators = ReturnType<typeof createOperators>

export function createOperators({ db, clock, log, audit }: OperatorsDeps) {
  async function recognise(key: string): Promise<Operator> {
    const row = await db.work((tx) => findByKey(tx, digestOf(key)))
    if (row === undefined) throw refuse('operator_key_unknown')
    return operatorOf(row)
  }

  /** The operator of a call whose word counts in what takes two. @throws Refusal */
  function requireOperator({ operator }: Pick<OperatorCall, 'operator'>): Operator {
    if (operator === undefined || operator === null) throw refuse('operator_needed')
    if (operator.countsFrom > clock.now())
      throw refuse('operator_not_counting_yet', { from: operator.countsFrom.toISOString() })
    return operator
  }

  async function record(
    operator: Operator | null,
    action: string,
    data: Record<string, unknown>,
    given?: Tx,
  ): Promise<void> {
    const write = (tx: Tx) =>
      audit.record(tx, {
        tenantId: PLATFORM,
        caller: { kind: 'operator', operatorId: operator?.id ?? null },
        action,
        subjectKind: 'platform',
        subjectId: PLATFORM,
        data: { operator: operator?.name ?? null, ...data },
      })
    await (given === undefined ? db.work(write) : write(given))
  }

  /** Changes one operator who is still in office, one change at a time. */
  async function change(
    name: string,
    by: Operator | null,
    action: string,
    decide: (row: OperatorRow, now: Date) => Partial<OperatorRow>,
  ): Promise<OperatorRow> {
    return await db.work(async (tx) => {
      await lockOperators(tx)
      const row = (await listOperators(tx)).find((one) => one.name === name && one.revoked_at === null)
      if (row === undefined) throw refuse('operator_not_found')
      const changed = decide(row, clock.now())
      await updateOperator(tx, row.id, changed)
      await record(by, action, { name }, tx)
      return { ...row, ...changed }
    })
  }

  return {
    recognise,
    requireOperator,
    proposals: createProposals({ db, clock, requireOperator, record }),

    /**
     * Adds an operator and tells its key, once. The first two count at once, because somebody has to begin. Whoever is
     * added later by one person waits until another operator vouches, or for three days, in which the others see it.
     */
    async add(name: string, by: Operator | null): Promise<{ row: OperatorRow; key: string }> {
      const key = `${PREFIX}${newToken()}`
      return await db.work(async (tx) => {
        await lockOperators(tx)
        const all = await listOperators(tx)
        if (all.some((one) => one.name === name)) throw refuse('operator_name_taken')
        const now = clock.now()
        const row: OperatorRow = {
          id: newId(now.getTime()),
          name,
          key_sha256: digestOf(key),
          added_by: by?.id ?? null,
          added_at: now,
          counts_from: all.length < 2 ? now : new Date(now.getTime() + WAITING_MS),
          vouched_by: null,
          revoked_by: null,
          revoked_at: null,
        }
        await insertOperator(tx, row)
        await record(by, 'operator.added', { name, countsFrom: row.counts_from.toISOString() }, tx)
        return { row, key }
      })
    },

    /** Another operator than the one who added it says that it is who it is said to be. */
    vouch: (name: string, by: Operator): Promise<OperatorRow> =>
      change(name, by, 'operator.vouched', (row, now) => {
        if (row.id === by.id || row.added_by === by.id) throw refuse('operator_second_person')
        return { vouched_by: by.id, ...(row.counts_from > now ? { counts_from: now } : {}) }
      }),

    /** One person may take a key out of use: that only ever lessens what anybody can do. */
    revoke: (name: string, by: Operator | null): Promise<OperatorRow> =>
      change(name, by, 'operator.revoked', (_row, now) => ({
        revoked_at: now,
        revoked_by: by?.id ?? null,
      })),

    list: (): Promise<OperatorRow[]> => db.work(listOperators),

    /** What operators did, newest first. */
    history: (limit: number) => db.work((tx) => audit.about(tx, 'platform', PLATFORM, limit)),

    /**
     * Lets every command know who gives it, and records it before it runs, and how it failed. Commands that mend a
     * database must run when it cannot be written to: they go on, and the server's log says so.
     */
    guard(
      commands: OperatorCommands,
      evenWithoutDatabase: ReadonlySet<string> = new Set(),
    ): OperatorCommands {
      const guarded = Object.entries(commands).map(([name, command]): [string, OperatorCommands[string]] => [
        name,
        async (options, call) => {
          const attempt = async <T>(work: () => Promise<T>): Promise<T | null> => {
            if (!evenWithoutDatabase.has(name)) return await work()
            return await work().catch((error: unknown) => {
              if ((error as { code?: string }).code === 'operator_key_unknown') throw error
              log.error({ err: error, command: name }, 'a command of an operator could not be recorded')
              return null
            })
          }
          const { key } = call
          const operator = key === undefined ? null : await attempt(() => recognise(key))
          log.info({ command: name, operator: operator?.name ?? null }, 'command of an operator')
          await attempt(() => record(operator, `operator.${name}`, { options: withoutSecrets(options) }))
          try {
            return await command(options, { ...call, operator })
          } catch (error) {
            const code = (error as { code?: unknown }).code
            await attempt(() =>
              record(operator, 'operator.refused', {
                command: name,
                problem: typeof code === 'string' ? code : 'internal',
              }),
            )
            throw error
          }
        },
      ])
      return Object.fromEntries(guarded)
    },
  }
}

const digestOf = (key: string) => createHash('sha256').update(key).digest()

const operatorOf = (row: OperatorRow): Operator => ({
  id: row.id,
  name: row.name,
  countsFrom: row.counts_from,
})

/** Options as they may stand in the record. */
function withoutSecrets(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name,
      /secret|password|token|pin$|key$/i.test(name) ? '…' : value,
    ]),
  )
}
