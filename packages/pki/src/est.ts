/**
 * Enrolment over Secure Transport (RFC 7030, RFC 8951), the door to an outside CA: messages built and read. Sending
 * them over TLS, and saying who asks, is the caller's.
 */
import { equalBytes } from './bytes.ts'
import type { Certificate } from './certificate.ts'
import { parseSignedData } from './cms-parse.ts'
import { parseCertificateRequest, verifyCertificateRequest } from './csr.ts'
import { element, elementOf, encode, explicit, integer, oid, sequence } from './der-write.ts'
import { PkiError } from './errors.ts'
import { mediaType } from './http-port.ts'
import { sameName } from './name.ts'
import { OID } from './oids.ts'
import { type PathOptions, type PathResult, validatePath } from './path.ts'

/** What the caller sends. */
export interface EstMessage {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** Where a CA speaks EST. */
export interface EstServer {
  /** Such as `https://ca.example`. */
  readonly origin: string
  /** Chooses among several CAs of one server (§3.2.2). */
  readonly label?: string
}

const certificatesType = 'application/pkcs7-mime'
const requestType = 'application/pkcs10'

/** Where a server answers an operation (§3.2.2). @throws PkiError `argument` */
export function estAddress({ origin, label }: EstServer, operation: string): string {
  if (!URL.canParse(origin)) throw new PkiError('argument', `"${origin}" is no address`)
  const { protocol, username, password, pathname, search, hash } = new URL(origin)
  // §3.3: EST is HTTPS. Plain HTTP is left to callers that bring their own secure transport.
  if (!/^https?:$/.test(protocol) || pathname !== '/' || `${username}${password}${search}${hash}` !== '')
    throw new PkiError('argument', `"${origin}" is no origin of a server`)
  if (label !== undefined && !/^[A-Za-z0-9._~-]+$/.test(label))
    throw new PkiError('argument', `"${label}" is no label`)
  const folder = label === undefined ? '' : `${label}/`
  return new URL(`/.well-known/est/${folder}${operation}`, origin).href
}

/** Asks for the CA's certificates (§4.1.2). */
export const estCaCertsRequest = (server: EstServer): EstMessage => ({
  method: 'GET',
  url: estAddress(server, 'cacerts'),
  headers: { accept: certificatesType },
})

/**
 * Asks for a certificate (§4.2), or for its successor.
 * @param request PKCS#10 in DER; a successor keeps subject and alternative names (§4.2.2)
 */
export function estEnrollRequest(
  server: EstServer,
  request: Uint8Array,
  options: { readonly reenroll?: boolean } = {},
): EstMessage {
  return {
    method: 'POST',
    url: estAddress(server, options.reenroll === true ? 'simplereenroll' : 'simpleenroll'),
    headers: {
      accept: certificatesType,
      'content-type': requestType,
      // Ignored by servers of RFC 8951, still expected by older ones.
      'content-transfer-encoding': 'base64',
    },
    body: toBase64(request),
  }
}

/** An answer as the caller received it; header names in lower case, as `fetch` gives them. */
export interface EstAnswer {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  readonly body: Uint8Array
}

export type EstResult =
  | { readonly kind: 'certificates'; readonly certificates: readonly Certificate[] }
  /** To be asked again, with the same request, not before this (§4.2.3). */
  | { readonly kind: 'pending'; readonly retryAt: Date }
  /** Refused, with what the server says; never trusted further than to be shown. */
  | { readonly kind: 'refused'; readonly status: number; readonly text: string }

/**
 * Reads an answer to any of the requests.
 * @param now when it was received: a wait may be given in seconds
 * @throws PkiError `structure`, `der` or `unsupported` when it is none of the three
 */
export function parseEstAnswer(answer: EstAnswer, now: Date): EstResult {
  const { status, headers, body } = answer
  if (status === 202) return { kind: 'pending', retryAt: retryTime(headers.get('retry-after'), now) }
  if (status !== 200) {
    const plain = /^text\/plain\b/i.test(headers.get('content-type') ?? '')
    const text = plain ? new TextDecoder().decode(body.subarray(0, 2000)) : ''
    return { kind: 'refused', status, text }
  }
  const type = headers.get('content-type')
  if (mediaType(type) !== certificatesType)
    throw new PkiError('structure', `an EST answer of the type "${type ?? ''}"`)
  return { kind: 'certificates', certificates: parseCertsOnly(fromEstBody(body)) }
}

function retryTime(header: string | null, now: Date): Date {
  const seconds = /^\d{1,9}$/.test(header ?? '') ? Number(header) : undefined
  const at = seconds === undefined ? Date.parse(header ?? '') : now.getTime() + seconds * 1000
  // §4.2.3: an answer of 202 must say when.
  if (Number.isNaN(at)) throw new PkiError('structure', 'an EST answer puts off without saying until when')
  return new Date(at)
}

/** Certificates in a container without signature (RFC 5751 §3.9), in the order given. */
export function buildCertsOnly(certificates: readonly Uint8Array[]): Uint8Array {
  return encode(
    sequence(
      oid(OID.signedData),
      explicit(
        0,
        sequence(
          integer(1),
          element(0x31),
          sequence(oid(OID.data)),
          elementOf(0xa0, certificates),
          element(0x31),
        ),
      ),
    ),
  )
}

/** Reads such a container. @throws PkiError `structure` when it is signed, empty, or holds a broken certificate */
export function parseCertsOnly(der: Uint8Array): readonly Certificate[] {
  const { certificates, unreadableCertificates, signers, content } = parseSignedData(der)
  if (signers.length > 0 || content !== undefined)
    throw new PkiError('structure', 'the container holds more than certificates')
  if (unreadableCertificates.length > 0)
    throw new PkiError('structure', 'a certificate in the container cannot be read')
  if (certificates.length === 0) throw new PkiError('structure', 'the container holds no certificate')
  return certificates
}

/** Body of a server's answer with certificates. */
export const estCertificatesBody = (certificates: readonly Uint8Array[]) => ({
  headers: {
    'content-type': `${certificatesType}; smime-type=certs-only`,
    'content-transfer-encoding': 'base64',
  },
  body: toBase64(buildCertsOnly(certificates)),
})

/** The PKCS#10 in the body of a request to a server. @throws PkiError `structure` or `der` */
export function parseEstEnrollBody(contentType: string | undefined, body: Uint8Array) {
  if (mediaType(contentType) !== requestType)
    throw new PkiError('structure', `an enrolment of the type "${contentType ?? ''}"`)
  const request = parseCertificateRequest(fromEstBody(body))
  if (!verifyCertificateRequest(request))
    throw new PkiError('structure', 'the request is not signed by the key it is for')
  return request
}

export interface EnrolledCertificate {
  readonly certificate: Certificate
  /** The certificates that came with it. */
  readonly others: readonly Certificate[]
  readonly path: PathResult
}

/**
 * Takes what the CA issued only if it is what was asked for: the requested key and name, under an anchor trusted
 * beforehand. §4.2.3 puts the issued certificate alone in the answer; others are met and used for the path.
 * @param spki the key that was made for the request, where it is not the request's own
 * @throws PkiError `key-mismatch` for another key, `structure` for another name or a path that does not hold
 */
export function acceptEnrolled(
  request: Uint8Array,
  certificates: readonly Certificate[],
  trust: Pick<PathOptions, 'anchors' | 'at'> & Partial<Omit<PathOptions, 'leaf'>>,
  spki?: Uint8Array,
): EnrolledCertificate {
  const asked = parseCertificateRequest(request)
  const wanted = spki ?? asked.spki
  const certificate = certificates.find((one) => equalBytes(one.spki, wanted))
  if (certificate === undefined)
    throw new PkiError('key-mismatch', 'no certificate in the answer is for the requested key')
  if (!sameName(certificate.subjectDer, asked.subjectDer))
    throw new PkiError(
      'structure',
      `the certificate is for ${certificate.subject.text}, not for ${asked.subject.text}`,
    )
  const others = certificates.filter((one) => one !== certificate)
  const path = validatePath({
    ...trust,
    leaf: certificate,
    intermediates: [...others, ...(trust.intermediates ?? [])],
  })
  if (!path.ok) {
    const why = path.problems.filter(({ severity }) => severity === 'error').map(({ message }) => message)
    throw new PkiError('structure', `the certificate is not to be trusted: ${why.join(' ')}`)
  }
  return { certificate, others, path }
}

/** RFC 4648 §4, in lines of 76 as MIME has them. */
function toBase64(bytes: Uint8Array): string {
  let binary = ''
  for (const octet of bytes) binary += String.fromCharCode(octet)
  return (btoa(binary).match(/.{1,76}/g) ?? []).join('\r\n')
}

/** A body in base64; DER as it is, which some servers send, begins with a length no text has. */
export function fromEstBody(body: Uint8Array): Uint8Array {
  if (body[0] === 0x30 && (body[1] ?? 0) >= 0x80) return body
  const text = new TextDecoder('latin1').decode(body).replace(/\s+/g, '')
  if (text === '' || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text))
    throw new PkiError('structure', 'the body is no base64')
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
}
