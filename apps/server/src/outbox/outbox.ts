/**
 * Facts flow from a room to those that stand below it. A fact commits with the change it tells of; each
 * subscriber hears of it at least once, and its own change commits together with the note that it has.
 */
import { z } from 'zod'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { OutboxTables } from './tables.ts'

export interface Fact {
  id: string
  /** e.g. `sign-task.started`. */
  type: string
  tenantId: string
  /** What it is about, e.g. the id of the task. */
  subjectKey: string
  at: Date
  payload: Record<string, unknown>
}

export interface Outbox {
  /** Writes a fact into the open transaction and queues its delivery there; returns its id. */
  append(tx: Tx, fact: Omit<Fact, 'id' | 'at'>): Promise<string>
  /**
   * Hears of facts of these types, each in a worker transaction of its own that acts for the fact's tenant.
   * Facts may arrive out of order. No outside calls in there: queue a job. Names are for ever.
   */
  subscribe(types: string[] | '*', subscriber: string, handler: (fact: Fact, tx: Tx) => Promise<void>): void
}

interface Subscriber {
  types: string[] | '*'
  handler: (fact: Fact, tx: Tx) => Promise<void>
}

export function createOutbox({ db, clock, jobs }: { db: Db; clock: Clock; jobs: Jobs }): Outbox {
  const subscribers = new Map<string, Subscriber>()

  jobs.define('outbox.deliver', z.object({ factId: z.uuid(), subscriber: z.string() }), async (delivery) => {
    const subscriber = subscribers.get(delivery.subscriber)
    // Thrown, not dropped: the job waits for a release that knows the subscriber again.
    if (!subscriber) throw new Error(`nobody listens under the name ${delivery.subscriber}`)
    const { tenant_id } = await db.work((tx) =>
      tx
        .withTables<OutboxTables>()
        .selectFrom('outbox_facts')
        .select('tenant_id')
        .where('id', '=', delivery.factId)
        .executeTakeFirstOrThrow(),
    )
    await db.work((tx) => deliver(tx, delivery.factId, delivery.subscriber, subscriber), tenant_id)
  })

  async function deliver(tx: Tx, factId: string, name: string, subscriber: Subscriber): Promise<void> {
    const t = tx.withTables<OutboxTables>()
    const first = await t
      .insertInto('outbox_deliveries')
      .values({ fact_id: factId, subscriber: name, at: clock.now() })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirstOrThrow()
    if (first.numInsertedOrUpdatedRows !== 1n) return
    const row = await t
      .selectFrom('outbox_facts')
      .select(['id', 'type', 'tenant_id', 'subject_key', 'at', 'payload'])
      .where('id', '=', factId)
      .executeTakeFirstOrThrow()
    await subscriber.handler(
      {
        id: row.id,
        type: row.type,
        tenantId: row.tenant_id,
        subjectKey: row.subject_key,
        at: row.at,
        payload: row.payload as Record<string, unknown>,
      },
      tx,
    )
  }

  return {
    async append(tx, fact) {
      const id = newId()
      await tx
        .withTables<OutboxTables>()
        .insertInto('outbox_facts')
        .values({
          id,
          type: fact.type,
          tenant_id: fact.tenantId,
          subject_key: fact.subjectKey,
          at: clock.now(),
          payload: JSON.stringify(fact.payload),
        })
        .execute()
      for (const [name, { types }] of subscribers) {
        if (types !== '*' && !types.includes(fact.type)) continue
        await jobs.enqueue(tx, 'outbox.deliver', { factId: id, subscriber: name }, { key: `${id}:${name}` })
      }
      return id
    },

    subscribe(types, subscriber, handler) {
      if (subscribers.has(subscriber)) throw new Error(`the subscriber ${subscriber} is registered twice`)
      subscribers.set(subscriber, { types, handler })
    },
  }
}
