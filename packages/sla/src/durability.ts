/**
 * The durability formula of clause 3.1: P ≥ 1 − u·{1−(1−u′)^w}^(n−1).
 * It bounds, per disk and service period, the probability that the disk loses some object.
 */

export interface DurabilityInputs {
  /** Probability that one disk fails in a service period (a month). */
  u: number
  /** Probability that one disk fails within the repair window: detection and making the copy again. */
  uPrime: number
  /** How many other disks share replicas with one disk (scatter width). */
  w: number
  /** Replicas, each synced and verified, on distinct failure domains. */
  n: number
}

export interface Durability {
  /** u·{1−(1−u′)^w}^(n−1); 0 where it is smaller than numbers can be. */
  loss: number
  /** −log10(loss), exact also where loss is not; null when nothing can be lost by this formula. */
  nines: number | null
}

/** An input outside of its range; `input` names it. */
export class DurabilityError extends Error {
  override readonly name = 'DurabilityError'
  readonly input: keyof DurabilityInputs

  constructor(input: keyof DurabilityInputs, message: string) {
    super(message)
    this.input = input
  }
}

function check({ u, uPrime, w, n }: DurabilityInputs): void {
  const probability = (value: number) => value >= 0 && value <= 1
  if (!probability(u)) throw new DurabilityError('u', 'u is a probability from 0 to 1')
  if (!probability(uPrime)) throw new DurabilityError('uPrime', 'u′ is a probability from 0 to 1')
  if (!Number.isSafeInteger(w) || w < 0) throw new DurabilityError('w', 'w is a whole number from 0')
  if (!Number.isSafeInteger(n) || n < 1) throw new DurabilityError('n', 'n is a whole number from 1')
}

/**
 * Evaluated through logarithms, so that neither 1−(1−u′)^w for a tiny u′ nor a loss of 1e-400 is rounded away.
 * @throws DurabilityError
 */
export function durability(inputs: DurabilityInputs): Durability {
  check(inputs)
  const { u, uPrime, w, n } = inputs
  // The probability that at least one of the w others fails within the window.
  const another = w === 0 ? 0 : -Math.expm1(w * Math.log1p(-uPrime))
  const log10Loss = Math.log10(u) + (n === 1 ? 0 : (n - 1) * Math.log10(another))
  if (log10Loss === Number.NEGATIVE_INFINITY) return { loss: 0, nines: null }
  return { loss: u * another ** (n - 1), nines: log10Loss === 0 ? 0 : -log10Loss }
}

/** The design target and the line below which the agreement is broken; both per month (see T1 in the docs). */
export const monthlyLossTargets = { design: 1e-11, contract: 1e-10 } as const

/** The widest scatter that keeps the loss at or below a target; null when not even w = 1 does. */
export function widestScatter(inputs: Omit<DurabilityInputs, 'w'>, target: number): number | null {
  const fits = (w: number) => durability({ ...inputs, w }).loss <= target
  if (!fits(1)) return null
  let low = 1
  let high = 2
  while (fits(high) && high < 1e9) {
    low = high
    high *= 2
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (fits(middle)) low = middle
    else high = middle
  }
  return low
}

const hoursPerYear = 8_760

/** u of a month from a yearly failure rate. */
export const monthlyFailure = (afr: number) => afr / 12

/** u′ = 1 − e^(−λT) from a yearly failure rate and the repair window. */
export const windowFailure = (afr: number, windowHours: number) =>
  -Math.expm1((-afr * windowHours) / hoursPerYear)
