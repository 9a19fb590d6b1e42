/** Verifying timestamp tokens (RFC 3161 §2.3, §2.4.2; RFC 5816). Reports, never throws on a bad token. */
import type { DigestAlgorithm } from './algorithms.ts'
import { equalBytes } from './bytes.ts'
import type { Certificate } from './certificate.ts'
import { type CmsVerification, verifySignedData } from './cms-verify.ts'
import type { Crl } from './crl.ts'
import { type Content, digest, type Sm2Options } from './crypto.ts'
import { PkiError } from './errors.ts'
import type { OcspResponse } from './ocsp-parse.ts'
import { OID } from './oids.ts'
import { type PathResult, validatePath } from './path.ts'
import { hasError, type PkiProblem, problem } from './problems.ts'
import { parseTimestampToken, type TimestampToken } from './timestamp-parse.ts'

/** What the timestamp should be over. */
export type TimestampedContent =
  | { readonly digest: Uint8Array; readonly digestAlgorithm: DigestAlgorithm }
  | { readonly content: Content }
  | { readonly contentDigest: (algorithm: DigestAlgorithm) => Uint8Array }

export interface VerifyTimestampOptions extends Sm2Options {
  /** Without anchors, trust is not judged. */
  readonly anchors?: readonly Certificate[]
  readonly intermediates?: readonly Certificate[]
  readonly crls?: readonly (Crl | Uint8Array)[]
  readonly ocsps?: readonly (OcspResponse | Uint8Array)[]
  /** Whether a certificate without usable revocation information is an error, as in `validatePath`. */
  readonly requireRevocation?: boolean
  /** Time the authority's path has to be good at; the time in the token unless told otherwise. */
  readonly at?: Date
  /** The nonce that was sent, when this is the answer to a request. */
  readonly nonce?: Uint8Array
  /** Accept zero octets after a token given as bytes. */
  readonly allowZeroPadding?: boolean
}

export interface TimestampVerification {
  readonly ok: boolean
  readonly problems: readonly PkiProblem[]
  /** Undefined when the token cannot be read. */
  readonly token: TimestampToken | undefined
  readonly genTime: Date | undefined
  readonly signerCertificate: Certificate | undefined
  readonly cms: CmsVerification | undefined
  /** Undefined when no anchors were given. */
  readonly path: PathResult | undefined
}

/** Verifies a token against its content and, when anchors are given, up to a trusted root. */
export function verifyTimestampToken(
  given: Uint8Array | TimestampToken,
  over: TimestampedContent,
  options: VerifyTimestampOptions = {},
): TimestampVerification {
  let token: TimestampToken
  try {
    const padding = { allowZeroPadding: options.allowZeroPadding ?? false }
    token = given instanceof Uint8Array ? parseTimestampToken(given, padding) : given
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    const problems = [problem('unreadable', 'error', error.message)]
    return {
      ok: false,
      problems,
      token: undefined,
      genTime: undefined,
      signerCertificate: undefined,
      cms: undefined,
      path: undefined,
    }
  }
  const cms = verifySignedData(token.signedData, {
    certificates: options.intermediates ?? [],
    ...(options.sm2Identity === undefined ? {} : { sm2Identity: options.sm2Identity }),
  })
  const problems: PkiProblem[] = cms.problems.map(strictly)
  if (cms.signers.length > 1)
    problems.push(problem('algorithm-mismatch', 'error', 'a timestamp has one signer'))
  if (!isOver(token, over)) problems.push(problem('timestamp-imprint-mismatch', 'error'))
  if (options.nonce !== undefined && !sameNonce(token.nonce, options.nonce))
    problems.push(problem('timestamp-nonce-mismatch', 'error'))
  const signer = cms.signerCertificate
  if (signer !== undefined && !isTimestampingOnly(signer))
    problems.push(problem('timestamp-purpose', 'error', '', signer))
  const path = signer === undefined ? undefined : pathOf(token, signer, options)
  if (path !== undefined) problems.push(...path.problems)
  return {
    ok: !hasError(problems),
    problems,
    token,
    genTime: token.genTime,
    signerCertificate: signer,
    cms,
    path,
  }
}

/** A timestamp must name its certificate (RFC 3161 §2.4.2): what is a warning in a signature is an error here. */
function strictly(found: PkiProblem): PkiProblem {
  return found.code === 'ess-missing' ? { ...found, severity: 'error' } : found
}

function isOver({ messageImprint }: TimestampToken, over: TimestampedContent): boolean {
  const { algorithm } = messageImprint
  if ('content' in over) return equalBytes(digest(algorithm, over.content), messageImprint.digest)
  if ('contentDigest' in over) return equalBytes(over.contentDigest(algorithm), messageImprint.digest)
  return over.digestAlgorithm === algorithm && equalBytes(over.digest, messageImprint.digest)
}

function sameNonce(found: Uint8Array | undefined, sent: Uint8Array): boolean {
  if (found === undefined) return false
  let first = 0
  while (first < sent.length - 1 && sent[first] === 0) first += 1
  return equalBytes(found, sent.subarray(first))
}

/** RFC 3161 §2.3: the extended key usage is critical and holds nothing but timestamping. */
function isTimestampingOnly(certificate: Certificate): boolean {
  const extension = certificate.extensions.find(({ oid }) => oid === OID.extendedKeyUsage)
  const [purpose, ...others] = certificate.extendedKeyUsage
  return extension?.critical === true && purpose === OID.timeStamping && others.length === 0
}

function pathOf(
  token: TimestampToken,
  leaf: Certificate,
  options: VerifyTimestampOptions,
): PathResult | undefined {
  if (options.anchors === undefined) return undefined
  return validatePath({
    leaf,
    intermediates: [...token.signedData.certificates, ...(options.intermediates ?? [])],
    anchors: options.anchors,
    at: options.at ?? token.genTime,
    purpose: 'timestamping',
    ...(options.crls === undefined ? {} : { crls: options.crls }),
    ...(options.ocsps === undefined ? {} : { ocsps: options.ocsps }),
    ...(options.requireRevocation === undefined ? {} : { requireRevocation: options.requireRevocation }),
    ...(options.sm2Identity === undefined ? {} : { sm2Identity: options.sm2Identity }),
  })
}
