import { randomUUID } from 'node:crypto'
import type { Ceremony, Page, SignResult, SignTask, SignTaskSummary } from '@yinxin/sdk/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { manualClock } from '#src/clock.ts'
import { drawSampleContract } from '#src/sandbox/sample-contract.ts'
import { handwriting, openStage, type Stage, type StageCompany } from '../../../../testing/stage.ts'

const HOUR_MS = 3_600_000

let stage: Stage
let corp: StageCompany
let fileId: string
const clock = manualClock(new Date())

beforeAll(async () => {
  stage = await openStage({ clock })
  corp = await stage.company('示例科技有限公司')
  const pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: 'YX-2026-0002',
    date: '2026年1月1日',
  })
  fileId = await stage.upload(corp.token, pdf)
})
afterAll(() => stage.close())

interface Signer {
  ref: string
  name: string
  mobile: string
  order: number
}

let people = 0
function signer(name: string, order = 1): Signer {
  people += 1
  return { ref: `p${people}`, name, mobile: `1360000${String(people).padStart(4, '0')}`, order }
}

async function started(signers: Signer[], over: Record<string, unknown> = {}): Promise<SignTask> {
  return await stage.createTask(corp.token, {
    documents: [{ ref: 'contract', fileId }],
    actors: signers.map((one) => ({ ...one, kind: 'person', role: 'sign' })),
    fields: signers.map((one, i) => ({
      documentRef: 'contract',
      actorRef: one.ref,
      kind: 'signature',
      position: { page: 1, x: 60, y: 60 + 60 * i },
    })),
    autoStart: true,
    ...over,
  })
}

async function visit(task: SignTask, one: Signer) {
  return await stage.visit(await stage.link(corp.token, task, one.ref), one.mobile, one.name)
}

const codeOf = (answer: { body: unknown }) => (answer.body as { code?: string }).code

