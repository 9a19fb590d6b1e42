import { createHash, randomBytes } from 'node:crypto'
import { parseCertificate, parseTimestampToken } from '@yinxin/pki'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { account, startCscStage } from '../testing/csc-stage.ts'
import { createCscClient, createCscOauth, type CscAuthQuestion, cscSigner, cscTimestamp } from './signers.ts'

const SHA256 = '2.16.840.1.101.3.4.2.1'
const utf8 = (text: string) => new TextEncoder().encode(text)
const sha256 = (data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest())
const [one, two] = [sha256(utf8('one')), sha256(utf8('two'))]
const code = (wanted: string) => expect.objectContaining({ code: wanted })

type Stage = Awaited<ReturnType<typeof startCscStage>>
let stage: Stage
beforeEach(async () => {
  stage = await startCscStage()
})
afterEach(async () => {
  await stage.server.close()
})

/** The owner who knows PIN and looks at the phone. */
const owner =
  (pin = '123456') =>
  async ({ objects, credentialId, challenge }: CscAuthQuestion) => {
    const data: { id: string; value: string }[] = []
    for (const { id } of objects) {
      if (id === 'OTP') await challenge(id)
      data.push({ id, value: id === 'PIN' ? pin : (stage.server.otps.get(credentialId) ?? '') })
    }
    return data
  }
const opened = (credentialId: string, more: object = {}) =>
  cscSigner({
    client: stage.client,
    credentialId,
    authenticate: owner(),
    wait: stage.wait,
    at: new Date(),
    ...more,
  })
const sadFor = async (credentialId: string, hashes: Uint8Array[], numSignatures = hashes.length) => {
  const answer = await stage.client.authorize({
    credentialId,
    numSignatures,
    hashes,
    hashAlgorithmOid: SHA256,
  })
  if (answer.kind !== 'granted') throw new Error('not granted')
  return answer.sad
}
const sign = (credentialId: string, sad: string, hashes: Uint8Array[]) =>
  stage.client.signHash({
    credentialId,
    sad,
    hashes,
    hashAlgorithmOid: SHA256,
    signAlgo: '1.2.840.10045.4.3.2',
  })

