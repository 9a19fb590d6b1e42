/** The checks on a complete path (RFC 5280 §6.1.3 – §6.1.5), from the anchor down to the leaf. */
import { isWeakDigest } from './algorithms.ts'
import { type Certificate, isSelfIssued } from './certificate.ts'
import { keyFacts } from './public-key.ts'
import { PkiError } from './errors.ts'
import { violatedNameConstraint } from './name-constraints.ts'
import { OID } from './oids.ts'
import { followPolicies, type PolicyOptions, type PolicyResult } from './policies.ts'
import { type PkiProblem, type ProblemCode, problem } from './problems.ts'
import {
  type RevocationEvidence,
  type RevocationOptions,
  type RevocationStatus,
  revocationOf,
} from './revocation.ts'

export type PathPurpose = 'signing' | 'timestamping' | 'any'

export interface PathChecks extends RevocationOptions, PolicyOptions {
  readonly evidence: RevocationEvidence
  /** Whether the caller handed in lists or responses at all; without any, nothing is said about revocation. */
  readonly evidenceGiven: boolean
  readonly purpose?: PathPurpose
  readonly requireRevocation?: boolean
}

/** Critical extensions that are acted upon, here or by the purpose checks. */
const understood = new Set<string>([
  OID.basicConstraints,
  OID.keyUsage,
  OID.extendedKeyUsage,
  OID.nameConstraints,
  OID.certificatePolicies,
  OID.policyMappings,
  OID.policyConstraints,
  OID.inhibitAnyPolicy,
  OID.subjectAltName,
  OID.subjectKeyIdentifier,
  OID.authorityKeyIdentifier,
  OID.crlDistributionPoints,
  OID.authorityInfoAccess,
])

/** Extensions that grant or limit rights: one that cannot be read is an error even when not critical. */
const decisive = new Set<string>([
  OID.basicConstraints,
  OID.keyUsage,
  OID.extendedKeyUsage,
  OID.certificatePolicies,
])

/** Purposes under which documents are signed in practice. */
const signingPurposes: readonly string[] = [
  OID.anyExtendedKeyUsage,
  OID.documentSigning,
  OID.emailProtection,
  OID.codeSigning,
  OID.microsoftDocumentSigning,
  OID.adobeAuthenticDocuments,
]

const has = (certificate: Certificate, oid: string): boolean =>
  certificate.extensions.some((found) => found.oid === oid)

/** Checks a path whose signatures have been verified. @param chain from the leaf to the anchor */
export function checkPath(chain: readonly Certificate[], checks: PathChecks) {
  const problems: PkiProblem[] = []
  const revocation: RevocationStatus[] = []
  const report = (
    code: ProblemCode,
    particulars: string,
    certificate: Certificate,
    severity: 'error' | 'warning' = 'error',
  ) => problems.push(problem(code, severity, particulars, certificate))

  for (let index = chain.length - 1; index >= 0; index -= 1) {
    const certificate = chain[index]!
    const issuer = chain[index + 1]
    const { text } = certificate.subject
    if (checks.at < certificate.notBefore)
      report('not-yet-valid', `${text} from ${certificate.notBefore.toISOString()}`, certificate)
    if (checks.at > certificate.notAfter)
      report('expired', `${text} on ${certificate.notAfter.toISOString()}`, certificate)
    checkExtensions(certificate, report)
    if (index > 0) checkAuthority(chain, index, report)
    checkStrength(certificate, issuer !== undefined, report)
    if (issuer !== undefined) {
      const status = checkRevocation(certificate, issuer, checks, report)
      revocation.unshift(status)
    }
  }
  checkPurpose(chain[0]!, checks.purpose ?? 'any', report)
  return { problems, revocation, policies: checkPolicies(chain, checks, report).policies }
}

type Report = (
  code: ProblemCode,
  particulars: string,
  certificate: Certificate,
  severity?: 'error' | 'warning',
) => void

