import { createPrivateKey } from 'node:crypto'
import { request as httpsRequest } from 'node:https'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FakeEstServer, startFakeEst } from '../../../testing/fakes/est/est.ts'
import { opensslIsHere } from '../testing/openssl.ts'
import { encode, oid, sequence, set } from './der-write.ts'
import {
  buildCertificateRequest,
  createEstClient,
  type EstClientOptions,
  generateSigner,
  type HttpPort,
  parseCertificate,
  parsePem,
  signerFromPem,
  toPem,
} from './pki.ts'

const login = { user: 'yinxin', password: '口令' }
const subject = { C: 'CN', O: '某公司', CN: '某公司印章' }

describe.skipIf(!opensslIsHere())('a client of EST before a CA made of openssl', () => {
  let server: FakeEstServer
  const wish = encode(
    sequence(
      oid('1.2.840.113549.1.9.7'),
      sequence(oid('1.2.840.10045.2.1'), set(oid('1.2.840.10045.3.1.7'))),
    ),
  )
  beforeAll(async () => {
    server = await startFakeEst({ login, label: 'seals', csrAttrs: wish })
  })
  afterAll(() => server.close())

  /** TLS with the CA as only anchor and, if wanted, a client certificate: what a caller brings. */
  const port =
    (own: { key?: string; cert?: string; ca?: string } = {}): HttpPort =>
    ({ method, url, headers, body }) =>
      new Promise((resolve, reject) => {
        const sent = httpsRequest(
          url,
          { method, headers, ca: server.caPem, agent: false, ...own },
          async (response) => {
            const chunks: Buffer[] = []
            for await (const chunk of response) chunks.push(chunk as Buffer)
            resolve({
              status: response.statusCode ?? 0,
              headers: new Headers(response.headers as Record<string, string>),
              body: new Uint8Array(Buffer.concat(chunks)),
            })
          },
        )
        sent.on('error', reject)
        sent.end(body)
      })
  const waits: number[] = []
  const clientOf = (more: Partial<EstClientOptions> = {}) =>
    createEstClient({
      server: { origin: server.origin, label: 'seals' },
      send: port(),
      login,
      now: () => new Date(),
      wait: async (ms) => void waits.push(ms),
      ...more,
    })
  const trust = () => ({
    anchors: [parseCertificate(parsePem(server.caPem, 'CERTIFICATE')[0] as Uint8Array)],
  })
  const code = (wanted: string) => expect.objectContaining({ name: 'PkiError', code: wanted })

  it('gets the CA’s certificates and its wishes', async () => {
    const [ca] = await clientOf().caCerts()
    expect(ca?.subject.text).toBe('C=CN, O=Outside CA, CN=Outside Root')
    const { oids, attributes } = await clientOf().csrAttrs()
    expect(oids).toEqual(['1.2.840.113549.1.9.7'])
    expect(attributes.map(({ oid: name, values }) => [name, values.length])).toEqual([
      ['1.2.840.10045.2.1', 1],
    ])
    const modest = await startFakeEst({ login })
    const other = createEstClient({
      server: { origin: modest.origin },
      send: port({ ca: modest.caPem }),
      now: () => new Date(),
      wait: async () => {},
    })
    expect(await other.csrAttrs()).toEqual({ oids: [], attributes: [] })
    await modest.close()
  })

  it('enrols and renews, waiting as long as it is told', async () => {
    for (const algorithm of ['ecdsa-p256-sha256', 'rsa-pkcs1-sha256', 'ed25519'] as const) {
      const { signer } = generateSigner(algorithm)
      const request = buildCertificateRequest(
        { subject, subjectAltNames: [{ type: 'dns', value: 'seal.example.cn' }] },
        signer,
      )
      waits.length = 0
      server.putOff('7', new Date(Date.now() + 30_000).toUTCString())
      const { certificate, path } = await clientOf().enroll(request, trust())
      expect(certificate.spki).toEqual(signer.spki)
      expect(certificate.subject.text).toBe('C=CN, O=某公司, CN=某公司印章')
      expect(path.ok).toBe(true)
      expect(waits[0]).toBeGreaterThan(6000)
      expect(waits[0]).toBeLessThanOrEqual(7000)
      expect(waits[1]).toBeGreaterThan(25_000)
      const next = await clientOf().reenroll(request, trust())
      expect(next.certificate.serialHex).not.toBe(certificate.serialHex)
    }
  })

  it('is known by Basic or by its certificate, and refused without either', async () => {
    const { signer } = generateSigner('ecdsa-p256-sha256')
    const request = buildCertificateRequest({ subject }, signer)
    const nobody = createEstClient({
      server: { origin: server.origin, label: 'seals' },
      send: port(),
      now: () => new Date(),
      wait: async () => {},
    })
    await expect(nobody.enroll(request, trust())).rejects.toThrow('the CA refused: 401 请先登录')
    await expect(
      clientOf({ login: { ...login, password: 'guess' } }).enroll(request, trust()),
    ).rejects.toEqual(code('unavailable'))
    const byCertificate = createEstClient({
      server: { origin: server.origin, label: 'seals' },
      send: port(server.clientCertificate('device')),
      now: () => new Date(),
      wait: async () => {},
    })
    expect((await byCertificate.enroll(request, trust())).certificate.spki).toEqual(signer.spki)
    expect(() => clientOf({ login: { user: 'a:b', password: '' } })).toThrowError(code('argument'))
  })

  it('takes a key the CA made, with the certificate for exactly that key', async () => {
    const { signer } = generateSigner('ecdsa-p256-sha256')
    const request = buildCertificateRequest({ subject: { CN: 'device 7' } }, signer)
    const { certificate, privateKeyPkcs8 } = await clientOf().serverKeygen(request, trust())
    const made = signerFromPem(toPem(privateKeyPkcs8, 'PRIVATE KEY'))
    expect(made.spki).toEqual(certificate.spki)
    expect(certificate.spki).not.toEqual(signer.spki)
    expect(certificate.subject.text).toBe('CN=device 7')
    expect(
      createPrivateKey({ key: Buffer.from(privateKeyPkcs8), format: 'der', type: 'pkcs8' }).asymmetricKeyType,
    ).toBe('ec')
  })

  it('gives up when it is put off for too long, or the server is not the CA’s', async () => {
    const request = buildCertificateRequest({ subject }, generateSigner('ecdsa-p256-sha256').signer)
    server.putOff('400')
    await expect(clientOf({ maxWaitMs: 300_000 }).enroll(request, trust())).rejects.toThrow('puts off until')
    server.putOff('0', '0', '0')
    await expect(clientOf({ maxWaitMs: 2500 }).enroll(request, trust())).rejects.toEqual(code('unavailable'))
    await clientOf().enroll(request, trust())
    const elsewhere = clientOf({ send: port({ ca: '' }) })
    await expect(elsewhere.caCerts()).rejects.toEqual(code('unavailable'))
    await expect(clientOf({ server: { origin: server.origin, label: 'other' } }).caCerts()).rejects.toThrow(
      '404',
    )
  })

  it('refuses what was not asked for', async () => {
    const { signer } = generateSigner('ecdsa-p256-sha256')
    const request = buildCertificateRequest({ subject }, signer)
    const answers = async (body: string, type: string) => {
      server.answerNext({ status: 200, headers: { 'content-type': type }, body })
    }
    await expect(clientOf().enroll(request, { ...trust(), anchors: [] })).rejects.toEqual(code('structure'))
    for (const [body, type] of [
      ['', 'multipart/mixed'],
      ['--b\r\n\r\n--b--', 'multipart/mixed; boundary=b'],
      ['--b\r\nContent-Type: application/pkcs8\r\n\r\nMAA=\r\n--b--', 'multipart/mixed; boundary="b"'],
      ['--b\r\nContent-Type: text/html\r\n\r\nx\r\n--b--', 'multipart/mixed; boundary=b'],
      ['--b\r\nContent-Type: application/pkcs8\r\n\r\nMAA=', 'multipart/mixed; boundary=b'],
      ['x', 'application/pkcs8'],
    ] as const) {
      await answers(body, type)
      await expect(clientOf().serverKeygen(request, trust())).rejects.toEqual(code('structure'))
    }
    const wrapped =
      '--b\r\nContent-Type: application/pkcs7-mime;\r\n smime-type=server-generated-key\r\n\r\nMAA=\r\n--b--'
    await answers(wrapped, 'multipart/mixed; boundary=b')
    await expect(clientOf().serverKeygen(request, trust())).rejects.toEqual(code('unsupported'))
    await answers('MAIGAA==', 'application/csrattrs')
    await expect(clientOf().csrAttrs()).rejects.toThrow()
  })

  it('sends only what openssl takes for a request', async () => {
    const { signer } = generateSigner('ecdsa-p256-sha256')
    const forged = buildCertificateRequest(
      { subject },
      { ...signer, sign: (data) => signer.sign(data.subarray(1)) },
    )
    await expect(clientOf().enroll(forged, trust())).rejects.toThrow('the CA refused: 400 openssl')
    // Renewal of what was never issued.
    const unknown = buildCertificateRequest({ subject: { CN: 'never seen' } }, signer)
    await expect(clientOf().reenroll(unknown, trust())).rejects.toThrow('400')
  })
})
