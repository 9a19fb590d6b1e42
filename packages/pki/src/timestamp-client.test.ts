import { describe, expect, it } from 'vitest'
import { makeChild, makeRoot, noon } from '../testing/authority.ts'
import {
  buildTimestampResponse,
  createTimestampClient,
  digest,
  type HttpPort,
  issueTimestampToken,
  parseTimestampRequest,
  type TimestampClientOptions,
} from './pki.ts'

const root = makeRoot('ecdsa-p256-sha256')
const tsa = makeChild(root, 'timestamping')
const hash = digest('sha384', new TextEncoder().encode('content'))
let serial = 1

/** An authority whose clock is off by so much; what is asked for may be changed first. */
const authority =
  ({ offMs = 0, digestOf = (given: Uint8Array) => given, by = tsa } = {}) =>
  (body: Uint8Array) => {
    const { messageImprint, nonce } = parseTimestampRequest(body)
    const token = issueTimestampToken(
      {
        messageImprint: { ...messageImprint, digest: digestOf(messageImprint.digest) },
        serial: Uint8Array.of(serial++),
        genTime: new Date(noon.getTime() + offMs),
        policyOid: '1.3.6.1.4.1.99999.1',
        ...(nonce === undefined ? {} : { nonce }),
      },
      by.signer,
      by.certificate.der,
    )
    return { status: 200, type: 'application/timestamp-reply', body: buildTimestampResponse({ token }) }
  }
type Behaviour = (body: Uint8Array) => { status: number; type: string; body: Uint8Array }

function clientOf(places: Record<string, Behaviour>, more: Partial<TimestampClientOptions> = {}) {
  const asked: string[] = []
  const failed: string[] = []
  let count = 0
  const send: HttpPort = async ({ url, method, headers, body }) => {
    asked.push(url)
    expect([method, headers['content-type']]).toEqual(['POST', 'application/timestamp-query'])
    const behaviour = places[url]
    if (behaviour === undefined) throw new Error('fetch failed', { cause: new Error('connection refused') })
    const { status, type, body: answer } = behaviour(body as Uint8Array)
    return { status, headers: new Headers({ 'content-type': type }), body: answer }
  }
  let aheadMs = 0
  const client = createTimestampClient({
    authorities: Object.keys(places),
    send,
    now: () => new Date(noon.getTime() + aheadMs),
    nonce: () => Uint8Array.of(0x40, 1, 2, 3, 4, 5, 6, ++count),
    anchors: [root.certificate],
    onFailure: (url) => failed.push(url),
    ...more,
  })
  return { client, asked, failed, advance: (ms: number) => (aheadMs += ms) }
}
const down: Behaviour = () => ({ status: 503, type: 'text/html', body: new Uint8Array() })

describe('a client of timestamp authorities', () => {
  it('asks them in their order until one answers well', async () => {
    const { client, asked, failed } = clientOf({
      'https://a/': down,
      'https://b/': authority(),
      'https://c/': authority(),
    })
    const got = await client.stamp(hash, 'sha384')
    expect(got).toMatchObject({ authority: 'https://b/', genTime: noon })
    expect([asked, failed]).toEqual([['https://a/', 'https://b/'], ['https://a/']])
  })

  it('lets one that failed rest, and asks it last meanwhile', async () => {
    const places: Record<string, Behaviour> = { 'https://a/': down, 'https://b/': authority() }
    const { client, asked, advance } = clientOf(places, { restMs: 1000, toleranceMs: 60_000 })
    await client.stamp(hash, 'sha384')
    await client.stamp(hash, 'sha384')
    expect(asked).toEqual(['https://a/', 'https://b/', 'https://b/'])
    places['https://a/'] = authority()
    places['https://b/'] = down
    // The rested one fails now: the resting one is better than none.
    expect((await client.stamp(hash, 'sha384')).authority).toBe('https://a/')
    advance(1001)
    expect((await client.stamp(hash, 'sha384')).authority).toBe('https://a/')
  })

  it('fails closed, with the reason of each', async () => {
    const other = makeRoot('ecdsa-p256-sha256', 'stranger')
    const bad: Record<string, Behaviour> = {
      'https://down/': down,
      'https://early/': authority({ offMs: -600_000 }),
      'https://else/': authority({ digestOf: (given) => given.toReversed() }),
      'https://stranger/': authority({ by: makeChild(other, 'timestamping') }),
      'https://signer/': authority({ by: makeChild(root, 'document-signing') }),
      'https://refuses/': () => ({
        status: 200,
        type: 'application/timestamp-reply',
        body: buildTimestampResponse({ failure: 'badAlg', text: 'no' }),
      }),
      'https://rubbish/': () => ({
        status: 200,
        type: 'application/timestamp-reply',
        body: Uint8Array.of(1, 2),
      }),
      'https://page/': () => ({ status: 200, type: 'text/html', body: new Uint8Array() }),
    }
    const { client, failed } = clientOf(bad)
    const error = await client.stamp(hash, 'sha384').catch((reason: Error) => reason)
    expect(error).toMatchObject({ name: 'PkiError', code: 'unavailable' })
    const reasons: Record<string, string> = {}
    for (const one of (error as Error).message.split('; ')) reasons[one.split(':')[0] as string] = one
    expect(Object.keys(reasons)).toEqual([
      'down',
      'early',
      'else',
      'stranger',
      'signer',
      'refuses',
      'rubbish',
      'page',
    ])
    expect(reasons.early).toContain('600 s off')
    expect(reasons.else).toContain('imprint')
    expect(reasons.refuses).toContain('refused')
    expect(failed).toHaveLength(8)
    await expect(clientOf({}).client.stamp(hash, 'sha384')).rejects.toMatchObject({ code: 'unavailable' })
    const gone = clientOf({}, { authorities: ['https://gone/'] })
    await expect(gone.client.stamp(hash, 'sha384')).rejects.toThrow('gone: connection refused')
  })

  it('does not take an old answer for a new one', async () => {
    let kept: ReturnType<Behaviour> | undefined
    const replayed: Behaviour = (body) => (kept ??= authority()(body))
    const { client } = clientOf({ 'https://a/': replayed })
    await client.stamp(hash, 'sha384')
    await expect(client.stamp(hash, 'sha384')).rejects.toThrow('nonce')
  })
})
