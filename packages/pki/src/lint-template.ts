/**
 * Lint for an issuer that makes many certificates from one template. What they share is judged once; of each later
 * one only what is its own is read back and judged, after its shared bytes were found to be the ones already judged.
 */
import { equalBytes } from './bytes.ts'
import { type Certificate, type CertificateBody, parseCertificateBody, serialToHex } from './certificate.ts'
import {
  contentOf,
  type DerElement,
  encodingOf,
  enter,
  finish,
  next,
  readOnly,
  readTime,
  take,
} from './der-read.ts'
import type { Finding } from './errors.ts'
import { encodeKeyId } from './extensions.ts'
import { lintCertificate, lintSubject, type SubjectFacts } from './lint.ts'
import { readName } from './name.ts'
import type { CertificateProfile } from './profiles.ts'

/** A subject key identifier of 160 bits, the only extension that differs, as far as it does not. */
export const keyIdOctets = 20
export const keyIdHeader: Uint8Array = encodeKeyId(new Uint8Array(keyIdOctets)).slice(0, -keyIdOctets)
const keyIdExtension = keyIdHeader.length + keyIdOctets

/** The fields of a TBSCertificate of version 3 without unique identifiers (RFC 5280 §4.1). */
interface Fields {
  readonly version: Uint8Array
  readonly serial: DerElement
  readonly algorithm: Uint8Array
  readonly issuer: Uint8Array
  readonly validity: DerElement
  readonly subject: DerElement
  readonly spki: Uint8Array
  /** Content of the list of extensions. */
  readonly extensions: Uint8Array
}

/** A certificate that was found good, and its shared bytes. */
interface Judged extends Pick<Fields, 'version' | 'algorithm' | 'issuer' | 'extensions'> {
  readonly body: CertificateBody
}

/**
 * The lint of one template. It answers as `lintCertificate(tbs, profile, issuer)` does.
 * @throws PkiError `der` or `structure` when the certificate cannot be read at all
 */
export function createTemplateLint(
  profile: CertificateProfile,
  issuer: Certificate | undefined,
): (tbs: Uint8Array) => Finding[] {
  let judged: Judged | undefined
  return (tbs) => {
    const fields = judged && readFields(tbs)
    if (judged && fields && isLike(judged, fields))
      return lintSubject(subjectOf(fields, judged.body), profile, issuer)
    const findings = lintCertificate(tbs, profile, issuer)
    if (findings.length === 0) judged = judgedFrom(tbs)
    return findings
  }
}

function readFields(tbs: Uint8Array): Fields {
  const cursor = enter(readOnly(tbs, 0x30, 'certificate body'))
  const version = encodingOf(take(cursor, 0xa0, 'a version'))
  const serial = take(cursor, 0x02, 'a serial number')
  const algorithm = encodingOf(take(cursor, 0x30, 'a signature algorithm'))
  const issuer = encodingOf(take(cursor, 0x30, 'an issuer'))
  const validity = take(cursor, 0x30, 'a validity')
  const subject = take(cursor, 0x30, 'a subject')
  const spki = encodingOf(take(cursor, 0x30, 'a public key'))
  const wrapped = enter(take(cursor, 0xa3, 'extensions'))
  finish(cursor, 'the certificate')
  const extensions = contentOf(take(wrapped, 0x30, 'extensions'))
  finish(wrapped, 'the extensions')
  return { version, serial, algorithm, issuer, validity, subject, spki, extensions }
}

/** Nothing is remembered of a certificate that does not end in its key identifier: it has more of its own. */
function judgedFrom(tbs: Uint8Array): Judged | undefined {
  // A copy: what was judged must not change under the comparison.
  const own = new Uint8Array(tbs)
  const { version, algorithm, issuer, extensions } = readFields(own)
  if (!endsInKeyId(extensions)) return undefined
  const shared = extensions.subarray(0, extensions.length - keyIdExtension)
  return { version, algorithm, issuer, extensions: shared, body: parseCertificateBody(own) }
}

function endsInKeyId(extensions: Uint8Array): boolean {
  const at = extensions.length - keyIdExtension
  return at >= 0 && equalBytes(extensions.subarray(at, at + keyIdHeader.length), keyIdHeader)
}

function isLike(judged: Judged, fields: Fields): boolean {
  return (
    fields.extensions.length === judged.extensions.length + keyIdExtension &&
    endsInKeyId(fields.extensions) &&
    equalBytes(fields.extensions.subarray(0, judged.extensions.length), judged.extensions) &&
    equalBytes(fields.issuer, judged.issuer) &&
    equalBytes(fields.algorithm, judged.algorithm) &&
    equalBytes(fields.version, judged.version)
  )
}

function subjectOf(fields: Fields, { issuer, issuerDer }: CertificateBody): SubjectFacts {
  const validity = enter(fields.validity)
  const notBefore = readTime(next(validity))
  const notAfter = readTime(next(validity))
  finish(validity, 'the validity')
  const { serial, subject, spki } = fields
  return {
    serialHex: serialToHex(serial),
    subject: readName(subject),
    issuer,
    issuerDer,
    notBefore,
    notAfter,
    spki,
  }
}
