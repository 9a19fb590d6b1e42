/**
 * Everything that a destroyed contract ever lay in is brought back from before: both databases from their backups,
 * the storage folders from a cold copy. While the epoch's key lives, that is a way back, which is why the first
 * certificate is provisional; once the key is destroyed, nothing opens it, whatever is restored.
 */
import { chmodSync, cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Destruction, DestructionOverview } from '@yinxin/sdk/wire'
import { drawSampleContract, removeInstallation, restoreInstallation } from '@yinxin/server'
import { sql } from 'kysely'
import pg from 'pg'
import { afterEach, expect, it } from 'vitest'
import { type Config, readConfig } from '../../apps/server/src/config.ts'
import { planClusters } from '../../apps/server/src/db/copies.ts'
import { startPostgres } from '../../apps/server/src/db/postgres.ts'
import { createLog } from '../../apps/server/src/log.ts'
import { type Server, startServer } from '../../apps/server/src/server.ts'
import { openStage, type Stage, type StageCompany } from '../stage.ts'

const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

const log = createLog('silent')
let offsetMs = 0
const clock = { now: () => new Date(Date.now() + offsetMs) }

interface Contract {
  taskId: string
  mobile: string
  token: string
}

async function signed(stage: Stage, corp: StageCompany, number: number): Promise<Contract> {
  const pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: `YX-2026-${number}`,
    date: '2026年1月1日',
  })
  const mobile = `1380000${number}`
  const task = await stage.createTask(corp.token, {
    documents: [{ ref: 'd', fileId: await stage.upload(corp.token, pdf) }],
    actors: [{ ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile }],
    autoStart: true,
  })
  const visitor = await stage.visit(await stage.link(corp.token, task, 'person'), mobile, '张三')
  expect((await stage.sign(visitor, mobile)).status).toBe(200)
  await stage.until(corp.token, task.id, (one) => one.status === 'finished', 60_000)
  return { taskId: task.id, mobile, token: visitor.token }
}

/** Asks for the destruction of what a party holds, and waits until it is done. */
async function destroyOwn(stage: Stage, server: Server, taskId: string, token: string, login: string) {
  offsetMs += 61_000
  const path = `/api/v1/sign-tasks/${taskId}/destruction`
  const code = await stage.codeBy(login, () => stage.ok('POST', `${path}/code`, { token }))
  await stage.ok('POST', path, { token, body: { basis: 'own', code } })
  return await until(stage, server, taskId, token, 'DESTROYED_PROVISIONAL')
}

async function until(
  stage: Stage,
  server: Server,
  taskId: string,
  token: string,
  state: Destruction['state'],
): Promise<Destruction> {
  let last: unknown
  for (let tries = 0; tries < 100; tries++) {
    await server.app.destruction.advanceAll()
    const path = `/api/v1/sign-tasks/${taskId}/destruction`
    const { requests } = await stage.ok<DestructionOverview>('GET', path, { token })
    if (requests[0]?.state === state) return requests[0]
    last = requests
    await wait(100)
  }
  throw new Error(`it did not come so far: ${JSON.stringify(last)}`)
}

async function objectsOf(server: Server, taskId: string): Promise<string[]> {
  const { rows } = await server.app.db.work((tx) =>
    sql<{
      object_id: string
    }>`select object_id from task_document_segment where task_id = ${taskId} order by revision`.execute(tx),
  )
  return rows.map((row) => row.object_id)
}

/** What reading everything of a contract comes to, for the platform as a whole: sizes, or codes of refusals. */
async function readAll(server: Server, taskId: string): Promise<(number | string)[]> {
  const outcomes: (number | string)[] = []
  for (const id of await objectsOf(server, taskId)) {
    outcomes.push(
      await server.app.storage.read(id, { partyId: 'any' }).then(
        (bytes) => bytes.length,
        (error: unknown) => (error as { code?: string }).code ?? String(error),
      ),
    )
  }
  return outcomes
}

/** Tells the restored keys database that its epoch had been closed already, as somebody with root there could. */
async function pretendClosed(settings: Config): Promise<void> {
  const { folders, counts } = settings.databaseCopies
  const { home } = planClusters(folders, counts).keys.copies[0]
  const postgres = await startPostgres({ dataDir: home, existing: true, durable: false })
  try {
    const { port, password } = postgres
    const client = new pg.Client({
      host: '127.0.0.1',
      port,
      user: 'postgres',
      password,
      database: 'yinxin_keys',
    })
    await client.connect()
    await client.query(
      `update key_versions set retired_at = now(), closed_at = now() where family = 'epoch' and version = 1`,
    )
    await client.end()
  } finally {
    await postgres.stop()
  }
}

