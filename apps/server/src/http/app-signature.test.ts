import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newToken } from '#src/ids.ts'
import { appCredential, clock, type HttpStage, openHttpStage, person, seen, signed } from './http-stage.ts'

let stage: HttpStage
let base: string

beforeAll(async () => {
  stage = await openHttpStage()
  base = stage.base
})
afterAll(() => stage.close())

describe('callers', () => {
  it('are told when they are nobody, and before their input is judged', async () => {
    const answer = await stage.post('/api/v1/things/abc', { n: 'wrong' })
    expect([answer.status, await answer.json()]).toMatchObject([401, { code: 'not_signed_in' }])
  })

  it('with a cookie need the header that other sites cannot send', async () => {
    const cookie = { cookie: `yx_session=${person.token}` }
    expect(await (await stage.post('/api/v1/things/abc', { n: 1 }, cookie)).json()).toMatchObject({
      code: 'csrf_header_missing',
    })
    const answer = await stage.post('/api/v1/things/abc', { n: 1 }, { ...cookie, 'x-yinxin-request': '1' })
    expect(answer.status).toBe(201)
    expect(await answer.json()).toEqual({ subjectId: person.personId, n: seen.handled })
  })

  it('that are apps sign; wrong, stale, replayed and foreign signatures are refused', async () => {
    const path = '/api/v1/things/abc'
    const body = '{"n":1}'
    const send = (headers: Record<string, string>, content = body) =>
      fetch(base + path, {
        method: 'POST',
        body: content,
        headers: { 'content-type': 'application/json', ...headers },
      })
    const codeOf = async (answer: Promise<Response>) =>
      ((await (await answer).json()) as { code?: string }).code

    const good = signed(path, body)
    const answer = await send(good)
    expect(answer.status).toBe(201)
    expect(await answer.json()).toMatchObject({ subjectId: appCredential.subjectId })
    expect(await codeOf(send(good))).toBe('app_nonce_used')
    expect(await codeOf(send(signed(path, body, {}, 'another secret')))).toBe('app_signature_invalid')
    expect(await codeOf(send(signed(path, body), '{"n":2}'))).toBe('app_signature_invalid')
    expect(await codeOf(send(signed('/api/v1/things/abd', body)))).toBe('app_signature_invalid')
    expect(await codeOf(send(signed(path, body, { appId: 'app-two' }, '')))).toBe('app_signature_invalid')
    expect(await codeOf(send(signed(path, body, { nonce: 'short' })))).toBe('app_signature_invalid')
    expect(await codeOf(send(signed(path, body, { signature: 'zz' })))).toBe('app_signature_invalid')
    const stale = String(clock.now().getTime() - 301_000)
    expect(await codeOf(send(signed(path, body, { timestamp: stale })))).toBe('app_timestamp_stale')
    const early = String(clock.now().getTime() + 301_000)
    expect(await codeOf(send(signed(path, body, { timestamp: early })))).toBe('app_timestamp_stale')
  })

  it('use a nonce once even when two requests arrive together, and a bad signature burns none', async () => {
    const path = '/api/v1/things/abc'
    const body = '{"n":1}'
    const nonce = newToken(18)
    const send = (headers: Record<string, string>) =>
      fetch(base + path, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', ...headers },
      })
    await send(signed(path, body, { nonce, signature: '0'.repeat(64) }))
    const answers = await Promise.all([1, 2, 3].map(() => send(signed(path, body, { nonce }))))
    expect(answers.map((answer) => answer.status).sort()).toEqual([201, 401, 401])
  })

  it('cannot stay signed when switched off', async () => {
    appCredential.active = false
    const answer = await stage.post('/api/v1/things/abc', { n: 1 }, signed('/api/v1/things/abc', '{"n":1}'))
    appCredential.active = true
    expect(answer.status).toBe(401)
  })
})
