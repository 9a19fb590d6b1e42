import type { Clock } from '#src/clock.ts'
import { inBatches } from './batches.ts'
import type { Catalogue, Finding, Known } from './catalogue.ts'
import { checkReplica, copyWithin } from './checking.ts'
import type { Counters } from './counters.ts'
import { addToDigest, bucketOf } from './digest.ts'
import type { Domain, ListedReplica, Placement } from './domain.ts'

export interface InventorySummary {
  domain: string
  /** Replicas found, those that nobody refers to included. */
  replicas: number
  /** On record here, but not found or not what they should be; marked bad. */
  bad: number
  /** Found and good, and not on record; copied and recorded now. */
  adopted: number
  /** Of destroyed objects; removed now. */
  undead: number
  /** Without any row for longer than a day; kept for thirty days. */
  orphans: number
  /** Second copies, which compaction will clear away. */
  surplus: number
  /** Buckets whose digest differed from the catalogue's. */
  differing: number
  findings: Finding[]
}

/** A replica may be written before the row that refers to it commits. */
export const orphanAgeMs = 24 * 60 * 60_000
/** Removal takes its time; what is still there after this is a failure. */
const removalGraceMs = 60 * 60_000
const batchSize = 500

/** Compares what lies in a domain with what the catalogue says, and mends the difference. */
export function createInventory(deps: {
  catalogue: Catalogue<unknown>
  clock: Clock
  counters: Counters
  removeFound: (objectId: string, placement: Placement) => Promise<void>
  withdraw: (objectId: string, placement: Placement) => Promise<void>
}) {
  const { catalogue, clock, counters } = deps

  /** The buckets that differ, by headers alone: most of the time none. */
  async function differingBuckets(domain: Domain, signal?: AbortSignal): Promise<Set<number>> {
    const found = new Map<number, { count: number; xor: string }>()
    for await (const batch of inBatches(domain.list({ recalled: true }), signal)) {
      const unhashed = batch.filter((one) => one.sha256 === undefined).map((one) => one.objectId)
      const known = await catalogue.lookup(domain.name, unhashed)
      for (const one of batch) {
        const hash = one.sha256 ?? assumedHash(one, known.get(one.objectId))
        addToDigest(found, one.objectId, hash ?? '00'.repeat(32))
      }
    }
    return difference(found, await catalogue.digests(domain.name))
  }

  /** Walks a domain, or some buckets of it, and settles every replica found or missed. */
  async function take(
    domain: Domain,
    { buckets, signal }: { buckets?: ReadonlySet<number>; signal?: AbortSignal } = {},
  ): Promise<InventorySummary> {
    const startedAt = clock.now()
    const summary: InventorySummary = {
      domain: domain.name,
      replicas: 0,
      bad: 0,
      adopted: 0,
      undead: 0,
      orphans: 0,
      surplus: 0,
      differing: 0,
      findings: [],
    }
    const isWanted = (objectId: string) => buckets === undefined || buckets.has(bucketOf(objectId))
    // 1. Everything that is there.
    const matched = new Map<number, { count: number; xor: string }>()
    for await (const all of inBatches(domain.list(), signal)) {
      const batch = all.filter((one) => isWanted(one.objectId))
      const known = await catalogue.lookup(
        domain.name,
        batch.map((one) => one.objectId),
      )
      const orphans: ListedReplica[] = []
      for (const one of batch) {
        summary.replicas += 1
        const kind = await settle(domain, one, known.get(one.objectId), summary)
        if (kind === 'orphan') orphans.push(one)
        if (kind === 'matched') addToDigest(matched, one.objectId, known.get(one.objectId)!.cipherSha256)
      }
      await catalogue.noteOrphans(orphans, clock.now())
    }
    // 2. Everything that should be.
    const differing = difference(matched, await catalogue.digests(domain.name))
    for (const bucket of differing)
      if (buckets !== undefined && !buckets.has(bucket)) differing.delete(bucket)
    summary.differing = differing.size
    if (differing.size > 0) summary.bad += await markMissing(domain, differing, startedAt, signal)
    // 3. On record: what was removed before this walk began and was not found is proven absent.
    if (buckets === undefined && !signal?.aborted)
      await catalogue.recordInventory(domain.name, startedAt, clock.now(), summary.replicas)
    counters.add('inventories')
    counters.add('inventoryBad', summary.bad)
    return summary
  }

  async function settle(
    domain: Domain,
    one: ListedReplica,
    known: Known | undefined,
    summary: InventorySummary,
  ): Promise<'matched' | 'orphan' | 'other'> {
    const now = clock.now().getTime()
    if (known === undefined) {
      if (now - bornMs(one.objectId, now) < orphanAgeMs) return 'other'
      summary.orphans += 1
      summary.findings.push(finding('b_without_row', 'warning', one, 'no row refers to it'))
      return 'orphan'
    }
    if (known.destroyedAt !== undefined) {
      await deps.removeFound(one.objectId, one.placement)
      summary.undead += 1
      counters.add('undeadRemoved')
      if (now - known.destroyedAt.getTime() > removalGraceMs)
        summary.findings.push(
          finding('c_destroyed_but_there', 'failure', one, 'found after its destruction; removed now'),
        )
      return 'other'
    }
    const { replica } = known
    const isHere = replica?.holder === one.placement.holder && replica.position === one.placement.position
    const fits =
      one.placement.sizeBytes === known.cipherSizeBytes &&
      (one.sha256 === undefined || one.sha256 === known.cipherSha256)
    if (isHere) {
      if (replica.state === 'bad') return 'other'
      if (fits) return 'matched'
      summary.bad += 1
      await catalogue.markBad(one.objectId, [domain.name], clock.now())
      return 'other'
    }
    if (replica !== undefined && replica.state === 'good') {
      summary.surplus += 1
      return 'other'
    }
    if (!fits || now - known.createdAt.getTime() < removalGraceMs) return 'other'
    // Found is not durable: whoever wrote it may have died before the fsync, or been refused it. A copy of what was
    // verified is, and this one becomes a second copy.
    if (domain.status().state !== 'ready') return 'other'
    const placement = await copyWithin(domain, one.objectId, one.placement, known.cipherSha256)
    if (placement === undefined) return 'other'
    const answer = await catalogue.putReplica(one.objectId, placement, clock.now())
    if (answer === 'destroyed') await deps.removeFound(one.objectId, placement)
    if (answer === 'surplus') await deps.withdraw(one.objectId, placement)
    if (answer === 'recorded') summary.adopted += 1
    return 'other'
  }

  /** Marks rows of these buckets whose replica the domain does not list. */
  async function markMissing(
    domain: Domain,
    buckets: ReadonlySet<number>,
    startedAt: Date,
    signal?: AbortSignal,
  ): Promise<number> {
    const there = new Set<string>()
    for await (const batch of inBatches(domain.list(), signal)) {
      for (const { objectId, placement } of batch)
        if (buckets.has(bucketOf(objectId))) there.add(placeName(objectId, placement))
    }
    let marked = 0
    for (const bucket of buckets) {
      for (let after: string | undefined; !signal?.aborted; ) {
        const page = await catalogue.replicasIn(domain.name, {
          bucket,
          limit: batchSize,
          ...(after === undefined ? {} : { after }),
        })
        for (const replica of page) {
          if (replica.state === 'bad' || replica.writtenAt >= startedAt) continue
          if (there.has(placeName(replica.objectId, replica.placement))) continue
          // Asked for by name once more: a list may be behind, and a domain that is not there answers neither.
          const verdict = await checkReplica(domain, replica)
          if (verdict === 'good' || verdict === 'unreadable') continue
          await catalogue.markBad(replica.objectId, [domain.name], clock.now())
          marked += 1
        }
        if (page.length < batchSize) break
        after = page.at(-1)?.objectId
      }
    }
    return marked
  }

  return { differingBuckets, take }
}