it('no restored backup brings a destroyed contract back after its epoch has ended', {
  timeout: 240_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'yinxin-destroyed-'))
  chmodSync(folder, 0o711)
  const config = readConfig({
    YINXIN_MODE: 'sandbox',
    YINXIN_PORT: '0',
    YINXIN_DATA_DIR: join(folder, 'data'),
    YINXIN_KEY_DIR: join(folder, 'keys'),
    YINXIN_DB_COPIES: '1+0',
    YINXIN_TRUST_PROXY: '127.0.0.1',
  })
  cleanUps.push(async () => {
    await removeInstallation(config)
    rmSync(folder, { recursive: true, force: true })
  })
  const server = await startServer(config, { log, clock })
  cleanUps.push(server.stop)
  const stage = await openStage({ at: server.url })
  const corp = await stage.company('示例科技有限公司')
  const doomed = await signed(stage, corp, 2001)
  const living = await signed(stage, corp, 2002)
  const sizes = await readAll(server, doomed.taskId)
  expect(sizes.every((one) => typeof one === 'number')).toBe(true)

  // 1. Whoever wants it back has all of it from before: backups, log archive, and the storage folders.
  const backup = async () => {
    for (const cluster of ['main', 'keys'] as const) await server.databases?.backup(cluster)
  }
  await backup()
  await wait(100)
  const before = new Date()
  await wait(100)
  cpSync(join(folder, 'data', 'storage'), join(folder, 'cold'), { recursive: true })

  // 2. Both parties destroy what they hold; the contract is shredded.
  await destroyOwn(stage, server, doomed.taskId, doomed.token, doomed.mobile)
  const done = await destroyOwn(stage, server, doomed.taskId, corp.token, corp.admin.login)
  expect(done).toMatchObject({ extent: 'contract', finalAt: null })
  expect(await readAll(server, doomed.taskId)).toEqual(sizes.map(() => 'object_destroyed'))
  await backup()

  /** Starts on what is restored into a folder, with a copy of the key folder as it is now. */
  async function restored(name: string, keysAt: Date | undefined, tamper = false): Promise<Server> {
    const to = join(folder, name)
    const { environment } = await restoreInstallation(config, {
      to,
      at: before,
      ...(keysAt ? { keysAt } : {}),
    })
    cpSync(config.keyDir, join(to, 'keys'), { recursive: true })
    chmodSync(join(to, 'keys'), 0o700)
    cpSync(join(folder, 'cold'), join(to, 'storage'), { recursive: true })
    const dirs = (site: string) => ['a', 'b', 'c'].map((one) => join(to, 'storage', site, one)).join(',')
    const settings = readConfig(
      {
        YINXIN_MODE: 'sandbox',
        YINXIN_PORT: '0',
        ...environment,
        YINXIN_KEY_DIR: join(to, 'keys'),
        YINXIN_PRIMARY_SITE_DIRS: dirs('primary'),
        YINXIN_RECOVERY_SITE_DIRS: dirs('recovery'),
        YINXIN_DB_COPIES: '1+0',
      },
      [],
    )
    cleanUps.push(() => removeInstallation(settings))
    if (tamper) await pretendClosed(settings)
    const again = await startServer(settings, { log, clock })
    cleanUps.push(again.stop)
    return again
  }

  // 3. The epoch's key still lives: with everything from before the contract is there again. The certificate says so.
  const { kms } = server.app
  const [receipt] = (await kms.destroyScopeKey(doomed.taskId)).receipts
  const epoch = receipt?.receipt.epoch ?? expect.fail('no receipt')
  await kms.rotateKeys('epoch')
  await kms.advanceKeys()
  const early = await restored('early', before)
  expect(await readAll(early, doomed.taskId)).toEqual(sizes)
  await early.stop()

  // 4. The key of the epoch is destroyed; the certificate becomes final.
  await kms.destroyNow('epoch', epoch)
  const final = await until(stage, server, doomed.taskId, corp.token, 'DESTROYED_FINAL')
  expect(final.finalAt).not.toBeNull()

  // 5. The same restore opens nothing of it any more, for nobody.
  await expect(restored('missed', before)).rejects.toMatchObject({ code: 'epoch_key_missing' })
  // Nor when the check at the start is talked out of it.
  const late = await restored('late', before, true)
  const refusals = await readAll(late, doomed.taskId)
  expect(refusals).toHaveLength(sizes.length)
  expect(new Set(refusals)).toEqual(new Set(['epoch_key_missing']))
  await late.stop()

  // 6. The way back that operators have, with the keys of now, reads what lives and not what was destroyed.
  const proper = await restored('proper', undefined)
  expect((await readAll(proper, living.taskId)).every((one) => typeof one === 'number')).toBe(true)
  expect(new Set(await readAll(proper, doomed.taskId))).toEqual(new Set(['content_key_missing']))
})
