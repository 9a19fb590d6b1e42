import { createHash } from 'node:crypto'
import { canonicalBytes, openCheckpoint } from '@yinxin/evidence'
import type { SignedPromises } from '@yinxin/sdk/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { manualClock } from '#src/clock.ts'
import { createLog } from '#src/log.ts'
import { startTestApp, type TestApp } from '../../../../testing/app.ts'
import { newId } from '../ids.ts'
import { promisedRows } from './clauses.ts'
import { createPromises, type Report, stateOf } from './promises.ts'

const hour = 3_600_000
const reading = { zh: '一', en: 'one' }

describe('the colour of a promise', () => {
  const now = new Date('2026-11-24T08:00:00Z')
  const ago = (ms: number) => new Date(now.getTime() - ms)
  it('is green only while the measurement is fresh, red also when it is old, grey without one', () => {
    const of = (met: boolean | null, at: Date | null) => stateOf({ measured: reading, at, met }, now, hour)
    expect(of(true, ago(hour))).toBe('met')
    expect(of(true, ago(hour + 1))).toBe('stale')
    expect(of(false, ago(9 * hour))).toBe('missed')
    expect(of(null, now)).toBe('unmeasured')
    expect(of(true, null)).toBe('unmeasured')
  })
})

describe('the frame', () => {
  let server: TestApp
  let clock: ReturnType<typeof manualClock>
  beforeAll(async () => {
    clock = manualClock(new Date())
    server = await startTestApp({ clock })
  }, 60_000)
  afterAll(async () => server?.stop())

  const frame = () =>
    createPromises({
      clock,
      log: createLog('silent'),
      kms: server.app.kms,
      environment: () => ({ mode: 'sandbox', developmentCa: true, simulators: [] }),
    })
  const report = (over: Partial<Report>): Report => ({
    key: '3.1/design',
    how: reading,
    staleAfterMs: hour,
    evidence: null,
    measure: async () => ({ measured: reading, at: clock.now(), met: true }),
    ...over,
  })

  it('takes each row once, from the agreement alone; what nobody measures and what fails is grey', async () => {
    const promises = await frame()
    promises.report(report({}))
    expect(() => promises.report(report({}))).toThrow('twice')
    expect(() => promises.report(report({ key: '9.9/none' }))).toThrow('no promise')
    promises.report(report({ key: '3.1/contract', measure: () => Promise.reject(new Error('broken')) }))
    const { statement } = await promises.statement()
    expect(statement.rows.map(({ key }) => key)).toEqual(promisedRows.map(({ key }) => key))
    expect(new Set(statement.rows.map(({ clause }) => clause))).toEqual(
      new Set(Array.from({ length: 16 }, (_, i) => `3.${i + 1}`)),
    )
    const state = (key: string) => statement.rows.find((row) => row.key === key)?.state
    expect([state('3.1/design'), state('3.1/contract'), state('3.9/scaling')]).toEqual([
      'met',
      'unmeasured',
      'unmeasured',
    ])
  })

  it('is public as signed JSON: the note holds for these very words and no others', async () => {
    const response = await fetch(`${server.url}/api/v1/promises`)
    const { statement, note } = (await response.json()) as SignedPromises
    const vkey = (await (await fetch(`${server.url}/api/v1/sla/vkey`)).text()).trim()
    expect(server.app.promises.vkey).toBe(vkey)
    const { checkpoint } = openCheckpoint(note, [vkey])
    const hash = (value: unknown) => createHash('sha256').update(canonicalBytes(value)).digest('hex')
    expect(Buffer.from(checkpoint.root).toString('hex')).toBe(hash(statement))
    const bent = structuredClone(statement)
    if (bent.rows[0]) bent.rows[0].state = 'met'
    expect(hash(bent)).not.toBe(hash({ ...statement, rows: statement.rows.slice(1) }))
    expect(checkpoint.size).toBe(promisedRows.length)
    // A test's folders lie on one device: the honest answer is red, and nothing ran long enough to be green.
    const of = (key: string) => statement.rows.find((row) => row.key === key)
    expect(of('3.1/design')?.state).toBe('missed')
    expect(of('3.12/metering')?.state).toBe('unmeasured')
  })

  it('follows measurements: downtime past the budget is red, silence makes green grey', async () => {
    // A host whose clock is off is not believed, and the database's clock is the real one.
    clock.advance(Date.now() - clock.now().getTime())
    const minute = Math.floor(clock.now().getTime() / 60_000)
    const tenantId = newId()
    await server.app.sla.store.insertFlushes([
      {
        sourceId: newId(),
        seq: 1,
        fromMinute: minute - 120,
        toMinute: minute,
        counts: Array.from({ length: 120 }, (_, i) => ({
          service: 'upload' as const,
          minute: minute - 120 + i,
          tenantId,
          ok: 10_000,
          error: i === 3 ? 1 : 0,
          slow: 0,
          broken: 0,
          excluded: 0,
        })),
      },
    ])
    const of = async (key: string) => {
      clock.advance(61_000)
      const { statement } = await server.app.promises.statement()
      return statement.rows.find((row) => row.key === key)
    }
    expect(await of('3.8/upload-failures')).toMatchObject({ state: 'met' })
    expect((await of('3.8/upload-failures'))?.measured.en).toContain('1 of 1200001 failed')
    // Signing was used by nobody and no probe looked: 100 minutes of that are past what a month allows.
    expect(await of('3.8/signing')).toMatchObject({ state: 'missed', clause: '3.8' })
    clock.advance(3 * hour)
    expect(await of('3.8/upload-failures')).toMatchObject({ state: 'stale' })
  })

  it('is a page in both languages that needs no script', async () => {
    for (const [lang, title] of [
      ['zh', '承诺与实测'],
      ['en', 'Promised and measured'],
    ] as const) {
      const response = await fetch(`${server.url}/promises?lang=${lang}`)
      const html = await response.text()
      expect(response.headers.get('content-type')).toContain('text/html')
      expect(html).toContain(title)
      expect(html).not.toContain('<script')
      for (const { title: row } of promisedRows) expect(html).toContain(row[lang])
    }
  })
})
