import {
  type Certificate,
  type CmsVerification,
  type DigestAlgorithm,
  nameValue,
  PkiError,
  type PkiProblem,
  parseSignedData,
  problemTexts,
  type SignedData,
  type Sm2Identity,
  type TimestampVerification,
  validatePath,
  verifySignedData,
  verifyTimestampToken,
} from '@yinxin/pki'
import { sameBytes } from './objects.ts'
import {
  type CertificateFacts,
  type Problem,
  pdfProblem,
  type SignatureReport,
  type SignatureStatus,
} from './report.ts'
import { type CarriedEvidence, readableCrls, revocationProblem } from './revoked.ts'

export interface TrustOptions {
  readonly anchors: readonly Certificate[] | undefined
  readonly at: Date | undefined
  /** Of SM2 signers, when it is not the standard one. */
  readonly sm2: { readonly sm2Identity?: Sm2Identity }
  /** What the file carries about chains and revocation. */
  readonly evidence: CarriedEvidence
  /** When a later document timestamp proves that what is judged existed. */
  readonly proven?: Date | undefined
}

/** What the cryptography says about one signature, before looking at later revisions. */
export interface Judgement {
  readonly status: SignatureStatus
  readonly problems: readonly Problem[]
  readonly trusted: boolean | null
  readonly certificate: Certificate | undefined
  readonly certificates: readonly Uint8Array[]
  readonly timestamp: Date | null
  readonly claimedTime: Date | null
  readonly level: SignatureReport['level']
  readonly digestAlgorithm: string | null
  readonly signatureAlgorithm: string | null
}

const SUBFILTERS = new Set(['ETSI.CAdES.detached', 'adbe.pkcs7.detached', 'adbe.pkcs7.sha1'])

/** Verifies the CMS of a signature over the digest of its covered ranges. */
export function judgeSignature(
  contents: Uint8Array,
  subFilter: string,
  contentDigest: (algorithm: DigestAlgorithm) => Uint8Array,
  claimed: Date | null,
  trust: TrustOptions,
): Judgement {
  if (!SUBFILTERS.has(subFilter))
    return failed('indeterminate', pdfProblem('subfilter_unsupported', 'error', subFilter))
  const signedData = readContainer(contents)
  if (!('signers' in signedData)) return failed('invalid', signedData)
  const problems: Problem[] = []
  const cms =
    subFilter === 'adbe.pkcs7.sha1'
      ? verifySignedData(signedData, trust.sm2)
      : verifySignedData(signedData, { contentDigest, ...trust.sm2 })
  problems.push(...cms.problems.map(fromPki))
  if (subFilter === 'adbe.pkcs7.sha1') {
    // The container carries the SHA-1 of the document as its content (ISO 32000-1 §12.8.3.3.1).
    const matches = signedData.content !== undefined && sameBytes(signedData.content, contentDigest('sha1'))
    if (!matches) problems.push(pdfProblem('content_hash_mismatch'))
  }
  if (signedData.signers.length > 1) problems.push(pdfProblem('several_signers'))
  const timestamp = judgeTimestamp(cms, trust, problems)
  const claimedTime = claimed ?? signedData.signers[0]?.signingTime ?? null
  const trusted = judgeTrust(cms, signedData, trust, timestamp, claimedTime, problems)
  const cades = subFilter === 'ETSI.CAdES.detached'
  const tokens = (signedData.signers[0]?.timestampTokens.length ?? 0) > 0
  return {
    status: statusOf(problems),
    problems,
    trusted,
    certificate: cms.signerCertificate,
    certificates: ordered(cms.signerCertificate, signedData),
    timestamp,
    claimedTime,
    level: `${cades ? 'B' : 'PKCS7'}-${tokens && timestamp ? 'T' : 'B'}`,
    digestAlgorithm: cms.digestAlgorithm ?? null,
    signatureAlgorithm: cms.signatureAlgorithm?.name ?? null,
  }
}

/** Verifies a document timestamp: a token over the covered ranges (ISO 32000-2 §12.8.5). */
export function judgeDocumentTimestamp(
  contents: Uint8Array,
  contentDigest: (algorithm: DigestAlgorithm) => Uint8Array,
  trust: TrustOptions,
): Judgement {
  const result = verifyTimestampToken(
    contents,
    { contentDigest },
    {
      allowZeroPadding: true,
      ...trust.sm2,
      ...withAnchors(trust),
      ...(trust.at ? { at: trust.at } : {}),
    },
  )
  const problems = result.problems.map(fromPki)
  const revoked = revocationOf(result, trust, trust.proven)
  if (revoked) problems.push(revoked)
  return {
    status: statusOf(problems),
    problems,
    trusted: trust.anchors ? (result.path?.ok ?? false) && !revoked : null,
    certificate: result.signerCertificate,
    certificates: result.token ? ordered(result.signerCertificate, result.token.signedData) : [],
    timestamp: result.ok && !revoked ? (result.genTime ?? null) : null,
    claimedTime: result.genTime ?? null,
    level: null,
    digestAlgorithm: result.token?.messageImprint.algorithm ?? null,
    signatureAlgorithm: result.cms?.signatureAlgorithm?.name ?? null,
  }
}

export function failed(status: SignatureStatus, problem: Problem): Judgement {
  return {
    status,
    problems: [problem],
    trusted: null,
    certificate: undefined,
    certificates: [],
    timestamp: null,
    claimedTime: null,
    level: null,
    digestAlgorithm: null,
    signatureAlgorithm: null,
  }
}

