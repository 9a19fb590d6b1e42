/** The rooms of people and files as the outside meets them: over HTTP, with a session, an app, or nothing. */
import { createHash, createHmac, randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type {
  AppWithSecret,
  Corp,
  FileInfo,
  Me,
  Member,
  Page,
  Problem,
  Seal,
} from '../packages/sdk/src/wire.ts'
import { activePdfs, plainPdf, textPdf } from './fakes/pdfs.ts'
import { openStage, type Stage, type StageCompany, type StagePerson } from './stage.ts'

const LIMIT = 300_000
let stage: Stage
let alice: StagePerson
let company: StageCompany
let rival: StageCompany

beforeAll(async () => {
  stage = await openStage({ environment: { YINXIN_UPLOAD_LIMIT_BYTES: String(LIMIT) } })
  alice = await stage.person('张三')
  company = await stage.company('福州示例科技有限公司')
  rival = await stage.company('别家科技有限公司')
})
afterAll(() => stage.close())

const problem = async (answer: Promise<{ status: number; body: unknown }>) => {
  const { status, body } = await answer
  return { status, code: (body as Problem).code }
}

describe('coming in', () => {
  it('registers with a password, sets a safe cookie, and the cookie alone cannot change anything', async () => {
    const login = `mei.${randomUUID()}@example.com`
    const code = await stage.codeBy(login, () => stage.ok('POST', '/api/v1/login-codes', { body: { login } }))
    const answer = await stage.call<{ token: string; me: Me }>('POST', '/api/v1/registrations', {
      body: { login, code, password: 'a good password', name: '梅' },
    })
    expect(answer.status).toBe(201)
    expect(answer.body.me).toMatchObject({
      login,
      person: { name: '梅', email: expect.stringMatching(/^m\*\*\*@/), identity: { verified: false } },
      acting: { kind: 'person', role: 'self' },
      memberships: [],
      environment: {
        mode: 'sandbox',
        developmentCa: true,
        simulators: ['sms', 'mail', 'identity-simulator'],
      },
    })
    const cookie = answer.headers.get('set-cookie') ?? ''
    expect(cookie).toMatch(/^yx_session=/)
    expect(cookie).toMatch(/HttpOnly/i)
    expect(cookie).toMatch(/SameSite=Lax/i)
    const headers = { cookie: cookie.split(';')[0] ?? '' }
    expect((await stage.call('GET', '/api/v1/me', { headers })).status).toBe(200)
    expect(await problem(stage.call('DELETE', '/api/v1/sessions/current', { headers }))).toEqual({
      status: 403,
      code: 'csrf_header_missing',
    })
    const out = await stage.call('DELETE', '/api/v1/sessions/current', {
      headers: { ...headers, 'x-yinxin-request': '1' },
    })
    expect(out.status).toBe(204)
    expect(await problem(stage.call('GET', '/api/v1/me', { headers }))).toEqual({
      status: 401,
      code: 'not_signed_in',
    })
  })

  it('answers known and unknown logins alike and never with the code', async () => {
    const answers = []
    for (const login of [alice.login, `nobody.${randomUUID()}@example.com`]) {
      const answer = await stage.call('POST', '/api/v1/login-codes', { body: { login } })
      // The person registered a moment ago; whether a code may be sent again depends on time alone.
      answers.push(answer.status === 429 ? 202 : answer.status)
      const [message] = await stage.messages(login)
      if (message?.code) expect(JSON.stringify(answer.body)).not.toContain(message.code)
    }
    expect(answers).toEqual([202, 202])
    for (const login of [alice.login, '13999999999'])
      expect(
        await problem(
          stage.call('POST', '/api/v1/sessions', { body: { login, password: 'wrong password' } }),
        ),
      ).toEqual({
        status: 401,
        code: 'login_failed',
      })
  })

  it('refuses a code tried too often', async () => {
    const login = `tries.${randomUUID()}@example.com`
    const code = await stage.codeBy(login, () => stage.ok('POST', '/api/v1/login-codes', { body: { login } }))
    const wrong = code === '000000' ? '000001' : '000000'
    for (let i = 0; i < 4; i++)
      expect((await stage.call('POST', '/api/v1/sessions', { body: { login, code: wrong } })).status).toBe(
        401,
      )
    const last = { status: 429, code: 'login_code_tried_too_often' }
    expect(await problem(stage.call('POST', '/api/v1/sessions', { body: { login, code: wrong } }))).toEqual(
      last,
    )
    expect(await problem(stage.call('POST', '/api/v1/sessions', { body: { login, code } }))).toEqual(last)
  })

  it('speaks the language asked for', async () => {
    const body = { login: 'no login', password: 'x' }
    for (const [lang, words] of [
      ['zh', '请输入有效的手机号或邮箱地址'],
      ['en', 'Enter a valid mobile number or mail address'],
    ] as const) {
      const answer = await stage.call<Problem>('POST', '/api/v1/sessions', {
        body,
        headers: { 'accept-language': lang },
      })
      expect(answer.body).toMatchObject({ status: 400, code: 'login_invalid' })
      expect(answer.body.detail).toContain(words)
    }
  })
})

describe('companies and apps', () => {
  it('shows the company, its members and apps to its administrator, page by page', async () => {
    const corp = await stage.ok<Corp>('GET', `/api/v1/corps/${company.corpId}`, { token: company.token })
    expect(corp).toMatchObject({ name: company.name, identity: { verified: true, simulated: true } })
    const login = `member.${randomUUID()}@example.com`
    const key = randomUUID()
    const add = () =>
      stage.ok<Member>('POST', `/api/v1/corps/${company.corpId}/members`, {
        token: company.token,
        body: { login, role: 'member' },
        headers: { 'idempotency-key': key },
      })
    expect(await add()).toEqual(await add())
    const path = `/api/v1/corps/${company.corpId}/members?limit=1`
    const first = await stage.ok<Page<Member>>('GET', path, { token: company.token })
    const second = await stage.ok<Page<Member>>('GET', `${path}&cursor=${first.nextCursor}`, {
      token: company.token,
    })
    expect([...first.items, ...second.items].map((member) => member.login).sort()).toEqual(
      [company.admin.login, login].sort(),
    )
    expect(second.nextCursor).toBeNull()
  })

  it('gives an app a secret once, with which it signs its requests until the secret is replaced', async () => {
    const app = await stage.ok<AppWithSecret>('POST', '/api/v1/apps', {
      token: company.token,
      body: { name: 'ERP', environment: 'sandbox' },
    })
    const signed = (secret: string) => {
      const path = '/api/v1/seals?limit=5'
      const timestamp = String(Date.now())
      const nonce = randomUUID()
      const parts = ['GET', path, timestamp, nonce, createHash('sha256').digest('hex')]
      return stage.call<Page<Seal>>('GET', path, {
        headers: {
          'x-yinxin-app': app.appId,
          'x-yinxin-timestamp': timestamp,
          'x-yinxin-nonce': nonce,
          'x-yinxin-signature': createHmac('sha256', secret).update(parts.join('\n')).digest('hex'),
        },
      })
    }
    const list = await signed(app.appSecret)
    expect(list.status).toBe(200)
    expect(list.body.items.map((seal) => seal.id)).toContain(company.sealId)
    const rotated = await stage.ok<AppWithSecret>('POST', `/api/v1/apps/${app.appId}/secret`, {
      token: company.token,
    })
    expect(await problem(signed(app.appSecret))).toEqual({ status: 401, code: 'app_signature_invalid' })
    expect((await signed(rotated.appSecret)).status).toBe(200)
    await stage.ok('PATCH', `/api/v1/apps/${app.appId}`, { token: company.token, body: { active: false } })
    expect((await signed(rotated.appSecret)).status).toBe(401)
    const apps = await stage.ok('GET', '/api/v1/apps', { token: company.token })
    for (const secret of [app.appSecret, rotated.appSecret])
      expect(JSON.stringify(apps)).not.toContain(secret)
  })
})

describe('seals and signatures', () => {
  it('draws a seal that a browser can show and cannot be made to run', async () => {
    const answer = await stage.call<string>('GET', `/api/v1/seals/${company.sealId}/image.svg`, {
      token: company.token,
    })
    expect(answer.headers.get('content-type')).toContain('image/svg+xml')
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(answer.body).toMatch(/^<svg/)
  })

  it('refuses nonsense by field', async () => {
    const answer = await stage.call<Problem>('POST', '/api/v1/seals', {
      token: company.token,
      body: { kind: 'golden', name: '' },
    })
    expect(answer.status).toBe(400)
    expect(answer.body.code).toBe('input_invalid')
  })
})

describe('files', () => {
  it('comes back whole or in part as it went in, with its keyword positions', async () => {
    const pdf = await textPdf([{ text: '乙方（签字）：', x: 100, y: 200 }])
    const file = await stage.ok<FileInfo>('POST', '/api/v1/files', {
      token: alice.token,
      body: pdf,
      headers: {
        'x-file-name': encodeURIComponent('租赁合同.pdf'),
        'content-sha256': createHash('sha256').update(pdf).digest('hex'),
      },
    })
    expect(file).toMatchObject({
      name: '租赁合同.pdf',
      sizeBytes: pdf.length,
      pageCount: 1,
      signatureCount: 0,
    })
    expect(Buffer.from(await stage.download(`/api/v1/files/${file.id}/content`, alice.token))).toEqual(pdf)
    const part = await fetch(`${stage.url}/api/v1/files/${file.id}/content`, {
      headers: { authorization: `Bearer ${alice.token}`, range: 'bytes=5-9' },
    })
    expect(part.status).toBe(206)
    expect(part.headers.get('content-range')).toBe(`bytes 5-9/${pdf.length}`)
    expect(Buffer.from(await part.arrayBuffer())).toEqual(pdf.subarray(5, 10))
    const { positions } = await stage.ok<{ positions: { page: number; x: number }[] }>(
      'POST',
      `/api/v1/files/${file.id}/keyword-positions`,
      { token: alice.token, body: { keyword: '乙方(签字)' } },
    )
    expect(positions).toMatchObject([{ page: 1, x: 100 }])
  })

  it('makes one file of an upload that is sent twice under one key', async () => {
    const pdf = plainPdf()
    const headers = {
      'idempotency-key': randomUUID(),
      'content-sha256': createHash('sha256').update(pdf).digest('hex'),
    }
    const send = () => stage.ok<FileInfo>('POST', '/api/v1/files', { token: alice.token, body: pdf, headers })
    expect((await send()).id).toBe((await send()).id)
  })

  it.each([
    [413, 'upload_too_large', () => Buffer.alloc(LIMIT + 1, 'x')],
    [400, 'file_not_pdf', () => Buffer.from('hello '.repeat(300))],
    [400, 'file_empty', () => Buffer.alloc(0)],
    [400, 'file_active_content', () => activePdfs.javascript],
  ] as const)('answers %i %s', async (status, code, make) => {
    expect(await problem(stage.call('POST', '/api/v1/files', { token: alice.token, body: make() }))).toEqual({
      status,
      code,
    })
  })

  it('stops an upload that does not say its length while it still flows', async () => {
    let sentBytes = 0
    const answer = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const sending = request(
        `${stage.url}/api/v1/files`,
        {
          method: 'POST',
          headers: { 'content-type': 'application/pdf', authorization: `Bearer ${alice.token}` },
        },
        (response) => {
          let text = ''
          response.setEncoding('utf8')
          response.on('data', (chunk: string) => {
            text += chunk
          })
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
        },
      )
      sending.on('error', reject)
      const piece = Buffer.alloc(64 * 1024, 'x')
      const timer = setInterval(() => {
        if (sentBytes > 50 * LIMIT) {
          clearInterval(timer)
          sending.end()
          return
        }
        sending.write(piece)
        sentBytes += piece.length
      }, 2)
      sending.on('response', () => clearInterval(timer))
    })
    expect(answer.status).toBe(413)
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'upload_too_large' })
    expect(sentBytes).toBeLessThan(30 * LIMIT)
  })
})

