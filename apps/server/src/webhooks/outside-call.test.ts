import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startWebhookSink, type WebhookSink } from '../../../../testing/fakes/webhook-sink.ts'
import { callOutside, readHead } from './outside-call.ts'
import { isPublicAddress } from './public-address.ts'

let sink: WebhookSink
beforeAll(async () => {
  sink = await startWebhookSink()
})
afterAll(() => sink.close())

const get = (url: string, over: { allowPrivate?: boolean; timeoutMs?: number } = {}) =>
  callOutside({ method: 'GET', url, timeoutMs: 2000, allowPrivate: false, ...over })

describe('public addresses', () => {
  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:127.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001::1',
    '2001:db8::1',
    'ff02::1',
    'localhost',
    '',
  ])('%s is none', (address) => {
    expect(isPublicAddress(address)).toBe(false)
  })

  it.each(['8.8.8.8', '172.32.0.1', '100.128.0.1', '2400:3200::1', '2606:4700::1111'])(
    '%s is one',
    (address) => {
      expect(isPublicAddress(address)).toBe(true)
    },
  )
})

describe('calls to addresses of customers', () => {
  it.each([
    'http://127.0.0.1:1/',
    'http://localhost:1/',
    'http://[::1]:1/',
    'http://[::ffff:10.0.0.1]/',
    'http://0x7f.1/',
    'http://2130706433/',
    'http://169.254.169.254/latest/meta-data',
  ])('%s is refused before anything is sent', async (url) => {
    await expect(get(url)).rejects.toThrow('outside_address_forbidden')
  })

  it.each(['ftp://example.com/', 'file:///etc/passwd', 'not a url', 'http://user:secret@example.com/', ''])(
    '%s is no address',
    async (url) => {
      await expect(get(url)).rejects.toThrow('outside_address_invalid')
    },
  )

  it('goes to this machine when that is allowed, under the name that was asked for', async () => {
    const port = new URL(sink.url).port
    const answer = await get(`http://localhost:${port}/x`, { allowPrivate: true })
    expect(answer.status).toBe(200)
    expect(await readHead(answer, 100)).toBe('{"msg":"success"}')
    expect(sink.received.at(-1)?.headers.host).toBe(`localhost:${port}`)
  })

  it.each(['169.254.169.254', '[fe80::1]', '0.0.0.0', '224.0.0.1', '[::ffff:169.254.169.254]'])(
    'never goes to %s, where no integrator develops but a cloud keeps its credentials',
    async (host) => {
      await expect(get(`http://${host}/`, { allowPrivate: true })).rejects.toThrow(
        'outside_address_forbidden',
      )
    },
  )

  it('does not follow a redirect', async () => {
    sink.answer = () => ({ status: 302, body: '', headers: { location: 'http://169.254.169.254/' } })
    const before = sink.received.length
    const answer = await get(sink.url, { allowPrivate: true })
    answer.close()
    expect(answer.status).toBe(302)
    expect(sink.received.length).toBe(before + 1)
  })

  it('ends when the time is over, and reads no more of an answer than it needs', async () => {
    sink.answer = () => 'hang'
    await expect(get(sink.url, { allowPrivate: true, timeoutMs: 100 })).rejects.toThrow('timeout')
    sink.answer = () => ({ status: 200, body: 'x'.repeat(5_000_000) })
    const answer = await get(sink.url, { allowPrivate: true })
    expect((await readHead(answer, 100)).length).toBe(100)
  })

  it('tells that nobody listens without telling where', async () => {
    const error = await get('http://127.0.0.1:1/', { allowPrivate: true }).catch((reason: unknown) => reason)
    expect(String(error)).toContain('ECONNREFUSED')
    expect(String(error)).not.toContain('127.0.0.1')
  })
})
