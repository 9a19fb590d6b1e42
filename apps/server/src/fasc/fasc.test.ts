/** What the compatible API refuses, each with its code; by requests made here, from the published description. */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { drawSampleContract } from '#src/sandbox/sample-contract.ts'
import { manualClock } from '#src/clock.ts'
import { refusalCatalogue } from '#src/errors.ts'
import { fascSignature } from '#src/webhooks/webhooks.ts'
import { logInFasc, openFascClient } from '../../../../testing/fasc-client.ts'
import { codesGiven, NAMED_REFUSALS } from './codes.ts'
import { openStage, type Stage, type StageCompany } from '../../../../testing/stage.ts'

const HEX = '0123456789abcdef0123456789abcdef'
let stage: Stage
let corp: StageCompany
let other: StageCompany
let app: { appId: string; appSecret: string }
let otherApp: { appId: string; appSecret: string }
let token: string
let pdf: Uint8Array
const hex = (id: string) => id.replaceAll('-', '')

beforeAll(async () => {
  stage = await openStage({ environment: { YINXIN_UPLOAD_LIMIT_BYTES: '300000' } })
  corp = await stage.company('示例科技有限公司')
  other = await stage.company('另一科技有限公司', await stage.person('周七'))
  const create = (company: StageCompany) =>
    stage.ok<{ appId: string; appSecret: string }>('POST', '/api/v1/apps', {
      token: company.token,
      body: { name: '业务系统', environment: 'sandbox' },
    })
  app = await create(corp)
  otherApp = await create(other)
  token = (await logInFasc({ serverUrl: `${stage.url}/api/v5`, ...app })).token
  pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: 'N1',
    date: '2026年1月1日',
  })
})
afterAll(() => stage.close())

interface Over {
  secret?: string
  headers?: Record<string, string | undefined>
  /** What is sent, when it differs from what was signed. */
  sent?: string
  body?: string
  contentType?: string
}

/** A request signed by hand. */
async function raw(path: string, content: unknown, over: Over = {}) {
  const bizContent = typeof content === 'string' ? content : JSON.stringify(content)
  const given: Record<string, string | undefined> = {
    'X-FASC-App-Id': app.appId,
    'X-FASC-Sign-Type': 'HMAC-SHA256',
    'X-FASC-Timestamp': String(Date.now()),
    'X-FASC-Nonce': randomBytes(16).toString('hex'),
    'X-FASC-Api-SubVersion': '5.1',
    'X-FASC-AccessToken': token,
    ...over.headers,
  }
  const headers = Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
  const pairs: Record<string, string> = { ...headers, bizContent }
  const text = Object.keys(pairs)
    .filter((key) => pairs[key] !== '' && key !== 'X-FASC-Sign')
    .sort()
    .map((key) => `${key}=${pairs[key]}`)
    .join('&')
  const digest = createHash('sha256').update(text).digest('hex')
  const key = createHmac('sha256', over.secret ?? app.appSecret)
    .update(headers['X-FASC-Timestamp'] ?? '')
    .digest()
  const response = await fetch(`${stage.url}/api/v5${path}`, {
    method: 'POST',
    headers: {
      'X-FASC-Sign': createHmac('sha256', key).update(digest).digest('hex'),
      'content-type': over.contentType ?? 'application/x-www-form-urlencoded',
      ...headers,
    },
    body: over.body ?? new URLSearchParams({ bizContent: over.sent ?? bizContent }).toString(),
  })
  const answer = (await response.json()) as { code: string; msg: string; data: unknown; reason?: string }
  return { status: response.status, requestId: response.headers.get('x-fasc-request-id'), ...answer }
}

const corpGet = (over: Over = {}) => raw('/corp/get', { openCorpId: hex(corp.corpId) }, over)

async function upload(): Promise<string> {
  const announced = (await raw('/file/get-upload-url', { fileType: 'doc' })).data as {
    uploadUrl: string
    fddFileUrl: string
  }
  await fetch(announced.uploadUrl, { method: 'PUT', body: new Blob([pdf as Uint8Array<ArrayBuffer>]) })
  const made = await raw('/file/process', {
    fddFileUrlList: [{ fileType: 'doc', fddFileUrl: announced.fddFileUrl, fileName: 'a.pdf' }],
  })
  return (made.data as { fileIdList: { fileId: string }[] }).fileIdList[0]?.fileId ?? ''
}

