import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Page } from '@yinxin/sdk/wire'
import { startWebhookSink, type WebhookSink } from '../../../../testing/fakes/webhook-sink.ts'
import { openStage, type Stage, type StageCompany } from '../../../../testing/stage.ts'
import { callbackRequest } from './callback-request.ts'
import { fascSignature, fascSignText } from './fasc-signature.ts'

describe('the FASC signature', () => {
  const pairs = {
    'X-FASC-Timestamp': '1757570000000',
    'X-FASC-AccessToken': 'tok',
    'X-FASC-App-Id': '00000000',
    'X-FASC-Nonce': 'a'.repeat(32),
    'X-FASC-Sign-Type': 'HMAC-SHA256',
    'X-FASC-Api-SubVersion': '5.1',
    'X-FASC-Grant-Type': '',
    bizContent: '{"signTaskId":"1"}',
  }

  it('equals the published vector', () => {
    expect(fascSignText(pairs)).toBe(
      'X-FASC-AccessToken=tok&X-FASC-Api-SubVersion=5.1&X-FASC-App-Id=00000000&X-FASC-Nonce=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&X-FASC-Sign-Type=HMAC-SHA256&X-FASC-Timestamp=1757570000000&bizContent={"signTaskId":"1"}',
    )
    expect(fascSignature('dummysecret', '1757570000000', pairs)).toBe(
      '45a459b6af348e6ff2b3e5727823c54f4e5f4e23eea22e916d8da6befefe25bf',
    )
  })

  it('depends on secret, time and every pair', () => {
    const right = fascSignature('dummysecret', '1757570000000', pairs)
    expect(fascSignature('dummysecreT', '1757570000000', pairs)).not.toBe(right)
    expect(fascSignature('dummysecret', '1757570000001', pairs)).not.toBe(right)
    for (const key of Object.keys(pairs)) {
      expect(fascSignature('dummysecret', '1757570000000', { ...pairs, [key]: 'other' })).not.toBe(right)
    }
  })
})

describe('the example of the reference', () => {
  it('is signed as the reference says', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../../docs/reference/callbacks.md'), 'utf8')
    const [, example = ''] = page.split('```http\n')
    const [head = '', body = ''] = (example.split('\n```')[0] ?? '').split('\n\n')
    const header = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(head)?.[1]
    const request = callbackRequest(
      {
        id: header('webhook-id') ?? '',
        appId: '10000000',
        style: 'standard',
        event: 'sign-task.finished',
        payload: JSON.parse(body),
      },
      'dummysecret',
      new Date(Number(header('webhook-timestamp')) * 1000),
      'nonce',
    )
    expect(request.body).toBe(body)
    expect(request.headers['webhook-signature']).toBe(header('webhook-signature'))
  })
})

interface Callback {
  id: string
  event: string
  status: string
  attempts: number
  log: { status: number | null; problem: string | null; responseHead: string | null }[]
}

