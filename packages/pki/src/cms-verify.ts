/** Verifying CMS SignedData (RFC 5652 §5.4, §5.6). Reports, never throws; trust in the certificate is `validatePath`. */
import {
  type DigestAlgorithm,
  isWeakDigest,
  readAlgorithmOid,
  readSignatureScheme,
  type SignatureScheme,
} from './algorithms.ts'
import { equalBytes } from './bytes.ts'
import type { Certificate } from './certificate.ts'
import { type CmsAttribute, type SignedData, type SignerInfo, singleValue } from './cms-parse.ts'
import {
  checkSignature,
  checkSignatureOfDigest,
  type Content,
  digest,
  type SignatureCheck,
  type Sm2Options,
} from './crypto.ts'
import { childrenOf, encodingOf, enter, next, peek, readOnly, take } from './der-read.ts'
import { element, encode, setOf } from './der-write.ts'
import { PkiError } from './errors.ts'
import { sameName } from './name.ts'
import { OID } from './oids.ts'
import { hasError, type PkiProblem, problem } from './problems.ts'
import { keyFacts } from './public-key.ts'

export interface VerifySignedDataOptions extends Sm2Options {
  /** The detached content; several chunks are read as one. */
  readonly content?: Content
  /** Digest of the detached content, for callers that have hashed it already. */
  readonly contentDigest?: (algorithm: DigestAlgorithm) => Uint8Array
  /** Certificates to look for the signer in, beside those carried along. */
  readonly certificates?: readonly Certificate[]
}

export interface SignerVerification {
  /** Content, signed attributes, signature and certificate belong together. Says nothing about trust. */
  readonly ok: boolean
  readonly problems: readonly PkiProblem[]
  readonly certificate: Certificate | undefined
  readonly digestAlgorithm: DigestAlgorithm | undefined
  readonly signatureAlgorithm: SignatureScheme
  /** Undefined when the signature has no ESS signing-certificate attribute. */
  readonly essCertificateMatches: boolean | undefined
  readonly info: SignerInfo
}

export interface CmsVerification {
  /** There is a signer, and every one is ok. */
  readonly ok: boolean
  readonly problems: readonly PkiProblem[]
  readonly signers: readonly SignerVerification[]
  /** Of the first signer, the only one in PAdES. */
  readonly signerCertificate: Certificate | undefined
  readonly digestAlgorithm: DigestAlgorithm | undefined
  readonly signatureAlgorithm: SignatureScheme | undefined
  readonly essCertificateMatches: boolean | undefined
}

/** Verifies every signer of a parsed container. Never throws on a bad signature. */
export function verifySignedData(
  signedData: SignedData,
  options: VerifySignedDataOptions = {},
): CmsVerification {
  const signers = signedData.signers.map((info) => verifySigner(signedData, info, options))
  const problems =
    signers.length === 0 ? [problem('no-signer', 'error')] : signers.flatMap((signer) => signer.problems)
  const first = signers[0]
  return {
    ok: !hasError(problems),
    problems,
    signers,
    signerCertificate: first?.certificate,
    digestAlgorithm: first?.digestAlgorithm,
    signatureAlgorithm: first?.signatureAlgorithm,
    essCertificateMatches: first?.essCertificateMatches,
  }
}

function verifySigner(
  signedData: SignedData,
  info: SignerInfo,
  options: VerifySignedDataOptions,
): SignerVerification {
  const problems: PkiProblem[] = []
  const { digestAlgorithm } = info
  // Plain key algorithms leave the digest to the signer's digestAlgorithm field.
  const scheme: SignatureScheme =
    info.signatureAlgorithm.digest === undefined &&
    digestAlgorithm !== undefined &&
    info.signatureAlgorithm.kind !== 'ed25519'
      ? {
          ...info.signatureAlgorithm,
          digest: digestAlgorithm,
          name: `${info.signatureAlgorithm.kind}-${digestAlgorithm}`,
        }
      : info.signatureAlgorithm

  // 1. Who signed.
  const candidates = [...signedData.certificates, ...(options.certificates ?? [])].filter((one) =>
    isSigner(one, info),
  )
  const bound = candidates.find((one) => matchesEss(one, info) === true)
  const certificate = bound ?? candidates[0]
  const essCertificateMatches = certificate === undefined ? undefined : matchesEss(certificate, info)
  if (certificate === undefined) problems.push(problem('signer-certificate-missing', 'error'))
  else problems.push(...judgeCertificate(certificate, essCertificateMatches))

  // 2. What was signed.
  problems.push(...judgeAlgorithms(info, scheme))
  problems.push(...judgeAttributes(signedData, info))
  problems.push(...judgeContent(signedData, info, options))

  // 3. Whether the key made this signature.
  if (certificate !== undefined)
    problems.push(...judgeSignature(signedData, info, scheme, certificate, options))
  return {
    ok: !hasError(problems),
    problems,
    certificate,
    digestAlgorithm,
    signatureAlgorithm: scheme,
    essCertificateMatches,
    info,
  }
}

