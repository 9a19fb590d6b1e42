import type { Clock } from '#src/clock.ts'
import type { Catalogue, CataloguedReplica, ScrubPass, ScrubResult, Verdict } from './catalogue.ts'
import { checkReplica } from './checking.ts'
import type { Counters } from './counters.ts'
import type { Domain } from './domain.ts'
import { pause, type Timers } from './timers.ts'

export interface ScrubOptions {
  /** Begins a new pass although the last one is younger than the period. */
  fresh?: boolean
  /** Ends at the next replica; the pass goes on from there the next time. */
  signal?: AbortSignal
  onProgress?: (pass: ScrubPass) => void
}

export interface ScrubSummary extends ScrubPass {
  verdicts: Record<Verdict, number>
}

const pageSize = 100
/** Shorter pauses are saved up: no timer is that exact. */
const shortestPauseMs = 20
/** A domain that answers nothing so many times in a row is not there; its replicas may be good all the same. */
const silentAtMost = 20

/**
 * Reads every replica of a domain fully and compares its SHA-256 with the catalogue, slowly enough to leave the disk to
 * others. Bad ones are marked, which orders their repair.
 */
export function createScrub(deps: {
  catalogue: Catalogue<unknown>
  clock: Clock
  timers: Timers
  counters: Counters
  periodMs: number
  bytesPerSecond: number
}) {
  const { catalogue, clock, timers, counters } = deps

  async function passFor(domain: string, fresh: boolean): Promise<ScrubPass> {
    const last = await catalogue.lastScrub(domain)
    const anew: ScrubPass = { domain, startedAt: clock.now(), checked: 0, bad: 0, bytes: 0 }
    if (last === undefined || fresh) return anew
    if (last.finishedAt === undefined) return last
    return clock.now().getTime() - last.startedAt.getTime() >= deps.periodMs ? anew : last
  }

  async function scrubDomain(domain: Domain, options: ScrubOptions = {}): Promise<ScrubSummary> {
    const pass = await passFor(domain.name, options.fresh ?? false)
    const verdicts: Record<Verdict, number> = { good: 0, damaged: 0, missing: 0, unreadable: 0 }
    let silent = 0
    let owedMs = 0
    const slow = async (count: number) => {
      pass.bytes += count
      counters.add('scrubbedBytes', count)
      owedMs += (count / deps.bytesPerSecond) * 1000
      if (owedMs < shortestPauseMs) return
      await pause(timers, owedMs, options.signal)
      owedMs = 0
    }
    while (pass.finishedAt === undefined) {
      const page = await catalogue.replicasIn(domain.name, {
        limit: pageSize,
        ...(pass.cursor === undefined ? {} : { after: pass.cursor }),
      })
      const results: ScrubResult[] = []
      for (const replica of page) {
        if (options.signal?.aborted) break
        const verdict = await check(domain, replica, slow)
        pass.cursor = replica.objectId
        pass.checked += 1
        counters.add('scrubbedReplicas')
        if (verdict === undefined) continue
        verdicts[verdict] += 1
        results.push({ objectId: replica.objectId, verifiedAt: clock.now(), verdict })
        silent = verdict === 'unreadable' ? silent + 1 : 0
        if (silent > silentAtMost) break
        if (verdict === 'good') continue
        pass.bad += 1
        counters.add('scrubbedBad')
        // What gave no answer may answer the next time; what answered wrongly is bad.
        if (verdict !== 'unreadable') await catalogue.markBad(replica.objectId, [domain.name], clock.now())
      }
      await catalogue.recordScrubs(domain.name, results)
      if (silent > silentAtMost)
        throw new Error(`the failure domain ${domain.name} does not answer; the scrub goes on later`)
      if (page.length < pageSize && !options.signal?.aborted) pass.finishedAt = clock.now()
      const { site, deviceId } = domain.status()
      pass.seen = { site, ...(deviceId === undefined ? {} : { deviceId }), periodMs: deps.periodMs }
      await catalogue.saveScrub(pass)
      options.onProgress?.(pass)
      if (options.signal?.aborted) break
    }
    return { ...pass, verdicts }
  }

  /** Undefined for a replica that was moved or destroyed while it was read: another pass sees it where it is. */
  async function check(
    domain: Domain,
    replica: CataloguedReplica,
    onBytes: (count: number) => Promise<void>,
  ): Promise<Verdict | undefined> {
    const verdict = await checkReplica(domain, replica, onBytes)
    if (verdict === 'good') return verdict
    const known = (await catalogue.lookup(domain.name, [replica.objectId])).get(replica.objectId)
    const now = known?.replica
    if (now === undefined || known?.destroyedAt !== undefined) return undefined
    const isSame = now.holder === replica.placement.holder && now.position === replica.placement.position
    if (isSame) return verdict
    const placement = { ...replica.placement, holder: now.holder, position: now.position }
    return await checkReplica(domain, { ...replica, placement }, onBytes)
  }

  return { scrubDomain }
}
