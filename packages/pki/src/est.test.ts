import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { daysFromNoon, makeChild, makeRoot, nextSerial, noon } from '../testing/authority.ts'
import { openBench, opensslIsHere } from '../testing/openssl.ts'
import {
  acceptEnrolled,
  buildCertificateRequest,
  buildCertsOnly,
  type EstMessage,
  estCaCertsRequest,
  estCertificatesBody,
  estEnrollRequest,
  generateSigner,
  parseCertsOnly,
  parseEstAnswer,
  parseEstEnrollBody,
  prepareIssuer,
  signDetached,
  toPem,
} from './pki.ts'

const root = makeRoot('ecdsa-p256-sha256')
const authority = makeChild(root, 'issuing-ca', 'ecdsa-p256-sha256', { CN: 'issuing' })
const anchors = [root.certificate]
const intermediates = [authority.certificate]
const subject = { C: 'CN', O: '某公司', CN: '某公司印章' }

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return new Uint8Array(Buffer.concat(chunks))
}

/** A CA that speaks EST over plain HTTP and knows its clients by a header. */
function startServer(): Promise<Server> {
  const issuer = prepareIssuer(authority.certificate, authority.signer)
  let deferred = true
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request)
    const send = (status: number, headers: Record<string, string>, text = '') =>
      response.writeHead(status, headers).end(text)
    const route = `${request.method} ${request.url}`
    if (route === 'GET /.well-known/est/seals/cacerts') {
      const answer = estCertificatesBody([authority.certificate.der, root.certificate.der])
      return send(200, answer.headers, answer.body)
    }
    if (!/^POST \/.well-known\/est\/seals\/simple(re)?enroll$/.test(route)) return send(404, {})
    if (request.headers.authorization !== 'Basic Y2xpZW50OnNlY3JldA==')
      return send(401, { 'www-authenticate': 'Basic realm="est"', 'content-type': 'text/plain' }, '请先登录')
    if (route.endsWith('simpleenroll') && deferred) {
      deferred = false
      return send(202, { 'retry-after': '120' })
    }
    try {
      const asked = parseEstEnrollBody(request.headers['content-type'], body)
      const der = issuer.issue({
        profile: 'document-signing',
        subject,
        spki: asked.spki,
        serial: nextSerial(),
        notBefore: daysFromNoon(-1),
        notAfter: daysFromNoon(30),
      })
      const answer = estCertificatesBody([der])
      send(200, answer.headers, answer.body)
    } catch (error) {
      send(400, { 'content-type': 'text/plain; charset=utf-8' }, String(error))
    }
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

describe('a client and a server of EST', () => {
  let server: Server
  let place: { origin: string; label: string }
  beforeAll(async () => {
    server = await startServer()
    place = { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, label: 'seals' }
  })
  afterAll(() => new Promise((resolve) => server.close(resolve)))

  async function ask(message: EstMessage, authorization?: string) {
    const { method, url, headers, body } = message
    const login = authorization === undefined ? {} : { authorization }
    const response = await fetch(url, {
      method,
      headers: { ...headers, ...login },
      ...(body === undefined ? {} : { body }),
    })
    const bytes = new Uint8Array(await response.arrayBuffer())
    return parseEstAnswer({ status: response.status, headers: response.headers, body: bytes }, noon)
  }
  const login = 'Basic Y2xpZW50OnNlY3JldA=='

  it('exchange the CA certificates', async () => {
    const result = await ask(estCaCertsRequest(place))
    expect(
      result.kind === 'certificates' && result.certificates.map(({ subject: name }) => name.text),
    ).toEqual([authority.certificate.subject.text, root.certificate.subject.text])
  })

  it('refuse, put off, issue and renew', async () => {
    const { signer } = generateSigner('ecdsa-p256-sha256')
    const request = buildCertificateRequest({ subject }, signer)
    const message = estEnrollRequest(place, request)
    expect(await ask(message)).toEqual({ kind: 'refused', status: 401, text: '请先登录' })
    expect(await ask(message, login)).toEqual({
      kind: 'pending',
      retryAt: new Date(noon.getTime() + 120_000),
    })
    for (const again of [message, estEnrollRequest(place, request, { reenroll: true })]) {
      const result = await ask(again, login)
      if (result.kind !== 'certificates') throw new Error(`it was ${result.kind}`)
      const { certificate, path } = acceptEnrolled(request, result.certificates, {
        anchors,
        intermediates,
        at: noon,
        purpose: 'signing',
      })
      expect(certificate.spki).toEqual(signer.spki)
      expect(path.chain).toHaveLength(3)
    }
  })

  it('refuse a request that its key did not sign', async () => {
    const [{ signer }, other] = [generateSigner('ed25519'), generateSigner('ed25519')]
    const forged = buildCertificateRequest({ subject }, { ...signer, spki: other.signer.spki })
    expect(await ask(estEnrollRequest(place, forged, { reenroll: true }), login)).toMatchObject({
      kind: 'refused',
      status: 400,
    })
  })
})

