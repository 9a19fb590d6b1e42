/** What may go wrong between the steps: queues that fill, holds and signings that come in between, certificates cut short. */
import type { Destruction, DestructionOverview, SignTask } from '@yinxin/sdk/wire'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '#src/ids.ts'
import { drawSampleContract } from '#src/sandbox/sample-contract.ts'
import { type TestOperator, twoOperators } from '../../../../testing/operators.ts'
import { openStage, type Stage, type StageCompany } from '../../../../testing/stage.ts'

const DAY_MS = 86_400_000
let stage: Stage
let corp: StageCompany
let pdf: Uint8Array
let operator: TestOperator
let offsetMs = 0
const clock = { now: () => new Date(Date.now() + offsetMs) }

beforeAll(async () => {
  stage = await openStage({ clock })
  ;[operator] = await twoOperators(stage.server().app)
  corp = await stage.company('示例科技有限公司')
  pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: 'YX-2026-0001',
    date: '2026年1月1日',
  })
})
afterAll(() => stage.close())

const at = (task: { id: string }, rest = '') => `/api/v1/sign-tasks/${task.id}/destruction${rest}`

async function draft(): Promise<SignTask> {
  const fileId = await stage.upload(corp.token, pdf)
  return await stage.createTask(corp.token, {
    title: '未发出的草稿',
    documents: [{ ref: 'contract', fileId }],
    actors: [{ ref: 'a', kind: 'person', role: 'sign', name: '李四', mobile: '13611112222' }],
  })
}

async function sendCode(task: SignTask): Promise<string> {
  // Codes are paced: one a minute.
  offsetMs += 61_000
  return await stage.codeBy(corp.admin.login, () =>
    stage.ok('POST', at(task, '/code'), { token: corp.token }),
  )
}

async function ask(task: SignTask, body: Record<string, unknown> = {}): Promise<Destruction> {
  const code = await sendCode(task)
  return await stage.ok<Destruction>('POST', at(task), {
    token: corp.token,
    body: { basis: 'own', code, ...body },
  })
}

async function newest(task: SignTask): Promise<Destruction | undefined> {
  const { requests } = await stage.ok<DestructionOverview>('GET', at(task), { token: corp.token })
  return requests[0]
}

const advance = () => stage.server().app.destruction.advanceAll()
const inDays = (days: number) => ({ at: new Date(clock.now().getTime() + days * DAY_MS).toISOString() })

async function until(task: SignTask, state: Destruction['state']): Promise<Destruction> {
  for (let i = 0; i < 40; i++) {
    await advance()
    const found = await newest(task)
    if (found?.state === state) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`it did not come so far: ${JSON.stringify(await newest(task))}`)
}

async function sleepDays(days: number): Promise<void> {
  offsetMs += days * DAY_MS
  corp.token = await stage.signIn(corp.admin.login, corp.corpId)
}

describe('a destruction', () => {
  it('goes on however many others wait for the end of their epoch', async () => {
    const { db } = stage.server().app
    await db.work(async (tx) => {
      for (let i = 0; i < 30; i++)
        await sql`insert into destruction (id, task_id, tenant_id, basis, extent, state, requested_at, updated_at, record)
          values (${newId()}, ${newId()}, ${newId()}, 'own', 'contract', 'DESTROYED_PROVISIONAL', now() - interval '1 day',
          now() - interval '1 day', '{"history":[]}')`.execute(tx)
    })
    const task = await draft()
    await ask(task)
    await until(task, 'DESTROYED_PROVISIONAL')
  })

  it('does not pull a contract away while it is being signed', async () => {
    const task = await draft()
    await ask(task, inDays(1))
    await stage.ok('POST', `/api/v1/sign-tasks/${task.id}/start`, { token: corp.token })
    await sleepDays(1.1)
    await advance()
    expect(await newest(task)).toMatchObject({
      state: 'COOLING_OFF',
      problem: 'destruction_task_is_signed_now',
      cancellable: true,
    })
    expect((await stage.task(corp.token, task.id)).status).toBe('signing')
    await stage.ok('POST', `/api/v1/sign-tasks/${task.id}/cancel`, {
      token: corp.token,
      body: { reason: '不再需要' },
    })
    await until(task, 'DESTROYED_PROVISIONAL')
  })

  it('makes its final certificate even when it was cut short after the last step', async () => {
    const { db, kms } = stage.server().app
    const task = await draft()
    await ask(task)
    await until(task, 'DESTROYED_PROVISIONAL')
    await kms.rotateKeys('epoch')
    await kms.advanceKeys()
    await sleepDays(15)
    await kms.advanceKeys()
    const done = await until(task, 'DESTROYED_FINAL')
    // As a kill between the commit of the state and the timestamp leaves it.
    await db.work((tx) =>
      sql`update destruction_certificate set entry = '', proof = null, timestamp_token = null, pdf = null
        where destruction_id = ${done.id} and stage = 'final'`.execute(tx),
    )
    await advance()
    expect((await newest(task))?.certificates[0]).toMatchObject({ stage: 'final', ready: true })
  })
})