describe('the signature', () => {
  it('is that of the published client', () => {
    const pairs = {
      'X-FASC-App-Id': '12345678',
      'X-FASC-Nonce': 'n',
      'X-FASC-Timestamp': '1757570000000',
      bizContent: '{"名称":"合同 & a=b"}',
    }
    const { utils } = createRequire(import.meta.url)('@fddnpm/fasc-openapi-node-sdk') as {
      utils: { sign(request: Record<string, string>): string }
    }
    const event = { ...pairs, 'X-FASC-Sign-Type': 'HMAC-SHA256', 'X-FASC-Event': 'sign-task-signed' }
    expect(fascSignature('secret', pairs['X-FASC-Timestamp'], event)).toBe(
      utils.sign({ ...event, appSecret: 'secret' }),
    )
  })
})

describe('who is not let in', () => {
  it('lets a good request in, and answers with its number', async () => {
    const answer = await corpGet()
    expect(answer).toMatchObject({ status: 200, code: '100000', msg: '请求成功' })
    expect(answer.requestId).toMatch(/^[0-9a-f-]{36}$/)
  })

  it.each<[string, () => Over, string, string, number]>([
    ['a wrong secret', () => ({ secret: 'wrong' }), '100003', 'fasc_signature_invalid', 401],
    ['changed content', () => ({ sent: '{"openCorpId":"x"}' }), '100003', 'fasc_signature_invalid', 401],
    [
      'an unknown app',
      () => ({ headers: { 'X-FASC-App-Id': '99999999' } }),
      '100003',
      'fasc_signature_invalid',
      401,
    ],
    [
      'a stale timestamp',
      () => ({ headers: { 'X-FASC-Timestamp': String(Date.now() - 301_000) } }),
      '100003',
      'fasc_timestamp_stale',
      401,
    ],
    [
      'a timestamp from the future',
      () => ({ headers: { 'X-FASC-Timestamp': String(Date.now() + 301_000) } }),
      '100003',
      'fasc_timestamp_stale',
      401,
    ],
    [
      'a timestamp in seconds',
      () => ({ headers: { 'X-FASC-Timestamp': '1757570000' } }),
      '100003',
      'fasc_header_invalid',
      401,
    ],
    [
      'an endless nonce',
      () => ({ headers: { 'X-FASC-Nonce': 'n'.repeat(33) } }),
      '100003',
      'fasc_header_invalid',
      401,
    ],
    [
      'another algorithm',
      () => ({ headers: { 'X-FASC-Sign-Type': 'HMAC-MD5' } }),
      '100003',
      'fasc_header_invalid',
      401,
    ],
    ['no nonce', () => ({ headers: { 'X-FASC-Nonce': undefined } }), '100012', 'fasc_header_missing', 401],
    ['no app', () => ({ headers: { 'X-FASC-App-Id': undefined } }), '100012', 'fasc_header_missing', 401],
    [
      'no token',
      () => ({ headers: { 'X-FASC-AccessToken': undefined } }),
      '100002',
      'fasc_token_invalid',
      401,
    ],
    [
      'a wrong token',
      () => ({ headers: { 'X-FASC-AccessToken': 'wrong' } }),
      '100002',
      'fasc_token_invalid',
      401,
    ],
  ])('refuses %s', async (_name, over, code, reason, status) => {
    expect(await corpGet(over())).toMatchObject({ code, reason, status, data: null })
  })

  it('refuses the token of another app, and a nonce that comes again', async () => {
    const foreign = await corpGet({
      secret: otherApp.appSecret,
      headers: { 'X-FASC-App-Id': otherApp.appId },
    })
    expect(foreign).toMatchObject({ code: '100002', reason: 'fasc_token_invalid' })
    const nonce = { 'X-FASC-Nonce': randomBytes(16).toString('hex') }
    expect((await corpGet({ headers: nonce })).code).toBe('100000')
    expect(await corpGet({ headers: nonce })).toMatchObject({ code: '100003', reason: 'fasc_nonce_used' })
  })

  it('does not let a badly signed request burn a nonce', async () => {
    const nonce = { 'X-FASC-Nonce': randomBytes(16).toString('hex') }
    await corpGet({ headers: nonce, secret: 'wrong' })
    expect((await corpGet({ headers: nonce })).code).toBe('100000')
  })

  it('refuses a token call that does not say client_credential', async () => {
    const ask = (grant: string | undefined) =>
      raw('/service/get-access-token', '', {
        headers: { 'X-FASC-AccessToken': undefined, 'X-FASC-Grant-Type': grant },
      })
    expect(await ask('client_credential')).toMatchObject({ code: '100000', data: { accessToken: token } })
    expect(await ask('password')).toMatchObject({ code: '100003', reason: 'fasc_header_invalid' })
    expect(await ask(undefined)).toMatchObject({ code: '100012', reason: 'fasc_header_missing' })
  })
})

