/** How the channels do. A channel that fails is an alert of its own, told over the others. */
import type { Tx } from '#src/db/db.ts'
import type { MonitoringTables } from './tables.ts'

type State = MonitoringTables['monitoring_channel']

/** So many failures in a row are no accident. */
const failuresTold = 3

export const robotName = (target: string) => `dingtalk:${target}`

const tables = (tx: Tx) => tx.$extendTables<MonitoringTables>()

export type ChannelStates = ReturnType<typeof createChannelStates>

/** @param onFailing called in the transaction in which a channel is found failing */
export function createChannelStates(
  onFailing: (tx: Tx, name: string, problem: string, at: Date) => Promise<void>,
) {
  async function of(tx: Tx, name: string): Promise<State | undefined> {
    return await tables(tx)
      .selectFrom('monitoring_channel')
      .selectAll()
      .where('name', '=', name)
      .executeTakeFirst()
  }

  async function upsert(tx: Tx, name: string, values: Partial<State>): Promise<void> {
    await tables(tx)
      .insertInto('monitoring_channel')
      .values({
        name,
        failing_since: null,
        failures: 0,
        problem: null,
        ok_at: null,
        blocked_until: null,
        ...values,
      })
      .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
      .execute()
  }

  return {
    of,

    async all(tx: Tx): Promise<State[]> {
      return await tables(tx).selectFrom('monitoring_channel').selectAll().orderBy('name').execute()
    },

    async worked(tx: Tx, name: string, at: Date): Promise<void> {
      await upsert(tx, name, { failing_since: null, failures: 0, problem: null, ok_at: at })
    },

    async failed(
      tx: Tx,
      name: string,
      problem: string,
      at: Date,
      { final }: { final: boolean },
    ): Promise<void> {
      const known = await of(tx, name)
      const failures = (known?.failures ?? 0) + 1
      const isFailing = final || failures >= failuresTold
      const since = known?.failing_since ?? (isFailing ? at : null)
      await upsert(tx, name, { failures, problem, failing_since: since })
      if (isFailing && known?.failing_since == null) await onFailing(tx, name, problem, at)
    },

    /** A robot is left alone until then. */
    async block(tx: Tx, name: string, until: Date, problem: string): Promise<void> {
      await upsert(tx, name, { blocked_until: until, problem })
    },
  }
}