function isSigner(certificate: Certificate, { sid }: SignerInfo): boolean {
  if (sid.kind === 'key-id') return certificate.keyId === sid.keyId
  if (certificate.serialHex !== sid.serialHex) return false
  try {
    return sameName(certificate.issuerDer, sid.issuerDer)
  } catch (error) {
    // A name in the signer identifier that cannot be read names nobody.
    if (error instanceof PkiError) return false
    throw error
  }
}

/** RFC 5035 §3: the first hash is that of the signer's certificate, over its original bytes. */
function matchesEss(certificate: Certificate, info: SignerInfo): boolean | undefined {
  const id = info.signingCertificate?.ids[0]
  if (info.signingCertificate === undefined) return undefined
  if (id?.algorithm === undefined) return false
  if (!equalBytes(digest(id.algorithm, certificate.der), id.hash)) return false
  return id.serialHex === undefined || id.serialHex === certificate.serialHex
}

function judgeCertificate(certificate: Certificate, essMatches: boolean | undefined): PkiProblem[] {
  const problems: PkiProblem[] = []
  if (essMatches === undefined) problems.push(problem('ess-missing', 'warning', '', certificate))
  if (essMatches === false) problems.push(problem('ess-mismatch', 'error', '', certificate))
  const key = keyFacts(certificate.spki)
  if (key !== undefined && (key.type === 'rsa' || key.type === 'rsa-pss') && key.bits < 2048)
    problems.push(problem('weak-key', 'warning', `RSA of ${key.bits} bits`, certificate))
  return problems
}

function judgeAlgorithms(info: SignerInfo, scheme: SignatureScheme): PkiProblem[] {
  const problems: PkiProblem[] = []
  const { digestAlgorithm } = info
  if (digestAlgorithm === undefined) problems.push(problem('unsupported-digest', 'error', info.digestOid))
  if (scheme.kind === 'unsupported') problems.push(problem('unsupported-signature', 'error', scheme.name))
  const used = new Set([digestAlgorithm, scheme.digest].filter((name) => name !== undefined))
  for (const name of used) if (isWeakDigest(name)) problems.push(problem('weak-digest', 'warning', name))
  if (used.size > 1) problems.push(problem('algorithm-mismatch', 'warning', [...used].join(' and ')))
  const protection = attributeValue(info.signedAttributes, OID.cmsAlgorithmProtection)
  if (protection !== undefined && !protectionAgrees(protection, info))
    problems.push(problem('algorithm-mismatch', 'error', 'CMS algorithm protection'))
  return problems
}

function attributeValue(attributes: readonly CmsAttribute[], oid: string): Uint8Array | undefined {
  try {
    return singleValue(attributes, oid)
  } catch (error) {
    if (error instanceof PkiError) return new Uint8Array()
    throw error
  }
}

/** CMSAlgorithmProtection (RFC 6211 §2): the digest and signature algorithms once more, signed. */
function protectionAgrees(der: Uint8Array, info: SignerInfo): boolean {
  try {
    const cursor = enter(readOnly(der, 0x30, 'algorithm protection'))
    if (readAlgorithmOid(take(cursor, 0x30, 'a digest algorithm')) !== info.digestOid) return false
    if (peek(cursor) !== 0xa1) return false
    const signature = next(cursor)
    const scheme = readSignatureScheme(
      readOnly(
        encode(element(0x30, signature.source.subarray(signature.content, signature.end))),
        0x30,
        'algorithm',
      ),
    )
    return scheme.oid === info.signatureAlgorithm.oid && scheme.digest === info.signatureAlgorithm.digest
  } catch (error) {
    if (error instanceof PkiError) return false
    throw error
  }
}

