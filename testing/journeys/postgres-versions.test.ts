/**
 * Every PostgreSQL that is promised, managed by the platform: all migrations, a contract signed from upload to
 * evidence with its background work, walls between companies, a standby that confirms commits, a backup, and a moment
 * restored.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { verifyBundle } from '@yinxin/evidence'
import { parsePem } from '@yinxin/pki'
import { drawSampleContract, removeInstallation, restoreInstallation } from '@yinxin/server'
import { sql } from 'kysely'
import { afterEach, expect, it } from 'vitest'
import { type Config, readConfig } from '../../apps/server/src/config.ts'
import { asking } from '../../apps/server/src/db/standby.ts'
import { createLog } from '../../apps/server/src/log.ts'
import { type Server, startServer } from '../../apps/server/src/server.ts'
import { binariesOf, postgresMajors } from '../postgres-binaries.ts'
import { openStage, type Stage, type StageCompany } from '../stage.ts'

const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function up(config: Config): Promise<{ server: Server; stage: Stage }> {
  cleanUps.push(() => removeInstallation(config))
  const server = await startServer(config, { log: createLog('silent') })
  cleanUps.push(server.stop)
  return { server, stage: await openStage({ at: server.url }) }
}

async function signed(stage: Stage, corp: StageCompany, mobile: string): Promise<string> {
  const pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: 'YX-2026-0021',
    date: '2026年1月1日',
  })
  const task = await stage.createTask(corp.token, {
    documents: [{ ref: 'd', fileId: await stage.upload(corp.token, pdf) }],
    actors: [{ ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile }],
    autoStart: true,
  })
  const visitor = await stage.visit(await stage.link(corp.token, task, 'person'), mobile, '张三')
  expect((await stage.sign(visitor, mobile)).status).toBe(200)
  await stage.until(corp.token, task.id, (one) => one.status === 'finished', 60_000)
  return task.id
}

async function judge(stage: Stage, token: string, taskId: string): Promise<void> {
  const trust = parsePem(Buffer.from(await stage.download('/ca/root.pem')).toString('utf8'))
  const vkey = Buffer.from(await stage.download('/log/vkey')).toString('utf8')
  const bundle = await stage.download(`/api/v1/sign-tasks/${taskId}/evidence`, token)
  expect(verifyBundle(bundle, { trust, logKeys: [vkey.trim()] })).toMatchObject({ ok: true, problems: [] })
}

it.for(postgresMajors)(
  'PostgreSQL %i carries the platform, its copy and the way back',
  {
    timeout: 240_000,
  },
  async (major, ctx) => {
    let binDir: string | undefined
    try {
      binDir = await binariesOf(major)
    } catch (error) {
      if (process.env.CI === 'true') throw error
      console.warn(`PostgreSQL ${major} is not to be had, nothing was tested with it: ${error}`)
      return ctx.skip()
    }
    const folder = mkdtempSync(join(tmpdir(), `yinxin-pg${major}-`))
    chmodSync(folder, 0o711)
    cleanUps.push(async () => rmSync(folder, { recursive: true, force: true }))
    const settings = {
      YINXIN_MODE: 'sandbox',
      YINXIN_PORT: '0',
      ...(binDir === undefined ? {} : { YINXIN_POSTGRES_BIN_DIR: binDir }),
    }
    const config = readConfig({ ...settings, YINXIN_DATA_DIR: join(folder, 'data'), YINXIN_DB_COPIES: '1+1' })
    const { server, stage } = await up(config)
    const databases = server.databases ?? expect.fail('no managed databases')
    const version = await asking(databases.main.primary(), async (client) => {
      const { rows } = await client.query<{ major: number }>(
        `select current_setting('server_version_num')::int / 10000 as major`,
      )
      return rows[0]?.major
    })
    expect(version).toBe(major)

    // A contract; mail, callbacks and the log come from the queue.
    const [corp, other] = [await stage.company('示例科技有限公司'), await stage.company('别家贸易有限公司')]
    const earlier = await signed(stage, corp, '13800002101')
    await judge(stage, corp.token, earlier)

    // Walls: by the interface, and by the tables themselves, reading and writing.
    expect((await stage.call('GET', `/api/v1/sign-tasks/${earlier}`, { token: other.token })).status).toBe(
      404,
    )
    const { db } = server.app
    const seenBy = (subject: string) =>
      db.as(subject, async (tx) => {
        const { rows } = await sql<{ n: number }>`select count(*) as n from sign_task`.execute(tx)
        return Number(rows[0]?.n)
      })
    expect([await seenBy(corp.corpId), await seenBy(other.corpId)]).toEqual([1, 0])
    await expect(
      db.as(other.corpId, (tx) =>
        sql`insert into task_urge (task_id, tenant_id, at) values (${earlier}, ${corp.corpId}, now())`.execute(
          tx,
        ),
      ),
    ).rejects.toThrow(/row-level security/)
    await expect(db.work((tx) => sql`delete from task_event`.execute(tx))).rejects.toThrow(
      /append-only|permission denied/,
    )

    // The copy in the other site has what was committed, and commits wait for it.
    const copies = await databases.copies()
    expect(copies.map(({ name, role, state }) => [name, role, state])).toEqual([
      ['main-p1', 'primary', 'running'],
      ['main-r1', 'standby', 'streaming'],
      ['keys-p1', 'primary', 'running'],
      ['keys-r1', 'standby', 'streaming'],
    ])
    expect(copies.filter(({ role }) => role === 'standby').map(({ sync }) => sync)).toEqual([true, true])

    // A moment between two contracts, restored from backup and log.
    for (const cluster of ['main', 'keys'] as const) await databases.backup(cluster)
    await wait(50)
    const moment = new Date()
    await wait(50)
    const later = await signed(stage, corp, '13800002102')
    for (const cluster of ['main', 'keys'] as const) await databases.archive(cluster).tick()
    await server.stop()
    const { environment, restores } = await restoreInstallation(config, {
      to: join(folder, 'restored'),
      at: moment,
    })
    expect(restores.map(({ cluster }) => cluster)).toEqual(['main', 'keys'])
    const second = await up(readConfig({ ...settings, ...environment, YINXIN_DB_COPIES: '1+0' }))
    await judge(second.stage, corp.token, earlier)
    const gone = await second.stage.call('GET', `/api/v1/sign-tasks/${later}`, { token: corp.token })
    expect(gone.status).toBe(404)
  },
)
