/** So many calls per second of one app to one interface, as the protocol promises its clients; counted per process. */
export function createPace(callsPerSecond: number) {
  let second = 0
  let calls = new Map<string, number>()
  return {
    /** Counts a call; false when it is one too many in this second. */
    take(appId: string, path: string, now: Date): boolean {
      const current = Math.floor(now.getTime() / 1000)
      // What was counted in an earlier second is of no use to anybody.
      if (current !== second) calls = new Map()
      second = current
      const key = `${appId} ${path}`
      const count = (calls.get(key) ?? 0) + 1
      calls.set(key, count)
      return count <= callsPerSecond
    },
  }
}