describe('a step that fails', () => {
  it('is tried again ever later, says so to whoever asked, and holds up nobody else', async () => {
    const { destruction } = stage.server().app
    const task = await draft()
    let failures = 0
    let isBroken = true
    destruction.register({
      name: 'broken',
      async end(taskId) {
        if (taskId !== task.id || !isBroken) return 0
        failures += 1
        throw new Error('the disk is away')
      },
    })
    await ask(task)
    await expect.poll(async () => (await newest(task))?.attempts).toBe(1)
    const waits: number[] = []
    for (let attempt = 1; attempt <= 8; attempt++) {
      const failed = await newest(task)
      expect(failed).toMatchObject({ state: 'SHREDDING', attempts: attempt, problem: 'internal' })
      expect(failures).toBe(attempt)
      const waitMs = Date.parse(failed?.nextTryAt ?? '') - clock.now().getTime()
      waits.push(waitMs)
      // Before its time it is left alone.
      await advance()
      expect(failures).toBe(attempt)
      offsetMs += waitMs + 1000
      await advance()
    }
    const minutes = waits.map((waitMs) => waitMs / 60_000)
    for (const [i, minute] of minutes.entries()) {
      const longest = Math.min(60, 2 ** i)
      expect(minute).toBeGreaterThan(longest / 2 - 0.5)
      expect(minute).toBeLessThanOrEqual(longest)
    }
    expect((await destruction.queue()).first.find((one) => one.taskId === task.id)).toMatchObject({
      attempts: 9,
      problem: 'internal',
    })
    // Another one goes its way meanwhile.
    corp.token = await stage.signIn(corp.admin.login, corp.corpId)
    const other = await draft()
    await ask(other)
    await until(other, 'DESTROYED_PROVISIONAL')
    // Mended, it goes on by itself, and nothing of the trouble stays.
    isBroken = false
    offsetMs += 61 * 60_000
    expect(await until(task, 'DESTROYED_PROVISIONAL')).toMatchObject({
      attempts: 0,
      problem: null,
      nextTryAt: null,
    })
  })
})

describe('a legal hold', () => {
  it('is not put on what is being shredded at that moment, so that it never claims what it cannot keep', async () => {
    const { destruction, db } = stage.server().app
    const task = await draft()
    const { id } = await ask(task, inDays(1))
    // The state that a server leaves which dies before the keys go.
    await db.work((tx) => sql`update destruction set state = 'SHREDDING' where id = ${id}`.execute(tx))
    const hold = { taskId: task.id, basis: 'court', reference: '(2026)沪01', by: operator } as const
    await expect(destruction.holds.place(hold)).rejects.toMatchObject({ code: 'legal_hold_not_now' })
    await until(task, 'DESTROYED_PROVISIONAL')
    await expect(destruction.holds.place(hold)).rejects.toMatchObject({ code: 'legal_hold_too_late' })
  })

  it('needs a contract that exists', async () => {
    const { destruction } = stage.server().app
    await expect(
      destruction.holds.place({ taskId: newId(), basis: 'court', reference: 'x', by: operator }),
    ).rejects.toMatchObject({ kind: 'not_found' })
  })
})

describe('the code for a destruction', () => {
  it('says what it is for', async () => {
    const task = await draft()
    const seen = await stage.messages(corp.admin.login)
    await sendCode(task)
    const message = await stage.nextMessage(corp.admin.login, seen, (one) => one.code !== null)
    expect(message.body).toContain('销毁')
    expect(message.body).not.toContain('登录')
  })

  it('is not sent for a contract of somebody else, or of nobody', async () => {
    const task = await draft()
    const stranger = await stage.company('旁人科技有限公司')
    for (const id of [task.id, newId()]) {
      const refused = await stage.call<{ code: string }>('POST', at({ id }, '/code'), {
        token: stranger.token,
      })
      expect([refused.status, refused.body.code]).toEqual([404, 'sign_task_not_found'])
    }
  })
})
