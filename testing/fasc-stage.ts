/**
 * Two companies with an app each, and requests to the compatible API signed by hand from its published
 * description, so that every part of one can be made wrong.
 *
 *     const fasc = await openFascStage()
 *     const answer = await fasc.raw('/corp/get', { openCorpId: fasc.openCorpId })
 *     await fasc.close()
 */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../apps/server/src/clock.ts'
import type { Environment } from '../apps/server/src/config.ts'
import { drawSampleContract } from '../apps/server/src/sandbox/sample-contract.ts'
import { logInFasc } from './fasc-client.ts'
import { openStage, type StageCompany } from './stage.ts'

export interface RawOver {
  secret?: string
  headers?: Record<string, string | undefined>
  /** What is sent, when it differs from what was signed. */
  sent?: string
  body?: string
  contentType?: string
}

export interface StageApp {
  appId: string
  appSecret: string
}

export type FascStage = Awaited<ReturnType<typeof openFascStage>>

/** An id that nothing has. */
export const NOBODY = '0123456789abcdef0123456789abcdef'

export async function openFascStage(options: { environment?: Environment; clock?: Clock; at?: string } = {}) {
  const stage = await openStage({
    environment: {
      YINXIN_UPLOAD_LIMIT_BYTES: '300000',
      // Tests are faster than programs; the pace has a test of its own.
      YINXIN_FASC_CALLS_PER_SECOND: '1000',
      ...options.environment,
    },
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    ...(options.at === undefined ? {} : { at: options.at }),
  })
  const corp = await stage.company('示例科技有限公司')
  const other = await stage.company('另一科技有限公司', await stage.person('周七'))
  const makeApp = (company: StageCompany) =>
    stage.ok<StageApp>('POST', '/api/v1/apps', {
      token: company.token,
      body: { name: '业务系统', environment: 'sandbox' },
    })
  const app = await makeApp(corp)
  const otherApp = await makeApp(other)
  const serverUrl = `${stage.url}/api/v5`
  const { token } = await logInFasc({ serverUrl, ...app })
  const pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: 'N1',
    date: '2026年1月1日',
  })

  /** A request signed by hand. */
  async function raw(path: string, content: unknown, over: RawOver = {}) {
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
    const response = await fetch(`${serverUrl}${path}`, {
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

  const openCorpId = corp.corpId.replaceAll('-', '')

  /** A request that is fine unless something is made wrong. */
  const corpGet = (over: RawOver = {}) => raw('/corp/get', { openCorpId }, over)

  /** A file that can be signed. */
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

  return {
    stage,
    serverUrl,
    corp,
    other,
    openCorpId,
    app,
    otherApp,
    token,
    pdf,
    raw,
    corpGet,
    upload,
    close: () => stage.close(),
  }
}
