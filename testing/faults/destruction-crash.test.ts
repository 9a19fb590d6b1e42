/**
 * A destruction whose server dies by SIGKILL between any two of its steps: after the restart it comes to its end by
 * itself, with the right certificate, and nothing opens what it destroyed.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type DestructionProof, parseVkeys, verifyDestructionProof } from '@yinxin/evidence'
import { parsePem } from '@yinxin/pki'
import type { Destruction, DestructionOverview, Problem, SignTask } from '@yinxin/sdk/wire'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DESTRUCTION_STEPS, type DestructionStep } from '../../apps/server/src/destruction/destruction.ts'
import { askOperator } from '../../apps/server/src/operator-door.ts'
import { drawSampleContract } from '../../apps/server/src/sandbox/sample-contract.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { openStage, type Stage, type StageCompany } from '../stage.ts'
import { type ChildServer, startChildServer } from './child-server.ts'

const CONSENT_STEPS: readonly DestructionStep[] = [
  'destruction:asked',
  'destruction:agreement-stored',
  'destruction:agreement-sent',
]
const SHREDDING_STEPS = DESTRUCTION_STEPS.filter((step) => !CONSENT_STEPS.includes(step))

let database: TestDatabase
let folder: string
let pdf: Uint8Array
let child: ChildServer | null = null

beforeAll(async () => {
  database = await createTestDatabase()
  folder = await mkdtemp(join(tmpdir(), 'yinxin-destruction-crash-'))
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

async function start(crashAt: DestructionStep | null): Promise<Stage> {
  await child?.kill()
  child = await startChildServer({
    crashAt,
    pass: 1,
    leaseMs: 1500,
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

const operate = (name: string) => askOperator(join(folder, 'data'), name, {}, () => undefined)
const at = (task: { id: string }, rest = '') => `/api/v1/sign-tasks/${task.id}/destruction${rest}`

/** A contract that the company signed alone, and the file it came from. */
async function signedAlone(stage: Stage, corp: StageCompany) {
  const fileId = await stage.upload(corp.token, pdf)
  const made = await stage.createTask(corp.token, {
    title: '单方承诺',
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
    fields: [{ documentRef: 'd', actorRef: 'corp', kind: 'seal', position: { page: 1, x: 50, y: 50 } }],
    autoStart: true,
  })
  const task = await stage.until(corp.token, made.id, (one) => one.status === 'finished')
  return { task, fileId }
}

async function codeOf(stage: Stage, corp: StageCompany, task: SignTask): Promise<string> {
  return await stage.codeBy(corp.admin.login, () =>
    stage.ok('POST', at(task, '/code'), { token: corp.token }),
  )
}

async function until(
  stage: Stage,
  corp: StageCompany,
  task: SignTask,
  isThere: (one: Destruction) => boolean,
): Promise<Destruction> {
  let last: unknown
  for (let tries = 0; tries < 150; tries++) {
    await operate('destruction-advance')
    const { requests } = await stage.ok<DestructionOverview>('GET', at(task), { token: corp.token })
    if (requests[0] !== undefined && isThere(requests[0])) return requests[0]
    last = requests
    await wait(200)
  }
  throw new Error(`it did not come so far: ${JSON.stringify(last)}`)
}

async function ask(url: string, query: string, values: unknown[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    // Row-level security binds the owner of the tables too.
    if (url === database.ownerUrl) await client.query('set role yinxin_worker')
    return (await client.query(query, values)).rows as Record<string, unknown>[]
  } finally {
    await client.end()
  }
}

