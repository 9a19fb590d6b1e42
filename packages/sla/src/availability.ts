/** From minutes to downtime to verdict: clause 3.8 of the service level agreement, in whole numbers only. */
import type { MinuteRange } from './calendar.ts'

/** What was counted in one UTC minute for one service. */
export interface MinuteCount {
  /** Milliseconds since 1970 / 60,000. */
  minute: number
  /** Requests that count; where there was no traffic, probes. */
  valid: number
  /** Those of them that were answered well and in time. */
  ok: number
  /** Inside a maintenance window that was announced in time. */
  maintenance: boolean
}

export type MinuteState = 'good' | 'bad' | 'maintenance'

/** A maximal run of bad minutes, five or more. Maintenance inside it neither counts nor breaks it. */
export interface DownRun {
  from: number
  /** The minute after its last. */
  to: number
  /** The bad minutes in it. */
  minutes: number
}

export interface MonthVerdict {
  totalMinutes: number
  maintenanceMinutes: number
  downMinutes: number
  /** up / (up + down), not rounded; null when the whole month was maintenance. */
  availability: number | null
  pass: boolean
  /** Every run that has a minute in the month, not cut at the month's edges. */
  runs: DownRun[]
}

/** Rows that contradict themselves. */
export class MinutesError extends Error {
  override readonly name = 'MinutesError'
  readonly code: 'minute_twice' | 'counts_impossible'
  /** The minute at fault. */
  readonly minute: number

  constructor(code: MinutesError['code'], minute: number, message: string) {
    super(message)
    this.code = code
    this.minute = minute
  }
}

/** "连续 5 分钟或更长" includes five (《民法典》 Art. 1259). */
const shortestDowntimeMinutes = 5

/** At least nine of ten must be ok; exactly 90 % is available. Nothing known counts against us. */
export function minuteState({ valid, ok, maintenance }: Omit<MinuteCount, 'minute'>): MinuteState {
  if (maintenance) return 'maintenance'
  return valid > 0 && ok * 10 >= valid * 9 ? 'good' : 'bad'
}

/** In the order of time, checked. @throws MinutesError */
function ordered(counts: readonly MinuteCount[]): MinuteCount[] {
  const sorted = [...counts].sort((a, b) => a.minute - b.minute)
  let last: number | undefined
  for (const { minute, valid, ok } of sorted) {
    if (minute === last) throw new MinutesError('minute_twice', minute, 'a minute stands there twice')
    const whole = [minute, valid, ok].every(Number.isSafeInteger)
    if (!whole || ok < 0 || ok > valid || valid * 10 > Number.MAX_SAFE_INTEGER) {
      throw new MinutesError('counts_impossible', minute, 'counts are whole numbers with 0 ≤ ok ≤ valid')
    }
    last = minute
  }
  return sorted
}

interface OpenRun extends DownRun {
  /** Stretches of bad minutes in it, half open. */
  stretches: MinuteRange[]
}

/**
 * Finds all downtime in a continuous timeline, from its first row to its last. A minute missing between them had
 * neither traffic nor a probe and is bad; before the first and after the last nothing is known, and nothing bad is
 * assumed.
 */
function walk(rows: readonly MinuteCount[], found: (run: OpenRun) => void): void {
  let run: OpenRun | undefined
  const bad = (from: number, to: number) => {
    run ??= { from, to, minutes: 0, stretches: [] }
    run.to = to
    run.minutes += to - from
    const last = run.stretches.at(-1)
    if (last?.to === from) last.to = to
    else run.stretches.push({ from, to })
  }
  const end = () => {
    if (run !== undefined && run.minutes >= shortestDowntimeMinutes) found(run)
    run = undefined
  }
  let next: number | undefined
  for (const row of rows) {
    if (next !== undefined && row.minute > next) bad(next, row.minute)
    next = row.minute + 1
    const state = minuteState(row)
    if (state === 'bad') bad(row.minute, next)
    else if (state === 'good') end()
  }
  end()
}

