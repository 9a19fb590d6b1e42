/**
 * The main database goes back to an earlier moment while keys and objects went on. The log does not fork: it waits,
 * goes on under a new name and declares what was lost; what was proven before stays provable. Objects newer than the
 * database are kept, and what was destroyed since stays destroyed.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { decodeEntryBundle, openCheckpoint, verifyBundle, verifyConsistency } from '@yinxin/evidence'
import { parsePem } from '@yinxin/pki'
import type { DestructionOverview } from '@yinxin/sdk/wire'
import { drawSampleContract, removeInstallation, restoreInstallation } from '@yinxin/server'
import { type RawBuilder, sql } from 'kysely'
import { afterEach, expect, it } from 'vitest'
import { type Config, readConfig } from '../../apps/server/src/config.ts'
import { createLogCommands } from '../../apps/server/src/evidence/evidence.ts'
import { createLog } from '../../apps/server/src/log.ts'
import { commandInstallation, type Server, startServer } from '../../apps/server/src/server.ts'
import type { FsckReport } from '../../apps/server/src/storage/storage.ts'
import { openStage, type Stage, type StageCompany } from '../stage.ts'

const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

let offsetMs = 0
const clock = { now: () => new Date(Date.now() + offsetMs) }
const log = createLog('silent')

async function up(config: Config): Promise<{ server: Server; stage: Stage }> {
  cleanUps.push(() => removeInstallation(config))
  const server = await startServer(config, { log, clock })
  cleanUps.push(server.stop)
  return { server, stage: await openStage({ at: server.url }) }
}

interface Signed {
  id: string
  /** The session and the login of the person who signed. */
  who: { token: string; login: string }
}

async function signed(stage: Stage, corp: StageCompany, number: number): Promise<Signed> {
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
  return { id: task.id, who: { token: visitor.token, login: mobile } }
}

/** A party destroys its own access, by its own request and to the certificate. */
async function destroyAccess(
  server: Server,
  stage: Stage,
  taskId: string,
  { token, login }: Signed['who'],
): Promise<DestructionOverview['requests'][number]> {
  const path = `/api/v1/sign-tasks/${taskId}/destruction`
  // Codes are paced: one a minute.
  offsetMs += 61_000
  const code = await stage.codeBy(login, () => stage.ok('POST', `${path}/code`, { token }))
  await stage.ok('POST', path, { token, body: { basis: 'own', code } })
  for (let i = 0; i < 60; i++) {
    await server.app.destruction.advanceAll()
    const { requests } = await stage.ok<DestructionOverview>('GET', path, { token })
    const [newest] = requests
    if (newest?.state === 'DESTROYED_PROVISIONAL') return newest
    // A copy of the keys may be behind for a moment.
    if (newest?.problem) offsetMs += 61_000
    await wait(100)
  }
  throw new Error('the destruction did not come to its certificate')
}

/** What stands in clear of a contract, and what is on record of its end. */
async function wordsOf(server: Server, taskId: string) {
  const of = async <T>(query: RawBuilder<T>) => (await server.app.db.work((tx) => query.execute(tx))).rows
  const [task] = await of(
    sql<{ title: string; initiator_name: string; destroyed_at: Date | null }>`
      select title, initiator_name, destroyed_at from sign_task where id = ${taskId}`,
  )
  const actors = await of(
    sql<{ name: string; mobile: string | null }>`
      select name, mobile from task_actor where task_id = ${taskId}`,
  )
  const files = await of(
    sql<{ name: string }>`
      select f.name from file f join task_document d on d.file_id = f.id where d.task_id = ${taskId}`,
  )
  const records = await of(
    sql<{ data: Record<string, unknown> }>`
      select data from audit_record where subject_id = ${taskId} and action = 'destruction.repeated'`,
  )
  const events = await of(
    sql<{ entry: string }>`select entry from task_event where task_id = ${taskId} order by seq`,
  )
  const ended = await of(
    sql<{ n: number }>`
      select count(*)::int as n from task_party where task_id = ${taskId} and access_destroyed_at is not null`,
  )
  const words = [
    task?.title,
    task?.initiator_name,
    ...actors.flatMap((one) => [one.name, one.mobile ?? '']),
    ...files.map((one) => one.name),
  ].filter((one) => one !== undefined && one !== '')
  return {
    words,
    destroyedAt: task?.destroyed_at ?? null,
    records: records.map((one) => one.data),
    events: events.map(({ entry }) => JSON.parse(entry) as { type: string; data: unknown }),
    endedParties: ended[0]?.n,
  }
}

