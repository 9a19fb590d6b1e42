/**
 * When operators are woken, from the meter's minutes (promises §4.3). An outage that is mended within five minutes never
 * counts, so bad minutes are told at the second one; burn rates tell of errors that would spend a month's budget.
 */
import { type MinuteCount, minuteState } from './availability.ts'
import type { MinuteSource } from './minute-rows.ts'

export type WatchedMinute = MinuteCount & { source: MinuteSource }

export interface BadStretch {
  /** Its first bad minute. */
  from: number
  /** Bad minutes of it, without maintenance. */
  minutes: number
  valid: number
  ok: number
}

/** Fewer requests than this in the last minute make one bad minute enough: a second may bring none at all. */
const fewRequests = 5
/** Nothing known for so long is told; five such minutes would be downtime. */
const unseenMinutes = 3

/**
 * Two bad minutes in a row, or one with fewer than five requests. Maintenance neither adds nor breaks; a minute of which
 * nothing is known does neither as well, and is told of by {@link unseen}.
 * @param rows the last minutes in order, without gaps
 */
export function badStretch(rows: readonly WatchedMinute[]): BadStretch | null {
  let stretch: BadStretch | null = null
  let latest: WatchedMinute | undefined
  for (const row of rows.toReversed()) {
    if (row.maintenance || row.source === 'nothing') continue
    if (minuteState(row) !== 'bad') break
    latest ??= row
    stretch ??= { from: row.minute, minutes: 0, valid: 0, ok: 0 }
    stretch.from = row.minute
    stretch.minutes += 1
    stretch.valid += row.valid
    stretch.ok += row.ok
  }
  if (stretch === null || latest === undefined) return null
  return stretch.minutes >= 2 || latest.valid < fewRequests ? stretch : null
}

/** How many of the last minutes nobody saw, when they are enough to be told of; null otherwise. */
export function unseen(rows: readonly WatchedMinute[]): number | null {
  let minutes = 0
  for (const { source, maintenance } of rows.toReversed()) {
    if (maintenance || source !== 'nothing') break
    minutes += 1
  }
  return minutes >= unseenMinutes ? minutes : null
}

export interface BurnWindow {
  name: 'fast' | 'slow' | 'steady'
  longMinutes: number
  /** One twelfth of the long one, so that the alarm ends soon after the errors do. */
  shortMinutes: number
  /** Errors per 10,000 requests: 14.4, 6 and 1 times the budget of 5 (99.95 %). */
  per10000: number
}

/** The Site Reliability Workbook, chapter 5: page, page, ticket. */
export const burnWindows: readonly BurnWindow[] = [
  { name: 'fast', longMinutes: 60, shortMinutes: 5, per10000: 72 },
  { name: 'slow', longMinutes: 360, shortMinutes: 30, per10000: 30 },
  { name: 'steady', longMinutes: 4320, shortMinutes: 360, per10000: 5 },
]

/** Below this, one failure says nothing about a rate; bad minutes and probes speak for quiet services. */
const fewestForRate = 200

export interface Burn {
  window: BurnWindow
  failed: number
  valid: number
}

/**
 * The windows whose errors are too many in both their lengths. Maintenance is left out.
 * @param now the minute after the last one
 */
export function burning(rows: readonly MinuteCount[], now: number): Burn[] {
  const sum = (minutes: number) => {
    let [valid, ok] = [0, 0]
    for (const row of rows) {
      if (row.maintenance || row.minute < now - minutes || row.minute >= now) continue
      valid += row.valid
      ok += row.ok
    }
    return { valid, failed: valid - ok }
  }
  const tooMany = ({ valid, failed }: { valid: number; failed: number }, { per10000 }: BurnWindow) =>
    failed > 0 && failed * 10_000 >= valid * per10000
  return burnWindows.flatMap((window) => {
    const long = sum(window.longMinutes)
    const isBurning =
      long.valid >= fewestForRate && tooMany(long, window) && tooMany(sum(window.shortMinutes), window)
    return isBurning ? [{ window, ...long }] : []
  })
}

/** Fewer than 99 % of at least twenty acts in fifteen minutes succeeded; for signing and certificates. */
export function belowNinetyNine(
  rows: readonly MinuteCount[],
  now: number,
): { valid: number; ok: number } | null {
  let [valid, ok] = [0, 0]
  for (const row of rows) {
    if (row.maintenance || row.minute < now - 15 || row.minute >= now) continue
    valid += row.valid
    ok += row.ok
  }
  return valid >= 20 && ok * 100 < valid * 99 ? { valid, ok } : null
}
