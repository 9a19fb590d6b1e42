/** When capacity grows, and by how much: clause 3.9 of the service level agreement, as pure functions. */

/** What runs out. `workers`: processor and memory of the platform's processes; `database`; `bandwidth`: of the way out. */
export type CapacityKind = 'workers' | 'database' | 'bandwidth'

/** The state of one resource in one minute, as whole numbers of use and limit. */
export interface CapacitySample {
  /** Milliseconds since 1970 / 60,000. */
  minute: number
  kind: CapacityKind
  /** What is measured: `cpu`, `memory`, `connections`, `bytes`, `queue`. */
  measure: string
  used: number
  /** 0 where nothing is known; such a sample says nothing. */
  limit: number
}

export interface CapacityRule {
  /** Inclusive: exactly 60 % triggers ("达到 60%"). */
  percent: number
  /** So many of the last `ofMinutes` minutes reach it. */
  minutes: number
  ofMinutes: number
  step: 'double' | 'add-one'
}

/** Three of the last five minutes for what is doubled; three minutes in a row for bandwidth, in steps of one. */
export const capacityRules: Record<CapacityKind, CapacityRule> = {
  workers: { percent: 60, minutes: 3, ofMinutes: 5, step: 'double' },
  database: { percent: 60, minutes: 3, ofMinutes: 5, step: 'double' },
  bandwidth: { percent: 60, minutes: 3, ofMinutes: 3, step: 'add-one' },
}

/** A step that was taken, or could not be. Times in milliseconds since 1970. */
export interface CapacityAction {
  kind: CapacityKind
  from: number
  to: number
  /** The measure and its use that called for it. */
  reason: { measure: string; percent: number }
  /** The end of the minute with which the rule was met. */
  detectedAtMs: number
  decidedAtMs: number
  appliedAtMs: number | null
  /** Of the moment when the new size was seen at work. */
  verifiedAtMs: number | null
  outcome: 'deciding' | 'applied' | 'verified' | 'failed' | 'at_limit'
}

export interface CapacityState {
  kind: CapacityKind
  size: number
  /** What this installation can grow to; beyond it a step is refused and people are told. */
  largest: number
  /** The last action of this kind; one at a time, five minutes apart. */
  last: Pick<CapacityAction, 'outcome' | 'decidedAtMs' | 'verifiedAtMs'> | undefined
}

export interface CapacityStep {
  kind: CapacityKind
  from: number
  to: number
  reason: { measure: string; percent: number }
  detectedAtMs: number
}

export type CapacityDecision =
  | { do: 'nothing'; why: 'enough' | 'unknown' | 'under_way' | 'cooling_down' }
  | { do: 'grow'; step: CapacityStep }
  /** It should grow and cannot: for people. */
  | { do: 'refuse'; step: CapacityStep }

export const coolDownMs = 5 * 60_000
const minuteMs = 60_000

/**
 * What is to be done about one resource.
 * @param samples of any kinds and minutes, in any order; of one measure and minute the last counts
 * @param nowMs milliseconds since 1970; the minute that is under way does not count yet
 */
export function decideCapacity(
  state: CapacityState,
  samples: readonly CapacitySample[],
  nowMs: number,
): CapacityDecision {
  const { last } = state
  if (last?.outcome === 'deciding' || last?.outcome === 'applied') return { do: 'nothing', why: 'under_way' }
  const settledMs = last?.verifiedAtMs ?? last?.decidedAtMs
  if (settledMs !== undefined && nowMs < settledMs + coolDownMs) return { do: 'nothing', why: 'cooling_down' }
  const rule = capacityRules[state.kind]
  // Minutes from before the last step speak of another size.
  const since = settledMs === undefined ? Number.NEGATIVE_INFINITY : Math.ceil(settledMs / minuteMs)
  const until = Math.floor(nowMs / minuteMs)
  const window = samples.filter(
    ({ kind, minute, limit }) =>
      kind === state.kind &&
      limit > 0 &&
      minute >= since &&
      minute >= until - rule.ofMinutes &&
      minute < until,
  )
  if (window.length === 0) return { do: 'nothing', why: 'unknown' }
  const worst = worstMeasure(window, rule)
  if (worst === undefined) return { do: 'nothing', why: 'enough' }
  const to = rule.step === 'double' ? state.size * 2 : state.size + 1
  const step = {
    kind: state.kind,
    from: state.size,
    to: Math.min(to, state.largest),
    reason: { measure: worst.measure, percent: worst.percent },
    detectedAtMs: (worst.minute + 1) * minuteMs,
  }
  // Not even one more: doubling is promised, and what is left of it is still given.
  return step.to > state.size ? { do: 'grow', step } : { do: 'refuse', step: { ...step, to } }
}

/** The measure that meets the rule, the fullest of them; its use in whole percent, rounded down. */
function worstMeasure(window: readonly CapacitySample[], rule: CapacityRule) {
  const byMeasure = new Map<string, Map<number, CapacitySample>>()
  for (const sample of window) {
    const minutes = byMeasure.get(sample.measure) ?? new Map<number, CapacitySample>()
    byMeasure.set(sample.measure, minutes.set(sample.minute, sample))
  }
  let worst: { measure: string; percent: number; minute: number } | undefined
  for (const [measure, minutes] of byMeasure) {
    const full = [...minutes.values()].filter(({ used, limit }) => used * 100 >= limit * rule.percent)
    if (full.length < rule.minutes) continue
    const percent = Math.max(...full.map(({ used, limit }) => Math.floor((used * 100) / limit)))
    // With the third full minute the rule was met.
    const met = full.map(({ minute }) => minute).sort((a, b) => a - b)[rule.minutes - 1]
    if (met === undefined) continue
    if (worst === undefined || percent > worst.percent) worst = { measure, percent, minute: met }
  }
  return worst
}

/** Thirty minutes are promised from detection to the new size at work; operators hear of it before. */
export const capacityDeadlines = { warnMs: 15 * minuteMs, urgentMs: 25 * minuteMs, promisedMs: 30 * minuteMs }

export type CapacityTiming = 'in_time' | 'slow' | 'urgent' | 'late'

/** How an action stands against the promise of thirty minutes; exactly thirty are in it. */
export function timingOf(
  { detectedAtMs, verifiedAtMs }: Pick<CapacityAction, 'detectedAtMs' | 'verifiedAtMs'>,
  nowMs: number,
): CapacityTiming {
  const tookMs = (verifiedAtMs ?? nowMs) - detectedAtMs
  if (tookMs > capacityDeadlines.promisedMs) return 'late'
  if (verifiedAtMs !== null) return 'in_time'
  if (tookMs >= capacityDeadlines.urgentMs) return 'urgent'
  return tookMs >= capacityDeadlines.warnMs ? 'slow' : 'in_time'
}
