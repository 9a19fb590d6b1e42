/** PKCS#10 certificate requests (RFC 2986). */
import { readSignatureScheme, signatureIdentifier, type SignatureScheme } from './algorithms.ts'
import { checkSignature, type Signer, type Sm2Options } from './crypto.ts'
import {
  childrenOf,
  encodingOf,
  enter,
  finish,
  next,
  readBitString,
  readOid,
  readOnly,
  readSmallInteger,
  take,
  takeOptional,
} from './der-read.ts'
import { bitString, element, encode, integer, oid, sequence, set } from './der-write.ts'
import { PkiError } from './errors.ts'
import { encodeSubjectAltNames, type Extension, interpretExtensions, readExtensions } from './extensions.ts'
import {
  encodeName,
  type GeneralName,
  type Name,
  type NameAttributes,
  readName,
  type SubjectAltName,
} from './name.ts'
import { OID } from './oids.ts'

/** A certificate request in DER, signed by the key it is for. */
export function buildCertificateRequest(
  fields: { readonly subject: NameAttributes; readonly subjectAltNames?: readonly SubjectAltName[] },
  signer: Signer,
): Uint8Array {
  const names = fields.subjectAltNames ?? []
  const attributes =
    names.length === 0
      ? []
      : [sequence(oid(OID.extensionRequest), set(sequence(encodeSubjectAltNames(names))))]
  const info = encode(
    sequence(integer(0), encodeName(fields.subject), signer.spki, element(0xa0, ...attributes)),
  )
  return encode(sequence(info, signatureIdentifier(signer.algorithm), bitString(signer.sign(info))))
}

export interface CertificateRequest {
  readonly der: Uint8Array
  readonly infoDer: Uint8Array
  readonly subject: Name
  readonly subjectDer: Uint8Array
  readonly spki: Uint8Array
  readonly subjectAltNames: readonly GeneralName[]
  /** Extensions asked for. */
  readonly extensions: readonly Extension[]
  readonly signatureAlgorithm: SignatureScheme
  readonly signature: Uint8Array
}

/** Parses a certificate request. @throws PkiError `der` or `structure` */
export function parseCertificateRequest(der: Uint8Array): CertificateRequest {
  const outer = enter(readOnly(der, 0x30, 'certificate request'))
  const info = take(outer, 0x30, 'request information')
  const signatureAlgorithm = readSignatureScheme(take(outer, 0x30, 'a signature algorithm'))
  const signature = readBitString(take(outer, 0x03, 'a signature'))
  finish(outer, 'the certificate request')
  const cursor = enter(info)
  if (readSmallInteger(take(cursor, 0x02, 'a version'), 'the version') !== 0)
    throw new PkiError('structure', 'a certificate request of an unknown version')
  const subject = take(cursor, 0x30, 'a subject')
  const spki = encodingOf(take(cursor, 0x30, 'a public key'))
  const attributes = takeOptional(cursor, 0xa0)
  finish(cursor, 'the request information')
  let extensions: Extension[] = []
  for (const attribute of attributes === undefined ? [] : childrenOf(attributes)) {
    const parts = enter(attribute)
    if (readOid(take(parts, 0x06, 'an attribute type')) !== OID.extensionRequest) continue
    extensions = readExtensions(next(enter(take(parts, 0x31, 'attribute values'))))
  }
  return {
    der,
    infoDer: encodingOf(info),
    subject: readName(subject),
    subjectDer: encodingOf(subject),
    spki,
    subjectAltNames: interpretExtensions(extensions).subjectAltNames,
    extensions,
    signatureAlgorithm,
    signature,
  }
}

/** Whether the request was signed by the key it is for. */
export function verifyCertificateRequest(request: CertificateRequest, options: Sm2Options = {}): boolean {
  const { signatureAlgorithm, spki, infoDer, signature } = request
  return checkSignature(signatureAlgorithm, spki, infoDer, signature, options) === 'good'
}