describe('the CSC client', () => {
  it('learns what the service is, and that it is a simulator', async () => {
    const info = await stage.client.info()
    expect(info).toMatchObject({ specs: '2.0.0.2', simulator: true, asynchronousOperationMode: true })
    expect(info.name).toContain('simulator')
    expect(await stage.client.listCredentials()).toContain('p256')
    expect(await stage.client.listCredentials({ onlyValid: true })).not.toContain('disabled')
    const credential = await stage.client.credential('p256')
    expect(credential).toMatchObject({
      key: { status: 'enabled', len: 256 },
      auth: { mode: 'explicit', expression: 'PIN AND OTP', objects: [{ id: 'PIN' }, { id: 'OTP' }] },
      scal: '2',
      multisign: 3,
    })
    expect(credential.cert.certificates).toHaveLength(2)
  })

  it('signs several hashes under one authorisation with PIN and one-time code', async () => {
    const signer = await opened('p256')
    const signatures = await signer.signAll([utf8('one'), utf8('two'), utf8('three')])
    expect(signatures).toHaveLength(3)
    expect(signer.certificates.map((der) => parseCertificate(der).subject.text)[0]).toContain('CSC p256')
    expect(stage.server.calls.map(({ method }) => method).slice(-3)).toEqual([
      'credentials/getChallenge',
      'credentials/authorize',
      'signatures/signHash',
    ])
    await expect(signer.signAll([1, 2, 3, 4].map((number) => Uint8Array.of(number)))).rejects.toEqual(
      code('invalid_request'),
    )
    expect(stage.server.signed()).toBe(3)
  })

  it('names a wrong PIN, a wrong or stale code, and a locked credential', async () => {
    const wrongCode = async ({ objects }: CscAuthQuestion) =>
      objects.map(({ id }) => ({ id, value: id === 'PIN' ? '123456' : '000000' }))
    await expect((await opened('p256', { authenticate: wrongCode })).sign(utf8('x'))).rejects.toEqual(
      code('otp_wrong'),
    )
    const late = async (question: CscAuthQuestion) => {
      const data = await owner()(question)
      stage.server.advance(6 * 60_000)
      return data
    }
    await expect((await opened('p256', { authenticate: late })).sign(utf8('x'))).rejects.toEqual(
      code('otp_wrong'),
    )
    for (let tries = 0; tries < 3; tries += 1)
      await expect((await opened('rsa', { authenticate: owner('654321') })).sign(utf8('x'))).rejects.toEqual(
        code('authorization_refused'),
      )
    await expect((await opened('rsa')).sign(utf8('x'))).rejects.toEqual(code('credential_unusable'))
    expect(stage.server.signed()).toBe(0)
  })

  it('waits for an owner who answers on another device, and not for ever', async () => {
    const signature = await (await opened('slow')).sign(utf8('x'))
    expect(signature.length).toBeGreaterThan(66)
    expect(stage.waits).toEqual([2000, 2000, 2000])
    const impatient = await opened('slow', { pollMs: 10, maxWaitMs: 10 })
    await expect(impatient.sign(utf8('x'))).rejects.toEqual(code('pending_too_long'))
  })

  it('fetches an asynchronous signature later', async () => {
    const signer = await opened('p384', { asynchronous: true })
    expect((await signer.sign(utf8('x'))).length).toBeGreaterThan(96)
    expect(stage.server.calls.filter(({ method }) => method === 'signatures/signPolling')).toHaveLength(2)
    // As some services say that it is not ready.
    const body = { error: 'accepted_request', error_description: 'not yet completed' }
    stage.server.mishap('signatures/signPolling', { kind: 'answer', status: 400, body })
    expect((await signer.sign(utf8('y'))).length).toBeGreaterThan(96)
    const impatient = await opened('p384', { asynchronous: true, maxWaitMs: 0 })
    await expect(impatient.sign(utf8('x'))).rejects.toMatchObject({
      code: 'pending_too_long',
      detail: 'response-3',
    })
    await expect(stage.client.signPolling('response-9', 1)).rejects.toEqual(code('invalid_request'))
  })

  it('is authorised by OAuth 2.0 over exactly the hashes, with PKCE', async () => {
    const verifier = randomBytes(32).toString('base64url')
    const codeChallenge = createHash('sha256').update(verifier).digest('base64url')
    const tokenFor = async (request: {
      hashes: readonly Uint8Array[]
      credentialId: string
      numSignatures: number
    }) => {
      const url = stage.oauth.authorizationUrl({
        ...account,
        state: 'st',
        codeChallenge,
        credential: { ...request, hashAlgorithmOid: SHA256 },
      })
      const back = new URL((await fetch(url, { redirect: 'manual' })).headers.get('location') ?? '')
      expect(back.searchParams.get('state')).toBe('st')
      const given = { ...account, code: back.searchParams.get('code') ?? '' }
      if (request.numSignatures === 2)
        await expect(stage.oauth.byCode({ ...given, codeVerifier: 'another' })).rejects.toEqual(
          code('access_denied'),
        )
      return (await stage.oauth.byCode({ ...given, codeVerifier: verifier })).accessToken
    }
    const signer = await opened('oauth', { credentialToken: tokenFor })
    expect((await signer.sign(utf8('x'))).length).toBeGreaterThan(66)
    // The failed exchange has used the code up.
    await expect(signer.signAll([utf8('x'), utf8('y')])).rejects.toEqual(code('access_denied'))
    const other = await tokenFor({ hashes: [one], credentialId: 'oauth', numSignatures: 1 })
    await expect(sign('oauth', other, [two])).rejects.toEqual(code('hash_not_authorized'))
    await expect((await opened('oauth')).sign(utf8('x'))).rejects.toEqual(code('authorization_refused'))
    // Refreshing, revoking.
    const plain = stage.oauth.authorizationUrl({ ...account, state: 's', codeChallenge })
    const back = new URL((await fetch(plain, { redirect: 'manual' })).headers.get('location') ?? '')
    const first = await stage.oauth.byCode({
      ...account,
      code: back.searchParams.get('code') ?? '',
      codeVerifier: verifier,
    })
    const second = await stage.oauth.byRefreshToken({ ...account, refreshToken: first.refreshToken ?? '' })
    await stage.oauth.revoke({ ...account, token: second.accessToken })
    const revoked = createCscClient({
      baseUrl: stage.server.url,
      fetch,
      wait: stage.wait,
      accessToken: () => second.accessToken,
    })
    await expect(revoked.listCredentials()).rejects.toEqual(code('invalid_token'))
  })

  it('brings timestamps that belong to the question', async () => {
    const stamp = cscTimestamp(stage.client, {
      anchors: [parseCertificate(stage.pki.root)],
      nonce: () => randomBytes(8),
    })
    const token = await stamp(one, 'sha256')
    expect(parseTimestampToken(token).messageImprint.digest).toEqual(one)
    stage.server.mishap('signatures/timestamp', {
      kind: 'answer',
      status: 200,
      body: { timestamp: Buffer.from(token).toString('base64') },
    })
    await expect(stamp(two, 'sha256')).rejects.toEqual(code('answer_invalid'))
  })
})

