import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { verifyPdf } from '@yinxin/pades'
import type { Ceremony, Page, SignResult, SignTask, TaskEvent } from '@yinxin/sdk/wire'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { drawSampleContract } from '../../apps/server/src/sandbox/sample-contract.ts'
import { CRASH_POINTS, type CrashPoint } from '../../apps/server/src/signing/signing.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { handwriting, openStage, type Stage, type StageCompany } from '../stage.ts'
import { type ChildServer, startChildServer } from './child-server.ts'

const LEASE_MS = 1500
/** Points passed once for each document: the second pass is a death between two documents. */
const REPEATED: ReadonlySet<CrashPoint> = new Set([
  'signing.after-prepare',
  'signing.after-timestamp',
  'signing.after-store',
])
const DEATHS = CRASH_POINTS.flatMap((point) =>
  REPEATED.has(point)
    ? [
        { point, pass: 1 },
        { point, pass: 2 },
      ]
    : [{ point, pass: 1 }],
)

let database: TestDatabase
let folder: string
let pdf: Uint8Array
let child: ChildServer | null = null
const killed: string[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  folder = await mkdtemp(join(tmpdir(), 'yinxin-crash-'))
  pdf = await drawSampleContract({
    corpName: '示例科技有限公司',
    personName: '张三',
    number: 'YX-2026-0009',
    date: '2026年1月1日',
  })
})
afterAll(async () => {
  await child?.kill()
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

async function start(crashAt: CrashPoint | null, pass = 1): Promise<Stage> {
  await child?.kill()
  child = await startChildServer({
    crashAt,
    pass,
    leaseMs: LEASE_MS,
    environment: {
      YINXIN_MODE: 'sandbox',
      YINXIN_PORT: '0',
      YINXIN_TRUST_PROXY: '127.0.0.1',
      YINXIN_DATA_DIR: join(folder, 'data'),
      YINXIN_KEY_DIR: join(folder, 'keys'),
      YINXIN_DATABASE_URL: database.url,
      YINXIN_DATABASE_OWNER_URL: database.ownerUrl,
      YINXIN_KEYS_DATABASE_URL: database.keysUrl,
      YINXIN_KEYS_DATABASE_OWNER_URL: database.keysOwnerUrl,
    },
  })
  return await openStage({ at: child.url })
}

describe('death between any two steps of a signing', () => {
  let corp: StageCompany
  const contact = '13700009999'

  it('has a kill for every enumerated step', async () => {
    const stage = await start(null)
    corp = await stage.company('示例科技有限公司')
    expect(new Set(DEATHS.map(({ point }) => point))).toEqual(new Set(CRASH_POINTS))
  })

  for (const { point, pass } of DEATHS) {
    it(`${point}${pass > 1 ? ` (document ${pass})` : ''}: nothing lost, doubled or half-made`, async () => {
      // 1. A contract of two documents that one person signs.
      let stage = await start(point, pass)
      const files = [await stage.upload(corp.token, pdf), await stage.upload(corp.token, pdf, '附件.pdf')]
      const task = await stage.createTask(corp.token, {
        documents: files.map((fileId, i) => ({ ref: `d${i}`, fileId })),
        actors: [{ ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile: contact }],
        fields: files.map((_, i) => ({
          documentRef: `d${i}`,
          actorRef: 'person',
          kind: 'signature',
          position: { page: 1, x: 60, y: 60 },
        })),
        autoStart: true,
      })
      const linkToken = await stage.link(corp.token, task, 'person')
      const visit = await stage.visit(linkToken, contact, '张三')
      expect(visit.ceremony.step).toBe('read-and-sign')

      // 2. The process dies at the step.
      const code = await stage.signCode(visit, contact)
      const documents =
        visit.ceremony.task?.documents.map(({ documentId, sha256 }) => ({ documentId, sha256 })) ?? []
      const key = randomUUID()
      const signBody = { code, consent: true, documents, handwriting }
      const dying = stage
        .call('POST', `/api/v1/ceremonies/${linkToken}/sign`, {
          token: visit.token,
          body: signBody,
          headers: { 'idempotency-key': key },
        })
        .then(
          (answer) => answer.status,
          () => 'gone',
        )
      await Promise.race([
        child?.reached,
        wait(30_000).then(() => Promise.reject(new Error(`${point} was not reached`))),
      ])
      await child?.kill()
      killed.push(`${point}/${pass}`)
      expect(await dying).toBe('gone')

      // 3. Another one takes over. Nothing is half signed: all documents have moved, or none.
      stage = await start(null)
      const isDone = point === 'signing.after-commit'
      const found = await stage.task(corp.token, task.id)
      expect(found.documents.map((one) => one.revision)).toEqual(isDone ? [1, 1] : [0, 0])
      expect(found.status).toBe(isDone ? 'finished' : 'signing')
      await expectWhole(stage, corp, found)

      // 4. What was done answers the repeated request; what was not done can be signed again.
      const again = isDone
        ? await stage.call<SignResult>('POST', `/api/v1/ceremonies/${linkToken}/sign`, {
            token: visit.token,
            body: signBody,
            headers: { 'idempotency-key': key },
          })
        : await signAgain(stage, visit, documents)
      expect(again.status, JSON.stringify(again.body)).toBe(200)
      const done = await stage.task(corp.token, task.id)
      expect(done).toMatchObject({ status: 'finished' })
      expect(done.documents.map((one) => one.revision)).toEqual([1, 1])
      expect(done.actorDetails[0]?.certificateSerial).toBe(again.body.certificateSerial)
      await expectWhole(stage, corp, done)
      const events = await stage.ok<Page<TaskEvent>>(
        'GET',
        `/api/v1/sign-tasks/${task.id}/events?limit=100`,
        {
          token: corp.token,
        },
      )
      const types = events.items.map((event) => event.type)
      expect(types.filter((type) => type === 'document.signed')).toHaveLength(2)
      expect(types.filter((type) => type === 'actor.signed')).toHaveLength(1)
      expect(types.filter((type) => type === 'task.finished')).toHaveLength(1)
      expect(await usageOf(task.id)).toBe(1)
    })
  }

  it('killed a real process at every one of them', () => {
    expect(killed).toEqual(DEATHS.map(({ point, pass }) => `${point}/${pass}`))
  })

  it('makes a free signature that a death interrupted, without anybody asking', async () => {
    let stage = await start('signing.after-store')
    const fileId = await stage.upload(corp.token, pdf)
    const task = await stage.createTask(corp.token, {
      documents: [{ ref: 'd', fileId }],
      actors: [
        {
          ref: 'corp',
          kind: 'corp',
          role: 'sign',
          name: corp.name,
          subjectId: corp.corpId,
          freeSignBusinessId: corp.businessId,
        },
      ],
      autoStart: true,
    })
    await child?.reached
    await child?.kill()
    stage = await start(null)
    const done = await stage.until(corp.token, task.id, (one) => one.status === 'finished', 90_000)
    expect(done.documents.map((one) => one.revision)).toEqual([1])
    await expectWhole(stage, corp, done)
    expect(await usageOf(task.id)).toBe(1)
  }, 120_000)

  /** After a death the act is held by nobody; a new one may begin at the latest when its lease has ended. */
  async function signAgain(
    stage: Stage,
    visit: { linkToken: string; token: string },
    documents: { documentId: string; sha256: string }[],
  ) {
    const { step } = await stage.ok<Ceremony>('GET', `/api/v1/ceremonies/${visit.linkToken}/view`, {
      token: visit.token,
    })
    expect(step).toBe('read-and-sign')
    await wait(LEASE_MS)
    const code = await stage.signCode(visit, contact)
    return await stage.call<SignResult>('POST', `/api/v1/ceremonies/${visit.linkToken}/sign`, {
      token: visit.token,
      body: { code, consent: true, documents, handwriting },
      headers: { 'idempotency-key': randomUUID() },
    })
  }
})

/** Every document is readable, is what its hash says, and carries one valid signature for each revision. */
async function expectWhole(stage: Stage, corp: StageCompany, task: SignTask): Promise<void> {
  for (const document of task.documents) {
    const file = await stage.download(
      `/api/v1/sign-tasks/${task.id}/documents/${document.documentId}/content`,
      corp.token,
    )
    expect(file.length).toBe(document.sizeBytes)
    const { ok, signatures } = verifyPdf(file)
    expect(signatures).toHaveLength(document.revision)
    expect(ok).toBe(document.revision > 0)
  }
}

async function usageOf(taskId: string): Promise<number> {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  try {
    await client.query('set role yinxin_worker')
    const { rows } = await client.query('select count(*)::int as count from usage_event where task_id = $1', [
      taskId,
    ])
    return rows[0].count
  } finally {
    await client.end()
  }
}
