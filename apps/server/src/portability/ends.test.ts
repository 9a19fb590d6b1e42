/** How exports end that do not simply become ready: canceled, with a broken bucket, under two processes at a time. */
import { createHash, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readTar, type TarDamage, verifyExport } from '@yinxin/evidence'
import { signRequest } from '@yinxin/sdk'
import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { largePdf } from '../../../../testing/fakes/pdfs.ts'
import { type FakeS3, startFakeS3 } from '../../../../testing/fakes/s3.ts'
import { openStage, type Stage, type StageCompany } from '../../../../testing/stage.ts'

interface ExportAnswer {
  id: string
  status: string
  problem: string | null
  bucket: { deliveredAt: string | null } | null
}

let database: TestDatabase
let folder: string
let stage: Stage
let second: Stage
let s3: FakeS3
let corp: StageCompany
let program: { appId: string; appSecret: string }

beforeAll(async () => {
  database = await createTestDatabase()
  folder = await mkdtemp(join(tmpdir(), 'yinxin-ends-'))
  const environment = { YINXIN_EXPORT_PART_BYTES: '65536' }
  stage = await openStage({ database, folder, environment })
  s3 = await startFakeS3()
  corp = await stage.company('示例科技有限公司')
  await stage.upload(corp.token, largePdf(12 << 20), '大文件.pdf')
  program = await stage.ok('POST', '/api/v1/apps', {
    token: corp.token,
    body: { name: '导出', environment: 'sandbox' },
  })
  const code = await stage.codeBy(corp.admin.login, () =>
    stage.ok('POST', '/api/v1/export-codes', { token: corp.token }),
  )
  await stage.ok('PUT', `/api/v1/apps/${program.appId}/export-right`, {
    token: corp.token,
    body: { allowed: true, code },
  })
  // The same installation once more; its jobs are run by the first.
  second = await openStage({ database, folder, environment, roles: ['api'] })
}, 90_000)
beforeEach(() => {
  s3.before = () => undefined
})
afterAll(async () => {
  // First the bucket: a part that it never answered for would keep the server from stopping.
  await s3?.close()
  await second?.close()
  await stage?.close()
  await database?.drop()
  await rm(folder, { recursive: true, force: true })
})

async function order(body: Record<string, unknown> = {}): Promise<string> {
  const text = JSON.stringify(body)
  const facts = { method: 'POST', path: '/api/v1/exports', timestampMs: Date.now(), nonce: randomUUID() }
  const signature = await signRequest(program.appSecret, {
    ...facts,
    bodySha256Hex: createHash('sha256').update(text).digest('hex'),
  })
  const begun = await stage.ok<ExportAnswer>('POST', facts.path, {
    body,
    headers: {
      'x-yinxin-app': program.appId,
      'x-yinxin-timestamp': String(facts.timestampMs),
      'x-yinxin-nonce': facts.nonce,
      'x-yinxin-signature': signature,
    },
  })
  return begun.id
}

const bucket = (key: string) => ({
  endpoint: s3.endpoint,
  region: 'r',
  bucket: s3.bucket,
  pathStyle: true,
  keyId: 'key',
  secret: 'secret-of-the-bucket',
  key,
})
const get = (id: string) => stage.ok<ExportAnswer>('GET', `/api/v1/exports/${id}`, { token: corp.token })

async function until<T>(what: string, ask: () => Promise<T | false> | T | false): Promise<T> {
  for (let tries = 0; tries < 400; tries++) {
    const found = await ask()
    if (found !== false) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`${what} did not come`)
}

const rowOf = (id: string) =>
  stage.server().app.db.work(async (tx) => {
    const { rows } = await sql<{
      upload_id: string | null
      bucket_secret_sealed: Buffer | null
      entry_count: number
    }>`select * from export_job where id = ${id}`.execute(tx)
    return rows[0]
  })

async function expectGood(id: string): Promise<void> {
  const whole = await stage.download(`/api/v1/exports/${id}/archive`, corp.token)
  const damage: TarDamage[] = []
  async function* once() {
    yield whole
  }
  const report = await verifyExport(
    readTar(once(), (one) => void damage.push(one)),
    { ordered: true },
    damage,
  )
  expect(report.problems).toEqual([])
  const { items } = await stage.ok<{ items: { sizeBytes: number; sha256: string }[] }>(
    'GET',
    `/api/v1/exports/${id}/parts`,
    { token: corp.token },
  )
  let at = 0
  for (const part of items) {
    const bytes = whole.subarray(at, at + part.sizeBytes)
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(part.sha256)
    at += part.sizeBytes
  }
  expect(at).toBe(whole.length)
}