describe('an authorisation', () => {
  it('is good for its credential, its hashes, its time and once', async () => {
    const sad = await sadFor('loose', [one])
    await expect(sign('slow', sad, [one])).rejects.toEqual(code('sad_invalid'))
    await expect(sign('loose', sad, [two])).rejects.toEqual(code('hash_not_authorized'))
    await expect(sign('loose', 'nonsense', [one])).rejects.toEqual(code('sad_invalid'))
    expect(await sign('loose', sad, [one])).toMatchObject({ kind: 'done' })
    await expect(sign('loose', sad, [one])).rejects.toEqual(code('sad_invalid'))
    const stale = await sadFor('loose', [one])
    stage.server.advance(301_000)
    await expect(sign('loose', stale, [one])).rejects.toEqual(code('sad_expired'))
    expect(stage.server.signed()).toBe(1)
  })

  it('is extended for the next hashes of several, up to their number', async () => {
    const first = await sadFor('loose', [one], 2)
    await sign('loose', first, [one])
    const next = await stage.client.extendTransaction({
      credentialId: 'loose',
      sad: first,
      hashes: [two],
      hashAlgorithmOid: SHA256,
    })
    if (next.kind !== 'granted') throw new Error('not granted')
    await sign('loose', next.sad, [two])
    await expect(
      stage.client.extendTransaction({
        credentialId: 'loose',
        sad: next.sad,
        hashes: [one],
        hashAlgorithmOid: SHA256,
      }),
    ).rejects.toEqual(code('sad_invalid'))
  })

  it('is refused for disabled, unknown and expired credentials, and beyond what it covers', async () => {
    await expect(opened('disabled')).rejects.toEqual(code('credential_unusable'))
    await expect(sadFor('disabled', [one])).rejects.toEqual(code('credential_unusable'))
    await expect(opened('nobody')).rejects.toEqual(code('credential_unknown'))
    await expect(sadFor('loose', [one], 4)).rejects.toEqual(code('invalid_request'))
    await expect(sadFor('loose', [one.subarray(1)])).rejects.toEqual(code('invalid_request'))
    await expect(opened('loose', { at: new Date(Date.now() + 400 * 86_400_000) })).rejects.toEqual(
      code('credential_unusable'),
    )
    stage.server.advance(400 * 86_400_000)
    await expect(opened('loose')).rejects.toEqual(
      expect.objectContaining({ code: expect.stringMatching(/invalid_token|credential_unusable/) }),
    )
  })
})

