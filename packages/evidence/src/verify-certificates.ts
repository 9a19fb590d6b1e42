import {
  type Certificate,
  type Crl,
  parseCertificate,
  parseCrl,
  parsePem,
  sameName,
  toPem,
  verifyCrl,
} from '@yinxin/pki'
import { certificatePath, crlPath, type Manifest } from './bundle-layout.ts'
import { type ProblemList, reasonOf } from './bundle-problems.ts'
import { fromUtf8, sha256Hex } from './bytes.ts'
import type { Entries } from './verify-entries.ts'

/** Reads the certificates of a package by fingerprint; each must be the one its name says. */
export function readCertificates(
  entries: Entries,
  manifest: Manifest,
  problems: ProblemList,
): Map<string, Certificate> {
  const certificates = new Map<string, Certificate>()
  for (const { path, role } of manifest.entries) {
    const bytes = entries.get(path)
    if (role !== 'certificate' || bytes === undefined) continue
    try {
      const text = fromUtf8(bytes) ?? ''
      const [der] = parsePem(text, 'CERTIFICATE')
      if (der === undefined || toPem(der, 'CERTIFICATE') !== text)
        throw new Error('not a single certificate in PEM')
      const certificate = parseCertificate(der)
      if (certificatePath(certificate.fingerprintSha256) !== path) throw new Error('another fingerprint')
      certificates.set(certificate.fingerprintSha256, certificate)
    } catch (error) {
      problems.add(path, 'certificate_invalid', reasonOf(error))
    }
  }
  return certificates
}

/** Reads the revocation lists of a package; each must be signed by a certificate that is in the package too. */
export function readCrls(
  entries: Entries,
  manifest: Manifest,
  certificates: ReadonlyMap<string, Certificate>,
  problems: ProblemList,
): Crl[] {
  const crls: Crl[] = []
  for (const { path, role } of manifest.entries) {
    const bytes = entries.get(path)
    if (role !== 'crl' || bytes === undefined) continue
    try {
      if (crlPath(sha256Hex(bytes)) !== path) throw new Error('another hash')
      const crl = parseCrl(bytes)
      if (crl.scope.unsupported) throw new Error('not a complete list')
      const issuers = [...certificates.values()].filter((one) => sameName(one.subjectDer, crl.issuerDer))
      if (!issuers.some((issuer) => verifyCrl(crl, issuer))) throw new Error('not signed by its issuer')
      crls.push(crl)
    } catch (error) {
      problems.add(path, 'crl_invalid', reasonOf(error))
    }
  }
  return crls
}

/** Since when a list of the package says a certificate was revoked; null when none does. */
export function revokedAt(certificate: Certificate, crls: readonly Crl[]): Date | null {
  const dates = crls
    .filter((crl) => sameName(crl.issuerDer, certificate.issuerDer))
    .flatMap((crl) => crl.revoked.get(certificate.serialHex)?.at ?? [])
  return dates.length === 0 ? null : new Date(Math.min(...dates.map((date) => date.getTime())))
}
