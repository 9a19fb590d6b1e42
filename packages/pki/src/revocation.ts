/**
 * Revocation of one certificate at a time, by CRL (RFC 5280 §6.3, complete lists only) and OCSP (RFC 6960). What was
 * issued after the time in question is the better witness: it still names what was revoked before.
 */
import type { Certificate } from './certificate.ts'
import { type Crl, type RevocationReason, verifyCrl } from './crl.ts'
import type { Sm2Options } from './crypto.ts'
import { readOnly, readTime } from './der-read.ts'
import { PkiError } from './errors.ts'
import { sameName } from './name.ts'
import type { OcspResponse } from './ocsp-parse.ts'
import { authenticate } from './ocsp-verify.ts'
import { OID } from './oids.ts'

/** Why a list or response says nothing about a certificate at a time. Stable. */
export type RevocationRejection =
  /** About certificates of another issuer, or about another certificate. */
  | 'other-issuer'
  | 'other-certificate'
  /** Not made by the key it should be. */
  | 'signature'
  /** The issuer may not sign lists; the responder may not answer for the issuer. */
  | 'not-authorized'
  /** Delta lists change a complete one that is not here; indirect ones speak for several issuers. */
  | 'delta-crl'
  | 'indirect-crl'
  /** Limited to other kinds of certificates or to some reasons. */
  | 'scope'
  | 'critical-extension'
  /** It had ended before the time in question, or is older than allowed. */
  | 'stale'
  /** Made when the certificate had expired, by which time its revocation may have been forgotten. */
  | 'after-expiry'
  /** The responder does not know the certificate. */
  | 'unknown-to-responder'

/** Which of the lists or responses handed in spoke. */
export interface RevocationSource {
  readonly kind: 'crl' | 'ocsp'
  /** Its place among those handed in. */
  readonly index: number
  readonly thisUpdate: Date
  readonly nextUpdate?: Date
}

export interface RejectedEvidence {
  readonly kind: 'crl' | 'ocsp'
  readonly index: number
  readonly reason: RevocationRejection
}

export type RevocationStatus =
  | { readonly status: 'good'; readonly source: RevocationSource }
  | { readonly status: 'unknown'; readonly rejected: readonly RejectedEvidence[] }
  | {
      readonly status: 'revoked'
      readonly at: Date
      readonly reason?: RevocationReason
      readonly source: RevocationSource
    }

/** Lists and responses in the order given; an unreadable one leaves its place empty. */
export interface RevocationEvidence {
  readonly crls: readonly (Crl | undefined)[]
  readonly ocsps: readonly (OcspResponse | undefined)[]
}

export interface RevocationOptions extends Sm2Options {
  readonly at: Date
  /** The oldest evidence of goodness to accept, counted back from `at`. */
  readonly revocationMaximumAgeMs?: number
}

interface Witness {
  readonly source: RevocationSource
  readonly revokedAt?: Date
  readonly reason?: RevocationReason
  /** Why it cannot say that the certificate was good. */
  readonly notGood?: RevocationRejection
}

/** What the evidence says about a certificate of this issuer at a time. */
export function revocationOf(
  certificate: Certificate,
  issuer: Certificate,
  evidence: RevocationEvidence,
  options: RevocationOptions,
): RevocationStatus {
  const witnesses: Witness[] = []
  const rejected: RejectedEvidence[] = []
  const hear = (
    kind: 'crl' | 'ocsp',
    index: number,
    heard: Omit<Witness, 'source'> | RevocationRejection,
    times: Times,
  ) => {
    if (typeof heard === 'string') rejected.push({ kind, index, reason: heard })
    else {
      const { thisUpdate, nextUpdate } = times
      const source = { kind, index, thisUpdate, ...(nextUpdate === undefined ? {} : { nextUpdate }) }
      witnesses.push({ ...heard, source })
      if (heard.notGood !== undefined) rejected.push({ kind, index, reason: heard.notGood })
    }
  }
  for (const [index, crl] of evidence.crls.entries())
    if (crl !== undefined) hear('crl', index, hearCrl(crl, certificate, issuer, options), crl)
  for (const [index, response] of evidence.ocsps.entries()) {
    if (response === undefined) continue
    const { heard, times } = hearOcsp(response, certificate, issuer, options)
    hear('ocsp', index, heard, times)
  }
  return conclude(witnesses, rejected, options.at)
}

interface Times {
  readonly thisUpdate: Date
  readonly nextUpdate?: Date
}

