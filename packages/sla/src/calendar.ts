/** Calendar months as ranges of UTC minutes. A minute is a whole number: milliseconds since 1970 / 60,000. */

/** A month cannot be named like that, or the zone does not exist. */
export class CalendarError extends Error {
  override readonly name = 'CalendarError'
  readonly code: 'month_unreadable' | 'zone_unknown'

  constructor(code: CalendarError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** Half open: `to` is the first minute after the month. */
export interface MinuteRange {
  from: number
  to: number
}

const minuteMs = 60_000
/** No zone is further from UTC than 14 hours. */
const farthestOffsetMinutes = 15 * 60

/**
 * The minutes of a calendar month in a time zone.
 * @param month `YYYY-MM`
 * @param zone name of the IANA database, such as `Asia/Shanghai`
 * @throws CalendarError
 */
export function monthMinutes(month: string, zone: string): MinuteRange {
  const found = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(month)
  if (found === null) throw new CalendarError('month_unreadable', `${month} is no month; write YYYY-MM`)
  const index = Number(found[1]) * 12 + Number(found[2]) - 1
  const monthAt = monthReader(zone)
  return { from: firstMinute(index, monthAt), to: firstMinute(index + 1, monthAt) }
}

/** Reads the month, counted from year 0, that a minute falls into. */
function monthReader(zone: string): (minute: number) => number {
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
      timeZone: zone,
      year: 'numeric',
      month: 'numeric',
    })
  } catch {
    throw new CalendarError('zone_unknown', `there is no time zone ${zone}`)
  }
  return (minute) => {
    let year = 0
    let month = 0
    for (const { type, value } of format.formatToParts(minute * minuteMs)) {
      if (type === 'year') year = Number(value)
      if (type === 'month') month = Number(value)
    }
    return year * 12 + month - 1
  }
}

/** By halving: a zone whose clocks change at a month's first midnight is found as well as any other. */
function firstMinute(index: number, monthAt: (minute: number) => number): number {
  const utc = new Date(0)
  utc.setUTCFullYear(Math.floor(index / 12), index % 12, 1)
  let before = utc.getTime() / minuteMs - farthestOffsetMinutes
  let reached = utc.getTime() / minuteMs + farthestOffsetMinutes
  while (reached - before > 1) {
    const middle = Math.floor((before + reached) / 2)
    if (monthAt(middle) >= index) reached = middle
    else before = middle
  }
  return reached
}
