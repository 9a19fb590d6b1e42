import { sql } from 'kysely'
import { later, type Tx } from '#src/db/db.ts'
import type { Fact } from './outbox.ts'
import type { OutboxTables } from './tables.ts'

export async function insertFacts(tx: Tx, facts: readonly Omit<Fact, 'at'>[], at: Date): Promise<void> {
  const insertion = tx
    .withTables<OutboxTables>()
    .insertInto('outbox_facts')
    .values(
      facts.map((fact) => ({
        id: fact.id,
        type: fact.type,
        tenant_id: fact.tenantId,
        subject_key: fact.subjectKey,
        at,
        payload: JSON.stringify(fact.payload),
      })),
    )
  await later(tx, insertion)
}

/** Notes that subscribers hear of facts now, and returns those that had not heard before. */
export async function takeDeliveries(
  tx: Tx,
  deliveries: readonly { factId: string; subscriber: string }[],
  at: Date,
): Promise<{ subscriber: string; fact: Fact }[]> {
  const { rows } = await sql<OutboxTables['outbox_facts'] & { subscriber: string }>`
    with taken as (
      insert into outbox_deliveries (fact_id, subscriber, at)
      select fact_id, subscriber, ${at}::timestamptz
      from unnest(
        ${deliveries.map((one) => one.factId)}::uuid[],
        ${deliveries.map((one) => one.subscriber)}::text[]) as wanted (fact_id, subscriber)
      on conflict do nothing
      returning fact_id, subscriber
    )
    select t.subscriber, f.id, f.type, f.tenant_id, f.subject_key, f.at, f.payload
    from taken t join outbox_facts f on f.id = t.fact_id`.execute(tx)
  return rows.map(({ subscriber, id, type, tenant_id, subject_key, at: factAt, payload }) => ({
    subscriber,
    fact: {
      id,
      type,
      tenantId: tenant_id,
      subjectKey: subject_key,
      at: factAt,
      payload: payload as unknown as Record<string, unknown>,
    },
  }))
}

/** Takes the content out of facts, and leaves their names and times. */
export async function emptyFacts(tx: Tx, subjectKey: string): Promise<number> {
  const { numAffectedRows } = await sql`
    update outbox_facts set payload = jsonb_build_object('forgotten', true)
    where subject_key = ${subjectKey} and payload <> jsonb_build_object('forgotten', true)`.execute(tx)
  return Number(numAffectedRows ?? 0)
}