describe('when things go wrong', () => {
  const answer = (status: number, body: unknown = {}, headers: Record<string, string> = {}) => ({
    kind: 'answer' as const,
    status,
    body,
    headers,
  })

  it('repeats a question, heeding how long to wait', async () => {
    stage.server.mishap(
      'credentials/info',
      answer(503, { error: 'temporarily_unavailable' }, { 'retry-after': '3' }),
    )
    stage.server.mishap('credentials/info', { kind: 'break-after' })
    expect((await stage.client.credential('loose')).scal).toBe('1')
    expect(stage.waits).toEqual([3000, 1000])
    for (let tries = 0; tries < 3; tries += 1) stage.server.mishap('info', answer(503))
    await expect(stage.client.info()).rejects.toEqual(code('service_unavailable'))
  })

  it('never signs twice: what may have been carried out is not repeated', async () => {
    const signer = await opened('loose')
    stage.server.mishap('signatures/signHash', { kind: 'break-after' })
    await expect(signer.sign(utf8('x'))).rejects.toMatchObject({
      code: 'outcome_unknown',
      zh: expect.stringContaining('未自动重试'),
    })
    expect(stage.server.signed()).toBe(1)
    stage.server.mishap('signatures/signHash', answer(500, { error: 'server_error' }))
    await expect(signer.sign(utf8('x'))).rejects.toEqual(code('outcome_unknown'))
    stage.server.mishap('credentials/authorize', { kind: 'break-after' })
    await expect(signer.sign(utf8('x'))).rejects.toEqual(code('outcome_unknown'))
    stage.server.mishap('signatures/signHash', answer(429))
    await expect(signer.sign(utf8('x'))).rejects.toEqual(code('service_unavailable'))
    expect(stage.server.signed()).toBe(1)
    expect(stage.server.calls.filter(({ method }) => method === 'signatures/signHash')).toHaveLength(1)
  })

  it('throws away signatures that are not the credential’s, or not as many as asked for', async () => {
    const signer = await opened('loose')
    const spoil = (change: (signatures: string[]) => string[]) =>
      stage.server.mishap('signatures/signHash', {
        kind: 'spoil',
        change: (body) => ({ signatures: change((body as { signatures: string[] }).signatures) }),
      })
    spoil((signatures) => signatures.toReversed())
    await expect(signer.signAll([utf8('x'), utf8('y')])).rejects.toEqual(code('signature_wrong'))
    spoil((signatures) => [...signatures, ...signatures])
    await expect(signer.sign(utf8('x'))).rejects.toEqual(code('answer_invalid'))
    spoil(() => ['not base64!'])
    await expect(signer.sign(utf8('x'))).rejects.toEqual(code('answer_invalid'))
    for (const body of [{}, [], 'text', null]) {
      stage.server.mishap('signatures/signHash', answer(200, body))
      await expect(signer.sign(utf8('x'))).rejects.toEqual(code('answer_invalid'))
    }
  })

  it('refuses a credential whose certificates are no chain', async () => {
    const stranger = stage.pki.issue('ecdsa-p256-sha256', 'stranger').certificates[0] as Uint8Array
    stage.server.mishap('credentials/info', {
      kind: 'spoil',
      change: (body) => {
        const all = body as { cert: { certificates: string[] } }
        all.cert.certificates[1] = Buffer.from(stranger).toString('base64')
        return all
      },
    })
    await expect(opened('loose')).rejects.toEqual(code('certificate_wrong'))
  })

  it('speaks plain HTTP only with this machine, follows no redirect, and names wrong secrets', async () => {
    const remote = createCscClient({ baseUrl: 'http://service.example/csc/v2', fetch, wait: stage.wait })
    await expect(remote.info()).rejects.toEqual(code('invalid_request'))
    stage.server.mishap('info', answer(302, {}, { location: 'https://elsewhere.example/' }))
    stage.server.mishap('info', answer(302, {}, { location: 'https://elsewhere.example/' }))
    stage.server.mishap('info', answer(302, {}, { location: 'https://elsewhere.example/' }))
    await expect(stage.client.info()).rejects.toEqual(code('service_unavailable'))
    const oauth = createCscOauth({ baseUrl: new URL(stage.server.url).origin, fetch, wait: stage.wait })
    await expect(oauth.byClientCredentials({ ...account, clientSecret: 'guess' })).rejects.toEqual(
      code('invalid_request'),
    )
    const stranger = createCscClient({
      baseUrl: stage.server.url,
      fetch,
      wait: stage.wait,
      accessToken: () => 'guess',
    })
    await expect(stranger.listCredentials()).rejects.toEqual(code('invalid_token'))
  })

  it('is refused by the server for parameters that are not in the specification', async () => {
    const { accessToken } = await stage.oauth.byClientCredentials(account)
    const ask = async (method: string, body: unknown, type = 'application/json') => {
      const response = await fetch(`${stage.server.url}/${method}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${accessToken}`, 'content-type': type },
        body: JSON.stringify(body),
      })
      return [response.status, ((await response.json()) as { error_description?: string }).error_description]
    }
    expect(await ask('credentials/info', { credentialID: 'rsa', certificate: 'chain' })).toEqual([
      400,
      'Unknown parameter certificate',
    ])
    expect(await ask('credentials/info', { credentialID: 7 })).toEqual([
      400,
      'Missing (or invalid type) string parameter credentialID',
    ])
    expect(await ask('credentials/info', {}, 'text/plain')).toEqual([400, 'Invalid content type'])
    expect(await ask('credentials/authorize', { credentialID: 'loose', numSignatures: '1' })).toEqual([
      400,
      'Missing (or invalid type) integer parameter numSignatures',
    ])
    expect(await ask('signatures/signDoc', {})).toEqual([501, 'Unimplemented method requested'])
  })
})