describe('signing, when people do not do as planned', () => {
  it('refuses who is out of order, and lets each sign in turn', async () => {
    const [first, second] = [signer('张三', 1), signer('李四', 2)]
    const task = await started([first, second])
    const early = await visit(task, second)
    expect(early.ceremony.step).toBe('wait')
    expect(early.ceremony.task).toBeNull()
    const base = `/api/v1/ceremonies/${early.linkToken}`
    const documents = task.documents.map(({ documentId, sha256 }) => ({ documentId, sha256 }))
    const body = { code: '123456', consent: true, documents }
    expect(codeOf(await stage.call('POST', `${base}/sign-code`, { token: early.token }))).toBe(
      'not_your_turn',
    )
    expect(codeOf(await stage.call('POST', `${base}/sign`, { token: early.token, body }))).toBe(
      'not_your_turn',
    )
    const path = `${base}/documents/${documents[0]?.documentId}/content`
    expect(codeOf(await stage.call('GET', path, { token: early.token }))).toBe('not_your_turn')

    const turn = await visit(task, first)
    expect((await stage.sign(turn, first.mobile)).status).toBe(200)
    const signed = await stage.sign(early, second.mobile)
    expect(signed.body.taskStatus).toBe('finished')
  })

  it('signs once: a repeated request gets the same answer, a second one is refused', async () => {
    const one = signer('张三')
    const task = await started([one])
    const visitor = await visit(task, one)
    const key = { 'idempotency-key': randomUUID() }
    const documents = visitor.ceremony.task?.documents.map(({ documentId, sha256 }) => ({
      documentId,
      sha256,
    }))
    const code = await stage.signCode(visitor, one.mobile)
    const first = await stage.sign(visitor, one.mobile, { code, documents }, key)
    expect(first.status, JSON.stringify(first.body)).toBe(200)
    const again = await stage.call<SignResult>('POST', `/api/v1/ceremonies/${visitor.linkToken}/sign`, {
      token: visitor.token,
      body: { code, consent: true, documents, handwriting },
      headers: key,
    })
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect(again.body).toEqual(first.body)
    const other = await stage.call('POST', `/api/v1/ceremonies/${visitor.linkToken}/sign`, {
      token: visitor.token,
      body: { code, consent: true, documents },
    })
    expect([other.status, codeOf(other)]).toEqual([409, 'already_signed'])
    expect((await stage.task(corp.token, task.id)).documents[0]?.revision).toBe(1)
  })

  it('lets one of two tabs win and tells the other so', async () => {
    const one = signer('张三')
    const task = await started([one])
    const visitor = await visit(task, one)
    const base = `/api/v1/ceremonies/${visitor.linkToken}`
    const { token } = visitor
    const { task: seen } = await stage.ok<Ceremony>('GET', `${base}/view`, { token })
    const documents = (seen?.documents ?? []).map(({ documentId, sha256 }) => ({ documentId, sha256 }))
    for (const body of documents) await stage.ok('POST', `${base}/read`, { token, body })
    const code = await stage.signCode(visitor, one.mobile)
    // All three have read; only the last click is raced, so that a quick winner bars nobody from reading.
    const answers = await Promise.all(
      [1, 2, 3].map(() =>
        stage.call('POST', `${base}/sign`, {
          token,
          body: { code, consent: true, documents, handwriting },
          headers: { 'idempotency-key': randomUUID() },
        }),
      ),
    )
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1)
    for (const answer of answers.filter((lost) => lost.status !== 200)) {
      expect(answer.status).toBe(409)
      expect(['signing_in_progress', 'already_signed']).toContain(codeOf(answer))
    }
    expect((await stage.task(corp.token, task.id)).documents[0]?.revision).toBe(1)
  })

  it('keeps every signature of parties that sign at the same moment', async () => {
    const signers = [signer('张三'), signer('李四'), signer('王五'), signer('赵六')]
    const task = await started(signers, { ordered: false })
    const visitors = await Promise.all(signers.map((one) => visit(task, one)))
    const answers = await Promise.all(
      visitors.map((visitor, i) => stage.sign(visitor, signers[i]?.mobile ?? '')),
    )
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200])
    const done = await stage.task(corp.token, task.id)
    expect(done).toMatchObject({ status: 'finished', documents: [{ revision: 4 }] })
    const file = await stage.download(
      `/api/v1/sign-tasks/${task.id}/documents/${done.documents[0]?.documentId}/content`,
      corp.token,
    )
    const report = await stage.ok<{ ok: boolean; signatures: { signer: string }[] }>(
      'POST',
      '/api/v1/verifications',
      { body: file },
    )
    expect(report.ok).toBe(true)
    expect(report.signatures.map((one) => one.signer).sort()).toEqual(signers.map((one) => one.name).sort())
  })

  it('refuses a code that was tried too often, even when it is right at last', async () => {
    const one = signer('张三')
    const visitor = await visit(await started([one]), one)
    const right = await stage.signCode(visitor, one.mobile)
    const wrong = right === '000000' ? '000001' : '000000'
    const codes: (string | undefined)[] = []
    for (let tries = 0; tries < 6; tries++)
      codes.push(codeOf(await stage.sign(visitor, one.mobile, { code: wrong })))
    expect(codes.slice(0, 4)).toEqual(Array(4).fill('sign_code_wrong'))
    expect(codes.slice(4)).toEqual(Array(2).fill('sign_code_tried_too_often'))
    expect(codeOf(await stage.sign(visitor, one.mobile, { code: right }))).toBe('sign_code_tried_too_often')
  })

  it('signs only what the signer has read', async () => {
    const one = signer('张三')
    const task = await started([one])
    const visitor = await visit(task, one)
    const documentId = task.documents[0]?.documentId
    const sha256 = 'a'.repeat(64)
    const refused = await stage.sign(visitor, one.mobile, {
      code: '000000',
      documents: [{ documentId, sha256 }],
    })
    expect([refused.status, codeOf(refused)]).toEqual([409, 'document_changed'])
    expect(codeOf(await stage.sign(visitor, one.mobile, { code: '000000', documents: [] }))).toBe(
      'documents_not_confirmed',
    )
    expect(codeOf(await stage.sign(visitor, one.mobile, { code: '000000', handwriting: undefined }))).toBe(
      'signature_drawing_missing',
    )
  })

  it('admits nobody but the named person, however the link came into its hands', async () => {
    const one = signer('张三')
    const task = await started([one])
    const linkToken = await stage.link(corp.token, task, one.ref)
    const thief = await stage.person('张三')
    const view = await stage.ok<Ceremony>('GET', `/api/v1/ceremonies/${linkToken}/view`, {
      token: thief.token,
    })
    expect(view.step).toBe('wrong-person')
    expect(view.task).toBeNull()
    const path = `/api/v1/ceremonies/${linkToken}/documents/${task.documents[0]?.documentId}/content`
    expect((await stage.call('GET', path, { token: thief.token })).status).toBe(403)
    // The owner of the contact under another proven name is not the named person either.
    const other = await stage.visit(linkToken, one.mobile, '李四')
    expect(other.ceremony.step).toBe('wrong-person')
    expect((await stage.call('GET', `/api/v1/ceremonies/${'x'.repeat(43)}`)).status).toBe(404)
  })
})

