/** Counts by name since the start of the process; whoever exports metrics reads them. */
export function createCounters() {
  const counts: Record<string, number> = {}
  return {
    add(name: string, by = 1): void {
      counts[name] = (counts[name] ?? 0) + by
    },
    all: (): Readonly<Record<string, number>> => ({ ...counts }),
  }
}

export type Counters = ReturnType<typeof createCounters>
