/** A month computed anew from its published minutes, on the reader's device. */
import { openCheckpoint } from '@yinxin/evidence'
import { type MonthVerdict, minuteText, monthMinutes, monthVerdict, parseMinutesCsv } from '@yinxin/sla'
import type { SlaService, SlaVerdict } from '@yinxin/sdk/wire'
import { sha256, toHex } from '../pdf/sha256.ts'

export interface Recomputed {
  verdict: MonthVerdict
  rows: number
  /** Null for a file without its note. */
  signed: boolean | null
  /** Null where nothing was published to compare with. */
  same: boolean | null
}

/** Fetches the minutes of a service with their signature, and computes. */
export async function recomputePublished(
  month: string,
  timeZone: string,
  service: SlaService,
  revision: number,
  published: SlaVerdict,
): Promise<Recomputed> {
  const query = revision > 0 ? `?revision=${revision}` : ''
  const base = `/api/v1/sla/months/${month}/${service}`
  const [csv, note, vkey] = await Promise.all([
    fetchText(`${base}/minutes.csv${query}`),
    fetchText(`${base}/minutes.note${query}`),
    fetchText('/api/v1/sla/vkey'),
  ])
  const computed = recompute(csv, month, timeZone)
  const signed = await isSigned({ csv, note, vkey: vkey.trim(), month, service, revision })
  return { ...computed, signed, same: isSame(computed.verdict, published) }
}

/** @throws MinutesCsvError, CalendarError */
export function recompute(csv: string, month: string, timeZone: string): Recomputed {
  const rows = parseMinutesCsv(csv)
  const verdict = monthVerdict(rows, monthMinutes(month, timeZone))
  return { verdict, rows: rows.length, signed: null, same: null }
}

/** The note must be of this month, service and revision, and of these very bytes. */
async function isSigned(given: {
  csv: string
  note: string
  vkey: string
  month: string
  service: SlaService
  revision: number
}): Promise<boolean> {
  try {
    const { checkpoint } = openCheckpoint(given.note, [given.vkey])
    const digest = await sha256(new TextEncoder().encode(given.csv))
    const { month, service, revision } = given
    const said = [`month ${month}`, `service ${service}`, `revision ${revision}`]
    return digest === toHex(checkpoint.root) && said.every((line) => checkpoint.extensions.includes(line))
  } catch {
    return false
  }
}

function isSame(verdict: MonthVerdict, published: SlaVerdict): boolean {
  const runs = verdict.runs.map(({ from, to, minutes }) => ({
    from: minuteText(from),
    to: minuteText(to),
    minutes,
  }))
  return (
    verdict.downMinutes === published.downMinutes &&
    verdict.maintenanceMinutes === published.maintenanceMinutes &&
    verdict.availability === published.availability &&
    verdict.pass === published.pass &&
    JSON.stringify(runs) === JSON.stringify(published.runs)
  )
}

async function fetchText(path: string): Promise<string> {
  const answer = await fetch(path)
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
  return await answer.text()
}
