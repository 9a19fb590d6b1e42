import type { Clock } from '#src/clock.ts'
import type { Log } from '#src/log.ts'
import { inBatches } from './batches.ts'
import type { Catalogue, Known, Move } from './catalogue.ts'
import { readVerified } from './checking.ts'
import type { Counters } from './counters.ts'
import type { Domain, ListedReplica, Packs, Placement } from './domain.ts'
import { longestSegmentMs } from './journal.ts'

export interface CompactionSummary {
  domain: string
  packs: number
  moved: number
  freedBytes: number
}

/** Nobody writes into a pack of this age; the second hour is for clocks that differ. */
const closedAfterMs = 2 * longestSegmentMs
/** The share of a pack that must be dead before its living are copied. */
const deadShare = 0.3
const groupSize = 64

/**
 * Rewrites packs that are mostly dead: their living records are copied into the journal in use, verified before and
 * durable before the catalogue names them; only then does the old pack go. A crash leaves second copies at worst, which
 * count as dead the next time. What is destroyed is never copied, and erased where it is found.
 */
export function createCompaction(deps: {
  catalogue: Catalogue<unknown>
  clock: Clock
  log: Pick<Log, 'warn'>
  counters: Counters
  removeFound: (objectId: string, placement: Placement) => Promise<void>
}) {
  const { catalogue, clock, log, counters } = deps

  async function compact(
    domain: Domain,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<CompactionSummary> {
    const summary = { domain: domain.name, packs: 0, moved: 0, freedBytes: 0 }
    const { packs } = domain
    if (packs === undefined || domain.status().state !== 'ready') return summary
    const before = new Date(clock.now().getTime() - closedAfterMs)
    for await (const { holder, sizeBytes } of packs.closed(before)) {
      if (signal?.aborted) break
      const moved = await compactPack(domain, packs, holder, sizeBytes)
      if (moved === undefined) continue
      summary.packs += 1
      summary.moved += moved.replicas
      summary.freedBytes += sizeBytes - moved.bytes
      counters.add('packsCompacted')
    }
    return summary
  }

  /** Undefined when the pack stays. */
  async function compactPack(
    domain: Domain,
    packs: Packs,
    holder: string,
    sizeBytes: number,
  ): Promise<{ replicas: number; bytes: number } | undefined> {
    // 1. Who lives in it. Records that nothing explains keep the pack: they may be on their way to the catalogue.
    const living: (ListedReplica & { known: Known })[] = []
    let livingBytes = 0
    for await (const [one, known] of explained(domain, packs, holder)) {
      if (known === undefined) return undefined
      if (known.destroyedAt !== undefined) {
        await deps.removeFound(one.objectId, one.placement)
        continue
      }
      if (known.replica === undefined) return undefined
      if (!isAt(known, one.placement)) continue
      // A bad record stays until its repair has put another in its place.
      if (known.replica.state === 'bad') return undefined
      living.push({ ...one, known })
      livingBytes += one.placement.sizeBytes
    }
    const isMostlyAlive = living.length > 0 && livingBytes > sizeBytes * (1 - deadShare)
    // Pieces of records that were never whole, or are not any more, may be of something destroyed.
    if (isMostlyAlive && !(await packs.hasRemains?.(holder))) return undefined
    // 2. Copy them, verified, durable, and only then named by the catalogue.
    for (let at = 0; at < living.length; at += groupSize) {
      if (!(await moveGroup(domain, living.slice(at, at + groupSize)))) return undefined
    }
    // 3. Nothing may speak of the old pack any more.
    for await (const [one, known] of explained(domain, packs, holder)) {
      if (known === undefined || (known.destroyedAt === undefined && isAt(known, one.placement)))
        return undefined
    }
    await packs.drop(holder)
    return { replicas: living.length, bytes: livingBytes }
  }

  async function* explained(domain: Domain, packs: Packs, holder: string) {
    for await (const batch of inBatches(packs.records(holder))) {
      const known = await catalogue.lookup(
        domain.name,
        batch.map((one) => one.objectId),
      )
      for (const one of batch) yield [one, known.get(one.objectId)] as const
    }
  }

  async function moveGroup(
    domain: Domain,
    group: readonly (ListedReplica & { known: Known })[],
  ): Promise<boolean> {
    let isWhole = true
    const moves = await Promise.all(
      group.map(async ({ objectId, placement, known }): Promise<Move[]> => {
        const bytes = await readVerified(domain, objectId, placement, known.cipherSha256).catch(
          (error: unknown) => {
            log.warn({ err: error, objectId, domain: domain.name }, 'a record could not be read to be moved')
            return undefined
          },
        )
        if (bytes === undefined) {
          isWhole = false
          await catalogue.markBad(objectId, [domain.name], clock.now())
          return []
        }
        const to = await domain.append(objectId, bytes, known.cipherSha256)
        return [{ objectId, from: placement, to }]
      }),
    )
    const all = moves.flat()
    const moved = await catalogue.moveReplicas(all, clock.now())
    // Destroyed, repaired or moved by another meanwhile: this copy is nobody's.
    for (const { objectId, to } of all) if (!moved.has(objectId)) await domain.remove(objectId, to)
    return isWhole
  }

  return { compact }
}

const isAt = ({ replica }: Known, { holder, position }: Placement) =>
  replica?.holder === holder && replica.position === position
