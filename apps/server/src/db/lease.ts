/**
 * Which copy of a cluster is its primary. The lease lies in both sites; the highest term counts. A copy that is
 * not named by it never starts as a primary, whatever its own folder says.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { ClusterName } from './copies.ts'
import { writeDurably } from './durable-file.ts'

const leaseSchema = z.object({
  cluster: z.enum(['main', 'keys']),
  /** Grows by one with each change of the primary. */
  term: z.number().int().positive(),
  primary: z.string(),
  /** PostgreSQL's own identity of the cluster; a primary with another one is refused. */
  systemIdentifier: z.string(),
  /** Timeline of this term, known once the promotion is done; a primary on an older one is refused. */
  timeline: z.number().int().positive(),
  since: z.string(),
  reason: z.string(),
})
export type Lease = z.infer<typeof leaseSchema>

const pathOf = (folder: string, cluster: ClusterName) => join(folder, `${cluster}-lease.json`)

/** The lease with the highest term of all that can be read; undefined for a new installation. */
export async function readLease(
  folders: readonly string[],
  cluster: ClusterName,
): Promise<Lease | undefined> {
  const found: Lease[] = []
  for (const folder of folders) {
    const text = await readFile(pathOf(folder, cluster), 'utf8').catch(() => undefined)
    if (text === undefined) continue
    const parsed = leaseSchema.safeParse(JSON.parse(text))
    if (!parsed.success) throw new Error(`${pathOf(folder, cluster)} is no lease of a database`)
    found.push(parsed.data)
  }
  return found.toSorted((a, b) => b.term - a.term || b.timeline - a.timeline)[0]
}

/**
 * Writes the lease durably into every site that can be written; one at least must take it. A site that was
 * unreachable keeps an older term, which counts for nothing beside the newer one.
 */
export async function writeLease(folders: readonly string[], lease: Lease): Promise<void> {
  const text = `${JSON.stringify(lease, undefined, 2)}\n`
  const outcomes = await Promise.allSettled(
    folders.map((folder) => writeDurably(pathOf(folder, lease.cluster), text)),
  )
  if (outcomes.every((outcome) => outcome.status === 'rejected')) {
    throw new AggregateError(
      outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason),
      `the lease of the ${lease.cluster} database could not be written in any site`,
    )
  }
}