describe('the ends of a task', () => {
  it('rejects: the task ends, the initiator and the others are told, the links die', async () => {
    const [one, two] = [signer('张三'), signer('李四')]
    const task = await started([one, two], { ordered: false })
    const visitor = await visit(task, one)
    const otherLink = await stage.link(corp.token, task, two.ref)
    const after = await stage.ok<Ceremony>('POST', `/api/v1/ceremonies/${visitor.linkToken}/reject`, {
      token: visitor.token,
      body: { reason: '价格不对' },
    })
    expect(after.step).toBe('rejected')
    const ended = await stage.task(corp.token, task.id)
    expect(ended).toMatchObject({ status: 'rejected', endReason: '价格不对' })
    expect(ended.actorDetails[0]).toMatchObject({ status: 'rejected', rejectReason: '价格不对' })
    const dead = await stage.call('GET', `/api/v1/ceremonies/${otherLink}`)
    expect([dead.status, codeOf(dead)]).toEqual([410, 'link_ended'])
    await stage.nextMessage(two.mobile, [], (message) => message.body.includes('价格不对'))
  })

  it('cancels: nobody can sign any more, and a link is not made for what has ended', async () => {
    const one = signer('张三')
    const task = await started([one])
    const visitor = await visit(task, one)
    const canceled = await stage.ok<SignTask>('POST', `/api/v1/sign-tasks/${task.id}/cancel`, {
      token: corp.token,
      body: { reason: '条款有误' },
    })
    expect(canceled).toMatchObject({ status: 'canceled', endReason: '条款有误' })
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/view'],
      ['POST', '/sign-code'],
      ['POST', '/login-code'],
    ] as const) {
      const answer = await stage.call(method, `/api/v1/ceremonies/${visitor.linkToken}${path}`, {
        token: visitor.token,
      })
      expect([path, answer.status, codeOf(answer)]).toEqual([path, 410, 'link_ended'])
    }
    const actorId = task.actorDetails[0]?.actorId
    const link = await stage.call('POST', `/api/v1/sign-tasks/${task.id}/actors/${actorId}/link`, {
      token: corp.token,
    })
    expect(link.status).toBe(410)
    const again = await stage.call('POST', `/api/v1/sign-tasks/${task.id}/cancel`, {
      token: corp.token,
      body: { reason: 'x' },
    })
    expect([again.status, codeOf(again)]).toEqual([409, 'task_not_signing'])
  })

  it('expires at its deadline and urges within its limits', async () => {
    const one = signer('张三')
    const deadline = new Date(clock.now().getTime() + 30 * HOUR_MS).toISOString()
    const task = await started([one], { deadline })
    const urge = () => stage.call('POST', `/api/v1/sign-tasks/${task.id}/urge`, { token: corp.token })
    expect((await urge()).status).toBe(200)
    await stage.nextMessage(one.mobile, [], (message) => message.body.includes('提醒'))
    expect([(await urge()).status, codeOf(await urge())]).toEqual([429, 'urged_too_often'])
    clock.advance(2 * HOUR_MS)
    expect((await urge()).status).toBe(200)
    clock.advance(3 * HOUR_MS)
    expect((await urge()).status).toBe(429)

    // A session of twelve hours has to be opened anew after the night.
    expect(await stage.server().app.signTasks.expireOverdue()).toBe(0)
    clock.advance(26 * HOUR_MS)
    expect(await stage.server().app.signTasks.expireOverdue()).toBe(1)
    expect(await stage.server().app.signTasks.expireOverdue()).toBe(0)
    await stage.nextMessage(one.mobile, [], (message) => message.body.includes('已过期'))
    corp = { ...corp, token: await stage.signIn(corp.admin.login, corp.corpId) }
    expect((await stage.task(corp.token, task.id)).status).toBe('expired')
  })
})

