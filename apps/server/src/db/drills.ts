/** What restore drills found, as their reports were filed. */
import { sql } from 'kysely'
import type { Tx } from './db.ts'

export interface DrillFinding {
  id: string
  begunAt: Date
  endedAt: Date
  /** `nothing_to_check`: both databases came back, and held nothing to judge. */
  outcome: 'ok' | 'failed' | 'nothing_to_check'
  /** What a loss of every running copy would have cost when it began; null where that could not be told. */
  rpoMs: number | null
  rtoMs: number | null
  /** Of a sample: asked for, and read or proven. */
  objects: { asked: number; read: number }
  packages: { asked: number; verified: number }
  problems: string[]
}

/** The latest drills, newest first (worker role). */
export async function drillFindings(tx: Tx, limit: number): Promise<DrillFinding[]> {
  const { rows } = await sql<
    Omit<DrillFinding, 'rpoMs' | 'rtoMs'> & { rpo: number | null; rto: number | null }
  >`
    select id, begun_at as "begunAt", ended_at as "endedAt", rpo_ms as rpo, rto_ms as rto,
      report ->> 'outcome' as outcome, report -> 'objects' as objects, report -> 'packages' as packages,
      report -> 'problems' as problems
    from restore_drills order by begun_at desc limit ${limit}`.execute(tx)
  return rows.map(({ rpo, rto, ...drill }) => ({
    ...drill,
    rpoMs: rpo === null ? null : Number(rpo),
    rtoMs: rto === null ? null : Number(rto),
  }))
}
