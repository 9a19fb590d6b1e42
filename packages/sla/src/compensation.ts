/** What a company is owed for minutes without service: clause 3.14 of the service level agreement, in whole fen. */

/** Why the clause excludes minutes: its four points, the third with the causes that 3.16 names. */
export const excludedCauses = [
  'announced_maintenance',
  'outside_network',
  'carrier',
  'attack',
  'force_majeure',
  'bank',
  'third_party',
  'customer',
  'not_platform',
] as const
export type ExcludedCause = (typeof excludedCauses)[number]
/** Unknown excludes nothing: who does not know why he failed, owes. */
export type Cause = ExcludedCause | 'platform' | 'unknown'

/** What was decided about the cause of a stretch of minutes. Ranges are half open. */
export interface CauseDecision {
  from: number
  to: number
  cause: Cause
  /** What shows it: names of entries or files that can be looked at. */
  evidence: readonly string[]
  proposedBy: string
  confirmedBy: string | undefined
  /** Milliseconds since 1970, of the confirmation; the later decision about a minute holds. */
  decidedAtMs: number
}

export type DecisionFlaw = 'range_empty' | 'evidence_missing' | 'second_person_missing' | 'same_person'

/** Why a decision excludes nothing; empty for one that holds. What burdens the platform needs neither proof nor second person. */
export function flawsOf(decision: CauseDecision): DecisionFlaw[] {
  const { from, to, cause, evidence, proposedBy, confirmedBy } = decision
  const flaws: DecisionFlaw[] = []
  if (!(from < to)) flaws.push('range_empty')
  if (!isExcluded(cause)) return flaws
  if (evidence.length === 0) flaws.push('evidence_missing')
  if (confirmedBy === undefined) flaws.push('second_person_missing')
  else if (confirmedBy === proposedBy) flaws.push('same_person')
  return flaws
}

export const isExcluded = (cause: Cause): cause is ExcludedCause =>
  (excludedCauses as readonly string[]).includes(cause)

export interface AttributedMinute {
  minute: number
  cause: Cause
  eligible: boolean
}

/**
 * The cause of each minute of downtime.
 * @param minutes bad minutes inside runs of downtime, such as a verdict's runs have; each at most once
 */
export function attributeMinutes(
  minutes: readonly number[],
  decisions: readonly CauseDecision[],
): AttributedMinute[] {
  const standing = decisions
    .filter((decision) => flawsOf(decision).length === 0)
    .toSorted((a, b) => b.decidedAtMs - a.decidedAtMs)
  return [...new Set(minutes)]
    .sort((a, b) => a - b)
    .map((minute) => {
      const cause = standing.find(({ from, to }) => from <= minute && minute < to)?.cause ?? 'unknown'
      return { minute, cause, eligible: !isExcluded(cause) }
    })
}

/** One loss that a company names. */
export interface LossItem {
  /** What is proven, in fen; never more than was claimed. */
  verifiedFen: number
  /** The clause pays direct loss; profits not made and what follows from it are not. */
  isDirect: boolean
  /** The minute of the failed operation; without one the loss belongs to the whole downtime. */
  minute?: number
}

export interface AwardTerms {
  /** The amount of the company's agreement when the downtime happened, in fen. */
  agreementFen: number
  /** What was awarded under this agreement before, in fen. */
  awardedFen: number
  /** Intent or gross negligence: the limit is void (《民法典》 Art. 506). */
  isUnlimited?: boolean
}

export interface Award {
  /** Direct loss in minutes that count, in fen. */
  lossFen: number
  /** Twice the agreement; null where the limit is void. */
  limitFen: number | null
  /** What of the limit earlier awards left; null where the limit is void. */
  leftFen: number | null
  awardFen: number
  isLimited: boolean
}

/** An amount that is none, or too large to count in whole fen. */
export class AmountError extends Error {
  override readonly name = 'AmountError'
  readonly code = 'amount_impossible'
}

