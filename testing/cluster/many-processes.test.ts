/** Two API processes and two workers over one PostgreSQL and one storage: nothing may depend on who answers. */
import { createHash, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyBundle } from '@yinxin/evidence'
import { verifyPdf } from '@yinxin/pades'
import { parsePem } from '@yinxin/pki'
import { drawSampleContract } from '@yinxin/server'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { type FakeS3, startFakeS3 } from '../fakes/s3.ts'
import { startWebhookSink, type WebhookSink } from '../fakes/webhook-sink.ts'
import { openFascStage } from '../fasc-stage.ts'
import { openStage, type Stage, type StageCompany } from '../stage.ts'
import { type Fleet, startFleet } from './fleet.ts'

describe.each(['folders', 's3'] as const)('several processes over %s', (driver) => {
  const folder = mkdtempSync(join(tmpdir(), 'yinxin-many-'))
  let database: TestDatabase
  let buckets: FakeS3[] = []
  let fleet: Fleet
  let stage: Stage
  let corp: StageCompany
  let pdf: Uint8Array
  let sink: WebhookSink

  beforeAll(async () => {
    database = await createTestDatabase()
    if (driver === 's3') buckets = await Promise.all([startFakeS3(), startFakeS3()])
    fleet = await startFleet({
      api: 2,
      worker: 2,
      database,
      environment: { YINXIN_FASC_CALLS_PER_SECOND: '5', ...bucketSettings() },
    })
    sink = await startWebhookSink()
    stage = await openStage({ at: fleet.url })
    corp = await stage.company('示例科技有限公司')
    pdf = await drawSampleContract({
      corpName: corp.name,
      personName: '张三',
      number: 'YX-2026-0050',
      date: '2026年1月1日',
    })
  })
  afterAll(async () => {
    await fleet?.close()
    await sink?.close()
    await Promise.all(buckets.map((one) => one.close()))
    await database?.drop()
    rmSync(folder, { recursive: true, force: true })
  })

  function bucketSettings(): Record<string, string> {
    if (driver !== 's3') return {}
    const secretFile = join(folder, 'secret')
    writeFileSync(secretFile, 'secret-of-a-fake\n', { mode: 0o600 })
    const site = (name: 'PRIMARY' | 'RECOVERY', at: FakeS3 | undefined) => ({
      [`YINXIN_S3_${name}_ENDPOINT`]: at?.endpoint ?? '',
      [`YINXIN_S3_${name}_REGION`]: name.toLowerCase(),
      [`YINXIN_S3_${name}_BUCKETS`]: at?.bucket ?? '',
      [`YINXIN_S3_${name}_KEY_ID`]: 'key',
      [`YINXIN_S3_${name}_SECRET_FILE`]: secretFile,
      [`YINXIN_S3_${name}_PATH_STYLE`]: '1',
    })
    return {
      YINXIN_STORAGE_DRIVER: 's3',
      ...site('PRIMARY', buckets[0]),
      ...site('RECOVERY', buckets[1]),
    }
  }

  const answeredBy = () => [...fleet.balancer.answered.values()]

  it('carries a contract from upload to evidence, each step by whoever is next', async () => {
    const made = await stage.ok<{ appId: string }>('POST', '/api/v1/apps', {
      token: corp.token,
      body: { name: '业务系统', environment: 'sandbox', callbackUrl: sink.url },
    })
    const before = answeredBy()
    const mobile = '13800005001'
    const fileId = await stage.upload(corp.token, pdf)
    const task = await stage.createTask(corp.token, {
      documents: [{ ref: 'contract', fileId }],
      actors: [
        { ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile, order: 1 },
        {
          ref: 'corp',
          kind: 'corp',
          role: 'sign',
          name: corp.name,
          order: 2,
          freeSignBusinessId: corp.businessId,
        },
      ],
      fields: [],
    })
    await stage.ok('POST', `/api/v1/sign-tasks/${task.id}/start`, { token: corp.token })
    const visitor = await stage.visit(await stage.link(corp.token, task, 'person'), mobile, '张三')
    expect((await stage.sign(visitor, mobile)).status).toBe(200)
    const finished = await stage.until(corp.token, task.id, (one) => one.status === 'finished', 30_000)

    // Read through both, and both say the same.
    const documentId = finished.documents[0]?.documentId
    const path = `/api/v1/sign-tasks/${task.id}/documents/${documentId}/content`
    const [one, two] = await Promise.all([stage.download(path, corp.token), stage.download(path, corp.token)])
    expect(Buffer.from(one).equals(Buffer.from(two))).toBe(true)
    const report = verifyPdf(one)
    expect(report.signatures).toHaveLength(2)
    const zip = await stage.download(`/api/v1/sign-tasks/${task.id}/evidence`, corp.token)
    const [root] = parsePem(Buffer.from(await stage.download('/ca/root.pem')).toString('utf8'))
    const vkey = Buffer.from(await stage.download('/log/vkey')).toString('utf8')
    expect(verifyBundle(zip, { trust: [root as Uint8Array], logKeys: [vkey.trim()] })).toMatchObject({
      ok: true,
    })
    // Both took part, in equal shares.
    const shares = answeredBy().map((count, at) => count - (before[at] ?? 0))
    expect(shares).toHaveLength(2)
    expect(Math.min(...shares)).toBeGreaterThan(Math.max(...shares) / 2)

    // Every callback once, whichever worker sent it.
    const all = await sink.until((received) => received.some(({ body }) => body.includes('finished')))
    const ids = all.map(({ headers }) => headers['webhook-id'])
    expect(made.appId).toBeTruthy()
    expect(new Set(ids).size).toBe(all.length)
    expect(ids.every((id) => id !== undefined)).toBe(true)
  })

  it('does a request once that is sent to both at the same time under one key', async () => {
    const fileId = await stage.upload(corp.token, pdf)
    const body = {
      title: '同一请求',
      documents: [{ ref: 'contract', fileId }],
      actors: [{ ref: 'p', kind: 'person', role: 'sign', name: '李四', mobile: '13800005002', order: 1 }],
      fields: [],
    }
    for (let round = 0; round < 10; round++) {
      const headers = { 'idempotency-key': randomUUID() }
      const both = await Promise.all(
        [0, 1].map(() =>
          stage.call<{ id?: string; code?: string }>('POST', '/api/v1/sign-tasks', {
            token: corp.token,
            body,
            headers,
          }),
        ),
      )
      const made = both.filter(({ status }) => status === 201)
      expect(made.length).toBeGreaterThanOrEqual(1)
      for (const other of both) {
        if (other.status !== 201) expect(other.body.code).toBe('idempotency_in_progress')
      }
      expect(new Set(made.map((one) => one.body.id)).size).toBe(1)
      // Asked again it is the same, from the other.
      const again = await stage.call<{ id: string }>('POST', '/api/v1/sign-tasks', {
        token: corp.token,
        body,
        headers,
      })
      expect(again).toMatchObject({ status: 201, body: { id: made[0]?.body.id } })
      expect(again.headers.get('idempotency-replayed')).toBe('true')
    }
  })

  it('ends a session for both when it ends in one', async () => {
    const person = await stage.person('王五')
    const ask = () => stage.call('GET', '/api/v1/me', { token: person.token })
    expect([(await ask()).status, (await ask()).status]).toEqual([200, 200])
    await stage.ok('DELETE', '/api/v1/sessions/current', { token: person.token })
    expect([(await ask()).status, (await ask()).status]).toEqual([401, 401])
  })

  it('counts the calls of an address over all processes', async () => {
    const headers = { 'x-forwarded-for': '192.0.2.77' }
    const answers = await Promise.all(
      Array.from({ length: 40 }, () =>
        stage.call('POST', '/api/v1/sessions', { body: { login: '13800005003', code: '000000' }, headers }),
      ),
    )
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(10)
  })

  it('keeps the pace of the compatible API over all processes', async () => {
    const fasc = await openFascStage({ at: fleet.url })
    // Both in one second: its beginning is the first call.
    const answers = await Promise.all(Array.from({ length: 12 }, () => fasc.corpGet()))
    expect(answers.filter((one) => one.code === '100000')).toHaveLength(5)
  })

  it('signs once when two browsers send the same act to two processes', async () => {
    const mobile = '13800005004'
    const fileId = await stage.upload(corp.token, pdf)
    const task = await stage.createTask(corp.token, {
      documents: [{ ref: 'contract', fileId }],
      actors: [{ ref: 'person', kind: 'person', role: 'sign', name: '赵六', mobile, order: 1 }],
      fields: [],
    })
    await stage.ok('POST', `/api/v1/sign-tasks/${task.id}/start`, { token: corp.token })
    const visitor = await stage.visit(await stage.link(corp.token, task, 'person'), mobile, '赵六')
    const code = await stage.signCode(visitor, mobile)
    const both = await Promise.all([0, 1].map(() => stage.sign(visitor, mobile, { code })))
    const statuses = both.map(({ status }) => status).sort()
    expect(statuses).toEqual([200, 409])
    const loser = both.find(({ status }) => status === 409)?.body as unknown as { code: string }
    expect(['signing_in_progress', 'sign_code_used', 'already_signed']).toContain(loser.code)
    const done = await stage.until(corp.token, task.id, (one) => one.status === 'finished')
    const content = `/api/v1/sign-tasks/${task.id}/documents/${done.documents[0]?.documentId}/content`
    expect(verifyPdf(await stage.download(content, corp.token)).signatures).toHaveLength(1)
  })

  it('runs what the clock asks for once', async () => {
    const client = new pg.Client({ connectionString: database.ownerUrl })
    await client.connect()
    try {
      const { rows } = await client.query<{ workers: number }>(
        `select count(distinct runner_key)::int as workers from job_workers`,
      )
      expect(rows[0]?.workers).toBe(2)
      const known = await client.query<{ one: number }>(
        `select count(*)::int as one from graphile_worker._private_known_crontabs`,
      )
      expect(known.rows[0]?.one).toBeGreaterThan(5)
      const doubled = await client.query(
        `select task_id, payload::text, count(*) from graphile_worker._private_jobs
         where payload::text like '%_cron%' group by 1, 2 having count(*) > 1`,
      )
      expect(doubled.rows).toEqual([])
    } finally {
      await client.end()
    }
  })

  it('loses nothing that was uploaded while one process dies in the middle', async () => {
    const uploads = new Map<string, string>()
    const killed = fleet.members.find(({ role }) => role === 'api')
    expect(killed).toBeDefined()
    let stopped = false
    const uploading = Array.from({ length: 3 }, async (_, lane) => {
      for (let n = 0; !stopped; n++) {
        const bytes = new Uint8Array([...pdf, ...Buffer.from(`\n% ${lane}-${n}\n`)])
        const answer = await stage
          .call<{ id: string }>('POST', '/api/v1/files', { token: corp.token, body: bytes })
          .catch(() => null)
        if (answer?.status === 201)
          uploads.set(answer.body.id, createHash('sha256').update(bytes).digest('hex'))
      }
    })
    await new Promise((resolve) => setTimeout(resolve, 700))
    if (killed) await fleet.end(killed, 'SIGKILL')
    await fleet.balancer.ready(1)
    await new Promise((resolve) => setTimeout(resolve, 500))
    stopped = true
    await Promise.all(uploading)
    expect(uploads.size).toBeGreaterThan(10)
    for (const [id, sha256] of uploads) {
      const bytes = await stage.download(`/api/v1/files/${id}/content`, corp.token)
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256)
    }
  })
})