describe('callbacks to a company', () => {
  let stage: Stage
  let sink: WebhookSink
  let corp: StageCompany
  let app: { appId: string; appSecret: string }
  beforeAll(async () => {
    sink = await startWebhookSink()
    stage = await openStage({ environment: { YINXIN_CALLBACK_RETRY_SECONDS: '1,1' } })
    corp = await stage.company('回调科技有限公司')
    app = await stage.ok('POST', '/api/v1/apps', {
      token: corp.token,
      body: { name: '业务系统', environment: 'sandbox', callbackUrl: sink.url },
    })
  })
  afterAll(async () => {
    await stage.close()
    await sink.close()
  })

  const draft = () => stage.createTask(corp.token, { actors: [], fields: [], documents: [] })
  const list = (query = '') =>
    stage.ok<Page<Callback>>('GET', `/api/v1/callbacks${query}`, { token: corp.token })
  const read = (id: string, token = corp.token) =>
    stage.ok<Callback>('GET', `/api/v1/callbacks/${id}`, { token })

  /** The callback about a task, once it has come to rest in a state. */
  async function settled(status: string, id?: string): Promise<Callback> {
    for (let tries = 0; tries < 200; tries++) {
      const found = id ?? (await list()).items[0]?.id
      const callback = found === undefined ? undefined : await read(found)
      if (callback?.status === status) return callback
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`no callback became ${status}: ${JSON.stringify(await list())}`)
  }

  it('signs as Standard Webhooks say, in the open and checkable with the secret', async () => {
    const task = await draft()
    const [got] = await sink.until((all) => all.length === 1)
    const id = String(got?.headers['webhook-id'])
    const time = String(got?.headers['webhook-timestamp'])
    const wanted = createHmac('sha256', app.appSecret).update(`${id}.${time}.${got?.body}`).digest('base64')
    expect(got?.headers['webhook-signature']).toBe(`v1,${wanted}`)
    expect(JSON.parse(got?.body ?? '')).toMatchObject({
      type: 'sign-task.created',
      data: { taskId: task.id },
    })
    const kept = await settled('delivered')
    expect(kept).toMatchObject({ id, event: 'sign-task.created', attempts: 1 })
    expect(kept.log).toMatchObject([{ status: 200, problem: null, responseHead: '{"msg":"success"}' }])
  })

  it('tries again with a fresh signature until it is acknowledged', async () => {
    const before = sink.received.length
    sink.answer = () =>
      sink.received.length === before ? { status: 500, body: 'busy' } : { status: 204, body: '' }
    await draft()
    const all = await sink.until((received) => received.length >= before + 2)
    const [first, second] = all.slice(before)
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id'])
    expect(second?.headers['webhook-timestamp']).not.toBe(first?.headers['webhook-timestamp'])
    const kept = await settled('delivered')
    expect(kept.log.map((one) => one.status)).toEqual([500, 204])
  })

  it('gives up after the last pause, keeps every attempt, and sends it again when asked', async () => {
    sink.answer = () => ({ status: 503, body: 'down' })
    await draft()
    const failed = await settled('failed')
    expect(failed.log.map((one) => [one.status, one.responseHead])).toEqual([
      [503, 'down'],
      [503, 'down'],
      [503, 'down'],
    ])
    sink.answer = () => ({ status: 200, body: 'ok' })
    await stage.ok('POST', `/api/v1/callbacks/${failed.id}/replay`, { token: corp.token })
    const replayed = await settled('delivered', failed.id)
    expect(replayed.attempts).toBe(4)
    expect((await list('?status=delivered&limit=1')).items).toHaveLength(1)
  })

  it('refuses addresses inside the network for an app of production', async () => {
    const other = await stage.company('生产科技有限公司', await stage.person('周七'))
    await stage.ok('POST', '/api/v1/apps', {
      token: other.token,
      body: { name: '生产', environment: 'production', callbackUrl: 'https://127.0.0.1/callback' },
    })
    await stage.createTask(other.token, { actors: [], fields: [], documents: [] })
    for (let tries = 0; ; tries++) {
      const { items } = await stage.ok<Page<Callback>>('GET', '/api/v1/callbacks', { token: other.token })
      const callback =
        items[0] &&
        (await stage.ok<Callback>('GET', `/api/v1/callbacks/${items[0].id}`, { token: other.token }))
      if (callback && callback.log.length > 0) {
        expect(callback.log[0]).toMatchObject({ status: null, problem: 'outside_address_forbidden' })
        break
      }
      if (tries > 200) throw new Error('nothing was attempted')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })

  it('hides callbacks from everybody else', async () => {
    const id = (await list()).items[0]?.id ?? ''
    const stranger = await stage.company('陌生科技有限公司', await stage.person('孙八'))
    for (const [method, path] of [
      ['GET', `/api/v1/callbacks/${id}`],
      ['POST', `/api/v1/callbacks/${id}/replay`],
    ] as const) {
      const answer = await stage.call(method, path, { token: stranger.token })
      expect([answer.status, answer.body.code]).toEqual([404, 'callback_not_found'])
    }
    const none = await stage.ok<Page<Callback>>('GET', '/api/v1/callbacks', { token: stranger.token })
    expect(none.items).toEqual([])
    const person = await stage.person('吴九')
    expect((await stage.call('GET', '/api/v1/callbacks', { token: person.token })).status).toBe(403)
  })
})
