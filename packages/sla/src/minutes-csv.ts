/** The published form of raw minutes: `minute,valid,ok,maintenance`, UTC, one row a minute. */
import type { MinuteCount } from './availability.ts'

export const minutesCsvHeader = 'minute,valid,ok,maintenance'

/** A row that cannot be read; `line` counts from 1. */
export class MinutesCsvError extends Error {
  override readonly name = 'MinutesCsvError'
  readonly code: 'header_wrong' | 'row_unreadable' | 'minute_twice'
  readonly line: number

  constructor(code: MinutesCsvError['code'], line: number, message: string) {
    super(message)
    this.code = code
    this.line = line
  }
}

const minuteForm = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})(?::00(?:\.0+)?)?(?:Z|\+00:00)?$/
const countForm = /^\d{1,12}$/

/**
 * Reads a minutes file. Rows may stand in any order; a byte order mark, CRLF and empty lines at the end do no harm.
 * @throws MinutesCsvError that names the line
 */
export function parseMinutesCsv(text: string): MinuteCount[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  while (lines.length > 1 && lines.at(-1)?.trim() === '') lines.pop()
  if (lines[0]?.replaceAll(' ', '').toLowerCase() !== minutesCsvHeader) {
    throw new MinutesCsvError('header_wrong', 1, `the first line must be ${minutesCsvHeader}`)
  }
  const seen = new Set<number>()
  return lines.slice(1).map((line, index) => {
    const row = readRow(line, index + 2)
    if (seen.has(row.minute)) {
      throw new MinutesCsvError('minute_twice', index + 2, 'this minute already stands further up')
    }
    seen.add(row.minute)
    return row
  })
}

function readRow(line: string, number: number): MinuteCount {
  const refuse = (message: string) => new MinutesCsvError('row_unreadable', number, message)
  const cells = line.split(',').map((cell) => cell.trim())
  const [minute, valid, ok, maintenance] = cells
  if (cells.length !== 4) throw refuse(`a row has four values, this one has ${cells.length}`)
  const form = minuteForm.exec(minute!)
  const at = form === null ? Number.NaN : Date.parse(`${form[1]}T${form[2]}Z`)
  // Date.parse rolls 31 April over into May; what is read must be what was written.
  if (
    form === null ||
    Number.isNaN(at) ||
    new Date(at).toISOString().slice(0, 16) !== `${form[1]}T${form[2]}`
  ) {
    throw refuse(`"${minute}" is no whole minute in UTC such as 2026-01-31T15:59Z`)
  }
  if (!countForm.test(valid!) || !countForm.test(ok!)) throw refuse('valid and ok are whole numbers from 0')
  if (Number(ok) > Number(valid)) throw refuse('ok cannot exceed valid')
  if (maintenance !== '0' && maintenance !== '1') throw refuse('maintenance is 0 or 1')
  return { minute: at / 60_000, valid: Number(valid), ok: Number(ok), maintenance: maintenance === '1' }
}

/** Writes rows in the order of time, in the form that {@link parseMinutesCsv} reads. */
export function writeMinutesCsv(counts: readonly MinuteCount[]): string {
  const rows = [...counts].sort((a, b) => a.minute - b.minute)
  const lines = rows.map(
    ({ minute, valid, ok, maintenance }) => `${minuteText(minute)},${valid},${ok},${maintenance ? 1 : 0}`,
  )
  return `${[minutesCsvHeader, ...lines].join('\n')}\n`
}

/** `2026-01-31T15:59Z` */
export function minuteText(minute: number): string {
  return `${new Date(minute * 60_000).toISOString().slice(0, 16)}Z`
}