describe('another tenant', () => {
  it('meets 404 on every route that names something of ours', async () => {
    const fileId = await stage.upload(company.token, plainPdf())
    const app = await stage.ok<AppWithSecret>('POST', '/api/v1/apps', {
      token: company.token,
      body: { name: 'ERP', environment: 'sandbox' },
    })
    const { corpId, sealId, businessId, admin } = company
    const member = admin.personId
    const routes: [string, string, unknown?][] = [
      ['GET', `/api/v1/corps/${corpId}`],
      ['GET', `/api/v1/corps/${corpId}/members`],
      ['POST', `/api/v1/corps/${corpId}/members`, { login: '13811112222', role: 'admin' }],
      ['DELETE', `/api/v1/corps/${corpId}/members/${member}`],
      ['PUT', '/api/v1/me/acting', { subjectId: corpId }],
      ['PATCH', `/api/v1/apps/${app.appId}`, { active: false }],
      ['POST', `/api/v1/apps/${app.appId}/secret`],
      ['PATCH', `/api/v1/seals/${sealId}`, { status: 'disabled' }],
      ['GET', `/api/v1/seals/${sealId}/image.svg`],
      ['GET', `/api/v1/seals/${sealId}/grants`],
      ['POST', `/api/v1/seals/${sealId}/grants`, { personId: member }],
      ['DELETE', `/api/v1/seals/${sealId}/grants/${member}`],
      ['POST', `/api/v1/seals/${sealId}/free-sign-scenes`, { name: 'x' }],
      ['DELETE', `/api/v1/seals/${sealId}/free-sign-scenes/${businessId}`],
      ['GET', `/api/v1/files/${fileId}`],
      ['GET', `/api/v1/files/${fileId}/content`],
      ['POST', `/api/v1/files/${fileId}/keyword-positions`, { keyword: '甲方' }],
    ]
    for (const [method, path, body] of routes) {
      const answer = await stage.call(method, path, {
        token: rival.token,
        ...(body === undefined ? {} : { body }),
      })
      expect(answer.status, `${method} ${path} ${JSON.stringify(answer.body)}`).toBe(404)
      // Without any credential there is nothing to see at all.
      const stranger = await stage.call(method, path, body === undefined ? {} : { body })
      expect(stranger.status, `${method} ${path}`).toBe(401)
    }
    for (const path of ['/api/v1/seals', '/api/v1/apps']) {
      const list = await stage.ok<Page<{ id?: string; appId?: string }>>('GET', path, { token: rival.token })
      const ids = list.items.map((item) => item.id ?? item.appId)
      expect(ids).not.toContain(sealId)
      expect(ids).not.toContain(app.appId)
    }
    // Nothing of it came to pass.
    const seal = await stage.ok<Page<Seal>>('GET', '/api/v1/seals', { token: company.token })
    expect(seal.items.find((one) => one.id === sealId)).toMatchObject({
      status: 'active',
      freeSignScenes: [{ businessId }],
    })
  })
})
