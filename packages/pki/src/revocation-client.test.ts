import { describe, expect, it } from 'vitest'
import { daysFromNoon, makeRoot, nextSerial, noon } from '../testing/authority.ts'
import {
  answerOcspRequest,
  buildOcspFailure,
  type Certificate,
  fetchRevocation,
  generateSigner,
  type HttpPort,
  issueCrl,
  parseCertificate,
  prepareIssuer,
  validatePath,
} from './pki.ts'

const root = makeRoot('ecdsa-p256-sha256')
const stranger = makeRoot('ecdsa-p256-sha256', 'stranger')

function certificateWith(places: { ocspUrls?: string[]; crlUrls?: string[] }): Certificate {
  const issuer = prepareIssuer(root.certificate, root.signer, places)
  return parseCertificate(
    issuer.issue({
      profile: 'document-signing',
      subject: { CN: '张三' },
      spki: generateSigner('ecdsa-p256-sha256').signer.spki,
      serial: nextSerial(),
      notBefore: daysFromNoon(-1),
      notAfter: daysFromNoon(300),
    }),
  )
}
const times = { producedAt: noon, thisUpdate: daysFromNoon(-1), nextUpdate: daysFromNoon(1) }
const listBy = (party: typeof root, nextUpdate = daysFromNoon(7)) =>
  issueCrl(
    { issuer: party.certificate, number: 1, thisUpdate: daysFromNoon(-2), nextUpdate, revoked: [] },
    party.signer,
  )

type Answer = (body?: Uint8Array) => { type?: string; status?: number; body: Uint8Array }
const responder =
  (party = root, status: 'good' | 'revoked' = 'good'): Answer =>
  (body) => ({
    type: 'application/ocsp-response',
    body: answerOcspRequest(body as Uint8Array, {
      ...times,
      issuer: root.certificate,
      certificate: party.certificate,
      signer: party.signer,
      answer: () => (status === 'good' ? { status } : { status, at: daysFromNoon(-1) }),
    }),
  })

function fetching(certificate: Certificate, places: Record<string, Answer>) {
  const asked: string[] = []
  const send: HttpPort = async ({ method, url, body }) => {
    asked.push(`${method} ${url}`)
    const answer = places[url]
    if (answer === undefined) throw new Error('connection refused')
    const { type = 'application/pkix-crl', status = 200, body: bytes } = answer(body)
    return { status, headers: new Headers({ 'content-type': type }), body: bytes }
  }
  return { asked, found: fetchRevocation({ certificate, issuer: root.certificate }, { send, at: noon }) }
}

describe('where a certificate says its revocation is told', () => {
  const both = {
    ...certificateWith({
      ocspUrls: ['http://a/ocsp', 'http://b/ocsp'],
      crlUrls: ['http://c/crl'],
    }),
    crlUrls: ['ldap://x', 'http://c/crl'],
  }

  it('a good OCSP response is taken, and path validation uses it', async () => {
    const { asked, found } = fetching(both, { 'http://a/ocsp': responder() })
    const answer = await found
    expect([asked, answer.kind]).toEqual([['POST http://a/ocsp'], 'ocsp'])
    const judged = (ocsp: Uint8Array) =>
      validatePath({ leaf: both, intermediates: [], anchors: [root.certificate], at: noon, ocsps: [ocsp] })
    expect(judged(answer.der).ok).toBe(true)
    // That it is revoked is a good answer too.
    const revoked = await fetching(both, { 'http://a/ocsp': responder(root, 'revoked') }).found
    expect(judged(revoked.der).problems.map(({ code }) => code)).toContain('revoked')
  })

  it('the next address is asked after a bad answer, and at last the list', async () => {
    const refusing: Answer = () => ({ type: 'application/ocsp-response', body: buildOcspFailure('tryLater') })
    const second = fetching(both, { 'http://a/ocsp': refusing, 'http://b/ocsp': responder() })
    expect(await second.found).toMatchObject({ kind: 'ocsp', url: 'http://b/ocsp' })
    const list = listBy(root)
    const third = fetching(both, {
      'http://a/ocsp': () => ({ type: 'text/html', body: new Uint8Array() }),
      'http://b/ocsp': (body) => ({ ...responder()(body), status: 500 }),
      'http://c/crl': () => ({ body: list }),
    })
    expect(await third.found).toEqual({ kind: 'crl', url: 'http://c/crl', der: list })
    expect(third.asked).toEqual(['POST http://a/ocsp', 'POST http://b/ocsp', 'GET http://c/crl'])
  })

  it('nothing is taken from strangers, or too late', async () => {
    const lies: [Record<string, Answer>, RegExp][] = [
      [{ 'http://a/ocsp': responder(stranger) }, /a\/ocsp: .+/],
      [{ 'http://c/crl': () => ({ body: listBy(stranger) }) }, /not signed by the issuer/],
      [{ 'http://c/crl': () => ({ body: listBy(root, daysFromNoon(-1)) }) }, /the list ended/],
      [{ 'http://c/crl': () => ({ body: listBy(root), status: 404 }) }, /answered 404/],
      [{}, /ldap:\/\/x: neither http nor https; http:\/\/c\/crl: connection refused/],
    ]
    for (const [places, reason] of lies) {
      const { found } = fetching(both, places)
      const error = await found.catch((thrown: Error) => thrown)
      expect(error).toMatchObject({
        name: 'PkiError',
        code: 'unavailable',
        message: expect.stringMatching(reason),
      })
    }
    await expect(fetching(certificateWith({}), {}).found).rejects.toThrow('names neither')
  })
})
