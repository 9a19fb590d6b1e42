/** Building CMS SignedData as PAdES and RFC 3161 need it (RFC 5652, RFC 5035, ETSI EN 319 142-1 §6.3). */
import {
  digestForSigning,
  digestIdentifier,
  digestLength,
  type SignatureAlgorithm,
  signatureIdentifier,
} from './algorithms.ts'
import { equalBytes } from './bytes.ts'
import { digest, type Signer } from './crypto.ts'
import { contentOf, encodingOf, enter, readOnly, take, takeOptional } from './der-read.ts'
import {
  type Der,
  element,
  elementOf,
  encode,
  explicit,
  integer,
  octetString,
  oid,
  sequence,
  set,
  setOf,
} from './der-write.ts'
import { PkiError } from './errors.ts'
import { OID } from './oids.ts'

/** Digests that signatures are made with. */
export type SigningDigest = 'sha256' | 'sha384' | 'sha512' | 'sm3'

export interface SignedAttributesFields {
  /** Content type of what is signed; id-data unless told otherwise. */
  readonly contentType?: string
  /** Digest of the content. */
  readonly digest: Uint8Array
  readonly digestAlgorithm: SigningDigest
  /** The signer's certificate, its original DER: the ESS hash is taken over these bytes. Or the same, prepared. */
  readonly signingCertificate: Uint8Array | SigningCertificate
}

const oidDer = {
  contentType: oid(OID.contentType),
  messageDigest: oid(OID.messageDigest),
  signingCertificateV2: oid(OID.signingCertificateV2),
  signatureTimestamp: oid(OID.signatureTimestamp),
  signedData: oid(OID.signedData),
}

const version1 = integer(1)
const version3 = integer(3)

const attribute = (type: Uint8Array, value: Der): Der => sequence(type, set(value))

/** What a container says about its signer's certificate, read and encoded once for any number of containers. */
export interface SigningCertificate {
  readonly der: Uint8Array
  /** SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  /** IssuerAndSerialNumber (RFC 5652 §10.2.4). */
  readonly issuerAndSerial: Der
  /** The ESS signing-certificate-v2 attribute. */
  attribute(algorithm: SigningDigest): Der
}

const prepared = (certificate: Uint8Array | SigningCertificate): SigningCertificate =>
  certificate instanceof Uint8Array ? prepareSigningCertificate(certificate) : certificate

/**
 * Reads a certificate once for several uses.
 * @param der not copied: it must not change while what was prepared from it is in use
 * @throws PkiError `der` when it cannot be read
 */
export function prepareSigningCertificate(der: Uint8Array): SigningCertificate {
  const body = enter(take(enter(readOnly(der, 0x30, 'certificate')), 0x30, 'a certificate body'))
  takeOptional(body, 0xa0)
  const serial = encodingOf(take(body, 0x02, 'a serial number'))
  take(body, 0x30, 'a signature algorithm')
  const issuer = encodingOf(take(body, 0x30, 'an issuer'))
  take(body, 0x30, 'a validity')
  take(body, 0x30, 'a subject')
  const spki = encodingOf(take(body, 0x30, 'a public key'))
  let algorithmOfLast: SigningDigest | undefined
  let last: Der | undefined
  return {
    der,
    spki,
    issuerAndSerial: sequence(issuer, serial),
    attribute(algorithm) {
      if (last === undefined || algorithm !== algorithmOfLast) {
        last = essAttribute(
          digest(algorithm, der),
          sequence(sequence(element(0xa4, issuer)), serial),
          algorithm,
        )
        algorithmOfLast = algorithm
      }
      return last
    },
  }
}

/** ESSCertIDv2 with issuerSerial (RFC 5035 §4). SHA-256 is its DEFAULT and therefore left out. */
function essAttribute(certificateHash: Uint8Array, issuerSerial: Der, algorithm: SigningDigest): Der {
  const hash = octetString(certificateHash)
  const id =
    algorithm === 'sha256'
      ? sequence(hash, issuerSerial)
      : sequence(digestIdentifier(algorithm), hash, issuerSerial)
  return attribute(oidDer.signingCertificateV2, sequence(sequence(id)))
}

/**
 * The signed attributes as the DER SET that is to be signed: content type, message digest, signing certificate.
 * There is no signing time: PAdES keeps it in the PDF (EN 319 142-1 §6.3).
 */
export function buildSignedAttributes(fields: SignedAttributesFields): Uint8Array {
  const { digestAlgorithm } = fields
  if (fields.digest.length !== digestLength(digestAlgorithm))
    throw new PkiError('argument', `a digest of ${fields.digest.length} octets is no ${digestAlgorithm}`)
  const attributes = [
    attribute(oidDer.contentType, oid(fields.contentType ?? OID.data)),
    attribute(oidDer.messageDigest, octetString(fields.digest)),
    prepared(fields.signingCertificate).attribute(digestAlgorithm),
  ]
  return encode(setOf(attributes))
}

