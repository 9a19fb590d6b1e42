/** The yearly failure rate of devices from what was counted, and what to do while too little was counted. */

/** What was seen: so many devices failed in so many months of devices in service. */
export interface DeviceRecord {
  failures: number
  deviceMonths: number
}

export interface FailureEstimate {
  /** Failures per device and year, as it goes into u and u′. */
  afr: number
  /** `measured`: the upper 95 % bound of the count. `assumed`: the stated prior, which the count neither betters nor refutes. */
  basis: 'measured' | 'assumed'
  /** Failures / device-years; null before anything was in service. */
  measured: number | null
  /** One-sided 95 % bounds of the rate, exact for a Poisson count; the upper one is null before anything was in service. */
  lower: number
  upper: number | null
  assumed: number
}

/**
 * The upper end of what operators of large fleets publish for hard disks (1–2 % a year). It stands in for the count as
 * long as the count is too small: six devices need 25 years without a failure to prove it.
 */
export const assumedAfr = 0.02

/**
 * Takes the upper bound of the count where the count says more than the prior: its whole interval lies below, or above.
 * @throws RangeError for counts below zero
 */
export function estimateAfr(record: DeviceRecord, assumed = assumedAfr, confidence = 0.95): FailureEstimate {
  const { failures, deviceMonths } = record
  if (!Number.isSafeInteger(failures) || failures < 0 || !(deviceMonths >= 0))
    throw new RangeError('failures and device-months are counts from 0')
  const years = deviceMonths / 12
  if (years === 0) return { afr: assumed, basis: 'assumed', measured: null, lower: 0, upper: null, assumed }
  const upper = poissonMean(failures, 1 - confidence) / years
  const lower = failures === 0 ? 0 : poissonMean(failures - 1, confidence) / years
  const isTelling = upper < assumed || lower > assumed
  return {
    afr: isTelling ? upper : assumed,
    basis: isTelling ? 'measured' : 'assumed',
    measured: failures / years,
    lower,
    upper,
    assumed,
  }
}

/** The mean at which seeing at most k has this probability; by halving. */
function poissonMean(k: number, probability: number): number {
  let low = 0
  let high = 10 + 2 * k + 10 * Math.sqrt(k + 1)
  for (let round = 0; round < 200 && high - low > Number.EPSILON * high; round += 1) {
    const middle = (low + high) / 2
    if (poissonAtMost(k, middle) > probability) low = middle
    else high = middle
  }
  return high
}

/** P(X ≤ k), its terms summed from their logarithms. */
function poissonAtMost(k: number, mean: number): number {
  if (mean === 0) return 1
  let logTerm = -mean
  let sum = 0
  for (let i = 0; i <= k; i += 1) {
    if (i > 0) logTerm += Math.log(mean / i)
    sum += Math.exp(logTerm)
  }
  return Math.min(1, sum)
}