function conclude(
  witnesses: readonly Witness[],
  rejected: readonly RejectedEvidence[],
  at: Date,
): RevocationStatus {
  const good = witnesses
    .filter(({ revokedAt, notGood }) => notGood === undefined && (revokedAt === undefined || revokedAt > at))
    .sort((left, right) => right.source.thisUpdate.getTime() - left.source.thisUpdate.getTime())
  for (const { revokedAt, reason, source } of witnesses) {
    if (revokedAt === undefined || revokedAt > at) continue
    // A hold may be lifted (RFC 5280 §5.3.1): a later witness, itself no later than the time, outweighs it.
    const lifted = (one: Witness) => one.source.thisUpdate > source.thisUpdate && one.source.thisUpdate <= at
    if (reason === 'certificateHold' && good.some(lifted)) continue
    return { status: 'revoked', at: revokedAt, source, ...(reason === undefined ? {} : { reason }) }
  }
  const best = good[0]
  return best === undefined ? { status: 'unknown', rejected } : { status: 'good', source: best.source }
}

/** Whether evidence of these times can vouch for a certificate at `at`. */
function timesFault(
  { thisUpdate, nextUpdate }: Times,
  knownSince: Date | undefined,
  certificate: Certificate,
  options: RevocationOptions,
): RevocationRejection | undefined {
  const { at, revocationMaximumAgeMs } = options
  if (nextUpdate !== undefined && nextUpdate < at) return 'stale'
  if (revocationMaximumAgeMs !== undefined && thisUpdate.getTime() < at.getTime() - revocationMaximumAgeMs)
    return 'stale'
  // RFC 5280 §3.3: an entry may go once the certificate has expired, unless the issuer says it keeps them.
  const kept = knownSince !== undefined && knownSince <= certificate.notAfter
  return thisUpdate > certificate.notAfter && !kept ? 'after-expiry' : undefined
}

function hearCrl(
  crl: Crl,
  certificate: Certificate,
  issuer: Certificate,
  options: RevocationOptions,
): Omit<Witness, 'source'> | RevocationRejection {
  if (!sameName(crl.issuerDer, issuer.subjectDer)) return 'other-issuer'
  const { refusal, onlyCaCertificates, onlyUserCertificates } = crl.scope
  if (refusal !== undefined) return refusal
  if (onlyCaCertificates ? !certificate.isCa : onlyUserCertificates && certificate.isCa) return 'scope'
  if (issuer.keyUsage.size > 0 && !issuer.keyUsage.has('cRLSign')) return 'not-authorized'
  if (!verifyCrl(crl, issuer, options)) return 'signature'
  const notGood = timesFault(crl, keptSince(crl), certificate, options)
  const entry = crl.revoked.get(certificate.serialHex)
  const revoked = entry !== undefined && entry.reason !== 'removeFromCRL'
  return {
    ...(revoked ? { revokedAt: entry.at } : {}),
    ...(revoked && entry.reason !== undefined ? { reason: entry.reason } : {}),
    ...(notGood === undefined ? {} : { notGood }),
  }
}

/** From when on the list keeps revoked certificates that expired (X.509 §9.5.2.8, expiredCertsOnCRL). */
function keptSince(crl: Crl): Date | undefined {
  const found = crl.extensions.find(({ oid }) => oid === OID.expiredCertsOnCrl)
  if (found === undefined) return undefined
  try {
    return readTime(readOnly(found.value, 0x18, 'a time'))
  } catch (error) {
    if (error instanceof PkiError) return undefined
    throw error
  }
}

function hearOcsp(
  response: OcspResponse,
  certificate: Certificate,
  issuer: Certificate,
  options: RevocationOptions,
): { heard: Omit<Witness, 'source'> | RevocationRejection; times: Times } {
  const { single, problems } = authenticate(response, certificate, issuer, options)
  const times = single ?? { thisUpdate: response.producedAt }
  const codes = new Set(problems.map(({ code }) => code))
  const fault = (heard: RevocationRejection) => ({ heard, times })
  if (single === undefined) return fault('other-certificate')
  if (codes.has('critical-extension')) return fault('critical-extension')
  if (codes.has('ocsp-responder')) return fault('not-authorized')
  if (codes.size > 0) return fault('signature')
  if (single.status === 'unknown') return fault('unknown-to-responder')
  // Without a next update, newer information is always available (RFC 6960 §2.4): it speaks of its past only.
  const past = single.nextUpdate === undefined && single.thisUpdate < options.at
  const allowed = options.revocationMaximumAgeMs !== undefined
  const notGood = past && !allowed ? 'stale' : timesFault(single, single.archiveCutoff, certificate, options)
  const { revokedAt, reason } = single
  return {
    times,
    heard: {
      ...(revokedAt === undefined ? {} : { revokedAt }),
      ...(reason === undefined ? {} : { reason }),
      ...(notGood === undefined ? {} : { notGood }),
    },
  }
}
