import type { Clock } from '#src/clock.ts'

/**
 * Unwrapped keys for a short while. Bounded in number and age; a key that leaves is overwritten.
 * The bytes handed to `use` must not be kept beyond the call.
 */
export interface KeyCache {
  use<T>(id: string, work: (key: Buffer, tenantId: string) => T): T | undefined
  put(id: string, tenantId: string, key: Buffer): void
  forget(id: string): void
  sweep(): void
  clear(): void
}

export function createKeyCache(clock: Clock, maxAgeMs: number, maxEntries: number): KeyCache {
  // A Map keeps insertion order, and entries are never moved: the first is always the oldest.
  const entries = new Map<string, { key: Buffer; tenantId: string; untilMs: number }>()

  function forget(id: string) {
    entries.get(id)?.key.fill(0)
    entries.delete(id)
  }

  function sweep() {
    const nowMs = clock.now().getTime()
    for (const [id, entry] of entries) {
      if (entry.untilMs > nowMs && entries.size <= maxEntries) return
      forget(id)
    }
  }

  return {
    use(id, work) {
      const entry = entries.get(id)
      if (entry === undefined) return undefined
      if (entry.untilMs <= clock.now().getTime()) {
        forget(id)
        return undefined
      }
      return work(entry.key, entry.tenantId)
    },
    put(id, tenantId, key) {
      forget(id)
      entries.set(id, { key, tenantId, untilMs: clock.now().getTime() + maxAgeMs })
      sweep()
    },
    forget,
    sweep,
    clear() {
      for (const id of [...entries.keys()]) forget(id)
    },
  }
}
