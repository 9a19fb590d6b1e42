/** From stored counts to a month's figures, and why a minute counted as it did. */
import {
  allowedDownMinutes,
  explainMinute,
  type MinuteExplanation,
  type MinuteRange,
  type MinuteRow,
  type MonthVerdict,
  minuteRows,
  monthMinutes,
  monthVerdict,
  type SlaService,
  settledBefore,
  type Tally,
} from '@yinxin/sla'
import type { Clock } from '#src/clock.ts'
import type { Basis, SlaStore } from './store.ts'

/** The promise is one of calendar months in China. */
export const SLA_ZONE = 'Asia/Shanghai'

/** Rows around the month, so that a run over its edge is seen whole. */
const contextMinutes = 24 * 60

export interface MonthFigures extends MonthVerdict {
  rows: MinuteRow[]
  /** Minutes of the month of which something is known; all of them once it is over. */
  knownMinutes: number
  allowedDownMinutes: number
}

export interface Explanation extends MinuteExplanation {
  row: MinuteRow | null
}

export type Figures = ReturnType<typeof createFigures>

export function createFigures({ store, clock }: { store: SlaStore; clock: Clock }) {
  let first: number | null = null

  async function firstMinute(): Promise<number | null> {
    first ??= await store.firstMinute()
    return first
  }

  /** What is known and settled of a range; null before anything was measured. */
  async function knownPart(range: MinuteRange): Promise<MinuteRange | null> {
    const began = await firstMinute()
    if (began === null) return null
    const from = Math.max(range.from, began)
    const to = Math.min(range.to, settledBefore(clock.now().getTime()))
    return from < to ? { from, to } : null
  }

  /** A row for every known minute of a range. */
  async function rows(
    service: SlaService,
    range: MinuteRange,
    basis: Basis,
    corrections?: ReadonlyMap<number, Tally>,
  ): Promise<MinuteRow[]> {
    const known = await knownPart(range)
    if (known === null) return []
    const [traffic, probes, windows] = await Promise.all([
      store.traffic(service, known, basis),
      store.probes(service, known, basis),
      store.windows(known),
    ])
    return minuteRows(known, {
      traffic,
      probes,
      windows: windows.filter((window) => window.services.includes(service)),
      ...(corrections === undefined ? {} : { corrections }),
    })
  }

  return {
    firstMinute,
    knownPart,
    rows,

    /** The figures of a month on the given basis. */
    async month(
      service: SlaService,
      month: MinuteRange,
      basis: Basis,
      corrections?: ReadonlyMap<number, Tally>,
    ): Promise<MonthFigures> {
      const around = { from: month.from - contextMinutes, to: month.to + contextMinutes }
      return figuresOf(await rows(service, around, basis, corrections), month)
    },

    /** Why a minute counted as it did, by the rows around it that {@link rows} gives. */
    async explain(
      service: SlaService,
      minute: number,
      basis: Basis,
      corrections?: ReadonlyMap<number, Tally>,
    ): Promise<Explanation> {
      const around = { from: minute - contextMinutes, to: minute + contextMinutes }
      const all = await rows(service, around, basis, corrections)
      return { ...explainMinute(all, minute), row: all.find((one) => one.minute === minute) ?? null }
    },
  }
}

/** @param rows of the month and as much around it as is published */
export function figuresOf(rows: MinuteRow[], month: MinuteRange): MonthFigures {
  const verdict = monthVerdict(rows, month)
  return {
    ...verdict,
    rows,
    knownMinutes: rows.filter(({ minute }) => minute >= month.from && minute < month.to).length,
    allowedDownMinutes: allowedDownMinutes(verdict.totalMinutes - verdict.maintenanceMinutes),
  }
}

/** `2026-11` of a minute, in the zone of the promise. */
export function monthOf(minute: number): string {
  const parts = new Intl.DateTimeFormat('en-CA', { timeZone: SLA_ZONE, year: 'numeric', month: '2-digit' })
  return parts.format(minute * 60_000).slice(0, 7)
}

export const rangeOfMonth = (month: string): MinuteRange => monthMinutes(month, SLA_ZONE)
