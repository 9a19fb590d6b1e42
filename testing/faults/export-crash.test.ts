import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { readTar, type TarDamage, verifyExport } from '@yinxin/evidence'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { drawSampleContract } from '../../apps/server/src/sandbox/sample-contract.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { openStage, type Stage, type StageCompany } from '../stage.ts'
import { type ChildServer, startChildServer } from './child-server.ts'

const FILES = 60
const KILLS = 6

interface ExportState {
  id: string
  status: string
  progress: { settled: number }
  sizeBytes: number
}

let database: TestDatabase
let folder: string
let child: ChildServer | null = null

beforeAll(async () => {
  database = await createTestDatabase()
  folder = await mkdtemp(join(tmpdir(), 'yinxin-export-crash-'))
})
afterAll(async () => {
  await child?.kill()
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

async function start(): Promise<Stage> {
  child = await startChildServer({
    crashAt: null,
    pass: 1,
    leaseMs: 1500,
    environment: {
      YINXIN_MODE: 'sandbox',
      YINXIN_PORT: '0',
      YINXIN_TRUST_PROXY: '127.0.0.1',
      YINXIN_DATA_DIR: join(folder, 'data'),
      YINXIN_KEY_DIR: join(folder, 'keys'),
      YINXIN_EXPORT_PART_BYTES: '65536',
      YINXIN_DATABASE_URL: database.url,
      YINXIN_DATABASE_OWNER_URL: database.ownerUrl,
      YINXIN_KEYS_DATABASE_URL: database.keysUrl,
      YINXIN_KEYS_DATABASE_OWNER_URL: database.keysOwnerUrl,
    },
  })
  return await openStage({ at: child.url })
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

it('an export whose server is killed again and again comes to the same end, and so does its download', async () => {
  // 1. Something to export, and the order.
  let stage = await start()
  const corp: StageCompany = await stage.company('示例科技有限公司')
  const pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: 'YX',
    date: '2026年1月1日',
  })
  for (let at = 0; at < FILES; at++) await stage.upload(corp.token, pdf, `${at}.pdf`)
  const code = await stage.codeBy(corp.admin.login, () =>
    stage.ok('POST', '/api/v1/export-codes', { token: corp.token }),
  )
  const { id } = await stage.ok<ExportState>('POST', '/api/v1/exports', { token: corp.token, body: { code } })
  const state = () => stage.ok<ExportState>('GET', `/api/v1/exports/${id}`, { token: corp.token })

  // 2. Death at ever other places; each life must get further or end it.
  const reached: number[] = []
  for (let kill = 0; kill < KILLS; kill++) {
    const before = (await state()).progress.settled
    let now = await state()
    for (let tries = 0; tries < 400 && now.status !== 'ready'; tries++) {
      if (now.progress.settled > before + (kill % 3) * 4) break
      await wait(10)
      now = await state()
    }
    reached.push(now.progress.settled)
    if (now.status === 'ready') break
    await child?.kill()
    stage = await start()
  }
  expect(reached.length).toBeGreaterThan(1)
  expect([...reached].sort((a, b) => a - b)).toEqual(reached)
  let now = await state()
  for (let tries = 0; tries < 600 && now.status !== 'ready'; tries++) {
    await wait(50)
    now = await state()
  }
  expect(now.status).toBe('ready')

  // 3. The archive holds together, and a download that breaks off at any byte goes on there, over another death.
  const whole = await stage.download(`/api/v1/exports/${id}/archive`, corp.token)
  const damage: TarDamage[] = []
  async function* chunks() {
    yield whole
  }
  const report = await verifyExport(
    readTar(chunks(), (one) => void damage.push(one)),
    { ordered: true },
    damage,
  )
  expect(report.problems).toEqual([])
  expect(report.manifest?.counts.files).toBe(FILES)
  await child?.kill()
  stage = await start()
  const cut = Math.floor(Math.random() * whole.length)
  const rest = await fetch(`${stage.url}/api/v1/exports/${id}/archive`, {
    headers: { authorization: `Bearer ${corp.token}`, range: `bytes=${cut}-` },
  })
  expect(Buffer.from(await rest.arrayBuffer()).equals(whole.subarray(cut))).toBe(true)
  const { items } = await stage.ok<{ items: { sizeBytes: number; sha256: string }[] }>(
    'GET',
    `/api/v1/exports/${id}/parts`,
    { token: corp.token },
  )
  let at = 0
  for (const part of items) {
    expect(sha256(whole.subarray(at, at + part.sizeBytes))).toBe(part.sha256)
    at += part.sizeBytes
  }
  expect(at).toBe(whole.length)
}, 240_000)