describe('death between any two steps of a destruction', () => {
  for (const step of SHREDDING_STEPS) {
    it(`${step}: it comes to its end, rightly certified, and nothing opens`, {
      timeout: 90_000,
    }, async () => {
      // 1. It dies at that step.
      let stage = await start(step)
      const corp = await stage.company(`示例${step.split(':')[1]}有限公司`)
      const { task, fileId } = await signedAlone(stage, corp)
      const document = `/api/v1/sign-tasks/${task.id}/documents/${task.documents[0]?.documentId}/content`
      expect((await stage.download(document, corp.token)).length).toBeGreaterThan(pdf.length)
      const objects = (
        await ask(
          database.ownerUrl,
          `select object_id from task_document_segment where task_id = $1
           union select object_id from file where id = $2`,
          [task.id, fileId],
        )
      ).map((row) => row.object_id as string)
      expect(objects.length).toBeGreaterThan(1)
      const left = async () => [
        ...(await ask(database.ownerUrl, 'select 1 from storage_replicas where object_id = any($1)', [
          objects,
        ])),
        ...(await ask(database.keysOwnerUrl, 'select 1 from scope_key_wraps where scope_id = any($1)', [
          [task.id, fileId],
        ])),
      ]
      expect((await left()).length).toBeGreaterThan(5)
      const code = await codeOf(stage, corp, task)
      const asked = stage
        .call('POST', at(task), { token: corp.token, body: { basis: 'own', code } })
        .catch(() => undefined)
      await child?.reached
      await child?.kill()
      await asked

      // 2. The next server brings it to its end.
      stage = await start(null)
      const done = await until(
        stage,
        corp,
        task,
        (one) => one.state === 'DESTROYED_PROVISIONAL' && one.certificates[0]?.ready === true,
      )
      expect(done).toMatchObject({ extent: 'contract', attempts: 0, problem: null })
      const states = done.history.map((one) => one.state)
      expect(new Set(states).size).toBe(states.length)

      // 3. The certificate tells the truth: all objects, all keys, all checks, one event.
      const proof = JSON.parse(
        Buffer.from(
          await stage.download(at(task, `/${done.id}/certificate?form=json`), corp.token),
        ).toString(),
      ) as DestructionProof
      const certificate = await stage.download(at(task, `/${done.id}/certificate`), corp.token)
      const logKeys = parseVkeys(Buffer.from(await stage.download('/log/vkey')).toString())
      const rootPem = Buffer.from(await stage.download('/ca/root.pem')).toString()
      const trust = [parsePem(rootPem, 'CERTIFICATE')[0] as Uint8Array]
      expect(verifyDestructionProof(proof, { logKeys, trust, pdf: certificate })).toMatchObject({
        ok: true,
        logVerified: true,
        trusted: true,
        problems: [],
      })
      const told = proof.certificate as unknown as {
        objects: { objectId: string; replicas: unknown[] }[]
        keys: { scopeId?: string }[]
        verification: { check: string; ok: boolean }[]
        times: { requested: string; shredded: string; provisional: string }
      }
      expect(told.objects.map((one) => one.objectId).sort()).toEqual([...objects].sort())
      expect(told.objects.every((one) => one.replicas.length > 0)).toBe(true)
      expect(new Set(told.keys.map((one) => one.scopeId))).toEqual(new Set([task.id, fileId]))
      expect(told.verification.map((one) => [one.check, one.ok])).toEqual([
        ['replicas-absent', true],
        ['key-absent', true],
        ['sample-unreadable', true],
        ['reconcile-clean', true],
      ])
      expect(Date.parse(told.times.shredded)).toBeGreaterThanOrEqual(Date.parse(told.times.requested))
      const events = await ask(
        database.ownerUrl,
        `select count(*)::int as n from destruction_certificate where task_id = $1`,
        [task.id],
      )
      expect(events).toEqual([{ n: 1 }])

      // 4. Nothing opens, and nothing is left to be opened.
      for (const path of [document, `/api/v1/sign-tasks/${task.id}`, `/api/v1/files/${fileId}/content`]) {
        const refused = await stage.call<Problem>('GET', path, { token: corp.token })
        expect([path, refused.status]).toEqual([path, 410])
      }
      expect(await left()).toEqual([])
      expect(await operate('fsck')).toMatchObject({ clean: true })
    })
  }

  it('asking everybody for consent: each request has its one agreement in the end', {
    timeout: 180_000,
  }, async () => {
    let stage = await start(null)
    const asked: { corp: StageCompany; task: SignTask }[] = []
    for (const [i, step] of CONSENT_STEPS.entries()) {
      stage = await start(step)
      const corp = await stage.company(`示例协议${i}有限公司`)
      const mobile = `1370000777${i}`
      const made = await stage.createTask(corp.token, {
        title: `保密协议${i}`,
        documents: [{ ref: 'd', fileId: await stage.upload(corp.token, pdf) }],
        actors: [{ ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile }],
        autoStart: true,
      })
      const visit = await stage.visit(await stage.link(corp.token, made, 'person'), mobile, '张三')
      expect((await stage.sign(visit, mobile)).status).toBe(200)
      const task = await stage.until(corp.token, made.id, (one) => one.status === 'finished')
      const code = await codeOf(stage, corp, task)
      const call = stage
        .call('POST', at(task), { token: corp.token, body: { basis: 'consent', code } })
        .catch(() => undefined)
      await child?.reached
      await child?.kill()
      await call
      asked.push({ corp, task })
    }
    stage = await start(null)
    for (const { corp, task } of asked) {
      const pending = await until(stage, corp, task, (one) => one.state === 'CONSENT_PENDING')
      const { items } = await stage.ok<{ items: { id: string; title: string; status: string }[] }>(
        'GET',
        '/api/v1/sign-tasks',
        { token: corp.token },
      )
      const agreements = items.filter((one) => one.title.startsWith('合同销毁协议'))
      expect(agreements).toMatchObject([{ id: pending.agreementTaskId, status: 'signing' }])
      expect(pending.history.map((one) => one.state)).toEqual(['REQUESTED', 'CONSENT_PENDING'])
    }
  })
})
