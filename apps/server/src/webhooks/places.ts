export interface Places {
  /** Takes a place, or says that none is free; the function gives it back. */
  take(key: string): (() => void) | null
}

/**
 * How many calls may be under way in this process: a few per receiver and some in all, so that receivers who do
 * not answer never hold up the work that signatures and messages need.
 */
export function createPlaces({ perKey, total }: { perKey: number; total: number }): Places {
  const taken = new Map<string, number>()
  let all = 0
  return {
    take(key) {
      const own = taken.get(key) ?? 0
      if (own >= perKey || all >= total) return null
      taken.set(key, own + 1)
      all += 1
      let isGivenBack = false
      return () => {
        if (isGivenBack) return
        isGivenBack = true
        all -= 1
        const left = (taken.get(key) ?? 1) - 1
        if (left === 0) taken.delete(key)
        else taken.set(key, left)
      }
    },
  }
}