describe('drafts and lists', () => {
  it('creates once for one idempotency key and refuses the key for another body', async () => {
    const one = signer('张三')
    const body = {
      title: '一次',
      documents: [{ ref: 'd', fileId }],
      actors: [{ ...one, kind: 'person', role: 'sign' }],
      fields: [],
      autoStart: true,
      reference: 'order-42',
    }
    const headers = { 'idempotency-key': randomUUID() }
    const create = (input: unknown) =>
      stage.call<SignTask>('POST', '/api/v1/sign-tasks', { token: corp.token, body: input, headers })
    const first = await create(body)
    expect(first.status).toBe(201)
    const second = await create(body)
    expect(second.body).toEqual(first.body)
    expect(codeOf(await create({ ...body, title: '两次' }))).toBe('idempotency_key_reused')
    const found = await stage.ok<Page<SignTaskSummary>>('GET', '/api/v1/sign-tasks?q=order-42', {
      token: corp.token,
    })
    expect(found.items.map((item) => item.id)).toEqual([first.body.id])
  })

  it('edits a draft, starts it, and freezes it then', async () => {
    const one = signer('张三')
    const draft = await stage.createTask(corp.token, { documents: [{ ref: 'd', fileId }] })
    expect(draft.status).toBe('draft')
    const start = () =>
      stage.call<SignTask>('POST', `/api/v1/sign-tasks/${draft.id}/start`, { token: corp.token })
    expect(codeOf(await start())).toBe('task_without_signers')
    const actors = [{ ...one, kind: 'person', role: 'sign' }]
    const fields = [
      { documentRef: 'd', actorRef: one.ref, kind: 'signature', position: { keyword: '乙方（签字）' } },
    ]
    const post = (what: string, body: unknown) =>
      stage.call<SignTask>('POST', `/api/v1/sign-tasks/${draft.id}/${what}`, { token: corp.token, body })
    expect((await post('actors', actors)).status).toBe(200)
    expect(codeOf(await post('actors', actors))).toBe('duplicate_ref')
    expect((await post('fields', fields)).body.fields).toHaveLength(1)
    expect(codeOf(await post('fields', [{ ...fields[0], position: { keyword: '丙方' } }]))).toBe(
      'keyword_not_found',
    )
    // Before the start the actor sees nothing of it, even with a session of its own.
    const early = await visit(await stage.task(corp.token, draft.id), one)
    expect(early.ceremony).toMatchObject({ step: 'wait', task: null })
    const content = `/api/v1/ceremonies/${early.linkToken}/documents/${draft.documents[0]?.documentId}/content`
    expect((await stage.call('GET', content, { token: early.token })).status).toBe(409)
    expect((await stage.call('GET', `/api/v1/sign-tasks/${draft.id}`, { token: early.token })).status).toBe(
      404,
    )
    const begun = await start()
    expect(begun.body.status, JSON.stringify(begun.body)).toBe('signing')
    expect(codeOf(await post('actors', actors))).toBe('task_not_draft')
    expect(codeOf(await start())).toBe('task_not_draft')
    const removed = await stage.call('DELETE', `/api/v1/sign-tasks/${draft.id}`, { token: corp.token })
    expect([removed.status, codeOf(removed)]).toEqual([409, 'task_not_draft'])
  })

  it('throws a draft away and pages a list', async () => {
    const draft = await stage.createTask(corp.token, { title: '废稿', documents: [{ ref: 'd', fileId }] })
    expect((await stage.call('DELETE', `/api/v1/sign-tasks/${draft.id}`, { token: corp.token })).status).toBe(
      204,
    )
    expect((await stage.call('GET', `/api/v1/sign-tasks/${draft.id}`, { token: corp.token })).status).toBe(
      404,
    )
    const seen: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const page: Page<SignTaskSummary> = await stage.ok(
        'GET',
        `/api/v1/sign-tasks?limit=3${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
        { token: corp.token },
      )
      seen.push(...page.items.map((item) => item.id))
      cursor = page.nextCursor
    }
    expect(seen.length).toBeGreaterThan(8)
    expect(new Set(seen).size).toBe(seen.length)
    expect([...seen].sort().reverse()).toEqual(seen)
  })
})

describe('strangers', () => {
  it('answers 404 to another tenant on every route, and shows a party what it may see', async () => {
    const one = signer('张三')
    const task = await started([one])
    const visitor = await visit(task, one)
    const stranger = await stage.person('陌生人')
    const actorId = task.actorDetails[0]?.actorId
    const documentId = task.documents[0]?.documentId
    const base = `/api/v1/sign-tasks/${task.id}`
    const routes: [string, string, unknown?][] = [
      ['GET', base],
      ['DELETE', base],
      ['POST', `${base}/start`],
      ['POST', `${base}/cancel`, { reason: 'x' }],
      ['POST', `${base}/urge`],
      ['POST', `${base}/actors`, [{ ...signer('甲'), kind: 'person', role: 'sign' }]],
      [
        'POST',
        `${base}/fields`,
        [{ documentRef: 'contract', actorRef: one.ref, kind: 'date', position: { page: 1, x: 1, y: 1 } }],
      ],
      ['POST', `${base}/actors/${actorId}/link`],
      ['GET', `${base}/documents/${documentId}/content`],
      ['GET', `${base}/events`],
      ['GET', `${base}/evidence`],
    ]
    for (const [method, path, body] of routes) {
      const answer = await stage.call(method, path, { token: stranger.token, ...(body ? { body } : {}) })
      expect([method, path, answer.status]).toEqual([method, path, 404])
    }
    const stolen = await stage.call('POST', '/api/v1/sign-tasks', {
      token: stranger.token,
      body: { title: 'x', documents: [{ ref: 'd', fileId }], actors: [], fields: [] },
    })
    expect(stolen.status).toBe(404)
    const list = await stage.ok<Page<SignTaskSummary>>('GET', '/api/v1/sign-tasks', { token: stranger.token })
    expect(list.items).toEqual([])

    // The party reads, and steers nothing.
    const seen = await stage.ok<SignTask>('GET', base, { token: visitor.token })
    expect(seen).toMatchObject({ myTurn: true, myActorId: actorId, reference: null })
    const received = await stage.ok<Page<SignTaskSummary>>('GET', '/api/v1/sign-tasks?role=received', {
      token: visitor.token,
    })
    expect(received.items.map((item) => item.id)).toEqual([task.id])
    for (const what of ['cancel', 'urge']) {
      const answer = await stage.call('POST', `${base}/${what}`, {
        token: visitor.token,
        body: { reason: 'x' },
      })
      expect([what, answer.status]).toEqual([what, 404])
    }
    const zip = await stage.download(`${base}/evidence`, visitor.token)
    expect(zip.length).toBeGreaterThan(1000)
    expect(Buffer.from(zip).includes(corp.admin.personId)).toBe(false)
  })

  it('lets a plain member start free signing only with a seal granted to it', async () => {
    const member = await stage.person('普通成员')
    await stage.ok('POST', `/api/v1/corps/${corp.corpId}/members`, {
      token: corp.token,
      body: { login: member.login, role: 'member' },
    })
    await stage.ok('PUT', '/api/v1/me/acting', { token: member.token, body: { subjectId: corp.corpId } })
    const body = {
      title: 'x',
      documents: [{ ref: 'contract', fileId }],
      actors: [
        { ref: 'c', kind: 'corp', role: 'sign', name: corp.name, freeSignBusinessId: corp.businessId },
      ],
      fields: [{ documentRef: 'contract', actorRef: 'c', kind: 'seal', position: { page: 1, x: 60, y: 60 } }],
    }
    const create = (autoStart: boolean) =>
      stage.call<SignTask>('POST', '/api/v1/sign-tasks', {
        token: member.token,
        body: { ...body, autoStart },
      })
    expect(codeOf(await create(true))).toBe('free_sign_seal_not_yours')
    const draft = await create(false)
    expect(draft.status).toBe(201)
    const start = () =>
      stage.call<SignTask>('POST', `/api/v1/sign-tasks/${draft.body.id}/start`, { token: member.token })
    expect(codeOf(await start())).toBe('free_sign_seal_not_yours')
    await stage.ok('POST', `/api/v1/seals/${corp.sealId}/grants`, {
      token: corp.token,
      body: { personId: member.personId },
    })
    expect((await start()).status).toBe(200)
    expect((await create(true)).status).toBe(201)
    await stage.until(corp.token, draft.body.id, (task) => task.status === 'finished')
  })

  it('lets nobody use a scene of free signing that is not its own', async () => {
    const other = await stage.company('别家有限公司')
    const answer = await stage.call('POST', '/api/v1/sign-tasks', {
      token: other.token,
      body: {
        title: 'x',
        documents: [],
        actors: [
          {
            ref: 'c',
            kind: 'corp',
            role: 'sign',
            name: corp.name,
            subjectId: corp.corpId,
            freeSignBusinessId: corp.businessId,
          },
        ],
        fields: [],
      },
    })
    expect([answer.status, codeOf(answer)]).toEqual([403, 'free_sign_not_granted'])
  })
})
