/**
 * Facts flow from a room to those that stand below it. A fact commits with the change it tells of; each
 * subscriber hears of it at least once, and its own change commits together with the note that it has.
 */
import { z } from 'zod'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { Refusal } from '#src/errors.ts'
import { newId } from '#src/ids.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import { emptyFacts, insertFacts, takeDeliveries } from './store.ts'
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

export type NewFact = Omit<Fact, 'id' | 'at'>

export interface Outbox {
  /** Writes facts of one tenant into the open transaction and queues their delivery there, as one job. */
  append(tx: Tx, facts: NewFact | readonly NewFact[]): Promise<void>
  /**
   * Hears of facts of these types, each in a worker transaction of its own that acts for the fact's tenant.
   * Facts may arrive out of order. No outside calls in there: queue a job. Names are for ever.
   */
  subscribe(types: string[] | '*', subscriber: string, handler: (fact: Fact, tx: Tx) => Promise<void>): void
  /** Empties the payloads of all facts about something (worker role); that they happened stays. */
  forget(tx: Tx, subjectKey: string): Promise<number>
}

interface Subscriber {
  types: string[] | '*'
  handler: (fact: Fact, tx: Tx) => Promise<void>
}

const deliverySchema = z.object({ factId: z.uuid(), subscriber: z.string() })
type Delivery = z.output<typeof deliverySchema>

export function createOutbox({ db, clock, jobs }: { db: Db; clock: Clock; jobs: Jobs }): Outbox {
  const subscribers = new Map<string, Subscriber>()

  /**
   * Everything of one `append` in one transaction. When a subscriber fails, nothing of it holds, and each
   * delivery becomes a job of its own: from there on nobody waits for another's mending.
   */
  jobs.define(
    'outbox.deliver-all',
    z.object({ tenantId: z.uuid(), deliveries: z.array(deliverySchema) }),
    async ({ tenantId, deliveries }) => {
      try {
        await db.work((tx) => deliver(tx, deliveries), tenantId)
      } catch (error) {
        if (error instanceof Refusal && error.kind === 'unavailable') throw error
        await db.work(async (tx) => {
          for (const one of deliveries) {
            await jobs.enqueue(tx, 'outbox.deliver', one, { key: `${one.factId}:${one.subscriber}` })
          }
        })
      }
    },
  )

  jobs.define('outbox.deliver', deliverySchema, async (delivery) => {
    const { tenant_id } = await db.work((tx) =>
      tx
        .withTables<OutboxTables>()
        .selectFrom('outbox_facts')
        .select('tenant_id')
        .where('id', '=', delivery.factId)
        .executeTakeFirstOrThrow(),
    )
    await db.work((tx) => deliver(tx, [delivery]), tenant_id)
  })

  async function deliver(tx: Tx, deliveries: readonly Delivery[]): Promise<void> {
    const taken = await takeDeliveries(tx, deliveries, clock.now())
    for (const { factId, subscriber: name } of deliveries) {
      const fact = taken.find((one) => one.fact.id === factId && one.subscriber === name)?.fact
      if (fact === undefined) continue
      const subscriber = subscribers.get(name)
      // Thrown, not dropped: the job waits for a release that knows the subscriber again.
      if (!subscriber) throw new Error(`nobody listens under the name ${name}`)
      await subscriber.handler(fact, tx)
    }
  }

  return {
    async append(tx, given) {
      const facts = (Array.isArray(given) ? (given as readonly NewFact[]) : [given as NewFact]).map(
        (fact) => ({
          ...fact,
          id: newId(),
        }),
      )
      const tenantId = facts[0]?.tenantId
      if (tenantId === undefined) return
      if (facts.some((fact) => fact.tenantId !== tenantId))
        throw new Error('facts of one append have one tenant')
      await insertFacts(tx, facts, clock.now())
      const deliveries = facts.flatMap(({ id, type }) =>
        [...subscribers]
          .filter(([, { types }]) => types === '*' || types.includes(type))
          .map(([subscriber]): Delivery => ({ factId: id, subscriber })),
      )
      if (deliveries.length > 0) await jobs.enqueue(tx, 'outbox.deliver-all', { tenantId, deliveries })
    },

    forget: emptyFacts,

    subscribe(types, subscriber, handler) {
      if (subscribers.has(subscriber)) throw new Error(`the subscriber ${subscriber} is registered twice`)
      subscribers.set(subscriber, { types, handler })
    },
  }
}
