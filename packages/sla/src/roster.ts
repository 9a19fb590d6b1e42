/** Who is on call, and when nobody is (SLA 3.10: around the clock). Milliseconds since 1970, ranges half open. */
export interface Shift {
  fromMs: number
  toMs: number
}

/** The stretches of a range that no shift covers. */
export function rosterGaps(shifts: readonly Shift[], range: Shift): Shift[] {
  const gaps: Shift[] = []
  let coveredMs = range.fromMs
  for (const { fromMs, toMs } of shifts.toSorted((a, b) => a.fromMs - b.fromMs)) {
    if (fromMs >= range.toMs) break
    if (fromMs > coveredMs) gaps.push({ fromMs: coveredMs, toMs: fromMs })
    coveredMs = Math.max(coveredMs, toMs)
  }
  if (coveredMs < range.toMs) gaps.push({ fromMs: coveredMs, toMs: range.toMs })
  return gaps
}