/**
 * `max(0, min(direct loss, 2 × agreement − awarded before))`. A loss of the whole downtime counts by its share of eligible minutes, rounded
 * up to the fen.
 * @throws AmountError on amounts that are negative, broken or beyond what counts exactly
 */
export function awardOf(
  items: readonly LossItem[],
  minutes: readonly AttributedMinute[],
  terms: AwardTerms,
): Award {
  const eligible = new Set(minutes.filter((one) => one.eligible).map(({ minute }) => minute))
  const agreement = whole(terms.agreementFen)
  const awarded = whole(terms.awardedFen)
  let loss = 0n
  for (const { verifiedFen, isDirect, minute } of items) {
    const fen = whole(verifiedFen)
    if (!isDirect) continue
    if (minute !== undefined) loss += eligible.has(minute) ? fen : 0n
    else if (minutes.length > 0) {
      const all = BigInt(minutes.length)
      loss += (fen * BigInt(eligible.size) + all - 1n) / all
    }
  }
  if (terms.isUnlimited)
    return {
      lossFen: counted(loss),
      limitFen: null,
      leftFen: null,
      awardFen: counted(loss),
      isLimited: false,
    }
  const limit = 2n * agreement
  const left = limit > awarded ? limit - awarded : 0n
  return {
    lossFen: counted(loss),
    limitFen: counted(limit),
    leftFen: counted(left),
    awardFen: counted(loss < left ? loss : left),
    isLimited: loss > left,
  }
}

function whole(fen: number): bigint {
  if (!Number.isSafeInteger(fen) || fen < 0) throw new AmountError(`${fen} is no amount in fen`)
  return BigInt(fen)
}

function counted(fen: bigint): number {
  if (fen > BigInt(Number.MAX_SAFE_INTEGER)) throw new AmountError(`${fen} fen are too many to count`)
  return Number(fen)
}

/** Where a claim stands. */
export type ClaimState =
  /** Made by the platform at the close of a month, or begun by the company. */
  | 'drafted'
  | 'submitted'
  | 'in_review'
  /** Something is missing; the company is told what. */
  | 'proof_wanted'
  | 'offered'
  | 'refused'
  /** The company does not agree; somebody who did not decide before decides anew. */
  | 'appealed'
  | 'accepted'
  | 'settled'
  | 'withdrawn'

export type ClaimAction =
  | 'submit'
  | 'review'
  | 'want_proof'
  | 'offer'
  | 'refuse'
  | 'appeal'
  | 'accept'
  | 'settle'
  | 'withdraw'

const claimSteps: Record<ClaimState, Partial<Record<ClaimAction, ClaimState>>> = {
  drafted: { submit: 'submitted', withdraw: 'withdrawn' },
  submitted: { review: 'in_review', withdraw: 'withdrawn' },
  in_review: { want_proof: 'proof_wanted', offer: 'offered', refuse: 'refused', withdraw: 'withdrawn' },
  proof_wanted: { submit: 'submitted', withdraw: 'withdrawn' },
  offered: { accept: 'accepted', appeal: 'appealed', withdraw: 'withdrawn' },
  refused: { appeal: 'appealed' },
  appealed: { review: 'in_review', withdraw: 'withdrawn' },
  accepted: { settle: 'settled' },
  settled: {},
  withdrawn: {},
}

/** Who may do it: the company that claims, or the platform's operators. */
export const claimActors: Record<ClaimAction, 'company' | 'operator'> = {
  submit: 'company',
  review: 'operator',
  want_proof: 'operator',
  offer: 'operator',
  refuse: 'operator',
  appeal: 'company',
  accept: 'company',
  settle: 'operator',
  withdraw: 'company',
}

/** The state after an action; undefined where the action is not possible. */
export const claimAfter = (state: ClaimState, action: ClaimAction): ClaimState | undefined =>
  claimSteps[state][action]

/** What is possible in a state. */
export const claimActions = (state: ClaimState): ClaimAction[] =>
  Object.keys(claimSteps[state]) as ClaimAction[]