test('canceling ends an upload that is open in the bucket, and forgets how to enter it', async () => {
  let uploads = 0
  // The second part is on its way when it is canceled.
  s3.before = ({ name }) => (name === 'uploadPart' && ++uploads >= 2 ? 'hang' : undefined)
  const id = await order({ bucket: bucket('exports/canceled.tar') })
  await until('the upload', () => uploads >= 2)
  expect(s3.openUploads()).toBe(1)
  const canceled = await stage.ok<ExportAnswer>('POST', `/api/v1/exports/${id}/cancel`, { token: corp.token })
  expect(canceled.status).toBe('canceled')
  await until('the end of the upload', () => s3.openUploads() === 0)
  const row = await until('the forgetting', async () => {
    const now = await rowOf(id)
    return now?.bucket_secret_sealed === null && now
  })
  expect(row.upload_id).toBeNull()
  expect(s3.keys()).not.toContain('exports/canceled.tar')
}, 60_000)

test('canceled between opening an upload and recording it, no upload is left', async () => {
  let opened = 0
  let id = ''
  s3.before = ({ name, key }) => {
    if (name !== 'beginUpload' || key !== 'exports/early.tar') return undefined
    // The first is the look whether the bucket can be written to.
    return ++opened === 2 ? 'late' : undefined
  }
  id = await order({ bucket: bucket('exports/early.tar') })
  await until('the opening', () => opened === 2)
  await stage.ok('POST', `/api/v1/exports/${id}/cancel`, { token: corp.token })
  await until(
    'the end of the upload',
    () =>
      s3.calls.filter(({ name, key }) => name === 'abortUpload' && key === 'exports/early.tar').length === 2,
  )
  expect(s3.openUploads()).toBe(0)
  expect((await rowOf(id))?.bucket_secret_sealed).toBeNull()
}, 60_000)

test('a bucket that fails for good leaves the archive to be downloaded, says so, and no upload behind', async () => {
  s3.before = ({ name }) => (name === 'uploadPart' ? 'denied' : undefined)
  const id = await order({ bucket: bucket('exports/denied.tar') })
  await until('the open upload', () => s3.openUploads() === 1)
  expect((await get(id)).status).toBe('ready')
  // While it is still tried, the archive is there already.
  await expectGood(id)
  const owner = new pg.Client(database.ownerUrl)
  await owner.connect()
  try {
    // Hours of tries in a moment.
    await until('the last try', async () => {
      await owner.query(
        `update graphile_worker._private_jobs set run_at = now(), max_attempts = greatest(attempts + 1, 1)
         where task_id = (select id from graphile_worker._private_tasks where identifier = 'portability.export')
           and locked_at is null`,
      )
      return (await get(id)).problem !== null
    })
  } finally {
    await owner.end()
  }
  const given = await get(id)
  expect(given).toMatchObject({ status: 'ready', problem: 'denied', bucket: { deliveredAt: null } })
  await until('the end of the upload', () => s3.openUploads() === 0)
  await until('the forgetting', async () => (await rowOf(id))?.bucket_secret_sealed === null)
  await expectGood(id)
}, 60_000)

test('two processes at one export break nothing: it becomes ready once, whole and good', async () => {
  const before = s3.calls.length
  const id = await order({ bucket: bucket('exports/two.tar') })
  const one = stage.server().app.portability
  const other = second.server().app.portability
  const never = () => false
  const errors: string[] = []
  // Both at it until nothing is left; who is too late is told so and nothing else.
  const work = async (room: typeof one) => {
    for (let tries = 0; tries < 50; tries++)
      try {
        if (await room.workOn(id, never)) return
      } catch (error) {
        errors.push((error as Error).name)
      }
  }
  await Promise.all([work(one), work(other)])
  await until('the delivery', async () => (await get(id)).bucket?.deliveredAt !== null)
  expect(errors.filter((name) => name !== 'ExportMoved' && name !== 'ExportEnded')).toEqual([])
  await expectGood(id)
  const whole = await stage.download(`/api/v1/exports/${id}/archive`, corp.token)
  expect(s3.bytes('exports/two.tar')?.equals(whole)).toBe(true)
  expect(s3.openUploads()).toBe(0)
  expect(s3.calls.length).toBeGreaterThan(before)
  const { app } = stage.server()
  const ready = await app.db.work((tx) =>
    sql<{ n: number }>`select count(*)::int as n from audit_record
      where action = 'export.ready' and subject_id = ${id}`.execute(tx),
  )
  expect(ready.rows[0]?.n).toBe(1)
}, 60_000)
