/**
 * An installation whose keys still lie in the main cluster is started, and process and databases are killed in the
 * middle of the move, once at every step. Afterwards a start finds everything, and the contract opens.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { verifyPdf } from '@yinxin/pades'
import { drawSampleContract, removeInstallation } from '@yinxin/server'
import { afterAll, expect, it } from 'vitest'
import { readConfig } from '../../apps/server/src/config.ts'
import { planClusters } from '../../apps/server/src/db/copies.ts'
import type { MoveStep } from '../../apps/server/src/db/keys-move.ts'
import { asking } from '../../apps/server/src/db/standby.ts'
import { createLog } from '../../apps/server/src/log.ts'
import { startServer } from '../../apps/server/src/server.ts'
import type { MoveOrder } from '../children/move-keys.ts'
import { killPostmasters } from '../postmasters.ts'
import { openStage } from '../stage.ts'

const cleanUps: (() => Promise<unknown>)[] = []
afterAll(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

const CHILD = join(import.meta.dirname, '../children/move-keys.ts')
const STEPS: MoveStep[] = ['prepared', 'copying', 'copied', 'switched', 'removed']

/** Starts the child, waits for its step and kills it with its databases. */
async function killedAt(order: MoveOrder, homes: string[]): Promise<void> {
  const child = spawn(process.execPath, [CHILD, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH ?? '' },
  })
  const ended = once(child, 'exit')
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  child.kill('SIGKILL')
  await ended
  expect(await killPostmasters(homes)).toBe(2)
  expect(JSON.parse(line)).toEqual({ reached: order.haltAt })
}

it('loses no key to kill -9 at any step of the move of the keys', { timeout: 240_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'yinxin-moving-'))
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

  // The layout of before: one cluster with both databases, and a signed contract under its keys.
  const before = await startServer(config, { log, durableDatabase: false })
  const old = await openStage({ at: before.url })
  const corp = await old.company('示例科技有限公司')
  const pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: 'YX-2026-0017',
    date: '2026年1月1日',
  })
  const mobile = '13800001700'
  const task = await old.createTask(corp.token, {
    documents: [{ ref: 'd', fileId: await old.upload(corp.token, pdf) }],
    actors: [{ ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile }],
    autoStart: true,
  })
  const visitor = await old.visit(await old.link(corp.token, task, 'person'), mobile, '张三')
  expect((await old.sign(visitor, mobile)).status).toBe(200)
  await old.until(corp.token, task.id, (one) => one.status === 'finished', 60_000)
  await before.stop()

  const { folders, counts } = config.databaseCopies
  const plans = planClusters(folders, counts)
  const homes = [plans.main.copies[0].home, plans.keys.copies[0].home]
  for (const haltAt of STEPS) await killedAt({ folders, haltAt }, homes)

  const after = await startServer(config, { log })
  cleanUps.push(after.stop)
  const names = async (cluster: 'main' | 'keys') =>
    await asking((after.databases ?? expect.fail('no databases'))[cluster].primary(), async (client) => {
      const { rows } = await client.query<{ name: string }>('select datname::text as name from pg_database')
      return rows.map(({ name }) => name).filter((name) => name.startsWith('yinxin'))
    })
  expect([await names('main'), await names('keys')]).toEqual([['yinxin'], ['yinxin_keys']])
  const stage = await openStage({ at: after.url })
  const done = await stage.task(corp.token, task.id)
  const file = await stage.download(
    `/api/v1/sign-tasks/${task.id}/documents/${done.documents[0]?.documentId}/content`,
    corp.token,
  )
  expect(verifyPdf(file)).toMatchObject({ ok: true, signatures: [{ status: 'valid' }] })
})
