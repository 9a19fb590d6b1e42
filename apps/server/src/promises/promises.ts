/**
 * The promise page: every clause of the agreement with its promised figure and what was measured. Rooms report into it;
 * a row that nobody reports on, or whose measurement is old, is grey and never green.
 */
import { createHash } from 'node:crypto'
import { canonicalBytes, encodeVkey, signCheckpoint } from '@yinxin/evidence'
import type { Signer } from '@yinxin/pki'
import type { Clock } from '#src/clock.ts'
import type { Log } from '#src/log.ts'
import { type Promised, promisedRows, type Words } from './clauses.ts'

export type { Words } from './clauses.ts'

/** What was measured of one row. */
export interface Reading {
  measured: Words
  /** When it was so; null when nothing is known of it yet. */
  at: Date | null
  /** Null when what was measured neither keeps nor breaks the promise, such as half a month. */
  met: boolean | null
}

/** How a room reports on one row. */
export interface Report {
  key: string
  how: Words
  /** A reading that is older is grey. */
  staleAfterMs: number
  /** Where a reader finds what it rests on: an address of this installation, or none that is public. */
  evidence: string | null
  measure(): Promise<Reading>
}

/** `met` green, `missed` red, the others grey. */
export type PromiseState = 'met' | 'missed' | 'stale' | 'unmeasured'

export interface PromiseRow extends Promised {
  clause: string
  state: PromiseState
  measured: Words
  how: Words
  measuredAt: string | null
  staleAfterMinutes: number | null
  evidence: string | null
}

export interface PromiseStatement {
  format: 'yinxin.promises/1'
  madeAt: string
  environment: { mode: string; developmentCa: boolean; simulators: string[] }
  rows: PromiseRow[]
}

/** The note signs the SHA-256 of the statement as canonical JSON (RFC 8785). */
export interface SignedPromises {
  statement: PromiseStatement
  note: string
}

export type Promises = Awaited<ReturnType<typeof createPromises>>

export interface PromisesDeps {
  clock: Clock
  log: Log
  kms: { signingKey(name: 'sla', algorithm: 'ed25519'): Promise<Signer> }
  environment: () => PromiseStatement['environment']
}

/** What strangers ask again and again is measured once in this time. */
const freshMs = 60_000

const nobody: Words = {
  zh: '本安装尚无测量',
  en: 'not measured on this installation',
}

export async function createPromises({ clock, log, kms, environment }: PromisesDeps) {
  const signer = await kms.signingKey('sla', 'ed25519')
  const keyHash = createHash('sha256').update(signer.spki).digest('hex').slice(0, 8)
  const noteSigner = { name: `yinxin.sla/${keyHash}`, signer }
  const reports = new Map<string, Report>()
  let kept: { atMs: number; signed: Promise<SignedPromises> } | undefined

  async function rowOf(promised: Promised): Promise<PromiseRow> {
    const report = reports.get(promised.key)
    const clause = promised.key.slice(0, promised.key.indexOf('/'))
    if (report === undefined)
      return {
        ...promised,
        clause,
        state: 'unmeasured',
        measured: nobody,
        how: { zh: '—', en: '—' },
        measuredAt: null,
        staleAfterMinutes: null,
        evidence: null,
      }
    const reading = await report.measure().catch((error: unknown): Reading => {
      log.error({ err: error, promise: promised.key }, 'a promise could not be measured')
      return { measured: { zh: '测量失败', en: 'measuring failed' }, at: null, met: null }
    })
    return {
      ...promised,
      clause,
      state: stateOf(reading, clock.now(), report.staleAfterMs),
      measured: reading.measured,
      how: report.how,
      measuredAt: reading.at?.toISOString() ?? null,
      staleAfterMinutes: Math.round(report.staleAfterMs / 60_000),
      evidence: report.evidence,
    }
  }

  async function make(): Promise<SignedPromises> {
    const rows: PromiseRow[] = []
    // One after another: a page for strangers takes one connection, not thirty.
    for (const promised of promisedRows) rows.push(await rowOf(promised))
    const { mode, developmentCa, simulators } = environment()
    const statement: PromiseStatement = {
      format: 'yinxin.promises/1',
      madeAt: clock.now().toISOString(),
      environment: { mode, developmentCa, simulators: [...simulators] },
      rows,
    }
    const root = createHash('sha256').update(canonicalBytes(statement)).digest()
    const note = signCheckpoint(
      {
        origin: noteSigner.name,
        size: rows.length,
        root,
        extensions: ['kind promises', `made ${statement.madeAt}`],
      },
      noteSigner,
    )
    return { statement, note }
  }

  return {
    vkey: encodeVkey(noteSigner),

    /** @throws when the row is not in the agreement, or is reported on already */
    report(report: Report): void {
      if (!promisedRows.some(({ key }) => key === report.key))
        throw new Error(`the agreement has no promise ${report.key}`)
      if (reports.has(report.key)) throw new Error(`${report.key} is reported on twice`)
      reports.set(report.key, report)
    },

    /** Every row as measured within the last minute, signed. */
    async statement(): Promise<SignedPromises> {
      const nowMs = clock.now().getTime()
      if (kept !== undefined && nowMs - kept.atMs < freshMs && nowMs >= kept.atMs) return await kept.signed
      const signed = make()
      kept = { atMs: nowMs, signed }
      signed.catch(() => {
        kept = undefined
      })
      return await signed
    },
  }
}

/** Red stays red when it is old: a broken promise is not mended by looking away. */
export function stateOf(reading: Reading, now: Date, staleAfterMs: number): PromiseState {
  if (reading.at === null || reading.met === null) return 'unmeasured'
  if (!reading.met) return 'missed'
  return now.getTime() - reading.at.getTime() > staleAfterMs ? 'stale' : 'met'
}
