import type { Page, SignTask, TaskEvent } from '@yinxin/sdk/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { drawSampleContract } from '#src/sandbox/sample-contract.ts'
import { openStage, type Stage, type StageCompany } from '../../../../testing/stage.ts'

let stage: Stage
let corp: StageCompany
let fileId: string
let contacts = 0

beforeAll(async () => {
  stage = await openStage()
  corp = await stage.company('示例科技有限公司')
  const pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: 'YX-2026-0003',
    date: '2026年1月1日',
  })
  fileId = await stage.upload(corp.token, pdf)
})
afterAll(() => stage.close())

function contact(): string {
  contacts += 1
  return `1340000${String(contacts).padStart(4, '0')}`
}

async function events(task: SignTask): Promise<TaskEvent[]> {
  const page = await stage.ok<Page<TaskEvent>>('GET', `/api/v1/sign-tasks/${task.id}/events?limit=100`, {
    token: corp.token,
  })
  return page.items
}

const company = () => ({
  ref: 'corp',
  kind: 'corp',
  role: 'sign',
  name: corp.name,
  subjectId: corp.corpId,
  order: 2,
  freeSignBusinessId: corp.businessId,
})

describe('free signing', () => {
  it('tells loudly when the grant has gone, and signs after it is back and the task is urged', async () => {
    const mobile = contact()
    const task = await stage.createTask(corp.token, {
      documents: [{ ref: 'd', fileId }],
      actors: [{ ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile, order: 1 }, company()],
      fields: [{ documentRef: 'd', actorRef: 'corp', kind: 'seal', position: { page: 1, x: 50, y: 50 } }],
      autoStart: true,
    })
    const setSeal = (status: string) =>
      stage.ok('PATCH', `/api/v1/seals/${corp.sealId}`, { token: corp.token, body: { status } })
    await setSeal('disabled')
    const visitor = await stage.visit(await stage.link(corp.token, task, 'person'), mobile, '张三')
    expect((await stage.sign(visitor, mobile, { handwriting: undefined })).status).toBe(200)

    const told = await stage.nextMessage(corp.admin.login, [], (message) =>
      message.body.includes('免验证签署未能完成'),
    )
    expect(told.body).toContain('技术服务合同')
    expect((await events(task)).find((event) => event.type === 'signature.given-up')?.data).toMatchObject({
      failure: 'free_sign_not_granted',
    })
    const stuck = await stage.task(corp.token, task.id)
    expect(stuck).toMatchObject({ status: 'signing', documents: [{ revision: 1 }] })
    expect(stuck.actors[1]?.status).toBe('ready')

    await setSeal('active')
    await stage.ok('POST', `/api/v1/sign-tasks/${task.id}/urge`, { token: corp.token })
    const done = await stage.until(corp.token, task.id, (one) => one.status === 'finished')
    expect(done.documents[0]?.revision).toBe(2)
    await stage.nextMessage(
      corp.admin.login,
      [],
      (message) => message.subject?.includes('已完成') ?? message.body.includes('已由各方签署完成'),
    )
  })

  it('signs at once in a task of the company alone', async () => {
    const task = await stage.createTask(corp.token, {
      documents: [{ ref: 'd', fileId }],
      actors: [company()],
      autoStart: true,
    })
    const done = await stage.until(corp.token, task.id, (one) => one.status === 'finished')
    expect(done.actorDetails[0]).toMatchObject({ freeSign: true, status: 'signed' })
    expect((await events(task)).map((event) => event.type)).toEqual([
      'task.created',
      'document.added',
      'task.started',
      'actor.ready',
      'consent.given',
      'document.signed',
      'actor.signed',
      'task.finished',
    ])
  })
})

describe('reading a signed document', () => {
  it('serves any revision, whole and in ranges that cross from the base into a signature', async () => {
    const task = await stage.createTask(corp.token, {
      documents: [{ ref: 'd', fileId }],
      actors: [company()],
      autoStart: true,
    })
    const done = await stage.until(corp.token, task.id, (one) => one.status === 'finished')
    const path = `/api/v1/sign-tasks/${task.id}/documents/${done.documents[0]?.documentId}/content`
    const [base, signed] = [
      await stage.download(`${path}?revision=0`, corp.token),
      await stage.download(path, corp.token),
    ]
    expect(Buffer.compare(Buffer.from(signed.subarray(0, base.length)), Buffer.from(base))).toBe(0)
    expect(signed.length).toBeGreaterThan(base.length)
    const from = base.length - 100
    const part = await fetch(`${stage.url}${path}`, {
      headers: { authorization: `Bearer ${corp.token}`, range: `bytes=${from}-${from + 199}` },
    })
    expect(part.status).toBe(206)
    const bytes = new Uint8Array(await part.arrayBuffer())
    expect(Buffer.compare(Buffer.from(bytes), Buffer.from(signed.subarray(from, from + 200)))).toBe(0)
    expect((await stage.call('GET', `${path}?revision=7`, { token: corp.token })).status).toBe(404)
  })
})

describe('the public log', () => {
  it('publishes its key, a checkpoint and the tiles below it', async () => {
    await stage.createTask(corp.token, { documents: [{ ref: 'd', fileId }] })
    await stage.server().app.evidence.log.integrate()
    const vkey = Buffer.from(await stage.download('/log/vkey')).toString('utf8')
    const checkpoint = Buffer.from(await stage.download('/log/checkpoint')).toString('utf8')
    const [origin, size] = checkpoint.split('\n')
    expect(vkey.startsWith(`${origin}+`)).toBe(true)
    const width = Number(size) % 256
    const tile = await stage.download(`/log/tile/0/000.p/${width}`)
    expect(tile.length).toBe(32 * width)
    const entries = Buffer.from(await stage.download(`/log/tile/entries/000.p/${width}`)).toString('utf8')
    expect(entries).toContain('task.created')
    // Nothing personal stands in the public log.
    for (const secret of ['张三', corp.name, corp.admin.login, corp.corpId, '技术服务合同']) {
      expect(entries).not.toContain(secret)
    }
    expect((await stage.call('GET', `/log/tile/0/000.p/${width + 1}`)).status).toBe(404)
  })
})
