/** Verifying OCSP responses (RFC 6960 §3.2). Reports, never throws on a bad response. */
import { equalBytes } from './bytes.ts'
import { type Certificate, verifyCertificateSignature } from './certificate.ts'
import type { RevocationReason } from './crl.ts'
import { checkSignature, type Sm2Options } from './crypto.ts'
import { PkiError } from './errors.ts'
import { sameName } from './name.ts'
import { certIdIsOf, keyHashOf, type OcspResponse, type OcspSingle, parseOcspReply } from './ocsp-parse.ts'
import { OID } from './oids.ts'
import { hasError, type PkiProblem, problem } from './problems.ts'

export interface VerifyOcspOptions extends Sm2Options {
  readonly certificate: Certificate
  readonly issuer: Certificate
  /** The time the answer has to hold at: now, for an answer just fetched. */
  readonly at: Date
  /** The nonce that was sent. */
  readonly nonce?: Uint8Array
  /** Whether an answer without the nonce that was sent is refused; only warned of unless told otherwise (RFC 5019). */
  readonly requireNonce?: boolean
  /** How far the clocks of the responder and of the caller may differ; none unless told otherwise. */
  readonly toleranceMs?: number
  /** The oldest answer to accept when it does not say until when it may be used. */
  readonly maximumAgeMs?: number
}

export interface OcspVerification {
  /** The answer is authentic, is about this certificate and holds at the time; says nothing about good or revoked. */
  readonly ok: boolean
  readonly problems: readonly PkiProblem[]
  /** What it says, only when ok. */
  readonly status: 'good' | 'revoked' | 'unknown' | undefined
  readonly revokedAt?: Date
  readonly reason?: RevocationReason
  readonly response: OcspResponse | undefined
  /** The certificate whose key signed the answer. */
  readonly responder: Certificate | undefined
}

/** Verifies a response just fetched: who signed it, what about, for when, and to which question. */
export function verifyOcspResponse(given: Uint8Array, options: VerifyOcspOptions): OcspVerification {
  const read = readReply(given)
  if (!('response' in read))
    return { ok: false, problems: [read], status: undefined, response: undefined, responder: undefined }
  const { response } = read
  const { single, responder, problems } = authenticate(response, options.certificate, options.issuer, options)
  if (single !== undefined) problems.push(...judgeTimes(response, single, options))
  problems.push(...judgeNonce(response, options))
  const ok = !hasError(problems)
  return {
    ok,
    problems,
    response,
    responder,
    status: ok ? single?.status : undefined,
    ...(ok && single?.revokedAt !== undefined ? { revokedAt: single.revokedAt } : {}),
    ...(ok && single?.reason !== undefined ? { reason: single.reason } : {}),
  }
}

function readReply(given: Uint8Array): { response: OcspResponse } | PkiProblem {
  try {
    const reply = parseOcspReply(given)
    return 'refusal' in reply ? problem('ocsp-refused', 'error', reply.refusal) : reply
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    return problem('ocsp-unreadable', 'error', error.message)
  }
}

/** Finds the answer about a certificate and checks who signed it; times are not looked at. */
export function authenticate(
  response: OcspResponse,
  certificate: Certificate,
  issuer: Certificate,
  options: Sm2Options,
): { single: OcspSingle | undefined; responder: Certificate | undefined; problems: PkiProblem[] } {
  const problems: PkiProblem[] = []
  const single = response.singles.find(
    ({ certId }) => certId.serialHex === certificate.serialHex && certIdIsOf(certId, issuer),
  )
  if (single === undefined) problems.push(problem('ocsp-other-certificate', 'error', '', certificate))
  if (response.unknownCriticalExtension || single?.unknownCriticalExtension === true)
    problems.push(problem('critical-extension', 'error', 'in the OCSP response'))
  const responder = findResponder(response, issuer, options)
  if (responder === undefined) problems.push(problem('ocsp-responder', 'error', '', issuer))
  else if (!isSignedBy(response, responder, options)) problems.push(problem('ocsp-signature', 'error'))
  return { single, responder, problems }
}

function isSignedBy(response: OcspResponse, responder: Certificate, options: Sm2Options): boolean {
  const { signatureAlgorithm, tbsDer, signature } = response
  return checkSignature(signatureAlgorithm, responder.spki, tbsDer, signature, options) === 'good'
}

/** The CA itself, or one it issued to answer for it (RFC 6960 §4.2.2.2): nobody else, and no chain in between. */
function findResponder(
  response: OcspResponse,
  issuer: Certificate,
  options: Sm2Options,
): Certificate | undefined {
  if (isNamed(response, issuer)) return issuer
  return response.certificates.find(
    (one) =>
      isNamed(response, one) &&
      one.extendedKeyUsage.includes(OID.ocspSigning) &&
      (one.keyUsage.size === 0 || one.keyUsage.has('digitalSignature')) &&
      sameName(one.issuerDer, issuer.subjectDer) &&
      one.notBefore <= response.producedAt &&
      response.producedAt <= one.notAfter &&
      one.extensions.every(({ oid, critical }) => !critical || knownInResponder.has(oid)) &&
      verifyCertificateSignature(one, issuer, options),
  )
}

const knownInResponder = new Set<string>([
  OID.basicConstraints,
  OID.keyUsage,
  OID.extendedKeyUsage,
  OID.ocspNoCheck,
])

function isNamed({ responder }: OcspResponse, certificate: Certificate): boolean {
  if ('keyHash' in responder) {
    const own = keyHashOf('sha1', certificate)
    return own !== undefined && equalBytes(own, responder.keyHash)
  }
  try {
    return sameName(responder.nameDer, certificate.subjectDer)
  } catch (error) {
    if (error instanceof PkiError) return false
    throw error
  }
}

function judgeTimes(response: OcspResponse, single: OcspSingle, options: VerifyOcspOptions): PkiProblem[] {
  const { at, toleranceMs = 0, maximumAgeMs } = options
  const [now, tolerance] = [at.getTime(), toleranceMs]
  const late = (message: string) => [problem('ocsp-time', 'error', message)]
  if (response.producedAt.getTime() > now + tolerance)
    return late(`produced on ${response.producedAt.toISOString()}`)
  if (single.thisUpdate.getTime() > now + tolerance) return late(`from ${single.thisUpdate.toISOString()}`)
  if (single.nextUpdate !== undefined) {
    if (single.nextUpdate < single.thisUpdate) return late('it ends before it begins')
    if (single.nextUpdate.getTime() < now - tolerance) return late(`until ${single.nextUpdate.toISOString()}`)
  } else if (maximumAgeMs !== undefined && single.thisUpdate.getTime() < now - tolerance - maximumAgeMs)
    return late(`of ${single.thisUpdate.toISOString()}`)
  return []
}

function judgeNonce({ nonce }: OcspResponse, options: VerifyOcspOptions): PkiProblem[] {
  if (options.nonce === undefined) return []
  if (nonce === undefined)
    return [problem('ocsp-nonce-missing', options.requireNonce === true ? 'error' : 'warning')]
  return equalBytes(nonce, options.nonce) ? [] : [problem('ocsp-nonce-mismatch', 'error')]
}