describe('a token', () => {
  it('ends two hours after it was last asked for, and is another one then', async () => {
    const clock = manualClock(new Date())
    const timed = await openStage({ clock })
    try {
      const company = await timed.company('时间科技有限公司')
      const made = await timed.ok<{ appId: string; appSecret: string }>('POST', '/api/v1/apps', {
        token: company.token,
        body: { name: 'a', environment: 'sandbox' },
      })
      const fasc = timed.server().app.fasc
      const ask = async (path: string, accessToken?: string) => {
        const headers: Record<string, string> = {
          'X-FASC-App-Id': made.appId,
          'X-FASC-Sign-Type': 'HMAC-SHA256',
          'X-FASC-Timestamp': String(clock.now().getTime()),
          'X-FASC-Nonce': randomBytes(16).toString('hex'),
          ...(accessToken === undefined
            ? { 'X-FASC-Grant-Type': 'client_credential' }
            : { 'X-FASC-AccessToken': accessToken }),
        }
        const bizContent =
          accessToken === undefined ? '' : JSON.stringify({ openCorpId: hex(company.corpId) })
        const sign = fascSignature(made.appSecret, headers['X-FASC-Timestamp'] ?? '', {
          ...headers,
          bizContent,
        })
        const all: Record<string, string> = { ...headers, 'X-FASC-Sign': sign }
        return (await fasc.call(path, { header: (name) => all[name] ?? '', bizContent })) as {
          accessToken: string
        }
      }
      const first = (await ask('/service/get-access-token')).accessToken
      clock.advance(90 * 60_000)
      expect((await ask('/service/get-access-token')).accessToken).toBe(first)
      clock.advance(90 * 60_000)
      await ask('/corp/get', first)
      clock.advance(31 * 60_000)
      await expect(ask('/corp/get', first)).rejects.toThrow('fasc_token_invalid')
      const second = (await ask('/service/get-access-token')).accessToken
      expect(second).not.toBe(first)
      await ask('/corp/get', second)
      await expect(ask('/corp/get', first)).rejects.toThrow('fasc_token_invalid')
    } finally {
      await timed.close()
    }
  })
})

describe('content', () => {
  it.each([
    ['{', '100001', 'fasc_content_invalid'],
    ['[]', '100001', 'fasc_content_invalid'],
    ['null', '100001', 'fasc_content_invalid'],
    ['"text"', '100001', 'fasc_content_invalid'],
  ])('%s is refused', async (content, code, reason) => {
    expect(await raw('/corp/get', content)).toMatchObject({ code, reason, status: 200 })
  })

  it('must be a form with one bizContent', async () => {
    expect(await corpGet({ contentType: 'application/json' })).toMatchObject({ reason: 'fasc_form_invalid' })
    const twice = await corpGet({ body: 'bizContent=%7B%7D&bizContent=%7B%7D' })
    expect(twice).toMatchObject({ reason: 'fasc_form_invalid' })
  })

  it('names the parameter that does not fit', async () => {
    const answer = await raw('/sign-task/start', { signTaskId: 'short' })
    expect(answer).toMatchObject({ code: '100001', reason: 'fasc_input_invalid' })
    expect(answer.msg).toContain('signTaskId')
  })

  it('accepts a request without parameters as the published client sends it', async () => {
    const call = openFascClient({ serverUrl: `${stage.url}/api/v5`, ...app, accessToken: token })
    const { body } = await call('appClient', Object.keys(clientMethods('appClient'))[0] ?? '')
    expect(body.code).toBe('100008')
  })
})