function readContainer(contents: Uint8Array): SignedData | Problem {
  try {
    return parseSignedData(contents, { allowZeroPadding: true })
  } catch (error) {
    if (error instanceof PkiError) return pdfProblem('cms_unreadable', 'error', error.message)
    throw error
  }
}

function judgeTimestamp(cms: CmsVerification, trust: TrustOptions, problems: Problem[]): Date | null {
  const info = cms.signers[0]?.info
  let earliest: Date | null = null
  for (const token of info?.timestampTokens ?? []) {
    const result = verifyTimestampToken(
      token,
      { content: info?.signature ?? new Uint8Array(0) },
      { ...trust.sm2, ...withAnchors(trust) },
    )
    const revoked = revocationOf(result, trust, trust.proven)
    if (result.ok && result.genTime && !revoked) {
      if (!earliest || result.genTime < earliest) earliest = result.genTime
      continue
    }
    const untrusted = revoked !== undefined || (trust.anchors !== undefined && result.path?.ok === false)
    const particulars = result.problems
      .filter(({ severity }) => severity === 'error')
      .map(({ message }) => message)
    if (revoked) particulars.push(revoked.message)
    // A token that does not hold proves no time, and the signature is judged without it (EN 319 102-1 §5.5.4).
    problems.push(
      pdfProblem(untrusted ? 'timestamp_untrusted' : 'timestamp_invalid', 'warning', particulars.join(' ')),
    )
  }
  return earliest
}

const withAnchors = ({ anchors, evidence }: TrustOptions) =>
  anchors ? { anchors, intermediates: evidence.certificates } : {}

/** Whether the file says that the authority of a timestamp was revoked. */
function revocationOf(
  { signerCertificate, token }: TimestampVerification,
  { anchors, evidence, sm2 }: TrustOptions,
  proven: Date | undefined,
): Problem | undefined {
  if (!anchors || !signerCertificate) return undefined
  const more = token?.signedData.certificates ?? []
  const question = { leaf: signerCertificate, more, anchors, evidence, proven, sm2 }
  return revocationProblem({ ...question, purpose: 'timestamping' })
}

function judgeTrust(
  cms: CmsVerification,
  signedData: SignedData,
  trust: TrustOptions,
  timestamp: Date | null,
  claimedTime: Date | null,
  problems: Problem[],
): boolean | null {
  if (!trust.anchors) return null
  const leaf = cms.signerCertificate
  if (!leaf) return false
  const path = validatePath({
    leaf,
    intermediates: [...signedData.certificates, ...trust.evidence.certificates],
    anchors: trust.anchors,
    // Without any time to go by, the certificate's own start is the only one that cannot be too late.
    at: timestamp ?? trust.at ?? claimedTime ?? leaf.notBefore,
    purpose: 'signing',
    ...trust.sm2,
    ...(signedData.crls.length > 0 ? { crls: signedData.crls } : {}),
  })
  problems.push(...path.problems.map(fromPki))
  if (path.problems.some(({ code }) => code === 'revoked')) return false
  const crls = [...trust.evidence.crls, ...readableCrls(signedData.crls)]
  const revoked = revocationProblem({
    leaf,
    more: signedData.certificates,
    anchors: trust.anchors,
    purpose: 'signing',
    evidence: { ...trust.evidence, crls },
    proven: timestamp ?? trust.proven ?? trust.at,
    sm2: trust.sm2,
  })
  if (revoked) problems.push(revoked)
  return path.ok && !revoked
}

export function fromPki({ code, severity, message }: PkiProblem): Problem {
  return { code, severity, message, zh: problemText(code, message) }
}

function problemText(code: PkiProblem['code'], message: string): string {
  return problemTexts[code]?.zh ?? message
}

/** Problems that leave the question open rather than answer it with no (EN 319 102-1 §5.1.3). */
const OPEN = new Set([
  'unsupported-digest',
  'unsupported-signature',
  'untrusted',
  'chain-signature',
  'chain-too-complex',
  'expired',
  'not-yet-valid',
  'not-a-ca',
  'key-usage',
  'extended-key-usage',
  'path-length',
  'critical-extension',
  'extension-malformed',
  'name-constraints',
  'policy',
  'crl-unreadable',
  'revocation-unknown',
  'revoked_unproven',
  'subfilter_unsupported',
])

export function statusOf(problems: readonly Problem[]): SignatureStatus {
  const errors = problems.filter(({ severity }) => severity === 'error')
  if (errors.length === 0) return 'valid'
  return errors.every(({ code }) => OPEN.has(code)) ? 'indeterminate' : 'invalid'
}

function ordered(signer: Certificate | undefined, signedData: SignedData): Uint8Array[] {
  const others = signedData.certificates.filter((one) => one !== signer).map((one) => one.der)
  return signer ? [signer.der, ...others] : others
}

export function factsOf(certificate: Certificate | undefined): CertificateFacts | null {
  if (!certificate) return null
  return {
    subject: certificate.subject.text,
    issuer: certificate.issuer.text,
    serialHex: certificate.serialHex,
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    fingerprintSha256: certificate.fingerprintSha256,
  }
}

export function displayName(certificate: Certificate | undefined): string {
  if (!certificate) return ''
  return (
    nameValue(certificate.subject, 'CN') ?? nameValue(certificate.subject, 'O') ?? certificate.subject.text
  )
}
