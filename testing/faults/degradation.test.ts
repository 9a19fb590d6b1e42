/**
 * The rows of docs/operations/degradation.md: each dependency is taken away from a running platform, what the table
 * says still works is done, what it says is queued arrives afterwards, what it says is refused is refused by that code.
 */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyPdf } from '@yinxin/pades'
import { drawSampleContract } from '@yinxin/server'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { type FakeMailServer, startFakeMailServer } from '../fakes/mail.ts'
import { startVaultSimulator, type VaultSimulator } from '../fakes/vault/vault.ts'
import { startWebhookSink, type WebhookSink } from '../fakes/webhook-sink.ts'
import { openStage, type Stage, type StageCompany } from '../stage.ts'
import { type Line, startLine, through } from './switchable.ts'

let folder: string
let database: TestDatabase
let authority: Stage
let vault: VaultSimulator
let mail: FakeMailServer
let sink: WebhookSink
let lines: Record<'tsa' | 'mail' | 'database' | 'keys' | 'receiver', Line>
let stage: Stage
let corp: StageCompany
let pdf: Uint8Array
let aheadMs = 0
let mobiles = 0

const clock = { now: () => new Date(Date.now() + aheadMs) }
const lineTo = (url: string) => {
  const { hostname, port } = new URL(url)
  return startLine({ host: hostname, port: Number(port) })
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yinxin-degraded-'))
  database = await createTestDatabase()
  // Another platform's authority is the outside one of this one.
  authority = await openStage()
  await writeFile(join(folder, 'tsa-root.pem'), await authority.download('/ca/root.pem'))
  vault = await startVaultSimulator()
  await writeFile(join(folder, 'token'), vault.token, { mode: 0o600 })
  mail = await startFakeMailServer()
  sink = await startWebhookSink()
  lines = {
    tsa: await lineTo(authority.url),
    mail: await lineTo(mail.url),
    database: await lineTo(database.url),
    keys: await lineTo(vault.url),
    receiver: await lineTo(sink.url),
  }
  const sites = (site: string) => [1, 2, 3].map((n) => join(folder, site, String(n))).join(',')
  stage = await openStage({
    clock,
    folder,
    database: {
      url: through(database.url, lines.database),
      ownerUrl: through(database.ownerUrl, lines.database),
      keysUrl: through(database.keysUrl, lines.database),
      keysOwnerUrl: through(database.keysOwnerUrl, lines.database),
      drop: async () => {},
    },
    environment: {
      YINXIN_TSA_URLS: through(`${authority.url}/tsa`, lines.tsa),
      YINXIN_TSA_ANCHORS_FILE: join(folder, 'tsa-root.pem'),
      YINXIN_SMTP_URL: through(mail.url, lines.mail),
      YINXIN_KEY_DRIVER: 'vault',
      YINXIN_VAULT_URL: through(vault.url, lines.keys).replace(/\/$/, ''),
      YINXIN_VAULT_TOKEN_FILE: join(folder, 'token'),
      YINXIN_PRIMARY_SITE_DIRS: sites('primary'),
      YINXIN_RECOVERY_SITE_DIRS: sites('recovery'),
      YINXIN_CALLBACK_RETRY_SECONDS: Array(10).fill(1).join(','),
    },
  })
  corp = await stage.company('示例科技有限公司')
  pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: 'YX-2026-0060',
    date: '2026年1月1日',
  })
})
afterAll(async () => {
  for (const line of Object.values(lines ?? {})) line.set('up')
  await stage?.close()
  await Promise.all([authority?.close(), mail?.close(), sink?.close(), vault?.close()])
  await Promise.all(Object.values(lines ?? {}).map((line) => line.close()))
  await database?.drop()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(() => {
  // The queue goes by the database's clock: what waits by ours must not wait longer than it says.
  aheadMs = 0
  for (const line of Object.values(lines)) line.set('up')
})

const codeOf = (answer: { body: unknown }) => (answer.body as { code?: string }).code

async function circuit(kind: string): Promise<string | undefined> {
  const { dependencies } = await stage.ok<{ dependencies: { kind: string; state: string }[] }>(
    'GET',
    '/api/v1/status/dependencies',
  )
  return dependencies.find((one) => one.kind === kind)?.state
}

/** A started contract with one person, and that person's open ceremony. */
async function awaited(over: Record<string, unknown> = {}) {
  mobiles += 1
  const mobile = `138001${String(mobiles).padStart(5, '0')}`
  const fileId = await stage.upload(corp.token, pdf)
  const task = await stage.createTask(corp.token, {
    documents: [{ ref: 'contract', fileId }],
    actors: [{ ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile, order: 1, ...over }],
    fields: [],
  })
  await stage.ok('POST', `/api/v1/sign-tasks/${task.id}/start`, { token: corp.token })
  const visitor = await stage.visit(await stage.link(corp.token, task, 'person'), mobile, '张三')
  return { task, mobile, visitor }
}

/** A contract that the company's own seal signs by itself. */
async function sealedByItself() {
  const fileId = await stage.upload(corp.token, pdf)
  const task = await stage.createTask(corp.token, {
    documents: [{ ref: 'contract', fileId }],
    actors: [{ ref: 'c', kind: 'corp', role: 'sign', name: corp.name, freeSignBusinessId: corp.businessId }],
    fields: [],
  })
  await stage.ok('POST', `/api/v1/sign-tasks/${task.id}/start`, { token: corp.token })
  return task
}

async function until(look: () => Promise<boolean> | boolean, timeoutMs = 30_000): Promise<void> {
  for (const endMs = performance.now() + timeoutMs; performance.now() < endMs; ) {
    if (await look()) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('it did not come so far')
}

describe('the timestamp authority is away', () => {
  it('refuses signatures by name and soon at once, queues those of seals, and goes on with all else', {
    timeout: 120_000,
  }, async () => {
    const { task, mobile, visitor } = await awaited()
    lines.tsa.set('silent')
    const first = await stage.sign(visitor, mobile)
    expect([first.status, codeOf(first)]).toEqual([503, 'timestamp_unavailable'])
    lines.tsa.set('refused')
    const queued = await sealedByItself()
    for (let tries = 0; (await circuit('tsa')) !== 'open'; tries++) {
      expect(tries).toBeLessThan(8)
      expect(codeOf(await stage.sign(visitor, mobile))).toBe('timestamp_unavailable')
    }
    // Left alone: nobody waits for its silence any more, and nobody asks.
    lines.tsa.set('silent')
    const asked = lines.tsa.asked
    const beganMs = performance.now()
    expect(codeOf(await stage.sign(visitor, mobile))).toBe('timestamp_unavailable')
    expect(performance.now() - beganMs).toBeLessThan(4000)
    expect(lines.tsa.asked).toBe(asked)
    // Nothing was signed, nothing half done is shown; drafts, reading and search go on.
    expect((await stage.task(corp.token, task.id)).status).toBe('signing')
    await stage.upload(corp.token, pdf)
    await stage.ok('GET', '/api/v1/sign-tasks?q=技术', { token: corp.token })

    lines.tsa.set('up')
    aheadMs += 31_000
    expect((await stage.sign(visitor, mobile)).status).toBe(200)
    expect(await circuit('tsa')).toBe('closed')
    const done = await stage.until(corp.token, queued.id, (one) => one.status === 'finished', 60_000)
    const path = `/api/v1/sign-tasks/${done.id}/documents/${done.documents[0]?.documentId}/content`
    expect(verifyPdf(await stage.download(path, corp.token)).signatures).toHaveLength(1)
  })
})

describe('the key service of the certificate authority is away', () => {
  it('goes on signing with the keys that were opened, and refuses by name what needs a new one', async () => {
    const { task, mobile, visitor } = await awaited()
    lines.keys.set('refused')
    expect((await stage.sign(visitor, mobile)).status).toBe(200)
    await stage.until(corp.token, task.id, (one) => one.status === 'finished')
    const { kms } = stage.server().app
    await expect(kms.rotateKeys('epoch')).rejects.toMatchObject({ code: 'key_driver_unreachable' })
    lines.keys.set('up')
    await kms.rotateKeys('epoch')
    const next = await awaited()
    expect((await stage.sign(next.visitor, next.mobile)).status).toBe(200)
  })
})

describe('the mail server is away', () => {
  it('queues messages without giving any up, and delivers each once afterwards', async () => {
    lines.mail.set('refused')
    const before = mail.received.length
    const addresses = Array.from({ length: 8 }, (_, n) => `li${n}@example.com`)
    const tasks = []
    for (const email of addresses) {
      const fileId = await stage.upload(corp.token, pdf)
      const task = await stage.createTask(corp.token, {
        documents: [{ ref: 'contract', fileId }],
        actors: [{ ref: 'p', kind: 'person', role: 'sign', name: '李四', email, order: 1 }],
        fields: [],
      })
      tasks.push(await stage.ok('POST', `/api/v1/sign-tasks/${task.id}/start`, { token: corp.token }))
    }
    expect(tasks).toHaveLength(8)
    await until(async () => (await circuit('mail')) === 'open')
    lines.mail.set('up')
    aheadMs += 31_000
    const reached = () =>
      addresses.filter((one) => mail.received.slice(before).some(({ to }) => to.includes(one)))
    await until(() => reached().length === 8, 50_000)
    const letters = mail.received.slice(before).flatMap(({ to }) => to)
    expect([...letters].sort()).toEqual([...addresses].sort())
    expect(await circuit('mail')).toBe('closed')
  })
})

describe('the recovery site is away', () => {
  it('takes drafts and shows contracts, and refuses what must lie in both sites', async () => {
    const { task, mobile, visitor } = await awaited()
    const site = join(folder, 'recovery')
    await cp(site, `${site}.kept`, { recursive: true })
    await rm(site, { recursive: true })
    // A file in its place: nothing can be made there.
    await writeFile(site, '')
    try {
      const fileId = await stage.upload(corp.token, pdf)
      expect((await stage.download(`/api/v1/files/${fileId}/content`, corp.token)).length).toBe(pdf.length)
      const refused = await stage.sign(visitor, mobile)
      expect([refused.status, codeOf(refused)]).toEqual([503, 'storage_unavailable'])
      expect((await stage.task(corp.token, task.id)).status).toBe('signing')
    } finally {
      await rm(site)
      await cp(`${site}.kept`, site, { recursive: true })
    }
    const { storage } = stage.server().app
    for (const { name, state } of storage.status().domains) if (state !== 'ready') await storage.readmit(name)
    expect((await stage.sign(visitor, mobile)).status).toBe(200)
    await stage.until(corp.token, task.id, (one) => one.status === 'finished')
  })
})

describe('the search', () => {
  it('is the database’s own: with everything else away titles are found', async () => {
    for (const [name, line] of Object.entries(lines)) if (name !== 'database') line.set('refused')
    const { items } = await stage.ok<{ items: { title: string }[] }>('GET', '/api/v1/sign-tasks?q=技术服务', {
      token: corp.token,
    })
    expect(items.length).toBeGreaterThan(0)
    expect(items.every(({ title }) => title.includes('技术服务'))).toBe(true)
  })
})

describe('the database is away', () => {
  it('says so by name and quickly, still checks documents, and goes on by itself', async () => {
    const { task, mobile, visitor } = await awaited()
    const finished = await stage.ok<{ items: { id: string }[] }>(
      'GET',
      '/api/v1/sign-tasks?status=finished',
      {
        token: corp.token,
      },
    )
    const id = finished.items[0]?.id ?? ''
    const { documents } = await stage.task(corp.token, id)
    const signed = await stage.download(
      `/api/v1/sign-tasks/${id}/documents/${documents[0]?.documentId}/content`,
      corp.token,
    )

    lines.database.set('refused')
    const ready = await fetch(`${stage.url}/readyz`)
    expect(ready.status).toBe(503)
    expect(await ready.json()).toMatchObject({ checks: { database: false, keys: false } })
    expect((await fetch(`${stage.url}/healthz`)).status).toBe(200)
    const refused = await stage.call('GET', '/api/v1/sign-tasks', { token: corp.token })
    expect([refused.status, codeOf(refused)]).toEqual([503, 'database_unavailable'])
    expect(verifyPdf(signed).signatures.length).toBeGreaterThan(0)
    expect((await fetch(`${stage.url}/ca/root.pem`)).status).toBe(200)

    // A database that hangs is not waited for by everybody.
    lines.database.set('silent')
    await Promise.all(
      Array.from({ length: 25 }, () => stage.call('GET', '/api/v1/sign-tasks', { token: corp.token })),
    )
    const beganMs = performance.now()
    const next = await stage.call('GET', '/api/v1/sign-tasks', { token: corp.token })
    expect([503, codeOf(next)]).toEqual([next.status, codeOf(next)])
    expect(performance.now() - beganMs).toBeLessThan(12_000)

    lines.database.set('up')
    await until(async () => (await fetch(`${stage.url}/readyz`)).ok)
    expect((await stage.sign(visitor, mobile)).status).toBe(200)
    await stage.until(corp.token, task.id, (one) => one.status === 'finished')
  })
})

describe('a receiver of callbacks is away', () => {
  it('is left alone without using up its rounds, while others are served', async () => {
    const away = await stage.ok<{ appId: string }>('POST', '/api/v1/apps', {
      token: corp.token,
      body: { name: '业务', environment: 'sandbox', callbackUrl: through(sink.url, lines.receiver) },
    })
    lines.receiver.set('refused')
    const before = sink.received.length
    for (const task of await Promise.all([0, 1, 2, 3].map(() => sealedByItself())))
      await stage.until(corp.token, task.id, (one) => one.status === 'finished')
    const open = () =>
      stage
        .server()
        .app.breakers.list()
        .some(({ kind, state }) => kind === 'receiver' && state === 'open')
    await until(open, 50_000)
    const asked = lines.receiver.asked
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(lines.receiver.asked).toBe(asked)
    lines.receiver.set('up')
    aheadMs += 31_000
    await until(() => sink.received.slice(before).some(({ body }) => body.includes('finished')), 50_000)
    const ids = sink.received.slice(before).map(({ headers }) => headers['webhook-id'])
    expect(new Set(ids).size).toBe(ids.length)
    expect(away.appId).not.toBe('')
  })
})
