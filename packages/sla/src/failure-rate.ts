/** The yearly promise per user: at most 5 of 10,000 operations fail ("不超过" includes the number). */

export interface FailureRate {
  operations: number
  failures: number
  rate: number | null
  /** The upper end of the one-sided 95 % Clopper-Pearson interval: what the count proves. */
  upperBound: number
  /** failures / operations ≤ 5 / 10,000, in whole numbers. */
  pass: boolean
  /** Whether the count alone proves the promise, not only fails to break it. */
  proven: boolean
}

const promisedRate = 0.0005

/** @param operations logical operations (one idempotency key each) of a user in a year; `failures` of them. */
export function failureRate(operations: number, failures: number, confidence = 0.95): FailureRate {
  if (
    !Number.isSafeInteger(operations) ||
    !Number.isSafeInteger(failures) ||
    failures < 0 ||
    failures > operations
  ) {
    throw new RangeError('counts are whole numbers with 0 ≤ failures ≤ operations')
  }
  const upperBound = clopperPearsonUpper(operations, failures, confidence)
  return {
    operations,
    failures,
    rate: operations === 0 ? null : failures / operations,
    upperBound,
    pass: failures * 10_000 <= operations * 5,
    proven: upperBound <= promisedRate,
  }
}

/** The p at which seeing at most k failures of n has probability 1 − confidence; by halving. */
function clopperPearsonUpper(n: number, k: number, confidence: number): number {
  if (k === n) return 1
  let low = k / n
  let high = 1
  for (let round = 0; round < 200 && high - low > Number.EPSILON * high; round += 1) {
    const middle = (low + high) / 2
    if (binomialAtMost(n, k, middle) > 1 - confidence) low = middle
    else high = middle
  }
  return high
}

/** P(X ≤ k) of a binomial, summed from logarithms so that a million operations do not underflow. */
function binomialAtMost(n: number, k: number, p: number): number {
  if (p <= 0) return 1
  if (p >= 1) return k >= n ? 1 : 0
  let logTerm = n * Math.log1p(-p)
  const logRatio = Math.log(p) - Math.log1p(-p)
  let largest = logTerm
  const terms = [logTerm]
  for (let i = 1; i <= k; i += 1) {
    logTerm += Math.log((n - i + 1) / i) + logRatio
    terms.push(logTerm)
    if (logTerm > largest) largest = logTerm
  }
  let sum = 0
  for (const term of terms) sum += Math.exp(term - largest)
  return Math.min(1, Math.exp(largest) * sum)
}
