import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../../../testing/app.ts'
import { runCommand } from '../../../testing/children/run-command.ts'
import { createTestDatabase, type TestDatabase } from '../../../testing/database.ts'

let database: TestDatabase
let folder: string
let app: TestApp

beforeAll(async () => {
  database = await createTestDatabase()
  folder = await mkdtemp(join(tmpdir(), 'yinxin-alerts-cli-'))
  app = await startTestApp({ database, folder, roles: ['api'] })
}, 120_000)
afterAll(async () => {
  await app.stop()
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

async function run(...args: string[]) {
  const command = runCommand(args, {
    YINXIN_MODE: 'sandbox',
    YINXIN_DATA_DIR: join(folder, 'data'),
    YINXIN_KEY_DIR: join(folder, 'keys'),
    YINXIN_DATABASE_URL: database.url,
    YINXIN_DATABASE_OWNER_URL: database.ownerUrl,
    YINXIN_KEYS_DATABASE_URL: database.keysUrl,
    YINXIN_KEYS_DATABASE_OWNER_URL: database.keysOwnerUrl,
    YINXIN_PORT: '0',
  })
  const code = await command.ended
  return { code, out: command.stdout(), err: command.stderr() }
}

it('keeps the roster, tells of its gap, and takes the acknowledgement', async () => {
  const shift = ['--person', '张一', '--from', new Date(Date.now() - 1000).toISOString()]
  const to = ['--to', new Date(Date.now() + 3_600_000).toISOString()]
  expect((await run('oncall', 'add', ...shift, ...to, '--by', '李')).code).toBe(2)
  const added = await run('oncall', 'add', ...shift, ...to, '--mobile', '13900000001', '--by', '李')
  expect(added.code).toBe(0)
  const { shifts, gaps } = JSON.parse((await run('oncall', 'list')).out)
  expect(shifts).toMatchObject([{ person: '张一', role: 'primary', lang: 'zh', added_by: '李' }])
  expect(gaps).toHaveLength(1)

  // Every minute is judged once; this one may have been before the shift was there.
  await expect
    .poll(
      async () => {
        await app.app.monitoring.evaluate()
        return (await app.app.monitoring.open()).map(({ rule }) => rule)
      },
      { timeout: 90_000, interval: 1_000 },
    )
    .toContain('roster-gap')
  const listed = await run('alerts', 'list')
  expect(listed.code).toBe(1)
  const gap = JSON.parse(listed.out).alerts.find(({ rule }: { rule: string }) => rule === 'roster-gap')
  const ack = await run('alerts', 'ack', gap.id, '--by', '张一')
  expect(JSON.parse(ack.out)).toMatchObject({ acknowledgedBy: '张一' })
  // No channel is set up here, and that is said.
  expect((await run('alerts', 'test', '--lang', 'en')).err).toContain('No alert channel is set up')
  expect((await run('alerts', 'metrics')).out).toContain('# TYPE yinxin_requests_total counter')
  expect((await run('alerts', 'wake')).code).toBe(64)
}, 240_000)

it('opens, tells of, and closes an incident; a silence outside of maintenance is refused', async () => {
  const began = new Date(Date.now() - 60_000).toISOString()
  const opened = await run(
    'incidents',
    'open',
    '--title-zh',
    '变慢',
    '--title-en',
    'slow',
    '--began',
    began,
    '--service',
    'backend',
    '--by',
    '李',
  )
  expect(JSON.parse(opened.out)).toMatchObject({ number: 1 })
  await run(
    'incidents',
    'note',
    '1',
    '--kind',
    'cause',
    '--text-zh',
    '磁盘',
    '--text-en',
    'a disk',
    '--by',
    '李',
  )
  expect((await run('incidents', 'close', '1', '--by', '李')).code).toBe(2)
  expect((await run('incidents', 'resolve', '1', '--by', '李')).code).toBe(0)
  expect((await run('incidents', 'close', '1', '--by', '李')).code).toBe(0)
  const report = await run('incidents', 'report', '1', '--lang', 'en')
  expect(report.out).toContain('# Post-mortem #1: slow')
  expect(report.out).toContain('- a disk')
  const time = ['--from', began, '--to', new Date().toISOString()]
  const silence = await run(
    'silence',
    'add',
    '--maintenance',
    '00000000-0000-7000-8000-000000000000',
    ...time,
    '--reason',
    'x',
    '--by',
    '李',
  )
  expect(silence).toMatchObject({ code: 2 })
  expect(silence.err).toContain('维护')
}, 120_000)