describe('what a CA issued', () => {
  const party = makeChild(authority, 'document-signing', 'ecdsa-p256-sha256', subject)
  const trust = { anchors, intermediates, at: noon }

  it('is taken only for the requested key and name, and under a trusted root', () => {
    const request = buildCertificateRequest({ subject }, party.signer)
    const take = (...args: Partial<Parameters<typeof acceptEnrolled>>) =>
      acceptEnrolled(args[0] ?? request, args[1] ?? [party.certificate], args[2] ?? trust)
    expect(take().certificate).toBe(party.certificate)
    expect(take(request, [authority.certificate, party.certificate], { anchors, at: noon }).path.ok).toBe(
      true,
    )
    const refused = (code: string) => expect.objectContaining({ code })
    expect(() => take(buildCertificateRequest({ subject }, generateSigner('ed25519').signer))).toThrowError(
      refused('key-mismatch'),
    )
    expect(() => take(buildCertificateRequest({ subject: { CN: '别人' } }, party.signer))).toThrowError(
      refused('structure'),
    )
    expect(() => take(undefined, undefined, { ...trust, anchors: [] })).toThrowError(refused('structure'))
    expect(() => take(undefined, undefined, { ...trust, purpose: 'timestamping' })).toThrowError(
      refused('structure'),
    )
  })
})

describe('an answer that breaks the rules', () => {
  const answer = (status: number, headers: Record<string, string>, body: Uint8Array | string) =>
    parseEstAnswer(
      {
        status,
        headers: new Headers(headers),
        body: typeof body === 'string' ? new TextEncoder().encode(body) : body,
      },
      noon,
    )
  const type = { 'content-type': 'application/pkcs7-mime' }

  it('is refused', () => {
    const party = makeChild(authority, 'document-signing')
    const signed = signDetached({
      digest: new Uint8Array(32),
      signer: party.signer,
      signingCertificate: party.certificate.der,
      certificates: [],
    })
    for (const bad of [
      () => answer(202, {}, ''),
      () => answer(202, { 'retry-after': 'soon' }, ''),
      () => answer(200, { 'content-type': 'text/html' }, 'x'),
      () => answer(200, type, ''),
      () => answer(200, type, '&&&&'),
      () => answer(200, type, buildCertsOnly([])),
      () => answer(200, type, buildCertsOnly([Uint8Array.of(0x30, 0)])),
      () => answer(200, type, signed),
    ])
      expect(bad).toThrowError(expect.objectContaining({ name: 'PkiError', code: 'structure' }))
    expect(() => answer(200, type, 'AAAA')).toThrowError(expect.objectContaining({ code: 'der' }))
    const until = 'Mon, 02 Mar 2026 12:00:00 GMT'
    expect(answer(202, { 'retry-after': until }, '')).toEqual({ kind: 'pending', retryAt: daysFromNoon(1) })
    expect(answer(200, type, buildCertsOnly([party.certificate.der]))).toMatchObject({ kind: 'certificates' })
  })

  it('so is a server that is no origin', () => {
    for (const place of [
      { origin: 'https://a.cn/x' },
      { origin: 'ftp://a.cn' },
      { origin: 'a.cn' },
      { origin: 'https://u:p@a.cn' },
      { origin: 'https://a.cn', label: '../x' },
    ])
      expect(() => estCaCertsRequest(place)).toThrowError(expect.objectContaining({ code: 'argument' }))
    expect(estCaCertsRequest({ origin: 'https://a.cn' }).url).toBe('https://a.cn/.well-known/est/cacerts')
  })
})

describe.skipIf(!opensslIsHere())('openssl', () => {
  const bench = openBench()
  afterAll(() => bench.close())

  it('reads our certificates without signature, and we read its', () => {
    bench.put('ours.p7', buildCertsOnly([authority.certificate.der, root.certificate.der]))
    expect(
      bench.openssl('pkcs7', '-inform', 'DER', '-in', 'ours.p7', '-print_certs').match(/BEGIN CERTIFICATE/g),
    ).toHaveLength(2)
    bench.put('ca.pem', toPem(root.certificate.der, 'CERTIFICATE'))
    bench.openssl('crl2pkcs7', '-nocrl', '-certfile', 'ca.pem', '-outform', 'DER', '-out', 'theirs.p7')
    expect(parseCertsOnly(bench.read('theirs.p7'))[0]?.fingerprintSha256).toBe(
      root.certificate.fingerprintSha256,
    )
  })
})
