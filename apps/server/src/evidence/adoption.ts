/** Chains of contracts that were signed elsewhere: kept as they came, and never part of this log. */
import { type Disclosure, type EvidenceEvent, eventBytes, eventHash } from '@yinxin/evidence'
import { sql } from 'kysely'
import type { Tx } from '#src/db/db.ts'
import { type ContentKeys, sealOpenings } from './openings.ts'

export interface AdoptedChain {
  taskId: string
  tenantId: string
  events: readonly EvidenceEvent[]
  disclosures: readonly Disclosure[]
}

/** Writes a verified chain and its openings, sealed under the contract's key here; the key is there already. */
export async function adoptChain(keys: ContentKeys, tx: Tx, chain: AdoptedChain): Promise<void> {
  const { taskId, tenantId, events, disclosures } = chain
  await sql`
    insert into task_event (task_id, seq, tenant_id, type, at, entry, hash)
    select ${taskId}::uuid, seq, ${tenantId}::uuid, type, at, convert_from(entry, 'UTF8'), hash
    from unnest(
      ${events.map((one) => one.seq)}::integer[],
      ${events.map((one) => one.type)}::text[],
      ${events.map((one) => one.at)}::timestamptz[],
      ${events.map((one) => Buffer.from(eventBytes(one)))}::bytea[],
      ${events.map(eventHash)}::text[]
    ) as e (seq, type, at, entry, hash)`.execute(tx)
  const openings = await sealOpenings(keys, { taskId, tenantId }, disclosures)
  await sql`
    insert into task_event_disclosure (task_id, seq, path, tenant_id, sealed)
    select ${taskId}::uuid, seq, path, ${tenantId}::uuid, sealed
    from unnest(
      ${openings.map((one) => one.seq)}::integer[],
      ${openings.map((one) => one.path)}::text[],
      ${openings.map((one) => one.sealed)}::bytea[]
    ) as o (seq, path, sealed)`.execute(tx)
}