function clientMethods(service: string): Record<string, unknown> {
  const vendor = createRequire(import.meta.url)('@fddnpm/fasc-openapi-node-sdk') as Record<
    string,
    { Client: { prototype: object } }
  >
  const names = Object.getOwnPropertyNames(vendor[service]?.Client.prototype ?? {})
  return Object.fromEntries(names.filter((name) => name !== 'constructor').map((name) => [name, true]))
}

describe('interfaces that are not there', () => {
  it('says of a known one that it is not implemented, also when its path begins with a space', async () => {
    expect(await raw('/sign-task/abolish', {})).toMatchObject({
      status: 200,
      code: '100008',
      msg: '该接口本平台尚未实现：/sign-task/abolish',
    })
    for (const path of [' /user/verify/auth-code/get', '%20/user/verify/auth-code/get']) {
      expect(await raw(path, {})).toMatchObject({
        status: 200,
        code: '100008',
        reason: 'fasc_not_implemented',
      })
    }
    const call = openFascClient({ serverUrl: `${stage.url}/api/v5`, ...app, accessToken: token })
    const { body } = await call('toolClient', 'getUserVerifyDetail', { verifyId: '1' }).catch(() =>
      call('toolClient', Object.keys(clientMethods('toolClient')).at(-1) ?? '', { verifyId: '1' }),
    )
    expect(body.code).toBe('100008')
  })

  it('says of any other that it is unknown', async () => {
    expect(await raw('/sign-task/creat', {})).toMatchObject({ status: 404, reason: 'fasc_path_unknown' })
    expect(await raw('/constructor', {})).toMatchObject({ status: 404, reason: 'fasc_path_unknown' })
  })
})

describe('what belongs to others', () => {
  it('is unknown, by every interface that takes an id', async () => {
    const fileId = await upload()
    const { data } = await raw('/sign-task/create', {
      signTaskSubject: '合同',
      initiator: { idType: 'corp', openId: hex(corp.corpId) },
      docs: [{ docId: '1', docFileId: fileId }],
      actors: [],
    })
    const { signTaskId } = data as { signTaskId: string }
    const theirs = await logInFasc({ serverUrl: `${stage.url}/api/v5`, ...otherApp })
    const owner = { ownerId: { idType: 'corp', openId: hex(other.corpId) } }
    const seals = (await raw('/seal/get-list', { openCorpId: hex(corp.corpId) })).data as {
      sealInfos: { sealId: number }[]
    }
    const asked: [string, string, unknown, string][] = [
      ['signTaskClient', 'getDetail', { signTaskId }, '211001'],
      ['signTaskClient', 'start', { signTaskId }, '211001'],
      ['signTaskClient', 'cancel', { signTaskId }, '211001'],
      ['signTaskClient', 'urgeSignTask', { signTaskId }, '211001'],
      ['signTaskClient', 'delete', { signTaskId }, '211001'],
      ['signTaskClient', 'getSignTaskActorList', { signTaskId }, '211001'],
      ['signTaskClient', 'getSignTaskFieldList', { signTaskId }, '211001'],
      ['signTaskClient', 'getActorUrl', { signTaskId, actorId: 'a' }, '211001'],
      ['signTaskClient', 'addDoc', { signTaskId, docs: [{ docId: '2', docFileId: fileId }] }, '211096'],
      [
        'signTaskClient',
        'addField',
        { signTaskId, fields: [{ docId: '1', docFields: [field('pixel', {})] }] },
        '211001',
      ],
      ['signTaskClient', 'addActor', { signTaskId, actors: [actor({})] }, '211001'],
      ['signTaskClient', 'getOwnerDownLoadUrl', { signTaskId, ...owner }, '211001'],
      ['signTaskClient', 'getOwnerList', { ownerId: { idType: 'corp', openId: hex(corp.corpId) } }, '210001'],
      ['docClient', 'getFileKeywordPositions', { fileId, keywords: ['甲方'] }, '211096'],
      ['docClient', 'fileVerifySign', { fileId, fileHash: 'a'.repeat(64) }, '211096'],
      ['corpClient', 'get', { openCorpId: hex(corp.corpId) }, '210001'],
      ['corpClient', 'getIdentityInfo', { openCorpId: hex(corp.corpId) }, '210001'],
      ['sealClient', 'getSealList', { openCorpId: hex(corp.corpId) }, '210001'],
      [
        'sealClient',
        'getSealDetail',
        { openCorpId: hex(other.corpId), sealId: seals.sealInfos[0]?.sealId },
        '100001',
      ],
      ['userClient', 'getUserInfo', { openUserId: HEX }, '210001'],
    ]
    for (const [service, method, request, code] of asked) {
      const { body } = await theirs(service, method, request)
      expect([method, body.code]).toEqual([method, code])
    }
    const scope = await theirs('userClient', 'getIdentInfo', { openUserId: hex(corp.admin.personId) }).catch(
      (error: { response: { status: number; data: { code: string } } }) => error.response,
    )
    expect('data' in scope && [scope.status, scope.data.code]).toEqual([401, '213001'])
    const list = await theirs('signTaskClient', 'getOwnerList', owner)
    expect(list.body.data).toMatchObject({ totalCount: 0, signTasks: [] })
    expect((await raw('/sign-task/get-detail', { signtaskId: signTaskId })).code).toBe('100000')
  })
})

