import { createHash, randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCheckpoint } from '@yinxin/evidence'
import { monthMinutes, monthVerdict, parseMinutesCsv, type SlaService } from '@yinxin/sla'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { twoOperators } from '../../../../testing/operators.ts'
import { openPeople, type People } from '../../../../testing/people.ts'
import { manualClock } from '../clock.ts'
import { createOperators, type Operators } from '../operators/operators.ts'
import { createFlush } from './flush.ts'
import { createMeter } from './meter.ts'
import { createSla, createSlaCommands, type Sla } from './sla.ts'
import { createSlaStore } from './store.ts'

const month = monthMinutes('2026-11', 'Asia/Shanghai')
const at = (minute: number) => new Date(minute * 60_000)
const everybody = ['frontend', 'backend', 'upload', 'signing', 'certificate'] as const
const tenant = randomUUID()
const inTime = async () => 0

let house: People
let dataDir: string
let clock: ReturnType<typeof manualClock>
let operators: Operators

beforeEach(async () => {
  house = await openPeople()
  dataDir = await mkdtemp(join(tmpdir(), 'yinxin-sla-'))
  clock = manualClock(at(month.from))
  operators = createOperators({ ...house, clock })
})
afterEach(async () => {
  await house.close()
  await rm(dataDir, { recursive: true, force: true })
})

const open = (meter = createMeter(clock)): Promise<Sla> =>
  createSla({ ...house, clock, meter, dataDir, probeApps: ['ours'], clockOffsetMs: inTime })

/** A flush of a process that saw `count` good requests of every service in each minute, but for some. */
async function lived(
  sla: Pick<Sla, 'store'>,
  from: number,
  to: number,
  how: (minute: number) => Partial<Record<'ok' | 'error', number>> = () => ({ ok: 2 }),
  services: readonly SlaService[] = everybody,
): Promise<void> {
  const minutes = Array.from({ length: to - from }, (_, i) => from + i)
  await sla.store.insertFlushes([
    {
      sourceId: randomUUID(),
      seq: 1,
      fromMinute: from,
      toMinute: to,
      counts: minutes.flatMap((minute) =>
        services.map((service) => ({
          minute,
          service,
          tenantId: tenant,
          ok: 0,
          error: 0,
          slow: 0,
          broken: 0,
          excluded: 0,
          ...how(minute),
        })),
      ),
    },
  ])
}

describe('the flush', () => {
  const flushOf = (
    meter = createMeter(clock),
    store = createSlaStore({ db: house.db, clock, clockOffsetMs: inTime }),
  ) => ({
    meter,
    store,
    flush: createFlush({
      meter,
      sweep: () => {},
      store,
      clock,
      log: house.log,
      folder: join(dataDir, 'sla'),
    }),
  })
  const counted = async (minute: number, service: SlaService = 'backend') => {
    const store = createSlaStore({ db: house.db, clock })
    const all = await store.traffic(
      service,
      { from: minute, to: minute + 1 },
      { late: true, until: at(9e6 * 10) },
    )
    return all.get(minute)
  }

  it('adds up what several processes counted, requests that ended later included', async () => {
    const minute = month.from - 9_000
    clock.advance(-9_000 * 60_000)
    const [one, other] = [flushOf(), flushOf()]
    for (const outcome of ['ok', 'ok', 'error'] as const)
      one.meter.count({ service: 'backend', tenantId: null, minute, outcome })
    other.meter.count({ service: 'backend', tenantId: tenant, minute, outcome: 'slow' })
    other.meter.count({ service: 'backend', tenantId: tenant, minute, outcome: 'excluded' })
    await Promise.all([one.flush.flush(), other.flush.flush()])
    clock.advance(60_000)
    one.meter.count({ service: 'backend', tenantId: null, minute, outcome: 'ok' })
    await Promise.all([one.flush.stop(), other.flush.stop()])
    expect(await counted(minute)).toEqual({ valid: 5, ok: 3 })
    expect(await readdir(join(dataDir, 'sla'))).toEqual([])
  })

  it('keeps a minute on disk while the database is away, and another process takes it over after a kill', async () => {
    const minute = month.from - 8_000
    clock.advance(-8_000 * 60_000)
    const broken = { insertFlushes: () => Promise.reject(new Error('no database')) }
    const meter = createMeter(clock)
    const folder = join(dataDir, 'sla')
    const dying = createFlush({ meter, sweep: () => {}, store: broken, clock, log: house.log, folder })
    meter.count({ service: 'upload', tenantId: null, minute, outcome: 'error' })
    await dying.flush()
    // The kill: a line torn in the middle of the next minute, and no clean end.
    const [name] = await readdir(folder)
    const path = join(folder, name as string)
    const whole = await readFile(path, 'utf8')
    await writeFile(path, `${whole}${whole.slice(0, 40)}`)
    expect(await counted(minute, 'upload')).toBeUndefined()

    const next = flushOf()
    expect(await next.flush.takeOver()).toBe(1)
    expect(await counted(minute, 'upload')).toEqual({ valid: 1, ok: 0 })
    expect(await next.flush.takeOver()).toBe(0)
    expect(await counted(minute, 'upload')).toEqual({ valid: 1, ok: 0 })
    await Promise.all([next.flush.stop(), dying.stop()])
  })

  it('does not count a host whose clock is more than two seconds off', async () => {
    const minute = month.from - 7_000
    clock.advance(-7_000 * 60_000)
    const told: [number, boolean][] = []
    for (const offsetMs of [400, 1_999, 2_001]) {
      const store = createSlaStore({
        db: house.db,
        clock,
        clockOffsetMs: async () => offsetMs,
        onClockOffset: (...args) => told.push(args),
      })
      const { meter, flush } = flushOf(createMeter(clock), store)
      meter.count({ service: 'backend', tenantId: null, minute, outcome: 'ok' })
      await flush.stop()
    }
    expect(await counted(minute)).toEqual({ valid: 2, ok: 2 })
    expect(told).toEqual([
      [1_999, false],
      [2_001, true],
    ])
  })
})

