/** From minutes, decisions and losses to what is owed; pure. */
import {
  type AttributedMinute,
  type Award,
  type AwardTerms,
  attributeMinutes,
  awardOf,
  type CauseDecision,
  type LossItem,
} from '@yinxin/sla'
import type { CauseRow, DownRange, FailedOperations, ItemRow } from './tables.ts'

/** Minutes of one service, each at most once, as half-open ranges. */
export function rangesOf(service: DownRange['service'], minutes: Iterable<number>): DownRange[] {
  const ranges: DownRange[] = []
  for (const minute of [...new Set(minutes)].sort((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last?.to === minute) last.to = minute + 1
    else ranges.push({ service, from: minute, to: minute + 1 })
  }
  return ranges
}

export function* minutesOf(ranges: readonly Pick<DownRange, 'from' | 'to'>[]): Generator<number> {
  for (const { from, to } of ranges) for (let minute = from; minute < to; minute++) yield minute
}

/** What failed while the service was down. */
export const failuresIn = (down: readonly DownRange[], failures: readonly FailedOperations[]) =>
  failures.filter((one) =>
    down.some(({ service, from, to }) => service === one.service && from <= one.minute && one.minute < to),
  )

const decisionOf = (row: CauseRow): CauseDecision => ({
  from: row.from_minute,
  to: row.to_minute,
  cause: row.cause,
  evidence: row.evidence,
  proposedBy: row.proposed_by,
  confirmedBy: row.confirmed_by ?? undefined,
  decidedAtMs: row.decided_at.getTime(),
})

/**
 * The cause of each minute in which any service was down. A minute counts when one of its services went down for a
 * cause that is not excluded.
 */
export function attributed(
  tenantId: string,
  down: readonly DownRange[],
  causes: readonly CauseRow[],
): AttributedMinute[] {
  const found = new Map<number, AttributedMinute>()
  for (const service of new Set(down.map((one) => one.service))) {
    const minutes = [...minutesOf(down.filter((one) => one.service === service))]
    const decisions = causes
      .filter((row) => row.services.includes(service) && (row.tenant_id ?? tenantId) === tenantId)
      .map(decisionOf)
    for (const one of attributeMinutes(minutes, decisions)) {
      const known = found.get(one.minute)
      if (known === undefined || (one.eligible && !known.eligible)) found.set(one.minute, one)
    }
  }
  return [...found.values()].sort((a, b) => a.minute - b.minute)
}

/** What is owed for verified losses. Losses that nobody has verified yet count nothing. */
export function assess(
  items: readonly Pick<ItemRow, 'verified_fen' | 'direct' | 'minute'>[],
  minutes: readonly AttributedMinute[],
  terms: AwardTerms,
): Award {
  const losses = items.map(
    ({ verified_fen, direct, minute }): LossItem => ({
      verifiedFen: verified_fen ?? 0,
      isDirect: direct ?? false,
      ...(minute === null ? {} : { minute }),
    }),
  )
  return awardOf(losses, minutes, terms)
}
