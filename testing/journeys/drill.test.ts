/** The restore drill over a contract that was really signed: read, decrypted and judged from the archive alone. */
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drawSampleContract, removeInstallation } from '@yinxin/server'
import { afterEach, expect, it } from 'vitest'
import { readConfig } from '../../apps/server/src/config.ts'
import { createLog } from '../../apps/server/src/log.ts'
import { startServer } from '../../apps/server/src/server.ts'
import { runDrill } from '../../apps/server/src/drill.ts'
import { systemClock } from '../../apps/server/src/clock.ts'
import { openStage } from '../stage.ts'

const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

it('restores, opens and judges a signed contract, and says so when an object cannot be read', {
  timeout: 240_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'yinxin-drilled-'))
  chmodSync(folder, 0o711)
  const config = readConfig({
    YINXIN_MODE: 'sandbox',
    YINXIN_PORT: '0',
    YINXIN_DATA_DIR: join(folder, 'data'),
    YINXIN_DB_COPIES: '1+0',
  })
  cleanUps.push(async () => {
    await removeInstallation(config)
    rmSync(folder, { recursive: true, force: true })
  })
  const log = createLog('silent')
  const server = await startServer(config, { log })
  cleanUps.push(server.stop)
  // Restored, and yet nothing was shown: there is nothing to read.
  for (const cluster of ['main', 'keys'] as const) await server.databases?.backup(cluster)
  const empty = await runDrill({ config: server.config, clock: systemClock, log })
  expect(empty).toMatchObject({
    outcome: 'nothing_to_check',
    ok: false,
    problems: [],
    packages: { asked: 0 },
  })
  const stage = await openStage({ at: server.url })
  const corp = await stage.company('示例科技有限公司')
  const pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: 'YX-2026-0016',
    date: '2026年1月1日',
  })
  const mobile = '13800001600'
  const fileId = await stage.upload(corp.token, pdf)
  const task = await stage.createTask(corp.token, {
    documents: [{ ref: 'contract', fileId }],
    actors: [{ ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile, order: 1 }],
    fields: [],
  })
  await stage.ok('POST', `/api/v1/sign-tasks/${task.id}/start`, { token: corp.token })
  const visitor = await stage.visit(await stage.link(corp.token, task, 'person'), mobile, '张三')
  expect((await stage.sign(visitor, mobile)).status).toBe(200)
  await stage.until(corp.token, task.id, (one) => one.status === 'finished', 60_000)
  for (const cluster of ['main', 'keys'] as const) await server.databases?.backup(cluster)

  const report = await runDrill({ config: server.config, clock: systemClock, log })
  expect(report.problems).toEqual([])
  expect(report).toMatchObject({
    outcome: 'ok',
    ok: true,
    packages: { asked: 1, verified: 1 },
    migrations: [],
  })
  expect(report.objects.asked).toBeGreaterThan(1)
  expect(report.objects.read).toBe(report.objects.asked)
  expect(report.logSize).toBeGreaterThan(0)
  expect(readdirSync(join(folder, 'data', 'drills'))).toHaveLength(2)

  // Without the contracts' folders the databases alone are no way back, and the drill says so.
  const elsewhere = ['primary', 'recovery'].map((site) => ({
    site: site as 'primary' | 'recovery',
    folders: ['a', 'b', 'c'].map((name) => join(folder, 'nothing', site, name)),
  }))
  const bad = await runDrill({ config: { ...server.config, sites: elsewhere }, clock: systemClock, log })
  expect(bad).toMatchObject({ outcome: 'failed', ok: false })
  expect(bad.problems.length).toBeGreaterThan(0)
})