const placeName = (objectId: string, { holder, position }: Placement) => `${objectId} ${holder} ${position}`

/** Without a noted hash the size must do; what the bytes are is for the scrub. */
function assumedHash(one: ListedReplica, known: Known | undefined): string | undefined {
  return known?.cipherSizeBytes === one.placement.sizeBytes ? known.cipherSha256 : undefined
}

/** The time in a uuid of version 7; an id that tells none is as old as can be. */
function bornMs(objectId: string, nowMs: number): number {
  const ms = Number.parseInt(objectId.replaceAll('-', '').slice(0, 12), 16)
  return ms > nowMs + orphanAgeMs ? 0 : ms
}

function finding(
  name: Finding['class'],
  severity: Finding['severity'],
  { objectId, placement }: ListedReplica,
  what: string,
): Finding {
  const detail = `${placement.holder} at ${placement.position}: ${what}`
  return { class: name, severity, subjectId: objectId, domain: placement.domain, detail }
}

type Digests = ReadonlyMap<number, { count: number; xor: string }>

function difference(one: Digests, other: Digests): Set<number> {
  const differing = new Set<number>()
  for (const bucket of new Set([...one.keys(), ...other.keys()])) {
    const [a, b] = [one.get(bucket), other.get(bucket)]
    if (a?.count !== b?.count || a?.xor !== b?.xor) differing.add(bucket)
  }
  return differing
}
