/**
 * Unwrapped keys for a short while, and never beyond a destruction in any process.
 *
 * Every destruction raises a counter in the keys database with the very commit that deletes the wrap. A process uses
 * what it keeps only while its last look at that counter is younger than the lease, and forgets everything when the
 * counter has moved; who destroys waits out one lease after the commit. A look that did not see the commit began
 * before it, so what rests on that look has run out when the destruction is reported. No message must arrive for
 * this to hold: a process that is cut off from the database simply stops opening.
 */
export interface KeyCache {
  readonly leaseMs: number
  /** Looks at the counter when the last look is nearly too old; fails when it cannot. */
  confirm(): Promise<void>
  /** Changes with every destruction that is noticed. Ask before reading what is to be put. */
  generation(): number
  /** Undefined when the key is not here, or the lease has run out. The bytes must not be kept beyond the call. */
  use<T>(id: string, work: (key: Buffer, tenantId: string) => T): T | undefined
  /** Takes the key over; overwrites it at once when a destruction was noticed since `generation` was asked. */
  put(id: string, tenantId: string, key: Buffer, generation: number): void
  /** After a destruction of this process itself. */
  evict(): void
  sweep(): void
}

export interface KeyCacheOptions {
  /** The counter of destructions in the keys database. */
  destructions: () => Promise<number>
  leaseMs?: number
  maxAgeMs?: number
  maxEntries?: number
  /** A steady clock; for tests. */
  steadyMs?: () => number
}

export function createKeyCache({
  destructions,
  leaseMs = 250,
  maxAgeMs = 5 * 60_000,
  maxEntries = 10_000,
  steadyMs = () => performance.now(),
}: KeyCacheOptions): KeyCache {
  // A Map keeps insertion order, and entries are never moved: the first is always the oldest.
  const entries = new Map<string, { key: Buffer; tenantId: string; untilMs: number }>()
  let seen = -1
  let generation = 0
  let lookedAtMs = Number.NEGATIVE_INFINITY
  let looking: Promise<void> | undefined

  function forget(id: string) {
    entries.get(id)?.key.fill(0)
    entries.delete(id)
  }

  function evict() {
    generation += 1
    lookedAtMs = Number.NEGATIVE_INFINITY
    for (const id of [...entries.keys()]) forget(id)
  }

  async function look() {
    const startedAtMs = steadyMs()
    const found = await destructions()
    if (found !== seen) evict()
    seen = found
    lookedAtMs = startedAtMs
  }

  function sweep() {
    const nowMs = steadyMs()
    for (const [id, entry] of entries) {
      if (entry.untilMs > nowMs && entries.size <= maxEntries) return
      forget(id)
    }
  }

  return {
    leaseMs,
    async confirm() {
      if (steadyMs() - lookedAtMs < leaseMs * 0.8) return
      looking ??= look().finally(() => {
        looking = undefined
      })
      await looking
    },
    generation: () => generation,
    use(id, work) {
      const nowMs = steadyMs()
      const entry = entries.get(id)
      if (entry === undefined || nowMs - lookedAtMs >= leaseMs) return undefined
      if (entry.untilMs <= nowMs) {
        forget(id)
        return undefined
      }
      return work(entry.key, entry.tenantId)
    },
    put(id, tenantId, key, asOf) {
      forget(id)
      if (asOf !== generation) {
        key.fill(0)
        return
      }
      entries.set(id, { key, tenantId, untilMs: steadyMs() + maxAgeMs })
      sweep()
    },
    evict,
    sweep,
  }
}
