/** Revocation answers from where a certificate says they are: OCSP first (RFC 6960, RFC 5019), then its CRL. */
import type { Certificate } from './certificate.ts'
import { parseCrl, verifyCrl } from './crl.ts'
import { PkiError } from './errors.ts'
import { failureText, type HttpPort, mediaType } from './http-port.ts'
import { buildOcspRequest, ocspHttpRequest } from './ocsp-build.ts'
import { verifyOcspResponse } from './ocsp-verify.ts'

export type RevocationFound =
  | {
      readonly kind: 'ocsp'
      readonly der: Uint8Array
      readonly url: string
      /** The responder's own certificate, where it is not the issuer. */
      readonly responder?: Certificate
    }
  | { readonly kind: 'crl'; readonly der: Uint8Array; readonly url: string }

export interface RevocationClientOptions {
  readonly send: HttpPort
  /** The moment the answers have to be good for. */
  readonly at: Date
  /** For clocks that are apart; none when left out. */
  readonly toleranceMs?: number
}

/**
 * The first good answer. A list is signed by the issuer and current, an OCSP response by the issuer or the responder
 * it appointed; what either says of the certificate, revoked or not, is left to path validation.
 * @throws PkiError `unavailable` with the reason of each address, or that the certificate names none
 */
export async function fetchRevocation(
  { certificate, issuer }: { readonly certificate: Certificate; readonly issuer: Certificate },
  options: RevocationClientOptions,
): Promise<RevocationFound> {
  const failures: string[] = []
  const attempt = async (
    url: string,
    ask: () => Promise<RevocationFound>,
  ): Promise<RevocationFound | undefined> => {
    try {
      if (!/^https?:\/\//i.test(url)) throw new Error('neither http nor https')
      return await ask()
    } catch (error) {
      failures.push(`${url}: ${failureText(error)}`)
      return undefined
    }
  }
  for (const url of certificate.ocspUrls) {
    const found = await attempt(url, () => askResponder(url, certificate, issuer, options))
    if (found !== undefined) return found
  }
  for (const url of certificate.crlUrls) {
    const found = await attempt(url, () => fetchList(url, issuer, options))
    if (found !== undefined) return found
  }
  throw new PkiError(
    'unavailable',
    failures.length === 0
      ? `${certificate.subject.text} names neither responder nor list`
      : failures.join('; '),
  )
}

async function askResponder(
  url: string,
  certificate: Certificate,
  issuer: Certificate,
  { send, at, toleranceMs = 0 }: RevocationClientOptions,
): Promise<RevocationFound> {
  const request = ocspHttpRequest(url, buildOcspRequest({ certificates: [{ certificate, issuer }] }))
  const answer = await send({ method: 'POST', url, headers: request.headers, body: request.body })
  const type = mediaType(answer.headers.get('content-type'))
  if (answer.status !== 200 || type !== 'application/ocsp-response')
    throw new Error(`the responder answered ${answer.status} ${type ?? 'without a type'}`)
  const { ok, problems, responder } = verifyOcspResponse(answer.body, {
    certificate,
    issuer,
    at,
    toleranceMs,
  })
  if (!ok) throw new Error(problems.map(({ code }) => code).join(', '))
  const appointed = responder !== undefined && responder.der !== issuer.der ? { responder } : {}
  return { kind: 'ocsp', der: answer.body, url, ...appointed }
}

async function fetchList(
  url: string,
  issuer: Certificate,
  { send, at, toleranceMs = 0 }: RevocationClientOptions,
): Promise<RevocationFound> {
  const answer = await send({ method: 'GET', url, headers: {} })
  // Servers send lists under many types (RFC 5280 §4.2.1.13 names one); what counts is the signature.
  if (answer.status !== 200) throw new Error(`the server answered ${answer.status}`)
  const crl = parseCrl(answer.body)
  if (!verifyCrl(crl, issuer)) throw new Error('the list is not signed by the issuer')
  if (crl.nextUpdate !== undefined && crl.nextUpdate.getTime() + toleranceMs < at.getTime())
    throw new Error(`the list ended ${crl.nextUpdate.toISOString()}`)
  return { kind: 'crl', der: answer.body, url }
}
