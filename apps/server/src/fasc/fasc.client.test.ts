/** The whole story through the published client, unmodified, against a real server. */
import { createHash, createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import { readZip, verifyBundle } from '@yinxin/evidence'
import { verifyPdf } from '@yinxin/pades'
import { parsePem } from '@yinxin/pki'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { drawSampleContract, sampleKeywords } from '#src/sandbox/sample-contract.ts'
import {
  type ReceivedCallback,
  startWebhookSink,
  type WebhookSink,
} from '../../../../testing/fakes/webhook-sink.ts'
import { type FascAnswer, type FascCall, logInFasc, openFascClient } from '../../../../testing/fasc-client.ts'
import { openStage, type Stage, type StageCompany, type StagePerson } from '../../../../testing/stage.ts'

let stage: Stage
let sink: WebhookSink
let corp: StageCompany
let person: StagePerson
let app: { appId: string; appSecret: string }
let fasc: FascCall & { token: string }
let pdf: Uint8Array
const hex = (id: string) => id.replaceAll('-', '')
const access = () => ({ serverUrl: `${stage.url}/api/v5`, ...app })

beforeAll(async () => {
  sink = await startWebhookSink()
  stage = await openStage({ environment: { YINXIN_CALLBACK_RETRY_SECONDS: '1,1,1' } })
  corp = await stage.company('示例科技有限公司')
  person = await stage.person('张三')
  app = await stage.ok('POST', '/api/v1/apps', {
    token: corp.token,
    body: { name: '业务系统', environment: 'sandbox', callbackUrl: sink.url },
  })
  fasc = await logInFasc(access())
  pdf = await drawSampleContract({
    corpName: corp.name,
    personName: person.name,
    number: 'YX-2026-0001',
    date: '2026年1月1日',
  })
})
afterAll(async () => {
  await stage.close()
  await sink.close()
})

/** The data of a call that must succeed. */
async function ok(service: string, method: string, request?: unknown): Promise<FascAnswer['data']> {
  const { body } = await fasc(service, method, request)
  if (body.code !== '100000') throw new Error(`${method}: ${JSON.stringify(body)}`)
  return body.data
}

async function upload(bytes: Uint8Array, fileName = '合同.pdf'): Promise<string> {
  const { uploadUrl, fddFileUrl } = await ok('docClient', 'getUploadUrl', { fileType: 'doc' })
  const put = await fetch(uploadUrl, { method: 'PUT', body: new Blob([bytes as Uint8Array<ArrayBuffer>]) })
  expect(put.status).toBe(200)
  const { fileIdList } = await ok('docClient', 'fileProcess', {
    fddFileUrlList: [{ fileType: 'doc', fddFileUrl, fileName }],
  })
  expect(fileIdList[0]).toMatchObject({ fileType: 'doc', fddFileUrl, fileName })
  expect(fileIdList[0].fileId).toMatch(/^[0-9a-f]{32}$/)
  return fileIdList[0].fileId
}

const initiator = () => ({ idType: 'corp', openId: hex(corp.corpId) })

function createRequest(fileId: string, over: Record<string, unknown> = {}) {
  return {
    signTaskSubject: '技术服务合同',
    initiator: initiator(),
    signInOrder: true,
    businessId: corp.businessId,
    businessCode: 'B-7',
    transReferenceId: 'order-42',
    docs: [
      {
        docId: 'doc1',
        docName: '技术服务合同',
        docFileId: fileId,
        docFields: [
          {
            fieldId: 'seal',
            fieldName: '甲方盖章',
            fieldType: 'corp_seal',
            position: {
              positionMode: 'keyword',
              positionKeyword: sampleKeywords.corp,
              keywordOffsetY: '-40',
            },
          },
          {
            fieldId: 'sign',
            fieldName: '乙方签字',
            fieldType: 'person_sign',
            position: { positionMode: 'pixel', positionPageNo: '1', positionX: '400', positionY: '640' },
          },
          {
            fieldId: 'date',
            fieldName: '日期',
            fieldType: 'date_sign',
            position: { positionMode: 'pixel', positionPageNo: 1, positionX: 400, positionY: 700.5 },
          },
        ],
      },
    ],
    actors: [
      {
        actor: {
          actorId: '甲方',
          actorType: 'corp',
          actorName: corp.name,
          actorOpenId: hex(corp.corpId),
          permissions: ['sign'],
        },
        signFields: [{ fieldDocId: 'doc1', fieldId: 'seal' }],
        signConfigInfo: { orderNo: 1, requestVerifyFree: true },
      },
      {
        actor: {
          actorId: '乙方',
          actorType: 'person',
          actorName: person.name,
          actorOpenId: hex(person.personId),
          permissions: ['sign'],
          accountName: person.login,
          notification: { sendNotification: true, notifyWay: 'mobile', notifyAddress: person.login },
        },
        signFields: [
          { fieldDocId: 'doc1', fieldId: 'sign' },
          { fieldDocId: 'doc1', fieldName: '日期' },
        ],
        signConfigInfo: { orderNo: '2', requestVerifyFree: 'false', verifyMethods: ['sms'] },
      },
    ],
    ...over,
  }
}

async function detailWhen(signTaskId: string, fits: (detail: FascAnswer['data']) => boolean) {
  for (let tries = 0; tries < 300; tries++) {
    const detail = await ok('signTaskClient', 'getDetail', { signTaskId })
    if (fits(detail)) return detail
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('the task did not come so far')
}

/** The published algorithm, from its description, with no code of the server. */
function recompute(callback: ReceivedCallback, secret: string): string {
  const bizContent = new URLSearchParams(callback.body).get('bizContent') ?? ''
  const header = (name: string) => String(callback.headers[name.toLowerCase()] ?? '')
  const names = ['X-FASC-App-Id', 'X-FASC-Event', 'X-FASC-Nonce', 'X-FASC-Sign-Type', 'X-FASC-Timestamp']
  const text = [...names.map((name) => `${name}=${header(name)}`), `bizContent=${bizContent}`].join('&')
  const digest = createHash('sha256').update(text).digest('hex')
  const key = createHmac('sha256', secret).update(header('X-FASC-Timestamp')).digest()
  return createHmac('sha256', key).update(digest).digest('hex')
}

const contentOf = (callback: ReceivedCallback) =>
  JSON.parse(new URLSearchParams(callback.body).get('bizContent') ?? '{}')

describe('the published client', () => {
  it('gets the same token while it holds', async () => {
    const again = await logInFasc(access())
    expect(again.token).toBe(fasc.token)
    const { body, headers } = await openFascClient(access())('serviceClient', 'getAccessToken')
    expect(body).toEqual({
      code: '100000',
      msg: '请求成功',
      data: { accessToken: fasc.token, expiresIn: '7200' },
    })
    expect(headers['x-fasc-request-id']).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('signs a contract from upload to download, and hears of it', async () => {
    // The first callback is answered badly once: it must come again.
    let refused = 0
    sink.answer = () => (refused++ === 0 ? { status: 500, body: 'busy' } : { status: 200, body: 'success' })

    const fileId = await upload(pdf)
    const { signTaskId } = await ok('signTaskClient', 'create', createRequest(fileId))
    expect(signTaskId).toMatch(/^[0-9a-f]{32}$/)
    const draft = await ok('signTaskClient', 'getDetail', { signTaskId })
    expect(draft).toMatchObject({
      signTaskStatus: 'task_created',
      signTaskSubject: '技术服务合同',
      transReferenceId: 'order-42',
      businessCode: 'B-7',
      initiator: initiator(),
      startTime: null,
    })
    expect(await ok('signTaskClient', 'start', { signTaskId })).toBeNull()

    // The company signs by itself.
    const detail = await detailWhen(signTaskId, (one) => one.actors[0].signStatus === 'signed')
    expect(detail.signTaskStatus).toBe('sign_progress')
    expect(detail.actors[0]).toMatchObject({
      actorInfo: { actorId: '甲方', actorType: 'corp', isInitiator: true, actorOpenId: hex(corp.corpId) },
      signFields: [{ signFieldStatus: 'stamped', fieldDocId: 'doc1', fieldId: 'seal' }],
      signOrderNo: 1,
      joinStatus: 'joined',
    })
    expect(detail.actors[1]).toMatchObject({
      actorInfo: { actorId: '乙方', actorOpenId: hex(person.personId), isInitiator: false },
      signStatus: 'wait_sign',
      readStatus: 'no_read',
      signFields: [
        {
          fieldId: 'date',
          position: { positionPageNo: 1, positionX: '400', positionY: '700.5' },
          signFieldStatus: 'unstamped',
        },
        { fieldId: 'sign', position: { positionPageNo: 1, positionX: '400', positionY: '640' } },
      ],
    })

    // The person signs through the ceremony, with the code from the outbox.
    const { actorSignTaskUrl, actorSignTaskEmbedUrl } = await ok('signTaskClient', 'getActorUrl', {
      signTaskId,
      actorId: '乙方',
    })
    expect(actorSignTaskEmbedUrl).toBe(actorSignTaskUrl)
    const visit = await stage.visit(actorSignTaskUrl.split('/s/')[1], person.login, person.name)
    const signed = await stage.sign(visit, person.login)
    expect(signed.status, JSON.stringify(signed.body)).toBe(200)

    const done = await detailWhen(signTaskId, (one) => one.signTaskStatus === 'task_finished')
    expect(Number(done.finishTime)).toBeGreaterThan(Number(done.startTime))
    expect(done.actors[1]).toMatchObject({ signStatus: 'signed', readStatus: 'read', joinStatus: 'joined' })
    const actors = await ok('signTaskClient', 'getSignTaskActorList', { signTaskId })
    expect(
      actors.map((one: { actorId: string; signStatus: string }) => [one.actorId, one.signStatus]),
    ).toEqual([
      ['甲方', 'signed'],
      ['乙方', 'signed'],
    ])

    // The signed file, as an archive and as it is; strangers can verify it.
    const ask = { ownerId: initiator(), signTaskId, fileType: 'doc', id: 'doc1', customName: '合同正本' }
    const { downloadUrl } = await ok('signTaskClient', 'getOwnerDownLoadUrl', { ...ask, compression: false })
    const response = await fetch(downloadUrl)
    const file = new Uint8Array(await response.arrayBuffer())
    expect(response.headers.get('content-disposition')).toContain(encodeURIComponent('合同正本.pdf'))
    const [rootDer] = parsePem(Buffer.from(await stage.download('/ca/root.pem')).toString('utf8'))
    const verdict = verifyPdf(file, { trust: [rootDer as Uint8Array] })
    expect(verdict.ok, JSON.stringify(verdict.signatures.map((one) => one.problems))).toBe(true)
    expect(verdict.signatures.map((one) => one.signer)).toEqual([corp.name, person.name])
    const archive = await ok('signTaskClient', 'getOwnerDownLoadUrl', ask)
    const zip = readZip(new Uint8Array(await (await fetch(archive.downloadUrl)).arrayBuffer()))
    expect(zip.problems).toEqual([])
    expect(zip.entries.map((entry) => entry.name)).toEqual(['技术服务合同.pdf'])
    expect(downloadUrl.length).toBeLessThanOrEqual(500)

    const proof = await ok('signTaskClient', 'getEvidenceReportDownloadUrl', { signTaskId })
    const bundle = new Uint8Array(await (await fetch(proof.downloadUrl)).arrayBuffer())
    expect(verifyBundle(bundle, { trust: [rootDer as Uint8Array] })).toMatchObject({ ok: true, problems: [] })

    // Its own check says the same.
    const report = await ok('docClient', 'fileVerifySign', {
      fileId: await upload(file, '已签.pdf'),
      fileHash: createHash('sha256').update(file).digest('hex'),
    })
    expect(report).toMatchObject({ verifyResult: true })
    expect(report.signatureInfos).toHaveLength(2)
    expect(report.signatureInfos[0]).toMatchObject({
      signer: corp.name,
      integrityFlag: true,
      timestampFlag: true,
    })

    // Every event came, correctly signed, the first one twice.
    const events = (all: readonly ReceivedCallback[]) => all.map((one) => one.headers['x-fasc-event'])
    const received = await sink.until((all) => events(all).includes('sign-task-finished') && all.length >= 7)
    expect([...new Set(events(received))].sort()).toEqual([
      'sign-task-finished',
      'sign-task-joined',
      'sign-task-read',
      'sign-task-signed',
      'sign-task-start',
    ])
    for (const callback of received) {
      expect(callback.headers['x-fasc-sign']).toBe(recompute(callback, app.appSecret))
      expect(callback.headers['x-fasc-app-id']).toBe(app.appId)
      expect(callback.headers['content-type']).toContain('application/x-www-form-urlencoded')
      expect(contentOf(callback)).toMatchObject({ signTaskId, transReferenceId: 'order-42' })
      expect(contentOf(callback).eventTime).toMatch(/^\d{13}$/)
    }
    const nonces = received.map((one) => one.headers['x-fasc-nonce'])
    expect(new Set(nonces).size).toBe(nonces.length)
    const told = received.filter((one) => one.headers['x-fasc-event'] === 'sign-task-signed').map(contentOf)
    // A retry may let a later event arrive before an earlier one.
    expect(new Map(told.map((one) => [one.actorId, [one.userName, one.verifyFreeSign]]))).toEqual(
      new Map([
        ['甲方', [corp.name, true]],
        ['乙方', [person.name, false]],
      ]),
    )
    const starts = received.filter((one) => one.headers['x-fasc-event'] === 'sign-task-start')
    expect(starts.map((one) => contentOf(one).signTaskStatus)).toContain('sign_progress')
    const again = await sink.until((all) => {
      const keys = all.map((one) => `${one.headers['x-fasc-event']} ${contentOf(one).actorId ?? ''}`)
      return new Set(keys).size < keys.length
    })
    expect(again.length).toBeGreaterThan(6)

    // And they can be asked for later.
    const list = await ok('callbackClient', 'getCallbackList', {
      callbackType: 'sign-task',
      startTime: String(Date.now() - 600_000),
      endTime: String(Date.now() + 60_000),
      listPageNo: '1',
      listPageSize: '4',
    })
    expect(list).toMatchObject({ listPageNo: 1, countInPage: 4, listPageCount: 2, totalCount: 6 })
    expect(JSON.parse(list.callbackInfos[0].eventInfo)).toMatchObject({ signTaskId })
  })

  it('builds a task step by step, and cancels it', async () => {
    const fileId = await upload(pdf)
    const { signTaskId } = await ok('signTaskClient', 'create', {
      signTaskSubject: '分步创建',
      initiator: initiator(),
      businessId: corp.businessId,
      expiresTime: String(Date.now() + 86_400_000),
    })
    await ok('signTaskClient', 'addDoc', {
      signTaskId,
      docs: [{ docId: '1', docName: '主合同', docFileId: fileId }],
    })
    await ok('signTaskClient', 'addField', {
      signTaskId,
      fields: [
        {
          docId: '1',
          docFields: [
            {
              fieldId: 'f1',
              fieldName: '章',
              fieldType: 'corp_seal',
              position: { positionMode: 'pixel', positionPageNo: 1, positionX: '150', positionY: '150' },
            },
          ],
        },
      ],
    })
    const unbound = await fasc('signTaskClient', 'start', { signTaskId })
    expect(unbound.body).toMatchObject({ code: '211154', reason: 'fasc_field_unbound' })

    const { sealInfos } = await ok('sealClient', 'getSealList', { openCorpId: hex(corp.corpId) })
    expect(sealInfos).toHaveLength(1)
    const { sealId } = sealInfos[0]
    expect(Number.isSafeInteger(sealId)).toBe(true)
    expect(sealInfos[0]).toMatchObject({ categoryType: 'contract_seal', sealStatus: 'enable' })
    expect(await (await fetch(sealInfos[0].picFileUrl)).text()).toContain('<svg')
    const { sealInfo } = await ok('sealClient', 'getSealDetail', {
      openCorpId: hex(corp.corpId),
      sealId: String(sealId),
    })
    expect(sealInfo.freeSignInfo).toMatchObject([{ businessId: corp.businessId }])

    await ok('signTaskClient', 'addActor', {
      signTaskId,
      actors: [
        {
          actor: {
            actorId: 'c',
            actorType: 'corp',
            actorName: corp.name,
            actorOpenId: corp.corpId,
            permissions: ['sign'],
          },
          signFields: [{ fieldDocId: '1', fieldId: 'f1', sealId }],
          signConfigInfo: { requestVerifyFree: true },
        },
        {
          actor: {
            actorId: 'p',
            actorType: 'person',
            actorName: '李四',
            permissions: ['sign'],
            accountName: 'li.si@example.com',
          },
        },
      ],
    })
    await ok('signTaskClient', 'start', { signTaskId })
    const detail = await detailWhen(signTaskId, (one) => one.actors[0].signStatus === 'signed')
    expect(detail.actors[0].signFields).toMatchObject([
      { fieldId: 'f1', sealId, position: { positionX: '150', positionY: '150' } },
    ])
    expect(Number(detail.deadlineTime)).toBeGreaterThan(Date.now())

    await ok('signTaskClient', 'urgeSignTask', { signTaskId })
    const fields = await ok('signTaskClient', 'getSignTaskFieldList', { signTaskId })
    expect(fields).toMatchObject({
      fillFields: [],
      signFields: [{ fieldId: 'f1', actorId: 'c', docName: '主合同' }],
    })
    await ok('signTaskClient', 'cancel', { signTaskId, terminationNote: '条款有误' })
    const ended = await ok('signTaskClient', 'getDetail', { signTaskId })
    expect(ended).toMatchObject({ signTaskStatus: 'task_terminated', terminationNote: '条款有误' })
    expect((await fasc('signTaskClient', 'cancel', { signTaskId })).body.code).toBe('211126')
    const [canceled] = (
      await sink.until((all) => all.some((one) => one.headers['x-fasc-event'] === 'sign-task-canceled'))
    ).filter((one) => one.headers['x-fasc-event'] === 'sign-task-canceled')
    expect(contentOf(canceled as ReceivedCallback)).toMatchObject({
      signTaskId,
      signTaskStatus: 'task_terminated',
      userName: corp.name,
    })
  })

  it('pages through tasks by number or text, and throws a draft away', async () => {
    const ids: string[] = []
    for (let i = 0; i < 3; i++) {
      const made = await ok('signTaskClient', 'create', {
        signTaskSubject: `分页 ${i}`,
        initiator: initiator(),
      })
      ids.push(made.signTaskId)
    }
    const list = (over: Record<string, unknown>) =>
      ok('signTaskClient', 'getOwnerList', {
        ownerId: initiator(),
        ownerRole: 'initiator',
        listFilter: { signTaskSubject: '分页', signTaskStatus: ['task_created'] },
        ...over,
      })
    const first = await list({ listPageNo: 1, listPageSize: 2 })
    expect(first).toMatchObject({ listPageNo: 1, countInPage: 2, listPageCount: 2, totalCount: 3 })
    expect(first.signTasks[0]).toMatchObject({ signTaskId: ids[2], signTaskStatus: 'task_created' })
    const second = await list({ listPageNo: '2', listPageSize: '2' })
    expect(second.signTasks.map((one: { signTaskId: string }) => one.signTaskId)).toEqual([ids[0]])
    await ok('signTaskClient', 'delete', { signTaskId: ids[0] })
    expect((await list({})).totalCount).toBe(2)
    expect((await fasc('signTaskClient', 'getDetail', { signTaskId: ids[0] })).body.code).toBe('211001')
  })

  it('hears of a task at its own address, and of tasks that were made elsewhere', async () => {
    const { signTaskId } = await ok('signTaskClient', 'create', {
      signTaskSubject: '自有回调',
      initiator: initiator(),
      callbackUrl: `${sink.url}/own`,
    })
    await ok('signTaskClient', 'cancel', { signTaskId })
    const here = await sink.until((all) => all.some((one) => one.path === '/callback/own'))
    const own = here.find((one) => one.path === '/callback/own') as ReceivedCallback
    expect(own.headers['x-fasc-event']).toBe('sign-task-canceled')
    expect(contentOf(own)).toMatchObject({ signTaskId, terminationNote: '发起方撤销' })

    const elsewhere = await stage.createTask(corp.token, { actors: [], fields: [], documents: [] })
    await stage.ok('POST', `/api/v1/sign-tasks/${elsewhere.id}/cancel`, {
      token: corp.token,
      body: { reason: '不需要了' },
    })
    await sink.until((all) => all.some((one) => contentOf(one).signTaskId === hex(elsewhere.id)))
    // The program speaks this protocol, so nothing comes to it in another.
    expect(sink.received.filter((one) => one.headers['webhook-id'] !== undefined)).toEqual([])
    expect(await ok('signTaskClient', 'getDetail', { signTaskId: elsewhere.id })).toMatchObject({
      signTaskStatus: 'task_terminated',
    })
  })

  it('fetches a file by address, within the limit and only once its answer is good', async () => {
    const files = createServer((request, response) => {
      if (request.url === '/contract.pdf') response.end(pdf)
      else response.writeHead(404).end()
    })
    await new Promise<void>((resolve) => files.listen(0, '127.0.0.1', resolve))
    const address = files.address()
    const base = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
    try {
      const { fddFileUrl } = await ok('docClient', 'uploadFileByUrl', {
        fileType: 'doc',
        fileUrl: `${base}/contract.pdf`,
      })
      const ask = { fddFileUrlList: [{ fileType: 'doc', fddFileUrl, fileName: 'a.pdf' }] }
      const first = await ok('docClient', 'fileProcess', ask)
      expect(await ok('docClient', 'fileProcess', ask)).toEqual(first)
      const positions = await ok('docClient', 'getFileKeywordPositions', {
        fileId: first.fileIdList[0].fileId,
        keywords: [sampleKeywords.corp, '没有这个词'],
      })
      expect(positions[0]).toMatchObject({ keyword: sampleKeywords.corp, positions: [{ positionPageNo: 2 }] })
      expect(Number(positions[0].positions[0].coordinates[0].positionX)).toBeGreaterThan(0)
      expect(positions[1]).toEqual({ keyword: '没有这个词', positions: [] })
      const gone = await fasc('docClient', 'uploadFileByUrl', { fileType: 'doc', fileUrl: `${base}/none` })
      expect(gone.body).toMatchObject({ code: '211099', reason: 'fasc_fetch_failed' })
    } finally {
      files.closeAllConnections()
      await new Promise((resolve) => files.close(resolve))
    }
  })

  it('learns who its company and its people are, and no more', async () => {
    const openCorpId = hex(corp.corpId)
    expect(await ok('corpClient', 'get', { openCorpId })).toMatchObject({
      openCorpId,
      bindingStatus: 'authorized',
      identStatus: 'identified',
    })
    expect(await ok('corpClient', 'getIdentityInfo', { openCorpId })).toMatchObject({
      corpIdentStatus: 'identified',
      corpIdentInfo: { corpName: corp.name, legalRepName: '法定人' },
    })
    const openUserId = hex(person.personId)
    expect(await ok('userClient', 'getUserInfo', { openUserId })).toMatchObject({
      openUserId,
      identStatus: 'identified',
      bindingStatus: 'unauthorized',
    })
    const admin = await ok('userClient', 'getIdentInfo', { openUserId: hex(corp.admin.personId) })
    expect(admin.userIdentInfo.userName).toBe(corp.admin.name)
  })
})
