import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FsckReport, RepairReport, ScrubReport } from '@yinxin/server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../../../testing/app.ts'
import { runCommand } from '../../../testing/children/run-command.ts'
import { createTestDatabase, type TestDatabase } from '../../../testing/database.ts'

let database: TestDatabase
let folder: string
let app: TestApp
let objectId: string
const content = randomBytes(400_000)

beforeAll(async () => {
  database = await createTestDatabase()
  folder = await mkdtemp(join(tmpdir(), 'yinxin-upkeep-'))
  app = await start()
}, 120_000)
afterAll(async () => {
  await app.stop()
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

/** Without jobs, so that nothing is repaired but by the commands. */
const start = () => startTestApp({ database, folder, roles: ['api'] })

async function run<Report>(...args: string[]) {
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
  const out = command.stdout()
  return {
    code,
    out,
    err: command.stderr(),
    report: args.includes('--json') ? (JSON.parse(out) as Report) : undefined,
  }
}

/** The object's file in a domain. */
async function replica(site: string, name: string): Promise<string> {
  const within = join(folder, 'data/storage', site, name)
  const found = (await readdir(within, { recursive: true })).find((path) => path.endsWith(objectId))
  if (found === undefined) throw new Error(`no replica in ${within}`)
  return join(within, found)
}

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path)
  bytes[1234] = bytes[1234]! ^ 1
  await writeFile(path, bytes)
}

describe('yinxin fsck, scrub and repair', { timeout: 180_000 }, () => {
  it('find nothing on a healthy running server, and say where the replicas lie', async () => {
    const [tenantId, scopeId] = [randomUUID(), randomUUID()]
    await app.app.kms.createScopeKey(tenantId, scopeId)
    const stored = await app.app.storage.put({ tenantId, scopeId, class: 'signed', content })
    await app.app.db.work((tx) => app.app.storage.record(tx, stored))
    objectId = stored.id
    await expect
      .poll(async () => (await app.app.storage.replicasOf({ objectId })).length, { timeout: 20_000 })
      .toBe(6)
    const fsck = await run<FsckReport>('fsck', '--json')
    expect(fsck.err).toContain('primary-1：已核对 1，坏 0')
    expect(fsck.code).toBe(0)
    expect(fsck.report).toMatchObject({
      clean: true,
      findings: [],
      unanswered: [],
      devices: { primary: 1, recovery: 1 },
    })
    expect(fsck.report?.domains.map((one) => one.name)).toHaveLength(6)
    expect(fsck.report?.domains[0]?.freeBytes).toBeGreaterThan(0)
    const text = await run('fsck', '--lang', 'en')
    expect(text.out).toContain('those on one device fail together')
    expect(text.out).toContain('nothing wrong')
  })

  it('scrub finds one flipped byte, and the next scrub finds it healed', async () => {
    await flip(await replica('recovery', 'b'))
    const found = await run<ScrubReport>('scrub', '--json')
    expect(found.code).toBe(1)
    expect(found.report?.passes.map((pass) => pass.bad)).toEqual([0, 0, 0, 0, 1, 0])
    expect(found.report?.repaired).toBe(1)
    const healed = await run<ScrubReport>('scrub', '--json')
    expect(healed.code).toBe(0)
    expect(healed.report?.passes.map((pass) => pass.verdicts.good)).toEqual([1, 1, 1, 1, 1, 1])
  })

  it('fsck finds a deleted site, and it is there again afterwards', async () => {
    await rm(join(folder, 'data/storage/primary'), { recursive: true })
    const { code, report } = await run<FsckReport>('fsck', '--json')
    expect(code).toBe(1)
    expect(report?.inventories.map((one) => one.bad)).toEqual([1, 1, 1, 0, 0, 0])
    for (const name of ['a', 'b', 'c'])
      expect(await readFile(await replica('primary', name))).toHaveLength(
        (await readFile(await replica('recovery', 'a'))).length,
      )
    expect((await run('fsck')).code).toBe(0)
  })

  it('refuses a domain that does not exist, and wrong usage', async () => {
    const unknown = await run('repair', '--readmit', 'primary-9', '--lang', 'en')
    expect(unknown).toMatchObject({ code: 2 })
    expect(unknown.err).toContain('primary-9')
    expect((await run('scrub', '--fast')).code).toBe(64)
  })

  it('work on the data of a stopped server just as well', async () => {
    await app.stop()
    await flip(await replica('primary', 'c'))
    const found = await run<ScrubReport>('scrub', '--json')
    expect(found.err).toContain('primary-3：已核对 1，坏 1')
    expect(found.code).toBe(1)
    const repair = await run<RepairReport>('repair', '--readmit', 'primary-3', '--json')
    expect(repair.report).toMatchObject({ clean: true, readmitted: 'primary-3', failed: 0 })
    expect(repair.code).toBe(0)
    expect((await run('fsck')).code).toBe(0)
    app = await start()
    expect(await app.app.storage.read(objectId)).toEqual(content)
  })
})