const evidencePath = (taskId: string) => `/api/v1/sign-tasks/${taskId}/evidence`

async function objectsOf(server: Server, taskId: string): Promise<string[]> {
  const { rows } = await server.app.db.work((tx) =>
    sql<{ object_id: string }>`select object_id from task_document_segment where task_id = ${taskId}`.execute(
      tx,
    ),
  )
  return rows.map((row) => row.object_id)
}

/** Objects of which at least one failure domain holds a replica. */
async function lyingIn(server: Server, config: Config): Promise<Set<string>> {
  const found = new Set<string>()
  const { defaultSites } = await import('../../apps/server/src/storage/storage.ts')
  const { scanDomain } = await import('../../apps/server/src/storage/folder-domain.ts')
  const { nodeDisk } = await import('../../apps/server/src/storage/node-disk.ts')
  for (const { folders } of config.sites ?? defaultSites(server.config.dataDir))
    for (const folder of folders)
      for await (const { objectId, intact } of scanDomain(nodeDisk, folder))
        if (intact !== false) found.add(objectId)
  return found
}

/** The operator's command, through the door of the running server. */
const fsck = async (config: Config) =>
  (await commandInstallation(config, 'fsck', {}, () => undefined, new AbortController().signal)) as FsckReport

interface Generations {
  generations: {
    generation: number
    origin: string
    vkey: string
    from: number
    declaration: string | null
  }[]
}

