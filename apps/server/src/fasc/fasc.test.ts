/** Who is let into the compatible API, and how it answers; by requests signed by hand. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { manualClock } from '#src/clock.ts'
import { refusalCatalogue } from '#src/errors.ts'
import { fascSignature } from '#src/webhooks/webhooks.ts'
import { openFascClient } from '../../../../testing/fasc-client.ts'
import { type FascStage, openFascStage, type RawOver } from '../../../../testing/fasc-stage.ts'
import { openStage } from '../../../../testing/stage.ts'
import { codesGiven, NAMED_REFUSALS } from './codes.ts'

let fasc: FascStage
beforeAll(async () => {
  fasc = await openFascStage()
})
afterAll(() => fasc.close())

const hex = (id: string) => id.replaceAll('-', '')
const raw = (path: string, content: unknown, over?: RawOver) => fasc.raw(path, content, over)
const corpGet = (over?: RawOver) => fasc.corpGet(over)
const client = () => openFascClient({ serverUrl: fasc.serverUrl, ...fasc.app, accessToken: fasc.token })

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

describe('the pace', () => {
  it('is so many calls a second of one app to one interface; bad signatures do not count', async () => {
    const clock = manualClock(new Date())
    const own = await openFascStage({ environment: { YINXIN_FASC_CALLS_PER_SECOND: '5' }, clock })
    try {
      await Promise.all(Array.from({ length: 8 }, () => own.corpGet({ secret: 'wrong' })))
      const answers = await Promise.all(Array.from({ length: 8 }, () => own.corpGet()))
      expect(answers.filter((answer) => answer.code === '100000')).toHaveLength(5)
      for (const answer of answers.filter((one) => one.code !== '100000'))
        expect(answer).toMatchObject({ status: 403, code: '100004', reason: 'fasc_too_fast' })
      const other = await own.raw('/seal/get-list', { openCorpId: hex(own.corp.corpId) })
      expect(other.code).toBe('100000')
      clock.advance(1000)
      expect((await own.corpGet()).code).toBe('100000')
    } finally {
      await own.close()
    }
  })
})

describe('who is not let in', () => {
  it('lets a good request in, and answers with its number', async () => {
    const answer = await corpGet()
    expect(answer).toMatchObject({ status: 200, code: '100000', msg: '请求成功' })
    expect(answer.requestId).toMatch(/^[0-9a-f-]{36}$/)
  })

  it.each<[string, () => RawOver, string, string, number]>([
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
      secret: fasc.otherApp.appSecret,
      headers: { 'X-FASC-App-Id': fasc.otherApp.appId },
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
    expect(await ask('client_credential')).toMatchObject({
      code: '100000',
      data: { accessToken: fasc.token },
    })
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
      const door = timed.server().app.fasc
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
        return (await door.call(path, { header: (name) => all[name] ?? '', bizContent })) as {
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
    const call = client()
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
    const call = client()
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

describe('the reference', () => {
  const page = readFileSync(
    join(import.meta.dirname, '../../../../docs/reference/fasc-compatible-api.md'),
    'utf8',
  )

  it('names every interface that is implemented, and none besides', () => {
    const table = page.slice(page.indexOf('## 已实现的接口'), page.indexOf('## 签署任务'))
    const named = [...table.matchAll(/`(\/[a-z-]+\/[a-z/-]+)`/g)].map((match) => match[1])
    expect(named.sort()).toEqual([...fasc.stage.server().app.fasc.paths].sort())
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
