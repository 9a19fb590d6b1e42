/** Revocation by CRL for one certificate of a path (RFC 5280 §6.3, complete lists only). */
import type { Certificate } from './certificate.ts'
import { type Crl, type RevocationReason, verifyCrl } from './crl.ts'
import type { Sm2Options } from './crypto.ts'
import { sameName } from './name.ts'

export type RevocationStatus =
  | { readonly status: 'good' | 'unknown' }
  | { readonly status: 'revoked'; readonly at: Date; readonly reason?: RevocationReason }

/**
 * What the lists say about a certificate at a time. A list issued after that time is the better witness: it still
 * names what was revoked before. A list whose next update has passed says nothing about good certificates.
 */
export function revocationOf(
  certificate: Certificate,
  issuer: Certificate,
  crls: readonly Crl[],
  at: Date,
  options: Sm2Options = {},
): RevocationStatus {
  let good = false
  for (const crl of crls) {
    if (!speaksAbout(crl, certificate, issuer, options)) continue
    const entry = crl.revoked.get(certificate.serialHex)
    const lifted = entry?.reason === 'removeFromCRL'
    if (entry !== undefined && !lifted && entry.at <= at)
      return {
        status: 'revoked',
        at: entry.at,
        ...(entry.reason === undefined ? {} : { reason: entry.reason }),
      }
    if (crl.nextUpdate === undefined || crl.nextUpdate >= at) good = true
  }
  return { status: good ? 'good' : 'unknown' }
}

function speaksAbout(crl: Crl, certificate: Certificate, issuer: Certificate, options: Sm2Options): boolean {
  const { unsupported, onlyCaCertificates, onlyUserCertificates } = crl.scope
  if (unsupported || (onlyCaCertificates && !certificate.isCa) || (onlyUserCertificates && certificate.isCa))
    return false
  if (!sameName(crl.issuerDer, issuer.subjectDer)) return false
  const maySign = issuer.keyUsage.size === 0 || issuer.keyUsage.has('cRLSign')
  return maySign && verifyCrl(crl, issuer, options)
}