it('a restored database forks no log, loses no newer object and brings nothing back', {
  timeout: 240_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'yinxin-restored-'))
  chmodSync(folder, 0o711)
  cleanUps.push(async () => rmSync(folder, { recursive: true, force: true }))
  const settings = {
    YINXIN_MODE: 'sandbox',
    YINXIN_PORT: '0',
    YINXIN_DB_COPIES: '1+0',
    YINXIN_TRUST_PROXY: '127.0.0.1',
  }
  const config = readConfig({ ...settings, YINXIN_DATA_DIR: join(folder, 'data') })
  const first = await up(config)
  const corp = await first.stage.company('示例科技有限公司')
  const trust = parsePem(Buffer.from(await first.stage.download('/ca/root.pem')).toString('utf8'))
  const { id: kept } = await signed(first.stage, corp, 2201)
  const { id: doomed, who } = await signed(first.stage, corp, 2202)
  const { id: halved, who: other } = await signed(first.stage, corp, 2204)
  const oldPackage = await first.stage.download(evidencePath(kept), corp.token)
  for (const cluster of ['main', 'keys'] as const) await first.server.databases?.backup(cluster)
  await wait(50)
  const moment = new Date()
  await wait(50)

  // After the moment: one more contract with its package, one destroyed by everybody, one by a single party.
  const { id: later } = await signed(first.stage, corp, 2203)
  const lostPackage = await first.stage.download(evidencePath(later), corp.token)
  const laterObjects = await objectsOf(first.server, later)
  const doomedObjects = await objectsOf(first.server, doomed)
  expect((await destroyAccess(first.server, first.stage, doomed, who)).extent).toBe('access')
  const admin = { token: corp.token, login: corp.admin.login }
  const destroyed = await destroyAccess(first.server, first.stage, doomed, admin)
  expect(destroyed.extent).toBe('contract')
  await destroyAccess(first.server, first.stage, halved, other)
  expect((await wordsOf(first.server, doomed)).words).toEqual([])
  const published = openCheckpoint((await first.server.app.evidence.checkpoint()) ?? '', [
    first.server.app.evidence.log.vkey,
  ]).checkpoint
  const oldKey = first.server.app.evidence.log.vkey
  for (const cluster of ['main', 'keys'] as const) await first.server.databases?.archive(cluster).tick()
  await first.server.stop()

  const to = join(folder, 'restored')
  const { environment } = await restoreInstallation(config, { to, at: moment })
  const restoredConfig = readConfig({ ...settings, ...environment })

  // 1. Fallen back without anybody saying so: nothing is signed.
  rmSync(join(restoredConfig.dataDir, 'restored.json'))
  const second = await up(restoredConfig)
  const commands = createLogCommands(second.server.app.evidence)
  const before = await commands.status()
  expect(before.fork).toMatchObject({ published: published.size })
  expect(before.fork?.here).toBeLessThan(published.size)
  const refused = await second.stage.call<{ code: string }>('GET', evidencePath(kept), { token: corp.token })
  expect([refused.status, refused.body.code]).toEqual([503, 'log_fork'])
  expect(
    openCheckpoint((await second.server.app.evidence.checkpoint()) ?? '', [oldKey]).checkpoint.size,
  ).toBe(before.fork?.here)

  // 2. Declared: a new name, and the first leaf under it says what was lost.
  const made = await commands.declare({ reason: 'restored after a test' })
  expect(made.from).toBe(before.fork?.here)
  await expect(commands.declare({ reason: 'again' })).rejects.toMatchObject({ code: 'log_whole' })
  const answer = await (await fetch(`${second.server.url}/log/generations`)).json()
  const { generations } = answer as Generations
  expect(generations.map(({ generation, from }) => [generation, from])).toEqual([
    [1, 0],
    [2, made.from],
  ])
  expect(generations[0]?.vkey).toBe(oldKey)
  const declaration = generations[1]?.declaration ?? ''
  expect(JSON.parse(declaration)).toMatchObject({
    type: 'log.continued',
    reason: 'restored after a test',
    inherited: { size: made.from, origin: generations[0]?.origin },
    published: { size: published.size, origin: generations[0]?.origin },
    lost: { from: made.from, to: published.size },
  })
  const newPackage = await second.stage.download(evidencePath(kept), corp.token)
  const note = (await second.server.app.evidence.checkpoint()) ?? ''
  const { checkpoint } = openCheckpoint(note, [made.vkey])
  expect(() => openCheckpoint(note, [oldKey])).toThrow()
  const tile = `/log/tile/entries/000.p/${checkpoint.size}`
  const entries = decodeEntryBundle(await second.stage.download(tile))
  expect(Buffer.from(entries[made.from] ?? []).toString('utf8')).toBe(declaration)

  // 3. Proofs from before verify as they did, of what was lost too; new ones under the new key alone.
  for (const bundle of [oldPackage, lostPackage])
    expect(verifyBundle(bundle, { trust, logKeys: [oldKey] })).toMatchObject({ ok: true, logVerified: true })
  expect(verifyBundle(newPackage, { trust, logKeys: [made.vkey] })).toMatchObject({
    ok: true,
    logVerified: true,
    problems: [],
  })
  expect(verifyBundle(newPackage, { trust, logKeys: [oldKey] }).logVerified).toBe(false)
  // The new tree grows out of what was inherited: anybody can check it.
  const inherited = openCheckpoint(
    (JSON.parse(declaration) as { inherited: { checkpoint: string } }).inherited.checkpoint,
    [oldKey],
  ).checkpoint
  const proof = await second.server.app.db.work((tx) =>
    second.server.app.evidence.log.consistency(tx, inherited.size, checkpoint.size),
  )
  expect(verifyConsistency(inherited.size, checkpoint.size, inherited.root, checkpoint.root, proof)).toBe(
    true,
  )

  // 4. What was destroyed is back in clear and has its objects on record; nothing of it opens.
  const back = await wordsOf(second.server, doomed)
  expect(back.words).toContain('张三')
  expect([back.destroyedAt, back.endedParties]).toEqual([null, 0])
  expect((await wordsOf(second.server, halved)).endedParties).toBe(0)
  // fsck: what the keys know as destroyed is destroyed, objects and words, and what is newer is kept.
  await wait(10)
  const report = await fsck(restoredConfig)
  expect(report.findings.filter(({ severity }) => severity !== 'warning')).toEqual([])
  expect(report.findings).toContainEqual(
    expect.objectContaining({ class: 'c_destroyed_but_there', subjectId: doomed, severity: 'warning' }),
  )
  expect(report.destroyedAgain).toEqual({ contracts: 1, accesses: 1, held: [], failed: [] })
  for (const id of doomedObjects)
    await expect(second.server.app.storage.read(id, { partyId: 'any' })).rejects.toMatchObject({
      code: 'object_destroyed',
    })
  const gone = await wordsOf(second.server, doomed)
  expect([gone.words, gone.endedParties]).toEqual([[], 2])
  expect(gone.destroyedAt).not.toBeNull()
  const [said] = gone.records
  expect(gone.records).toHaveLength(1)
  expect(said).toMatchObject({
    extent: 'contract',
    repeated: 'after-restore',
    certificates: 'not in the restored database',
  })
  // The receipt is that of the first destruction, from the keys.
  expect(new Date(String(said?.destroyedAt)).getTime()).toBeLessThanOrEqual(
    new Date(destroyed.shreddedAt ?? 0).getTime(),
  )
  expect(gone.events.at(-1)).toMatchObject({
    type: 'contract.destroyed',
    data: { repeated: 'after-restore', destroyedAt: said?.destroyedAt },
  })
  const half = await wordsOf(second.server, halved)
  expect([half.destroyedAt, half.endedParties, half.records.length]).toEqual([null, 1, 1])
  expect(half.words).toContain('张三')
  expect((await second.stage.task(corp.token, halved)).status).toBe('finished')
  // Once and no more.
  expect((await fsck(restoredConfig)).destroyedAgain).toMatchObject({ contracts: 0, accesses: 0 })
  expect((await wordsOf(second.server, doomed)).records).toHaveLength(1)
  await second.server.app.storage.removeDue({ hasten: true })
  const lying = await lyingIn(second.server, restoredConfig)
  expect(laterObjects.filter((id) => lying.has(id))).toEqual(laterObjects)
  expect(doomedObjects.filter((id) => lying.has(id))).toEqual([])

  // A day later they are told of as orphans, and still kept; the contract from before is whole.
  offsetMs += 25 * 60 * 60_000
  const orphaned = await fsck(restoredConfig)
  expect(orphaned.findings.filter(({ severity }) => severity !== 'warning')).toEqual([])
  const orphans = new Set(
    orphaned.findings.filter((one) => one.class === 'b_without_row').map((one) => one.subjectId),
  )
  for (const id of laterObjects) expect(orphans).toContain(id)
  const still = await lyingIn(second.server, restoredConfig)
  expect(laterObjects.filter((id) => still.has(id))).toEqual(laterObjects)
  for (const id of await objectsOf(second.server, kept))
    expect((await second.server.app.storage.read(id, { partyId: 'any' })).length).toBeGreaterThan(0)
  await second.server.stop()

  // 5. By the operator's own command it goes on by itself, as yet another generation.
  offsetMs -= 25 * 60 * 60_000
  const again = await restoreInstallation(config, { to: join(folder, 'again'), at: moment })
  const third = await up(readConfig({ ...settings, ...again.environment }))
  const status = await createLogCommands(third.server.app.evidence).status()
  expect(status.fork).toBeNull()
  expect(status.generations.map(({ generation }) => generation)).toEqual([1, 3])
  expect(status.generations[1]?.reason).toMatch(/^restored to /)
  // Nobody had to ask: what was destroyed did not outlive the start.
  const atStart = await wordsOf(third.server, doomed)
  expect([atStart.words, atStart.endedParties, atStart.records.length]).toEqual([[], 2, 1])
  expect((await wordsOf(third.server, halved)).endedParties).toBe(1)
  const last = await third.stage.download(evidencePath(kept), corp.token)
  expect(verifyBundle(last, { trust, logKeys: [status.vkey] })).toMatchObject({ ok: true, logVerified: true })
})