function checkExtensions(certificate: Certificate, report: Report): void {
  const seen = new Set<string>()
  for (const { oid, critical } of certificate.extensions) {
    if (seen.has(oid)) report('extension-malformed', `${oid} appears twice`, certificate)
    seen.add(oid)
    if (critical && !understood.has(oid)) report('critical-extension', oid, certificate)
    if (certificate.malformedExtensions.includes(oid))
      report('extension-malformed', oid, certificate, critical || decisive.has(oid) ? 'error' : 'warning')
  }
}

/** Whether the certificate at the index may stand above those below it. */
function checkAuthority(chain: readonly Certificate[], index: number, report: Report): void {
  const authority = chain[index]!
  const { text } = authority.subject
  // An anchor of version 1 has no extensions: the caller vouches for it (RFC 5280 §6.1 starts below the anchor).
  const vouched = index === chain.length - 1 && authority.version < 3
  if (!authority.isCa && !vouched) report('not-a-ca', text, authority)
  if (has(authority, OID.keyUsage) && !authority.keyUsage.has('keyCertSign'))
    report('key-usage', `${text} may not sign certificates`, authority)
  const below = chain.slice(1, index).filter((one) => !isSelfIssued(one)).length
  if (authority.pathLength !== undefined && below > authority.pathLength)
    report('path-length', `${text} allows ${authority.pathLength}, has ${below}`, authority)
  for (let lower = index - 1; lower >= 0; lower -= 1) {
    const certificate = chain[lower]!
    // RFC 5280 §6.1.3 b: self-issued certificates are exempt, except the last one.
    if (lower > 0 && isSelfIssued(certificate)) continue
    try {
      const outside = violatedNameConstraint(authority, certificate)
      if (outside !== undefined) report('name-constraints', outside, certificate)
    } catch (error) {
      if (!(error instanceof PkiError)) throw error
      report('name-constraints', error.message, authority)
    }
  }
}

function checkStrength(certificate: Certificate, signatureCounts: boolean, report: Report): void {
  const signed = certificate.signatureAlgorithm.digest
  if (signatureCounts && signed !== undefined && isWeakDigest(signed))
    report('weak-digest', signed, certificate, 'warning')
  const key = keyFacts(certificate.spki)
  if (key !== undefined && (key.type === 'rsa' || key.type === 'rsa-pss') && key.bits < 2048)
    report('weak-key', `RSA of ${key.bits} bits`, certificate, 'warning')
}

function checkRevocation(
  certificate: Certificate,
  issuer: Certificate,
  checks: PathChecks,
  report: Report,
): RevocationStatus {
  const status = revocationOf(certificate, issuer, checks.evidence, checks)
  const { text } = certificate.subject
  if (status.status === 'revoked') report('revoked', `${text} on ${status.at.toISOString()}`, certificate)
  const wanted = checks.requireRevocation === true
  if (status.status === 'unknown' && (wanted || checks.evidenceGiven)) {
    const why = status.rejected.map(({ kind, index, reason }) => `${kind} ${index}: ${reason}`)
    report('revocation-unknown', [text, ...why].join(', '), certificate, wanted ? 'error' : 'warning')
  }
  return status
}

function checkPurpose(leaf: Certificate, purpose: PathPurpose, report: Report): void {
  if (purpose === 'any') return
  const { keyUsage, extendedKeyUsage } = leaf
  const maySign = keyUsage.has('digitalSignature') || keyUsage.has('nonRepudiation')
  if (has(leaf, OID.keyUsage) && !maySign) report('key-usage', [...keyUsage].join(', '), leaf)
  if (purpose === 'signing') {
    if (has(leaf, OID.extendedKeyUsage) && !extendedKeyUsage.some((oid) => signingPurposes.includes(oid)))
      report('extended-key-usage', extendedKeyUsage.join(', '), leaf)
    return
  }
  if (!extendedKeyUsage.includes(OID.timeStamping))
    report('extended-key-usage', extendedKeyUsage.join(', '), leaf)
}

function checkPolicies(chain: readonly Certificate[], options: PolicyOptions, report: Report): PolicyResult {
  try {
    const result = followPolicies(chain, options)
    if (!result.ok) report('policy', 'no policy holds for the whole path', chain[0]!)
    return result
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    report('policy', error.message, chain[0]!)
    return { ok: false, policies: [] }
  }
}