export interface SignedDataFields {
  readonly digestAlgorithm: SigningDigest
  /** Exactly the bytes that were signed, from `buildSignedAttributes`. */
  readonly signedAttributes: Uint8Array
  readonly signature: Uint8Array
  readonly signatureAlgorithm: SignatureAlgorithm
  /** DER of the signer's certificate, or the same, prepared; it is put among the certificates if it is not there. */
  readonly signingCertificate: Uint8Array | SigningCertificate
  /** DER of the certificates to carry along. */
  readonly certificates: readonly Uint8Array[]
  /** DER of revocation lists to carry along. */
  readonly crls?: readonly Uint8Array[]
  /** A timestamp over the signature value, as an unsigned attribute: makes B-T of B-B. */
  readonly timestampToken?: Uint8Array
  /** Content carried inside. Without it the signature is detached. */
  readonly encapsulated?: { readonly contentType: string; readonly content: Uint8Array }
  /** Carries no certificates at all, as a timestamp request may ask (RFC 3161 §2.4.1, certReq). */
  readonly omitCertificates?: boolean
}

/** A complete ContentInfo with one signer, in DER. Pure: the same fields give the same bytes. */
export function buildSignedData(fields: SignedDataFields): Uint8Array {
  const { signedAttributes, encapsulated } = fields
  const signingCertificate = prepared(fields.signingCertificate)
  const digestAlgorithm = digestIdentifier(fields.digestAlgorithm)
  // The attributes are signed as SET OF and stored as [0] IMPLICIT: only the tag differs (RFC 5652 §5.4).
  const stored = element(0xa0, contentOf(readOnly(signedAttributes, 0x31, 'signed attributes')))
  const signerParts: Der[] = [
    version1,
    signingCertificate.issuerAndSerial,
    digestAlgorithm,
    stored,
    signatureIdentifier(fields.signatureAlgorithm),
    octetString(fields.signature),
  ]
  if (fields.timestampToken !== undefined)
    signerParts.push(element(0xa1, attribute(oidDer.signatureTimestamp, fields.timestampToken)))
  const contentType = encapsulated?.contentType ?? OID.data
  const contentParts: Der[] = [oid(contentType)]
  if (encapsulated !== undefined) contentParts.push(explicit(0, octetString(encapsulated.content)))
  const parts: Der[] = [
    // RFC 5652 §5.1: version 3 for content of another type than data.
    contentType === OID.data ? version1 : version3,
    set(digestAlgorithm),
    elementOf(0x30, contentParts),
  ]
  if (fields.omitCertificates !== true)
    parts.push(setOf(withoutRepeats([signingCertificate.der, ...fields.certificates]), 0xa0))
  if (fields.crls !== undefined && fields.crls.length > 0)
    parts.push(setOf(withoutRepeats(fields.crls), 0xa1))
  parts.push(set(elementOf(0x30, signerParts)))
  return encode(sequence(oidDer.signedData, explicit(0, elementOf(0x30, parts))))
}

function withoutRepeats(list: readonly Uint8Array[]): Uint8Array[] {
  const kept: Uint8Array[] = []
  for (const entry of list) {
    let isNew = true
    for (const known of kept) if (equalBytes(known, entry)) isNew = false
    if (isNew) kept.push(entry)
  }
  return kept
}

export interface SignDetachedFields {
  /** Digest of the content. */
  readonly digest: Uint8Array
  /** The one that goes with the signer, if not told otherwise; another one is refused. */
  readonly digestAlgorithm?: SigningDigest
  readonly signer: Signer
  /** DER of the certificate of the signer's key, or the same, prepared. */
  readonly signingCertificate: Uint8Array | SigningCertificate
  readonly certificates: readonly Uint8Array[]
  readonly crls?: readonly Uint8Array[]
  /** Gets the digest (same algorithm) of the signature value, returns a timestamp token over it. */
  readonly timestamp?: (signatureValueDigest: Uint8Array, algorithm: SigningDigest) => Uint8Array
}

/** Signs a detached content given by its digest: attributes, signature, timestamp, container. */
export function signDetached(fields: SignDetachedFields): Uint8Array {
  const { signer, certificates } = fields
  const signingCertificate = prepared(fields.signingCertificate)
  const digestAlgorithm = digestForSigning(signer.algorithm)
  if (fields.digestAlgorithm !== undefined && fields.digestAlgorithm !== digestAlgorithm)
    throw new PkiError(
      'argument',
      `${signer.algorithm} goes with ${digestAlgorithm}, not with ${fields.digestAlgorithm}`,
    )
  assertKeyOf(signingCertificate, signer)
  const signedAttributes = buildSignedAttributes({
    digest: fields.digest,
    digestAlgorithm,
    signingCertificate,
  })
  const signature = signer.sign(signedAttributes)
  const timestampToken = fields.timestamp?.(digest(digestAlgorithm, signature), digestAlgorithm)
  return buildSignedData({
    digestAlgorithm,
    signedAttributes,
    signature,
    signatureAlgorithm: signer.algorithm,
    signingCertificate,
    certificates,
    ...(fields.crls === undefined ? {} : { crls: fields.crls }),
    ...(timestampToken === undefined ? {} : { timestampToken }),
  })
}

/** Refuses a signer whose public key is not the one in the certificate. */
export function assertKeyOf(certificate: SigningCertificate, signer: Signer): void {
  if (!equalBytes(certificate.spki, signer.spki))
    throw new PkiError('key-mismatch', 'the signer is not the key of the signing certificate')
}
