/** The writing side of OCSP (RFC 6960): requests, and a responder as a function from request to response. */
import { type DigestAlgorithm, digestIdentifier, signatureIdentifier } from './algorithms.ts'
import { equalBytes, fromHex } from './bytes.ts'
import type { Certificate } from './certificate.ts'
import { reasonCodes, type RevocationReason } from './crl.ts'
import { digest, type Signer } from './crypto.ts'
import {
  bitString,
  type Der,
  element,
  elementOf,
  encode,
  explicit,
  generalizedTime,
  implicit,
  nullValue,
  octetString,
  oid,
  sequence,
  unsignedInteger,
} from './der-write.ts'
import { PkiError } from './errors.ts'
import { encodeExtension, publicKeyBits } from './extensions.ts'
import { certIdIsOf, type OcspCertId, parseOcspRequest } from './ocsp-parse.ts'
import { OID } from './oids.ts'

export interface OcspRequestFields {
  readonly certificates: readonly { readonly certificate: Certificate; readonly issuer: Certificate }[]
  /** 1 to 128 octets that tie the answer to this request (RFC 9654 §2.1). */
  readonly nonce?: Uint8Array
  /** Digest that names the issuers. SHA-1 unless told otherwise: the one every responder knows (RFC 5019 §2.1.1). */
  readonly digestAlgorithm?: DigestAlgorithm
}

/** CertID (RFC 6960 §4.1.1). The parameters are NULL, as everybody writes them. */
function certId(issuer: Certificate, serial: Uint8Array, algorithm: DigestAlgorithm): Der {
  const identifier = digestIdentifier(algorithm)
  return sequence(
    element(0x30, identifier.subarray(2), nullValue),
    octetString(digest(algorithm, issuer.subjectDer)),
    octetString(digest(algorithm, publicKeyBits(issuer.spki))),
    unsignedInteger(serial),
  )
}

function nonceExtension(nonce: Uint8Array): Uint8Array {
  if (nonce.length === 0 || nonce.length > 128) throw new PkiError('argument', 'a nonce has 1 to 128 octets')
  return encodeExtension(OID.ocspNonce, false, octetString(nonce))
}

/** An unsigned OCSPRequest in DER. */
export function buildOcspRequest(fields: OcspRequestFields): Uint8Array {
  if (fields.certificates.length === 0) throw new PkiError('argument', 'an OCSP request asks about something')
  const algorithm = fields.digestAlgorithm ?? 'sha1'
  const asked = fields.certificates.map(({ certificate, issuer }) =>
    sequence(certId(issuer, fromHex(certificate.serialHex), algorithm)),
  )
  const parts: Der[] = [elementOf(0x30, asked)]
  if (fields.nonce !== undefined) parts.push(explicit(2, sequence(nonceExtension(fields.nonce))))
  return encode(sequence(sequence(...parts)))
}

/** What goes over HTTP to a responder (RFC 6960 appendix A.1), for the caller to send. */
export function ocspHttpRequest(url: string, request: Uint8Array) {
  const headers = { 'content-type': 'application/ocsp-request', accept: 'application/ocsp-response' }
  return { method: 'POST', url, headers, body: request } as const
}

/** Refusals, which carry no signature (RFC 6960 §4.2.1). */
export const ocspFailures = {
  malformedRequest: 1,
  internalError: 2,
  tryLater: 3,
  sigRequired: 5,
  unauthorized: 6,
} as const
export type OcspFailure = keyof typeof ocspFailures

/** An OCSPResponse that says no. */
export const buildOcspFailure = (failure: OcspFailure): Uint8Array =>
  encode(sequence(Uint8Array.of(0x0a, 0x01, ocspFailures[failure])))

/** What the responder knows about one serial number. */
export type OcspAnswer =
  | { readonly status: 'good' | 'unknown' }
  | { readonly status: 'revoked'; readonly at: Date; readonly reason?: RevocationReason }

export interface OcspResponder {
  /** The CA whose certificates are asked about. */
  readonly issuer: Certificate
  /** Certificate of the signing key: the CA's own, or one it issued under the profile `ocsp-responder`. */
  readonly certificate: Certificate
  readonly signer: Signer
  readonly producedAt: Date
  /** When the answers were known to be right, and until when they may be used. */
  readonly thisUpdate: Date
  readonly nextUpdate?: Date
  /** `unknown` for numbers this CA never issued: `good` would vouch for a forgery. */
  answer(serialHex: string): OcspAnswer
}

/**
 * Answers a request: signed answers about each certificate asked for, or a refusal: `malformedRequest` when it cannot
 * be read, `unauthorized` when it asks about another CA.
 * @throws PkiError `key-mismatch` when signer and certificate do not belong together, `argument` for times that end
 * before they begin; never because of the request
 */
export function answerOcspRequest(request: Uint8Array, responder: OcspResponder): Uint8Array {
  const { issuer, certificate, signer, thisUpdate, nextUpdate } = responder
  if (!equalBytes(certificate.spki, signer.spki))
    throw new PkiError('key-mismatch', 'the signer is not the key of the responder')
  if (nextUpdate !== undefined && nextUpdate <= thisUpdate)
    throw new PkiError('argument', 'the next update must follow this one')
  let parsed: ReturnType<typeof parseOcspRequest>
  try {
    parsed = parseOcspRequest(request)
  } catch (error) {
    if (error instanceof PkiError) return buildOcspFailure('malformedRequest')
    throw error
  }
  if (parsed.unknownCriticalExtension) return buildOcspFailure('malformedRequest')
  if (!parsed.certIds.every((id) => certIdIsOf(id, issuer))) return buildOcspFailure('unauthorized')
  const responses = parsed.certIds.map((id) => singleResponse(id, responder))
  // The responder is named by the SHA-1 of its key (RFC 6960 §4.2.2.3): a name for it, not a promise.
  const keyHash = digest('sha1', publicKeyBits(certificate.spki))
  const parts: Der[] = [
    explicit(2, octetString(keyHash)),
    generalizedTime(responder.producedAt),
    elementOf(0x30, responses),
  ]
  if (parsed.nonce !== undefined) parts.push(explicit(1, sequence(nonceExtension(parsed.nonce))))
  const tbs = encode(sequence(...parts))
  const signed: Der[] = [tbs, signatureIdentifier(signer.algorithm), bitString(signer.sign(tbs))]
  if (certificate !== issuer && !equalBytes(certificate.der, issuer.der))
    signed.push(explicit(0, sequence(certificate.der)))
  const basic = encode(sequence(...signed))
  const bytes = sequence(oid(OID.ocspBasic), octetString(basic))
  return encode(sequence(Uint8Array.of(0x0a, 0x01, 0x00), explicit(0, bytes)))
}

function singleResponse(id: OcspCertId, responder: OcspResponder): Der {
  const parts: Der[] = [
    id.der,
    statusOf(responder.answer(id.serialHex)),
    generalizedTime(responder.thisUpdate),
  ]
  if (responder.nextUpdate !== undefined) parts.push(explicit(0, generalizedTime(responder.nextUpdate)))
  return sequence(...parts)
}

function statusOf(answer: OcspAnswer): Der {
  if (answer.status !== 'revoked') return implicit(answer.status === 'good' ? 0 : 2, new Uint8Array())
  const parts: Der[] = [generalizedTime(answer.at)]
  if (answer.reason !== undefined && answer.reason !== 'unspecified')
    parts.push(explicit(0, Uint8Array.of(0x0a, 0x01, reasonCodes[answer.reason])))
  return element(0xa1, ...parts)
}
