/** From what was counted, probed and announced to the rows that are published, one a minute (promises §4.1). */
import type { MinuteCount } from './availability.ts'
import type { MinuteRange } from './calendar.ts'

export interface Tally {
  valid: number
  ok: number
}

/** Planned work, as announced. */
export interface MaintenanceWindow extends MinuteRange {
  announcedAtMs: number
}

/** Where the figures of a minute come from. */
export type MinuteSource = 'correction' | 'traffic' | 'probe' | 'nothing'

export interface MinuteRow extends MinuteCount {
  source: MinuteSource
}

/** Planned work is announced a day before, to the millisecond. */
export const noticeMs = 24 * 3_600_000

/** Whether a window was announced in time; one that was not is no maintenance at all. */
export function isAnnounced({ from, announcedAtMs }: MaintenanceWindow): boolean {
  return from * 60_000 - announcedAtMs >= noticeMs
}

export interface Measured {
  traffic: ReadonlyMap<number, Tally>
  probes: ReadonlyMap<number, Tally>
  windows: readonly MaintenanceWindow[]
  /** Replace what was counted in a minute. */
  corrections?: ReadonlyMap<number, Tally>
}

/**
 * A row for every minute of a range. Without valid traffic the probes speak; with neither the row says 0 of 0, which
 * is a bad minute. Work that overruns its window is no maintenance: the window ends where it was announced to.
 */
export function minuteRows(range: MinuteRange, measured: Measured): MinuteRow[] {
  const windows = measured.windows.filter(isAnnounced)
  const rows: MinuteRow[] = []
  for (let minute = range.from; minute < range.to; minute += 1) {
    const maintenance = windows.some(({ from, to }) => minute >= from && minute < to)
    rows.push({ minute, ...spokenFor(minute, measured), maintenance })
  }
  return rows
}

function spokenFor(
  minute: number,
  { traffic, probes, corrections }: Measured,
): Tally & { source: MinuteSource } {
  const corrected = corrections?.get(minute)
  if (corrected !== undefined) return { valid: corrected.valid, ok: corrected.ok, source: 'correction' }
  for (const [source, tallies] of [
    ['traffic', traffic],
    ['probe', probes],
  ] as const) {
    const tally = tallies.get(minute)
    if (tally !== undefined && tally.valid > 0) return { valid: tally.valid, ok: tally.ok, source }
  }
  return { valid: 0, ok: 0, source: 'nothing' }
}

/** Data may be this late and still count by itself; what comes later needs a revision. */
export const watermarkMs = 10 * 60_000

/** Whether what is said of a minute arrived too late to count by itself. */
export function isLate(minute: number, receivedAtMs: number): boolean {
  return receivedAtMs > (minute + 1) * 60_000 + watermarkMs
}

/** The first minute of which something may still arrive in time. */
export function settledBefore(nowMs: number): number {
  return Math.floor((nowMs - watermarkMs) / 60_000)
}

/** A month is closed three days after its end. */
export function closesAtMs(month: MinuteRange): number {
  return month.to * 60_000 + 3 * 86_400_000
}
