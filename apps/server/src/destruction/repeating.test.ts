/** What a database that fell back believes alive though its keys were destroyed, beyond the journey of a whole restore. */
import { sql } from 'kysely'
import type { SignTask } from '@yinxin/sdk/wire'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { drawSampleContract } from '#src/sandbox/sample-contract.ts'
import { twoOperators } from '../../../../testing/operators.ts'
import { openStage, type Stage, type StageCompany } from '../../../../testing/stage.ts'

let stage: Stage
let corp: StageCompany
let pdf: Uint8Array

beforeAll(async () => {
  stage = await openStage()
  corp = await stage.company('示例科技有限公司')
  pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: 'YX-2026-0001',
    date: '2026年1月1日',
  })
})
afterAll(() => stage.close())

async function sentOut(): Promise<SignTask & { fileId: string }> {
  const fileId = await stage.upload(corp.token, pdf)
  const task = await stage.createTask(corp.token, {
    title: '保密协议',
    documents: [{ ref: 'contract', fileId }],
    actors: [{ ref: 'a', kind: 'person', role: 'sign', name: '李四', mobile: '13611112222' }],
    autoStart: true,
  })
  return { ...task, fileId }
}

const rowOf = async (id: string) =>
  (
    await stage.server().app.db.work((tx) =>
      sql<{ title: string; status: string; destroyed_at: Date | null }>`
          select title, status, destroyed_at from sign_task where id = ${id}`.execute(tx),
    )
  ).rows[0]

const objectOf = async (fileId: string) =>
  (
    await stage
      .server()
      .app.db.work((tx) =>
        sql<{ object_id: string }>`select object_id from file where id = ${fileId}`.execute(tx),
      )
  ).rows[0]?.object_id ?? ''

it('a living contract is left alone, and so is its upload', async () => {
  const task = await sentOut()
  const { destruction, storage } = stage.server().app
  expect(await destruction.repeatLost()).toEqual({ contracts: [], accesses: [], held: [], failed: [] })
  expect((await rowOf(task.id))?.title).toBe('保密协议')
  expect((await storage.describe(await objectOf(task.fileId))).id).toBe(await objectOf(task.fileId))
})

it('what is on its way to be signed ends, nobody is asked for it again, and its upload goes with it', async () => {
  const task = await sentOut()
  const { destruction, kms, storage } = stage.server().app
  const upload = await objectOf(task.fileId)
  await kms.destroyScopeKey(task.id)
  await kms.destroyScopeKey(task.fileId)
  // The comparison was quicker: objects of which nothing can be told any more do not stop the rest.
  await storage.reconcile()
  await expect(storage.describe(upload)).rejects.toMatchObject({ code: 'object_destroyed' })
  const [one, other] = await Promise.all([destruction.repeatLost(), destruction.repeatLost()])
  expect(one).toEqual({ contracts: [task.id], accesses: [], held: [], failed: [] })
  expect(other).toEqual(one)
  const row = await rowOf(task.id)
  expect(row).toMatchObject({ title: '', status: 'canceled' })
  expect(row?.destroyed_at).not.toBeNull()
  const answer = await stage.call<{ code: string }>('GET', `/api/v1/sign-tasks/${task.id}`, {
    token: corp.token,
  })
  expect([answer.status, answer.body.code]).toEqual([410, 'access_destroyed'])
  expect((await destruction.repeatLost()).contracts).toEqual([])
})

it('a hold in which the database still believes is named, stops nothing else, and ends with its release', async () => {
  const held = await sentOut()
  const { destruction, kms, storage, db } = stage.server().app
  const operators = await twoOperators(stage.server().app)
  const { id } = await destruction.holds.place({
    taskId: held.id,
    basis: 'court',
    reference: '(2026)沪01',
    by: operators[0],
  })
  await kms.destroyScopeKey(held.id)
  const other = await sentOut()
  await kms.destroyScopeKey(other.id)
  const { findings } = await storage.reconcile()
  expect(findings.filter((one) => one.subjectId === held.id).map((one) => one.class)).toEqual([
    'e_key_missing',
  ])
  expect(await destruction.repeatLost()).toEqual({
    contracts: [other.id],
    accesses: [],
    held: [held.id],
    failed: [],
  })
  expect((await rowOf(held.id))?.title).toBe('保密协议')
  await db.work((tx) =>
    sql`update legal_hold set release_asked_by = 'a', released_by = 'b', released_at = now(), release_asked_at = now()
      where id = ${id}`.execute(tx),
  )
  expect((await destruction.repeatLost()).contracts).toEqual([held.id])
  expect((await rowOf(held.id))?.title).toBe('')
})