/**
 * The verdict on one calendar month. Runs are found in all rows before anything is cut at the month's edges, so
 * that an outage over midnight of the last day counts in both months.
 * @param counts rows of the month and of as much before and after it as is known
 * @throws MinutesError
 */
export function monthVerdict(counts: readonly MinuteCount[], month: MinuteRange): MonthVerdict {
  const rows = ordered(counts)
  const totalMinutes = month.to - month.from
  let maintenanceMinutes = 0
  for (const { minute, maintenance } of rows) {
    if (maintenance && minute >= month.from && minute < month.to) maintenanceMinutes += 1
  }
  let downMinutes = 0
  const runs: DownRun[] = []
  walk(rows, (run) => {
    let inside = 0
    for (const { from, to } of run.stretches) {
      inside += Math.max(0, Math.min(to, month.to) - Math.max(from, month.from))
    }
    if (inside === 0) return
    downMinutes += inside
    runs.push({ from: run.from, to: run.to, minutes: run.minutes })
  })
  const measured = totalMinutes - maintenanceMinutes
  return {
    totalMinutes,
    maintenanceMinutes,
    downMinutes,
    availability: measured === 0 ? null : (measured - downMinutes) / measured,
    pass: meetsPromise(measured, downMinutes),
    runs,
  }
}

/** Whether a month keeps the promise: at least 99.95 % of the measured minutes, and no more than they allow. */
export function meetsPromise(measuredMinutes: number, downMinutes: number): boolean {
  return downMinutes * 2_000 <= measuredMinutes && downMinutes * 10 <= 216
}

/** Whole minutes that a month may be down and still meet the promise. */
export function allowedDownMinutes(measuredMinutes: number): number {
  return Math.min(Math.floor(measuredMinutes / 2_000), 21)
}

export interface MinuteExplanation {
  state: MinuteState | 'unknown'
  /** Neither traffic nor probe was recorded. */
  missing: boolean
  counted: 'down' | 'up' | 'excluded'
  /** The bad run that the minute lies in, whether long enough or not. */
  run: DownRun | null
}

/** Why a minute counted as it did. Outside of the rows nothing is known, and it counts as up. @throws MinutesError */
export function explainMinute(counts: readonly MinuteCount[], minute: number): MinuteExplanation {
  const rows = ordered(counts)
  const row = rows.find((one) => one.minute === minute)
  const first = rows[0]?.minute ?? Number.POSITIVE_INFINITY
  const last = rows.at(-1)?.minute ?? Number.NEGATIVE_INFINITY
  const missing = row === undefined
  if (missing && (minute < first || minute > last)) {
    return { state: 'unknown', missing, counted: 'up', run: null }
  }
  const state = row === undefined ? 'bad' : minuteState(row)
  if (state !== 'bad') return { state, missing, counted: state === 'good' ? 'up' : 'excluded', run: null }
  const run = runAround(rows, minute)
  return { state, missing, counted: run.minutes >= shortestDowntimeMinutes ? 'down' : 'up', run }
}

/** The run of a bad minute, however short: walked outward until a good minute or the end of what is known. */
function runAround(rows: readonly MinuteCount[], minute: number): DownRun {
  const byMinute = new Map(rows.map((row) => [row.minute, row]))
  const first = rows[0]!.minute
  const last = rows.at(-1)!.minute
  const run = { from: minute, to: minute + 1, minutes: 1 }
  for (const step of [-1, 1]) {
    for (let at = minute + step; at >= first && at <= last; at += step) {
      const row = byMinute.get(at)
      const state = row === undefined ? 'bad' : minuteState(row)
      if (state === 'good') break
      if (state === 'maintenance') continue
      run.minutes += 1
      if (step < 0) run.from = at
      else run.to = at + 1
    }
  }
  return run
}