describe('a month', () => {
  it('is told as far as it is settled, recomputed from its signed minutes, and explained', async () => {
    const sla = await open()
    const now = month.from + 300
    const outage = (minute: number) =>
      minute >= month.from + 100 && minute < month.from + 106 ? { ok: 8, error: 2 } : { ok: 9, error: 1 }
    for (let from = month.from - 30; from < now; from += 5) {
      clock.advance((from + 5) * 60_000 - clock.now().getTime())
      await lived(sla, from, from + 5, outage)
    }
    const view = await sla.month('2026-11')
    const upload = view.services.find(({ service }) => service === 'upload')
    expect(upload).toMatchObject({
      revision: 0,
      verdict: { downMinutes: 6, knownMinutes: 290, pass: true, allowedDownMinutes: 21 },
    })
    const { csv, note } = await sla.minutes('2026-11', 'upload')
    const recomputed = monthVerdict(parseMinutesCsv(csv), month)
    expect(recomputed.downMinutes).toBe(6)
    expect(recomputed.runs).toEqual(upload?.verdict.runs)
    const { checkpoint } = openCheckpoint(note, [sla.vkey])
    expect(Buffer.from(checkpoint.root)).toEqual(createHash('sha256').update(csv).digest())
    expect(checkpoint.size).toBe(parseMinutesCsv(csv).length)
    expect(checkpoint.extensions).toContain('service upload')

    const why = await sla.explain('upload', month.from + 102)
    expect(why).toMatchObject({ state: 'bad', counted: 'down', row: { valid: 10, ok: 8, source: 'traffic' } })
    expect(why.run).toEqual({ from: month.from + 100, to: month.from + 106, minutes: 6 })
    expect(await sla.explain('upload', month.from + 99)).toMatchObject({ state: 'good', counted: 'up' })

    const own = await sla.tenantMonth(tenant, '2026-11')
    expect(own.services.every(({ verdict }) => verdict.downMinutes === 6)).toBe(true)
    const nobody = await sla.tenantMonth(randomUUID(), '2026-11')
    expect(nobody.services[0]?.verdict.downMinutes).toBe(290)
  })

  it('leaves out of an open month what comes after ten minutes, and says so', async () => {
    const sla = await open()
    const minute = month.from + 60
    clock.advance((minute + 1) * 60_000 + 600_000 - clock.now().getTime())
    await lived(sla, minute, minute + 1, () => ({ ok: 1 }))
    clock.advance(1)
    await lived(sla, minute, minute + 1, () => ({ ok: 5 }))
    const why = await sla.explain('upload', minute)
    expect(why).toMatchObject({ row: { valid: 1, ok: 1 }, processes: 2, detail: { ok: 1, late: 5 } })
  })

  it('probes speak where there is no traffic, by the same rule, and customers’ own do not', async () => {
    const sla = await open()
    const from = month.from + 60
    clock.advance(60 * 60_000)
    await lived(sla, from, from + 1)
    const probe = async (appId: string, minute: number, results: boolean[], latencyMs = 100) => {
      clock.advance((minute + 1) * 60_000 - clock.now().getTime())
      return await sla.probes.take(
        { appId, subjectId: randomUUID() },
        {
          vantage: 'east',
          sentAt: clock.now().toISOString(),
          results: results.map((ok) => ({
            id: randomUUID(),
            service: 'signing' as const,
            at: at(minute).toISOString(),
            ok,
            latencyMs,
          })),
        },
      )
    }
    expect(await probe('ours', from + 1, [true, true, true, true])).toMatchObject({
      official: true,
      accepted: true,
    })
    await probe('ours', from + 2, [true, true, true, false])
    await probe('ours', from + 3, [true, true, true, true], 10_001)
    expect(await probe('theirs', from + 4, [true, true])).toMatchObject({ official: false })
    clock.advance(20 * 60_000)
    const states = await Promise.all([1, 2, 3, 4].map((i) => sla.explain('signing', from + i)))
    expect(states.map(({ state, row }) => [state, row?.source, row?.valid, row?.ok])).toEqual([
      ['good', 'probe', 4, 4],
      ['bad', 'probe', 4, 3],
      ['bad', 'probe', 4, 0],
      ['bad', 'nothing', 0, 0],
    ])
    expect(states[3]?.probes).toHaveLength(2)
  })

  it('a probe with a wrong clock does not count, and a report repeated counts once', async () => {
    const sla = await open()
    clock.advance(60 * 60_000)
    const minute = month.from + 59
    await lived(sla, minute, minute + 1, () => ({}))
    const report = (offsetMs: number, id = randomUUID()) => ({
      vantage: 'east',
      sentAt: new Date(clock.now().getTime() + offsetMs).toISOString(),
      results: [{ id, service: 'upload' as const, at: at(minute).toISOString(), ok: true, latencyMs: 1 }],
    })
    const caller = { appId: 'ours', subjectId: randomUUID() }
    const once = report(0)
    expect(await sla.probes.take(caller, once)).toMatchObject({
      accepted: true,
      quiet: expect.arrayContaining(['upload']),
    })
    await sla.probes.take(caller, once)
    expect(await sla.probes.take(caller, report(2_001))).toMatchObject({ accepted: false })
    const future = { ...report(0), sentAt: at(minute - 1).toISOString() }
    await expect(sla.probes.take(caller, future)).rejects.toMatchObject({ code: 'probe_report_from_future' })
    clock.advance(15 * 60_000)
    expect((await sla.explain('upload', minute)).row).toMatchObject({ valid: 1, ok: 1, source: 'probe' })
  })

  it('takes maintenance announced a day before, refuses a shorter notice, and a withdrawn one is none', async () => {
    const sla = await open()
    const { announce, withdraw } = createSlaCommands(sla, operators)
    const from = month.from + 2_000
    const window = (start: number) => ({
      services: ['upload'],
      from: at(start).toISOString().replace(':00.000Z', 'Z'),
      to: at(start + 10)
        .toISOString()
        .replace(':00.000Z', 'Z'),
      textZh: '扩容',
      textEn: 'More room',
      by: 'Su He',
    })
    await expect(announce(window(month.from + 1_439))).rejects.toMatchObject({
      code: 'maintenance_notice_short',
    })
    const { id } = await announce(window(from))
    const withdrawn = await announce(window(from + 100))
    await withdraw({ id: withdrawn.id, by: 'Su He' })
    await expect(withdraw({ id: withdrawn.id, by: 'Su He' })).rejects.toMatchObject({
      code: 'maintenance_not_found',
    })
    // The database itself knows no shorter notice.
    await expect(
      house.db.work((tx) =>
        sql`insert into sla_maintenance values (${randomUUID()}, '{upload}', ${from}, ${from + 5}, '', '', 'x',
          ${at(from - 1_439)})`.execute(tx),
      ),
    ).rejects.toThrow(/sla_maintenance_check/)
    clock.advance(from * 60_000 - clock.now().getTime())
    await lived(sla, from - 1, from + 16, () => ({ error: 1 }))
    clock.advance(200 * 60_000)
    // Ten minutes announced, six of overrun.
    expect((await sla.explain('upload', from + 9)).state).toBe('maintenance')
    expect((await sla.explain('upload', from + 9)).windows.map((one) => one.id)).toEqual([id])
    expect(await sla.explain('upload', from + 10)).toMatchObject({ state: 'bad', counted: 'down' })
    expect((await sla.explain('signing', from + 9)).state).toBe('bad')
    expect((await sla.explain('upload', from + 105)).state).toBe('bad')
  })

  it('closes three days after its end, revises for late data and corrections, and edits nothing', async () => {
    const sla = await open()
    const last = month.to - 3
    // 3 bad minutes, the end of the month, 4 bad minutes: three down in one month, four in the next.
    clock.advance((month.to + 5) * 60_000 - clock.now().getTime())
    await lived(sla, month.to - 5, last)
    await lived(sla, last, month.to + 4, () => ({ ok: 1, error: 1 }))
    await lived(sla, month.to + 4, month.to + 5)
    const close = () => sla.revisions.closeDue()
    clock.advance(month.to * 60_000 + 3 * 86_400_000 - 1 - clock.now().getTime())
    expect(await close()).toEqual([])
    clock.advance(1)
    expect(await close()).toHaveLength(5)
    expect(await close()).toEqual([])
    const view = await sla.month('2026-11')
    expect(view).toMatchObject({ closed: true, servicePeriod: false })
    expect(view.services[0]).toMatchObject({ revision: 1, verdict: { downMinutes: 3 } })
    expect(view.services[0]?.verdict.runs).toEqual([{ from: last, to: month.to + 4, minutes: 7 }])

    // A process that was cut off brings what it knew: too late for revision 1, in time for the next.
    await lived(sla, last, month.to, () => ({ ok: 18 }), ['upload'])
    expect(await close()).toEqual([{ month: '2026-11', service: 'upload', revisions: 1 }])
    const [proposer, confirmer] = await twoOperators({ operators })
    const { correct: propose } = createSlaCommands(sla, operators)
    const call = (operator: typeof proposer | null) => ({
      operator,
      report: () => undefined,
      signal: AbortSignal.timeout(60_000),
    })
    const correct = (over = {}, operator: typeof proposer | null = proposer) =>
      propose(
        {
          service: 'signing',
          from: at(last).toISOString().replace(':00.000Z', 'Z'),
          to: at(month.to).toISOString().replace(':00.000Z', 'Z'),
          valid: 1,
          ok: 1,
          reason: '运营商日志',
          evidence: 'sha256:00',
          ...over,
        },
        call(operator),
      ) as Promise<{ proposalId: string }>
    await expect(correct({ evidence: '' })).rejects.toMatchObject({ code: 'sla_correction_incomplete' })
    await expect(correct({}, null)).rejects.toMatchObject({ code: 'operator_needed' })
    const { proposalId } = await correct()
    // One person's word changes no figure.
    expect((await sla.month('2026-11')).revisions).toHaveLength(6)
    await expect(operators.proposals.confirm(proposalId, call(proposer))).rejects.toMatchObject({
      code: 'operator_second_person',
    })
    expect(await operators.proposals.confirm(proposalId, call(confirmer))).toEqual({ months: ['2026-11'] })
    await expect(operators.proposals.confirm(proposalId, call(confirmer))).rejects.toMatchObject({
      code: 'proposal_not_found',
    })
    const revised = await sla.month('2026-11')
    const byService = Object.fromEntries(
      revised.services.map(({ service, revision, verdict }) => [service, [revision, verdict.downMinutes]]),
    )
    // The four minutes of the next month are a short run of their own now.
    expect(byService).toMatchObject({ frontend: [1, 3], upload: [2, 0], signing: [2, 0] })
    expect(revised.revisions).toHaveLength(7)
    const first = await sla.minutes('2026-11', 'upload', 1)
    expect(monthVerdict(parseMinutesCsv(first.csv), month).downMinutes).toBe(3)

    for (const change of [
      sql`update sla_revision set note = '' where month = '2026-11'`,
      sql`delete from sla_revision where month = '2026-11'`,
      sql`update sla_count set ok = 99`,
      sql`delete from sla_probe`,
      sql`update sla_correction set ok = 0`,
    ]) {
      await expect(house.db.work((tx) => change.execute(tx))).rejects.toThrow(/append-only|permission denied/)
    }
    await expect(
      house.db.work((tx) =>
        sql`insert into sla_revision select month, service, 9, reason, made_by, made_at, minutes_gz, note, verdict
          from sla_revision limit 1`.execute(tx),
      ),
    ).rejects.toThrow(/does not follow the last/)
  })
})
