/** Generations of the log: how it goes on, under a new name and declared, after its database lost what was published. */
import { canonicalJson } from '@yinxin/evidence'
import { sql } from 'kysely'
import type { Tx } from '#src/db/db.ts'
import type { Head } from './continuity.ts'
import type { LogCheckpoint } from './log-store.ts'

export interface Generation {
  generation: number
  first_size: number
  inherited: string | null
  published: string
  reason: string
  declared_at: Date
  entry: Buffer
}

/** All that were declared; the first generation needs no declaration. */
export async function readGenerations(tx: Tx): Promise<Generation[]> {
  const { rows } = await sql<Generation>`
    select generation, first_size, inherited, published, reason, declared_at, entry
    from log_generation order by generation`.execute(tx)
  return rows
}

export async function currentGeneration(tx: Tx): Promise<{ generation: number; firstSize: number }> {
  const { rows } = await sql<{ generation: number; first_size: number }>`
    select generation, first_size from log_generation order by generation desc limit 1`.execute(tx)
  const [row] = rows
  return row === undefined
    ? { generation: 1, firstSize: 0 }
    : { generation: row.generation, firstSize: row.first_size }
}

/** The leaf that declares it, readable by anybody who reads the log. */
export function declarationEntry(fields: {
  origin: string
  inheritedOrigin: string
  inherited: LogCheckpoint | null
  published: Head
  publishedOrigin: string
  reason: string
  at: Date
}): Buffer {
  const from = fields.inherited?.size ?? 0
  return Buffer.from(
    canonicalJson({
      v: 1,
      type: 'log.continued',
      at: fields.at.toISOString(),
      origin: fields.origin,
      reason: fields.reason,
      inherited: {
        origin: fields.inheritedOrigin,
        size: from,
        checkpoint: fields.inherited?.note ?? null,
      },
      published: {
        origin: fields.publishedOrigin,
        size: fields.published.size,
        checkpoint: fields.published.note,
      },
      // Leaves that were published and stand in no log any more; null when the published tree was not longer.
      lost: fields.published.size > from ? { from, to: fields.published.size } : null,
    }),
    'utf8',
  )
}

export async function insertGeneration(tx: Tx, row: Generation): Promise<void> {
  await sql`
    insert into log_generation (generation, first_size, inherited, published, reason, declared_at, entry)
    values (${row.generation}, ${row.first_size}, ${row.inherited}, ${row.published}, ${row.reason},
            ${row.declared_at}, ${row.entry})`.execute(tx)
}
