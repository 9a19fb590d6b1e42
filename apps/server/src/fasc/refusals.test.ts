/** What the compatible API refuses of files and sign tasks, each with its number. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { logInFasc } from '../../../../testing/fasc-client.ts'
import { type FascStage, NOBODY, openFascStage } from '../../../../testing/fasc-stage.ts'
import type { StageCompany } from '../../../../testing/stage.ts'

let fasc: FascStage
let corp: StageCompany
let other: StageCompany
let pdf: Uint8Array
beforeAll(async () => {
  fasc = await openFascStage()
  ;({ corp, other, pdf } = fasc)
})
afterAll(() => fasc.close())

const hex = (id: string) => id.replaceAll('-', '')
const raw = (path: string, content: unknown) => fasc.raw(path, content)
const logInOther = () => logInFasc({ serverUrl: fasc.serverUrl, ...fasc.otherApp })

describe('what belongs to others', () => {
  it('is unknown, by every interface that takes an id', async () => {
    const fileId = await fasc.upload()
    const { data } = await raw('/sign-task/create', {
      signTaskSubject: '合同',
      initiator: { idType: 'corp', openId: hex(corp.corpId) },
      docs: [{ docId: '1', docFileId: fileId }],
      actors: [],
    })
    const { signTaskId } = data as { signTaskId: string }
    const theirs = await logInOther()
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
      ['userClient', 'getUserInfo', { openUserId: NOBODY }, '210001'],
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
    fileId = await fasc.upload()
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
    ['of an unknown file', () => ({ docs: [{ docId: '1', docFileId: NOBODY }] }), '211096', 'file_not_found'],
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
      () => withField(field('pixel', { positionX: '5000' })),
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
      () => ({ docs: [{ docId: '1', docFileId: fileId }], actors: [actor({ actorOpenId: NOBODY })] }),
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
      `${fasc.serverUrl}/files/${NOBODY}`,
      'https://example.com/a.pdf',
      '',
      `${fddFileUrl}0`,
    ]) {
      expect(await process(url)).toMatchObject({ code: '211100', reason: 'fasc_upload_unknown' })
    }
    const theirs = await logInOther()
    const { body } = await theirs('docClient', 'fileProcess', {
      fddFileUrlList: [{ fileType: 'doc', fddFileUrl, fileName: 'a.pdf' }],
    })
    expect(body.code).toBe('211100')
    expect((await put(`${fasc.serverUrl}/upload/${NOBODY}`, pdf)).status).toBe(410)
    expect(await process(fddFileUrl, { fileFormat: 'ofd' })).toMatchObject({ reason: 'fasc_unsupported' })
    const attach = await raw('/file/get-upload-url', { fileType: 'attach' })
    expect(attach).toMatchObject({ code: '100001', reason: 'fasc_unsupported' })
  })

  it('are not fetched from where nobody may look', async () => {
    const fetched = await raw('/file/upload-by-url', { fileType: 'doc', fileUrl: 'file:///etc/passwd' })
    expect(fetched).toMatchObject({ code: '211099', reason: 'outside_address_invalid' })
  })

  it('are not opened by a link that was changed', async () => {
    expect((await fetch(`${fasc.serverUrl}/download?key=AAAA`)).status).toBe(410)
    expect((await fetch(`${fasc.serverUrl}/download`)).status).toBe(410)
  })
})
