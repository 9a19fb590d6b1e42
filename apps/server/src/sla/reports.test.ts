import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monthMinutes } from '@yinxin/sla'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../../../../testing/app.ts'
import { newId } from '../ids.ts'
import { readSlaReport } from './sla.ts'

const yinxin = join(import.meta.dirname, '../../../cli/src/main.ts')
const root = join(import.meta.dirname, '../../../..')
/** The month two before this one was lived through; of the last one only its first minute is known. */
const nameOf = (back: number) => {
  const now = new Date()
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, 15)).toISOString().slice(0, 7)
}
const good = nameOf(3)
let server: TestApp
let folder: string

beforeAll(async () => {
  server = await startTestApp()
  folder = await mkdtemp(join(tmpdir(), 'yinxin-sla-report-'))
  const { from, to } = monthMinutes(good, 'Asia/Shanghai')
  const [source, nobody] = [newId(), '00000000-0000-0000-0000-000000000000']
  const received = new Date(to * 60_000)
  await server.app.db.work(async (tx) => {
    await sql`insert into sla_flush (source_id, seq, from_minute, to_minute, received_at, clock_offset_ms, rejected)
      values (${source}, 1, ${from}, ${to + 1}, ${received}, 0, false)`.execute(tx)
    await sql`insert into sla_count (source_id, seq, service, minute, tenant_id, ok, errors, slow, broken, excluded,
        received_at, late, rejected)
      select ${source}, 1, s, m, ${nobody}, 10, 0, 0, 0, 0, ${received}, false, false
      from generate_series(${from}::int, ${to}::int) as m,
        unnest(array['frontend', 'backend', 'upload', 'signing', 'certificate']) as s`.execute(tx)
  })
  await server.app.sla.revisions.closeDue()
}, 120_000)
afterAll(async () => {
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

const get = (path: string) => fetch(`${server.url}${path}`)

it('is made once for each closed month, and says met and not met as the minutes do', async () => {
  const made = await server.app.slaReports.closeDue()
  expect(made.map(({ month, revision, verdict }) => [month, revision, verdict])).toEqual([
    [good, 1, 'met'],
    [nameOf(2), 1, 'not_met'],
    ...(new Date() >= new Date(monthMinutes(nameOf(1), 'Asia/Shanghai').to * 60_000 + 3 * 86_400_000)
      ? [[nameOf(1), 1, 'not_met']]
      : []),
  ])
  expect(await server.app.slaReports.closeDue()).toEqual([])
  const report = readSlaReport(await server.app.slaReports.find(good))
  for (const one of report.services) {
    expect(one).toMatchObject({ downMinutes: 0, availability: 1, pass: true, revision: 1 })
    expect(one.knownMinutes).toBe(one.totalMinutes)
  }
}, 60_000)

it('is public, byte for byte what stands in the log, and its PDF holds without us', async () => {
  const stored = await server.app.slaReports.find(good)
  const body = Buffer.from(await (await get(`/api/v1/sla/reports/${good}`)).arrayBuffer())
  expect(body.equals(stored.entry)).toBe(true)
  expect((await get('/api/v1/sla/reports/2020-01')).status).toBe(404)
  const pdf = Buffer.from(await (await get(`/api/v1/sla/reports/${good}/pdf`)).arrayBuffer())
  const file = join(folder, 'report.pdf')
  await writeFile(file, pdf)
  await writeFile(join(folder, 'log.vkey'), await (await get('/log/vkey')).text())
  const verify = (path: string, lang = 'en') =>
    spawnSync(
      process.execPath,
      [yinxin, 'sla', 'verify', path, '--log-key', join(folder, 'log.vkey'), '--json', '--lang', lang],
      { cwd: root, encoding: 'utf8' },
    )
  const held = verify(file)
  expect(held.status, held.stderr + held.stdout).toBe(0)
  expect(JSON.parse(held.stdout)).toMatchObject({ ok: true, month: good, revision: 1, verdict: 'met' })
  // One byte of the attachment, which lies under the seal, is enough.
  const bent = Buffer.from(pdf)
  const at = bent.indexOf('/EmbeddedFile')
  const stream = bent.indexOf('stream', at) + 20
  bent[stream] = (bent[stream] ?? 0) ^ 1
  await writeFile(join(folder, 'bent.pdf'), bent)
  expect(verify(join(folder, 'bent.pdf')).status).toBe(1)
}, 60_000)

it('carries a seal that pdfsig finds valid', async (ctx) => {
  const probe = spawnSync('pdfsig', ['-v'])
  if (probe.error && process.env.CI === 'true') throw new Error('pdfsig is not installed')
  if (probe.error) {
    console.warn('pdfsig is not installed: the seal of the report was not judged')
    ctx.skip()
  }
  const file = join(folder, 'judged.pdf')
  await writeFile(file, await server.app.slaReports.pdf(await server.app.slaReports.find(nameOf(2))))
  const said = spawnSync('pdfsig', ['-nocert', file], { encoding: 'utf8' })
  expect(said.stdout).toContain('Signature is Valid.')
  expect(said.stdout).toContain('Total document signed')
})
