/** X.509 certificates: parse and check a signature (RFC 5280 §4). */
import { readSignatureScheme, type SignatureScheme } from './algorithms.ts'
import { equalBytes, toHex } from './bytes.ts'
import { checkSignature, digest, type Sm2Options } from './crypto.ts'
import {
  type DerCursor,
  type DerElement,
  encodingOf,
  enter,
  finish,
  integerBytes,
  next,
  peek,
  readBitString,
  readOnly,
  readSmallInteger,
  readTime,
  take,
  takeOptional,
} from './der-read.ts'
import { PkiError } from './errors.ts'
import { type Extension, type ExtensionFacts, interpretExtensions, readExtensions } from './extensions.ts'
import { type Name, readName } from './name.ts'

/** The signed part of a certificate. */
export interface CertificateBody extends Readonly<ExtensionFacts> {
  readonly tbsDer: Uint8Array
  /** 1, 2 or 3. */
  readonly version: number
  /** Content octets of the serial number, hexadecimal; a leading 00 sign octet is dropped. */
  readonly serialHex: string
  readonly subject: Name
  readonly issuer: Name
  readonly subjectDer: Uint8Array
  readonly issuerDer: Uint8Array
  readonly notBefore: Date
  readonly notAfter: Date
  readonly spki: Uint8Array
  readonly extensions: readonly Extension[]
  /** The AlgorithmIdentifier inside the signed part. */
  readonly innerAlgorithmDer: Uint8Array
}

export interface Certificate extends CertificateBody {
  readonly der: Uint8Array
  readonly signatureAlgorithm: SignatureScheme
  readonly signature: Uint8Array
  /** SHA-256 of the DER, hexadecimal. */
  readonly fingerprintSha256: string
}

/** Serial number as hexadecimal, the way registers and `openssl x509 -serial` write it, in lower case. */
export function serialToHex(found: DerElement): string {
  const bytes = integerBytes(found)
  return toHex(bytes.length > 1 && bytes[0] === 0 ? bytes.subarray(1) : bytes)
}

/** Reads the content of a TBSCertificate. */
function readBody(cursor: DerCursor, tbs: DerElement): CertificateBody {
  const versionField = takeOptional(cursor, 0xa0)
  const version =
    versionField === undefined ? 1 : readSmallInteger(next(enter(versionField)), 'the version') + 1
  if (version > 3) throw new PkiError('structure', `a certificate of version ${version}`)
  const serialHex = serialToHex(take(cursor, 0x02, 'a serial number'))
  const innerAlgorithmDer = encodingOf(take(cursor, 0x30, 'a signature algorithm'))
  const issuer = take(cursor, 0x30, 'an issuer')
  const validity = enter(take(cursor, 0x30, 'a validity'))
  const notBefore = readTime(next(validity))
  const notAfter = readTime(next(validity))
  finish(validity, 'the validity')
  const subject = take(cursor, 0x30, 'a subject')
  const spki = take(cursor, 0x30, 'a public key')
  // Unique identifiers of version 2 are obsolete (RFC 5280 §4.1.2.8); they are passed over.
  takeOptional(cursor, 0x81)
  takeOptional(cursor, 0x82)
  const wrapped = takeOptional(cursor, 0xa3)
  finish(cursor, 'the certificate')
  const extensions = wrapped === undefined ? [] : readExtensions(take(enter(wrapped), 0x30, 'extensions'))
  return {
    tbsDer: encodingOf(tbs),
    version,
    serialHex,
    subject: readName(subject),
    issuer: readName(issuer),
    subjectDer: encodingOf(subject),
    issuerDer: encodingOf(issuer),
    notBefore,
    notAfter,
    spki: encodingOf(spki),
    extensions,
    innerAlgorithmDer,
    ...interpretExtensions(extensions),
  }
}

/**
 * Parses a certificate from DER. The TLV structure must be strict DER; an unreadable known extension is listed in
 * `malformedExtensions` and left to the judge.
 * @throws PkiError `der` or `structure`
 */
export function parseCertificate(der: Uint8Array): Certificate {
  const outer = enter(readOnly(der, 0x30, 'certificate'))
  const tbs = take(outer, 0x30, 'a certificate body')
  const algorithm = take(outer, 0x30, 'a signature algorithm')
  const signature = readBitString(take(outer, 0x03, 'a signature'))
  finish(outer, 'the certificate')
  const body = readBody(enter(tbs), tbs)
  // RFC 5280 §4.1.1.2: the algorithm outside must be the one that was signed.
  if (!equalBytes(body.innerAlgorithmDer, encodingOf(algorithm)))
    throw new PkiError('structure', 'the signature algorithm differs inside and outside the signed part')
  let fingerprint: string | undefined
  return {
    ...body,
    der,
    signatureAlgorithm: readSignatureScheme(algorithm),
    signature,
    get fingerprintSha256() {
      fingerprint ??= toHex(digest('sha256', der))
      return fingerprint
    },
  }
}

/** Reads the signed part of a certificate from a whole certificate or from a bare TBSCertificate. */
export function parseCertificateBody(tbsOrDer: Uint8Array): CertificateBody {
  const outer = readOnly(tbsOrDer, 0x30, 'certificate')
  const cursor = enter(outer)
  // A certificate begins with the SEQUENCE of its body, a body with its version or serial number.
  return peek(cursor) === 0x30 ? parseCertificate(tbsOrDer) : readBody(cursor, outer)
}

/** Whether the issuer's key made the certificate's signature. Names and rights are not looked at. */
export function verifyCertificateSignature(
  certificate: Certificate,
  issuer: Certificate,
  options: Sm2Options = {},
): boolean {
  const { signatureAlgorithm, tbsDer, signature } = certificate
  return checkSignature(signatureAlgorithm, issuer.spki, tbsDer, signature, options) === 'good'
}

/** Whether subject and issuer are one name, byte for byte. */
export function isSelfIssued(certificate: CertificateBody): boolean {
  return equalBytes(certificate.subjectDer, certificate.issuerDer)
}