function field(mode: string, over: Record<string, unknown>, more: Record<string, unknown> = {}) {
  return {
    fieldId: 'f',
    fieldName: 'f',
    fieldType: 'person_sign',
    position: { positionMode: mode, positionPageNo: 1, positionX: '300', positionY: '300', ...over },
    ...more,
  }
}

function actor(over: Record<string, unknown>, more: Record<string, unknown> = {}) {
  return {
    actor: {
      actorId: 'p',
      actorType: 'person',
      actorName: '张三',
      permissions: ['sign'],
      accountName: '13900001234',
      ...over,
    },
    ...more,
  }
}

describe('a sign task that cannot be', () => {
  let fileId: string
  beforeAll(async () => {
    fileId = await upload()
  })

  const create = (over: Record<string, unknown>) =>
    raw('/sign-task/create', {
      signTaskSubject: '合同',
      initiator: { idType: 'corp', openId: hex(corp.corpId) },
      autoStart: 'true',
      docs: [{ docId: '1', docFileId: fileId, docFields: [field('pixel', {})] }],
      actors: [actor({}, { signFields: [{ fieldDocId: '1', fieldId: 'f' }] })],
      ...over,
    })
  const withField = (made: unknown) => ({
    docs: [{ docId: '1', docFileId: fileId, docFields: [made] }],
  })

  it.each<[string, () => Record<string, unknown>, string, string]>([
    [
      'for another company',
      () => ({ initiator: { idType: 'corp', openId: hex(other.corpId) } }),
      '210001',
      'fasc_initiator_foreign',
    ],
    ['of an unknown file', () => ({ docs: [{ docId: '1', docFileId: HEX }] }), '211096', 'file_not_found'],
    ['without documents', () => ({ docs: [], actors: [actor({})] }), '211056', 'task_without_documents'],
    [
      'without a signer',
      () => ({ docs: [{ docId: '1', docFileId: fileId }], actors: [actor({ permissions: ['cc'] })] }),
      '211161',
      'task_without_signers',
    ],
    ['with a loose field', () => ({ actors: [actor({})] }), '211154', 'fasc_field_unbound'],
    [
      'with a field nobody placed',
      () => ({ actors: [actor({}, { signFields: [{ fieldDocId: '1', fieldId: 'x' }] })] }),
      '211132',
      'fasc_field_unknown',
    ],
    [
      'with a field to fill in',
      () => withField(field('pixel', {}, { fieldType: 'text_single_line' })),
      '211132',
      'fasc_field_type',
    ],
    [
      'with a seal over the edges',
      () => withField(field('pixel', {}, { fieldType: 'corp_seal_cross_page' })),
      '211132',
      'fasc_field_type',
    ],
    [
      'with a field beside the page',
      () => withField(field('pixel', { positionX: '2' })),
      '211132',
      'fasc_field_position',
    ],
    [
      'with a field on no page',
      () => withField(field('pixel', { positionPageNo: '99' })),
      '211132',
      'fasc_field_position',
    ],
    [
      'with a keyword that is not there',
      () => withField(field('keyword', { positionKeyword: '没有' })),
      '211132',
      'fasc_field_position',
    ],
    [
      'with a company seal of a person',
      () => withField(field('pixel', {}, { fieldType: 'corp_seal' })),
      '211132',
      'fasc_field_owner',
    ],
    [
      'with an actor nobody can reach',
      () => ({ docs: [{ docId: '1', docFileId: fileId }], actors: [actor({ accountName: '' })] }),
      '211066',
      'actor_contact_missing',
    ],
    [
      'with an actor at no address',
      () => ({ actors: [actor({ accountName: '12' })] }),
      '211066',
      'fasc_actor_invalid',
    ],
    [
      'with an unknown person',
      () => ({ docs: [{ docId: '1', docFileId: fileId }], actors: [actor({ actorOpenId: HEX })] }),
      '211066',
      'actor_subject_unknown',
    ],
    [
      'with an identity number nobody can check',
      () => ({ actors: [actor({ certNoForMatch: '110105199001011234' })] }),
      '100001',
      'fasc_unsupported',
    ],
    [
      'with free signing and no scene',
      () => ({ actors: [actor({}, { signConfigInfo: { requestVerifyFree: true } })] }),
      '211118',
      'fasc_scene_missing',
    ],
    [
      'with free signing of somebody else',
      () => ({
        businessId: corp.businessId,
        docs: [{ docId: '1', docFileId: fileId }],
        actors: [actor({}, { signConfigInfo: { requestVerifyFree: true } })],
      }),
      '211118',
      'free_sign_not_granted',
    ],
    ['with an attachment', () => ({ attachs: [{ attachId: '1' }] }), '100001', 'fasc_unsupported'],
    ['with a watermark', () => ({ watermarks: [{ type: 'text' }] }), '100001', 'fasc_unsupported'],
    ['that ends before it begins', () => ({ expiresTime: '1000000000000' }), '100001', 'deadline_in_past'],
  ])('%s is refused', async (_name, over, code, reason) => {
    expect(await create(over())).toMatchObject({ code, reason, status: 200, data: null })
  })

  it('is fine when nothing is wrong, starts at once and does not start twice', async () => {
    const made = await create({})
    expect(made).toMatchObject({ code: '100000' })
    const { signTaskId } = made.data as { signTaskId: string }
    const detail = (await raw('/sign-task/get-detail', { signTaskId })).data
    expect(detail).toMatchObject({ signTaskStatus: 'sign_progress' })
    expect(await raw('/sign-task/start', { signTaskId })).toMatchObject({ code: '211055' })
    expect(await raw('/sign-task/delete', { signTaskId })).toMatchObject({ code: '211055' })
    const add = await raw('/sign-task/doc/add', { signTaskId, docs: [{ docId: '9', docFileId: fileId }] })
    expect(add).toMatchObject({ code: '211055', reason: 'task_not_draft' })
  })
})

