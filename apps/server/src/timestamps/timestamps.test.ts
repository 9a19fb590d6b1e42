import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import {
  buildTimestampRequest,
  generateSigner,
  issueCertificate,
  parseCertificate,
  parseTimestampResponse,
  parseTimestampToken,
  toPem,
  verifyTimestampToken,
} from '@yinxin/pki'
import { afterAll, afterEach, beforeAll, describe, expect, type TestContext, test } from 'vitest'
import { type Clock, manualClock } from '#src/clock.ts'
import { createLog } from '#src/log.ts'
import { createOwnAuthority } from './own-authority.ts'
import { createTimestamps, readAnchors, type TimestampsDeps } from './timestamps.ts'

const log = createLog('silent')
const clock = manualClock(new Date())
const digest = createHash('sha256').update('a signature').digest()
let folder: string
const servers: Server[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yinxin-tsa-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

/** A root and a timestamp authority under it. */
function found(name: string) {
  const [root, tsa] = [generateSigner('ecdsa-p256-sha256').signer, generateSigner('ecdsa-p256-sha256').signer]
  const validity = {
    notBefore: new Date(clock.now().getTime() - 86_400_000),
    notAfter: new Date(clock.now().getTime() + 86_400_000),
  }
  const rootDer = issueCertificate(
    {
      issuer: 'self',
      subject: { CN: `${name} root` },
      spki: root.spki,
      serial: Buffer.of(1),
      profile: 'root-ca',
      ...validity,
    },
    root,
  )
  const certificateDer = issueCertificate(
    {
      issuer: parseCertificate(rootDer),
      subject: { CN: name },
      spki: tsa.spki,
      serial: Buffer.of(2),
      profile: 'timestamping',
      ...validity,
    },
    root,
  )
  return { rootDer, signer: tsa, certificateDer, chain: [rootDer] }
}

const ours = found('ours')
const theirs = found('theirs')
const authorityOf = (who: typeof ours, at: Clock = clock) =>
  createOwnAuthority({ ...who, clock: at, policyOid: '1.2.3.4' })

const timestampsWith = (options: Partial<TimestampsDeps>) =>
  createTimestamps({ ca: { timestampSigner: () => ours }, clock, log, timeoutMs: 300, ...options })

/** A server on a free port; `answer` gets the request's bytes. */
async function serve(
  answer: (body: Buffer, response: ServerResponse, request: IncomingMessage) => void,
): Promise<string> {
  const server = createServer((request, response) => {
    void buffer(request).then((body) => answer(body, response, request))
  })
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/tsa`
}

const reply = (response: ServerResponse, body: Uint8Array) =>
  response.writeHead(200, { 'content-type': 'application/timestamp-reply' }).end(body)

const honest = (calls: { count: number } = { count: 0 }) =>
  serve((body, response) => {
    calls.count += 1
    reply(response, authorityOf(theirs).respond(body))
  })

/** openssl as a judge; with CI=true its absence is a failure. */
function openssl(context: TestContext, args: string[]): string {
  try {
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || process.env.CI === 'true') throw error
    console.warn('openssl is not installed: this judge was skipped')
    return context.skip()
  }
}

describe('the own authority', () => {
  test('stamps a digest with the time, and the token verifies up to its root', async () => {
    const { token, genTime, authority } = await timestampsWith({}).stamp(digest)
    expect(authority).toBe('own')
    expect(genTime).toEqual(clock.now())
    const verified = verifyTimestampToken(
      token,
      { digest, digestAlgorithm: 'sha256' },
      { anchors: [parseCertificate(ours.rootDer)] },
    )
    expect(verified.problems).toEqual([])
    expect(verified.genTime).toEqual(genTime)
    expect(verifyTimestampToken(token, { digest: randomBytes(32), digestAlgorithm: 'sha256' }).ok).toBe(false)
  })

  test('never gives a serial number twice', async () => {
    const timestamps = timestampsWith({})
    const tokens = await Promise.all(Array.from({ length: 500 }, () => timestamps.stamp(digest)))
    expect(new Set(tokens.map(({ token }) => parseTimestampToken(token).serialHex)).size).toBe(500)
  })

  test('answers what openssl asks, and openssl believes the answer', async (context) => {
    const at = (name: string) => join(folder, name)
    await writeFile(at('data'), 'content to be stamped')
    await writeFile(at('root.pem'), toPem(ours.rootDer, 'CERTIFICATE'))
    for (const flags of [['-sha256', '-cert'], ['-sha512', '-cert', '-no_nonce'], ['-sha384']]) {
      openssl(context, ['ts', '-query', '-data', at('data'), ...flags, '-out', at('query.tsq')])
      await writeFile(at('reply.tsr'), timestampsWith({}).respond(await readFile(at('query.tsq'))))
      await writeFile(at('tsa.pem'), toPem(ours.certificateDer, 'CERTIFICATE'))
      const verified = openssl(context, [
        'ts',
        '-verify',
        '-queryfile',
        at('query.tsq'),
        '-in',
        at('reply.tsr'),
        '-CAfile',
        at('root.pem'),
        '-untrusted',
        at('tsa.pem'),
      ])
      expect(verified).toContain('Verification: OK')
    }
  })

  test('leaves its certificate out when it is not asked for', () => {
    const request = (certReq: boolean) =>
      buildTimestampRequest({ digest, digestAlgorithm: 'sha256', certReq })
    const certificates = (certReq: boolean) =>
      parseTimestampToken(parseTimestampResponse(timestampsWith({}).respond(request(certReq))).token!)
        .signedData.certificates.length
    expect([certificates(true), certificates(false)]).toEqual([2, 0])
  })

  test('refuses by name what it cannot serve', () => {
    const { respond } = timestampsWith({})
    const failures = (request: Uint8Array) => parseTimestampResponse(respond(request)).failures
    const weak = { digest: randomBytes(20), digestAlgorithm: 'sha1' } as const
    expect(failures(buildTimestampRequest(weak))).toEqual(['badAlg'])
    expect(
      failures(buildTimestampRequest({ digest, digestAlgorithm: 'sha256', policyOid: '1.2.3' })),
    ).toEqual(['unacceptedPolicy'])
    expect(failures(Buffer.from('no request at all'))).toEqual(['badDataFormat'])
    expect(failures(new Uint8Array())).toEqual(['badDataFormat'])
    const request = Buffer.from(
      buildTimestampRequest({ digest, digestAlgorithm: 'sha256', nonce: Buffer.of(5) }),
    )
    for (let cut = 0; cut < request.length; cut += 1)
      expect(failures(request.subarray(0, cut))).toEqual(['badDataFormat'])
  })

  test('stamps nothing after its certificate has expired', async () => {
    const late: Clock = { now: () => new Date(clock.now().getTime() + 2 * 86_400_000) }
    await expect(timestampsWith({ clock: late }).stamp(digest)).rejects.toThrow(/expired/)
  })

  test('takes SHA-256 digests only', async () => {
    await expect(timestampsWith({}).stamp(randomBytes(20))).rejects.toThrow(/32 bytes/)
  })
})

describe('outside authorities', () => {
  test('are asked in their order, and the next one answers when the first is down', async () => {
    const [firstCalls, secondCalls] = [{ count: 0 }, { count: 0 }]
    const [first, second] = [await honest(firstCalls), await honest(secondCalls)]
    expect((await timestampsWith({ urls: [first, second] }).stamp(digest)).authority).toBe(first)
    const gone = 'http://127.0.0.1:1/tsa'
    const failing = timestampsWith({ urls: [gone, second], anchors: [theirs.rootDer] })
    const answer = await failing.stamp(digest)
    expect(answer.authority).toBe(second)
    expect(
      verifyTimestampToken(
        answer.token,
        { digest, digestAlgorithm: 'sha256' },
        { anchors: [parseCertificate(theirs.rootDer)] },
      ).ok,
    ).toBe(true)
    expect([firstCalls.count, secondCalls.count]).toEqual([1, 1])
  })

  test('that failed rest, and are asked again afterwards', async () => {
    const calls = { count: 0 }
    let broken = true
    const flaky = await serve((body, response) => {
      calls.count += 1
      if (broken) response.writeHead(503).end()
      else reply(response, authorityOf(theirs).respond(body))
    })
    const steady = await honest()
    const timestamps = timestampsWith({ urls: [flaky, steady], restMs: 30_000 })
    await timestamps.stamp(digest)
    await timestamps.stamp(digest)
    expect(calls.count).toBe(1)
    broken = false
    clock.advance(30_001)
    expect((await timestamps.stamp(digest)).authority).toBe(flaky)
  })

  test('fail closed: with none that answers there is no token, and never one of our own', async () => {
    const urls = ['http://127.0.0.1:1/tsa', await serve((_body, response) => response.writeHead(500).end())]
    await expect(timestampsWith({ urls }).stamp(digest)).rejects.toMatchObject({
      code: 'timestamp_unavailable',
      kind: 'unavailable',
    })
  })

  const other = createHash('sha256').update('something else').digest()
  const shifted = (ms: number): Clock => ({ now: () => new Date(clock.now().getTime() + ms) })
  const liars: [string, (body: Buffer, response: ServerResponse) => unknown, RegExp][] = [
    [
      'stamps another digest',
      (_body, response) =>
        reply(
          response,
          authorityOf(theirs).respond(
            Buffer.from(buildTimestampRequest({ digest: other, digestAlgorithm: 'sha256', certReq: true })),
          ),
        ),
      /imprint/,
    ],
    [
      'repeats an old answer',
      (_body, response) =>
        reply(
          response,
          authorityOf(theirs).respond(
            Buffer.from(
              buildTimestampRequest({
                digest,
                digestAlgorithm: 'sha256',
                nonce: Buffer.of(7),
                certReq: true,
              }),
            ),
          ),
        ),
      /nonce/,
    ],
    [
      'is nobody we trust',
      (body, response) => reply(response, authorityOf(found('stranger')).respond(body)),
      /not good/,
    ],
    [
      'has a clock that is an hour off',
      (body, response) => reply(response, authorityOf(theirs, shifted(-3_600_000)).respond(body)),
      /3600 s off/,
    ],
    [
      'refuses',
      (_body, response) => reply(response, authorityOf(theirs).respond(Buffer.of(1))),
      /refused: badDataFormat/,
    ],
    [
      'answers a page',
      (_body, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      /text\/html/,
    ],
    ['answers rubbish', (_body, response) => reply(response, randomBytes(500)), /./],
    ['answers without end', (_body, response) => reply(response, Buffer.alloc(200_000)), /larger/],
    ['never answers', () => undefined, /timeout/i],
    [
      'sends us elsewhere',
      (_body, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      /./,
    ],
    [
      'changes the token',
      (body, response) => {
        const answer = Buffer.from(authorityOf(theirs).respond(body))
        answer[answer.length - 3] = answer[answer.length - 3]! ^ 1
        reply(response, answer)
      },
      /not good|structure|der/i,
    ],
  ]

  test.each(liars)('one that %s is passed over', async (_what, answer, reason) => {
    const bad = await serve(answer)
    const anchors = [theirs.rootDer]
    const good = await honest()
    expect((await timestampsWith({ urls: [bad, good], anchors }).stamp(digest)).authority).toBe(good)
    const alone = await timestampsWith({ urls: [bad], anchors })
      .stamp(digest)
      .catch((error: Error) => error)
    expect(alone).toMatchObject({ code: 'timestamp_unavailable' })
    expect((alone as Error).message).toMatch(reason)
  })
})

test('roots of outside authorities come from a PEM file, and a file without any is refused at the start', async () => {
  const file = join(folder, 'anchors.pem')
  await writeFile(file, `${toPem(theirs.rootDer, 'CERTIFICATE')}${toPem(ours.rootDer, 'CERTIFICATE')}`)
  expect(readAnchors(file).map((der) => Buffer.from(der))).toEqual([
    Buffer.from(theirs.rootDer),
    Buffer.from(ours.rootDer),
  ])
  await writeFile(file, 'no certificate here')
  expect(() => readAnchors(file)).toThrow(/no CERTIFICATE/)
  expect(() => readAnchors(join(folder, 'absent.pem'))).toThrow(/ENOENT/)
})