function judgeAttributes(signedData: SignedData, info: SignerInfo): PkiProblem[] {
  if (info.rawSignedAttributes === undefined) {
    // RFC 5652 §5.3: they may be absent only when plain data is signed.
    const isData = signedData.contentType === OID.data || signedData.contentType === OID.gmData
    return isData ? [] : [problem('signed-attributes-missing', 'error')]
  }
  const problems: PkiProblem[] = []
  if (info.contentType === undefined)
    problems.push(problem('signed-attributes-missing', 'error', 'content type'))
  else if (info.contentType !== signedData.contentType)
    problems.push(problem('content-type-mismatch', 'error', info.contentType))
  if (info.messageDigest === undefined) problems.push(problem('message-digest-missing', 'error'))
  return problems
}

/** Digest of what the signature is meant to cover: the carried content, else the supplied one. */
function digestOfContent(
  signedData: SignedData,
  algorithm: DigestAlgorithm,
  { content, contentDigest }: VerifySignedDataOptions,
): { carried: Uint8Array | undefined; supplied: Uint8Array | undefined } {
  return {
    carried: signedData.content === undefined ? undefined : digest(algorithm, signedData.content),
    supplied: content === undefined ? contentDigest?.(algorithm) : digest(algorithm, content),
  }
}

function judgeContent(
  signedData: SignedData,
  info: SignerInfo,
  options: VerifySignedDataOptions,
): PkiProblem[] {
  if (info.digestAlgorithm === undefined) return []
  const { carried, supplied } = digestOfContent(signedData, info.digestAlgorithm, options)
  // A container that carries other content than the document it is attached to does not sign the document.
  if (carried !== undefined && supplied !== undefined && !equalBytes(carried, supplied))
    return [problem('content-mismatch', 'error')]
  const expected = carried ?? supplied
  if (expected === undefined) return [problem('content-missing', 'error')]
  if (info.messageDigest === undefined) return []
  return equalBytes(expected, info.messageDigest) ? [] : [problem('digest-mismatch', 'error')]
}

function judgeSignature(
  signedData: SignedData,
  info: SignerInfo,
  scheme: SignatureScheme,
  certificate: Certificate,
  options: VerifySignedDataOptions,
): PkiProblem[] {
  // Already reported by judgeAlgorithms.
  if (scheme.kind === 'unsupported') return []
  const { rawSignedAttributes, signature } = info
  if (rawSignedAttributes === undefined) {
    const content = signedData.content ?? options.content
    if (content !== undefined)
      return explain(checkSignature(scheme, certificate.spki, content, signature, options), scheme)
    if (options.contentDigest === undefined || scheme.digest === undefined) return []
    return explain(
      checkSignatureOfDigest(scheme, certificate.spki, options.contentDigest(scheme.digest), signature),
      scheme,
    )
  }
  const asStored = checkSignature(scheme, certificate.spki, rawSignedAttributes, signature, options)
  if (asStored !== 'bad') return explain(asStored, scheme)
  // RFC 5652 §5.4 signs the DER form; some writers sort for signing and store unsorted.
  const sorted = encode(
    setOf(childrenOf(readOnly(rawSignedAttributes, 0x31, 'signed attributes')).map(encodingOf)),
  )
  if (checkSignature(scheme, certificate.spki, sorted, signature, options) === 'good')
    return [problem('attributes-order', 'warning')]
  return explain('bad', scheme)
}

function explain(check: SignatureCheck, scheme: SignatureScheme): PkiProblem[] {
  switch (check) {
    case 'good':
      return []
    case 'bad':
      return [problem('signature-mismatch', 'error')]
    case 'unsupported':
      return [problem('unsupported-signature', 'error', scheme.name)]
    case 'content-required':
      return [problem('content-missing', 'error', 'the digest alone is not enough for this signature')]
  }
}