describe('files on their way', () => {
  const announce = async () =>
    (await raw('/file/get-upload-url', { fileType: 'doc' })).data as { uploadUrl: string; fddFileUrl: string }
  const put = (url: string, bytes: Uint8Array | string, headers: Record<string, string> = {}) =>
    fetch(url, { method: 'PUT', body: bytes as Uint8Array<ArrayBuffer>, headers })
  const process = (fddFileUrl: string, over: Record<string, unknown> = {}) =>
    raw('/file/process', { fddFileUrlList: [{ fileType: 'doc', fddFileUrl, fileName: 'a.pdf', ...over }] })

  it('are put once, whatever type the client names', async () => {
    const { uploadUrl, fddFileUrl } = await announce()
    expect(await process(fddFileUrl)).toMatchObject({ code: '211100', reason: 'fasc_upload_pending' })
    expect((await put(uploadUrl, pdf, { 'content-type': 'application/json' })).status).toBe(200)
    expect((await put(uploadUrl, pdf)).status).toBe(410)
    expect((await process(fddFileUrl)).code).toBe('100000')
  })

  it('may be put again after they were refused for their size', async () => {
    const { uploadUrl, fddFileUrl } = await announce()
    expect((await put(uploadUrl, new Uint8Array(300_001))).status).toBe(413)
    expect((await put(uploadUrl, pdf)).status).toBe(200)
    expect((await process(fddFileUrl)).code).toBe('100000')
  })

  it('are refused by name when no contract should be like them', async () => {
    for (const [bytes, reason] of [
      ['no pdf', 'file_not_pdf'],
      ['', 'file_empty'],
      [pdf.subarray(0, 2000), 'file_truncated'],
    ] as const) {
      const { uploadUrl, fddFileUrl } = await announce()
      expect((await put(uploadUrl, bytes)).status).toBe(200)
      expect(await process(fddFileUrl)).toMatchObject({ code: '211099', reason })
    }
  })

  it('are unknown under other names, and to others', async () => {
    const { uploadUrl, fddFileUrl } = await announce()
    await put(uploadUrl, pdf)
    for (const url of [
      `${stage.url}/api/v5/files/${HEX}`,
      'https://example.com/a.pdf',
      '',
      `${fddFileUrl}0`,
    ]) {
      expect(await process(url)).toMatchObject({ code: '211100', reason: 'fasc_upload_unknown' })
    }
    const theirs = await logInFasc({ serverUrl: `${stage.url}/api/v5`, ...otherApp })
    const { body } = await theirs('docClient', 'fileProcess', {
      fddFileUrlList: [{ fileType: 'doc', fddFileUrl, fileName: 'a.pdf' }],
    })
    expect(body.code).toBe('211100')
    expect((await put(`${stage.url}/api/v5/upload/${HEX}`, pdf)).status).toBe(410)
    expect(await process(fddFileUrl, { fileFormat: 'ofd' })).toMatchObject({ reason: 'fasc_unsupported' })
    const attach = await raw('/file/get-upload-url', { fileType: 'attach' })
    expect(attach).toMatchObject({ code: '100001', reason: 'fasc_unsupported' })
  })

  it('are not fetched from where nobody may look', async () => {
    const fetched = await raw('/file/upload-by-url', { fileType: 'doc', fileUrl: 'file:///etc/passwd' })
    expect(fetched).toMatchObject({ code: '211099', reason: 'outside_address_invalid' })
  })

  it('are not opened by a link that was changed', async () => {
    expect((await fetch(`${stage.url}/api/v5/download?key=AAAA`)).status).toBe(410)
    expect((await fetch(`${stage.url}/api/v5/download`)).status).toBe(410)
  })
})

describe('the reference', () => {
  const page = readFileSync(
    join(import.meta.dirname, '../../../../docs/reference/fasc-compatible-api.md'),
    'utf8',
  )

  it('names every interface that is implemented, and none besides', () => {
    const table = page.slice(page.indexOf('## 已实现的接口'), page.indexOf('## 签署任务'))
    const named = [...table.matchAll(/`(\/[a-z-]+\/[a-z/-]+)`/g)].map((match) => match[1])
    expect(named.sort()).toEqual([...stage.server().app.fasc.paths].sort())
  })

  it('names every number that is given', () => {
    expect(codesGiven().filter((code) => !page.includes(`\`${code}\``))).toEqual([])
  })
})

describe('the numbers of refusals', () => {
  it('exist for every refusal they name', () => {
    const declared = refusalCatalogue()
    expect(NAMED_REFUSALS.filter((code) => !declared.has(code))).toEqual([])
  })
})
