/** Reading CMS SignedData, our own and foreign (RFC 5652 §5). */
import {
  type DigestAlgorithm,
  digestFromOid,
  readAlgorithmOid,
  readSignatureScheme,
  type SignatureScheme,
} from './algorithms.ts'
import { normaliseBer } from './ber.ts'
import { toHex } from './bytes.ts'
import { type Certificate, parseCertificate, serialToHex } from './certificate.ts'
import {
  atEnd,
  childrenOf,
  contentOf,
  type DerElement,
  encodingOf,
  enter,
  finish,
  next,
  peek,
  readOid,
  readOnly,
  readSmallInteger,
  readTime,
  take,
  takeOptional,
} from './der-read.ts'
import { element, encode } from './der-write.ts'
import { PkiError } from './errors.ts'
import { OID } from './oids.ts'

export interface CmsAttribute {
  readonly oid: string
  /** DER of each value. */
  readonly values: readonly Uint8Array[]
}

/** One certificate hash of an ESS signing-certificate attribute (RFC 2634 §5.4, RFC 5035 §3). */
export interface EssCertId {
  /** Undefined for a digest this package does not know. */
  readonly algorithm: DigestAlgorithm | undefined
  readonly hash: Uint8Array
  readonly issuerDer?: Uint8Array
  readonly serialHex?: string
}

export type SignerIdentifier =
  | { readonly kind: 'issuer-serial'; readonly issuerDer: Uint8Array; readonly serialHex: string }
  | { readonly kind: 'key-id'; readonly keyId: string }

export interface SignerInfo {
  readonly version: number
  readonly sid: SignerIdentifier
  readonly digestOid: string
  /** Undefined for a digest this package does not know. */
  readonly digestAlgorithm: DigestAlgorithm | undefined
  readonly signatureAlgorithm: SignatureScheme
  readonly signature: Uint8Array
  /** The signed attributes as the SET that the signature covers; undefined when there are none. */
  readonly rawSignedAttributes: Uint8Array | undefined
  readonly signedAttributes: readonly CmsAttribute[]
  readonly unsignedAttributes: readonly CmsAttribute[]
  /** From the signed attributes. */
  readonly contentType?: string
  readonly messageDigest?: Uint8Array
  readonly signingTime?: Date
  readonly signingCertificate?: { readonly version: 1 | 2; readonly ids: readonly EssCertId[] }
  /** Signature timestamps from the unsigned attributes, each a ContentInfo. */
  readonly timestampTokens: readonly Uint8Array[]
}

export interface SignedData {
  /** The container in definite-length form, without what followed it. */
  readonly der: Uint8Array
  readonly version: number
  /** Type of the signed content; id-data for a detached PDF signature. */
  readonly contentType: string
  /** Content carried inside; undefined when detached. */
  readonly content: Uint8Array | undefined
  readonly certificates: readonly Certificate[]
  /** DER of certificates that could not be read. */
  readonly unreadableCertificates: readonly Uint8Array[]
  /** DER of revocation lists. */
  readonly crls: readonly Uint8Array[]
  readonly signers: readonly SignerInfo[]
}

export interface ParseSignedDataOptions {
  /** Accept zero octets after the container, as the /Contents of a PDF has them. */
  readonly allowZeroPadding?: boolean
}

/** The value that an attribute must have exactly once (RFC 5652 §11). */
export function singleValue(attributes: readonly CmsAttribute[], oid: string): Uint8Array | undefined {
  const found = attributes.filter((attribute) => attribute.oid === oid)
  if (found.length === 0) return undefined
  if (found.length > 1 || found[0]!.values.length !== 1)
    throw new PkiError('structure', `the attribute ${oid} does not have exactly one value`)
  return found[0]!.values[0]
}

/**
 * Parses a ContentInfo with SignedData. BER is accepted; bytes after the container are not, except zeros when asked.
 * @throws PkiError `der`, `structure` or `unsupported`
 */
export function parseSignedData(bytes: Uint8Array, options: ParseSignedDataOptions = {}): SignedData {
  const { der, end } = normaliseBer(bytes)
  for (let offset = end; offset < bytes.length; offset += 1)
    if (options.allowZeroPadding !== true || bytes[offset] !== 0)
      throw new PkiError('der', `${bytes.length - end} octets follow the signature container`)
  const info = enter(readOnly(der, 0x30, 'signature container'))
  const type = readOid(take(info, 0x06, 'a content type'))
  // GM/T 0010 gives the same structure identifiers of its own.
  if (type !== OID.signedData && type !== OID.gmSignedData)
    throw new PkiError('unsupported', `a CMS container of type ${type}`)
  const wrapper = enter(take(info, 0xa0, 'signed data'))
  const cursor = enter(take(wrapper, 0x30, 'signed data'))
  finish(wrapper, 'the container')
  finish(info, 'the container')

  const version = readSmallInteger(take(cursor, 0x02, 'a version'), 'the version')
  take(cursor, 0x31, 'digest algorithms')
  const inner = enter(take(cursor, 0x30, 'a content description'))
  const contentType = readOid(take(inner, 0x06, 'a content type'))
  const carried = takeOptional(inner, 0xa0)
  finish(inner, 'the content description')
  const certificates = readCertificates(takeOptional(cursor, 0xa0))
  const revocation = takeOptional(cursor, 0xa1)
  const crls = revocation === undefined ? [] : childrenOf(revocation).filter((entry) => entry.tag === 0x30)
  const signers = childrenOf(take(cursor, 0x31, 'signers')).map(readSigner)
  finish(cursor, 'signed data')
  return {
    der,
    version,
    contentType,
    content: carried === undefined ? undefined : carriedContent(carried),
    ...certificates,
    crls: crls.map(encodingOf),
    signers,
  }
}

/** PKCS#7 v1.5 (RFC 2315 §9.1) let the content be any type: then its own encoding is the content. */
function carriedContent(wrapper: DerElement): Uint8Array {
  const cursor = enter(wrapper)
  const inner = next(cursor)
  finish(cursor, 'the content')
  return inner.tag === 0x04 ? contentOf(inner) : encodingOf(inner)
}

/**
 * Certificates met lately, by their DER, the least recently met first: the signatures and timestamps of one file
 * carry the same ones again and again. A parsed certificate is never written to.
 */
const met = new Map<string, Certificate>()
const metLimit = 128

function readCertificate(der: Uint8Array): Certificate {
  // The few that are huge are not worth keeping.
  if (der.length > 8192) return parseCertificate(der)
  const name = latin1.decode(der)
  const known = met.get(name)
  met.delete(name)
  // Parsed from a copy: views into the caller's bytes would keep a whole file in memory.
  const certificate = known ?? parseCertificate(new Uint8Array(der))
  met.set(name, certificate)
  for (const oldest of met.keys()) {
    if (met.size <= metLimit) break
    met.delete(oldest)
  }
  return certificate
}
const latin1 = new TextDecoder('latin1')

function readCertificates(list: DerElement | undefined) {
  const certificates: Certificate[] = []
  const unreadableCertificates: Uint8Array[] = []
  if (list !== undefined)
    for (const entry of childrenOf(list)) {
      // Attribute certificates and other formats ([1], [2], [3]) say nothing about the signer's key.
      if (entry.tag !== 0x30) continue
      try {
        certificates.push(readCertificate(encodingOf(entry)))
      } catch (error) {
        if (!(error instanceof PkiError)) throw error
        unreadableCertificates.push(encodingOf(entry))
      }
    }
  return { certificates, unreadableCertificates }
}

function readAttributes(list: DerElement): CmsAttribute[] {
  return childrenOf(list).map((entry) => {
    const cursor = enter(entry)
    const oid = readOid(take(cursor, 0x06, 'an attribute type'))
    const values = childrenOf(take(cursor, 0x31, 'attribute values')).map(encodingOf)
    finish(cursor, 'an attribute')
    return { oid, values }
  })
}

function readSigner(entry: DerElement): SignerInfo {
  const cursor = enter(entry)
  const version = readSmallInteger(take(cursor, 0x02, 'a version'), 'the version')
  const sid = readSignerIdentifier(next(cursor))
  const digestOid = readAlgorithmOid(take(cursor, 0x30, 'a digest algorithm'))
  const signed = takeOptional(cursor, 0xa0)
  const signatureAlgorithm = readSignatureScheme(take(cursor, 0x30, 'a signature algorithm'))
  const signature = contentOf(take(cursor, 0x04, 'a signature'))
  const unsigned = takeOptional(cursor, 0xa1)
  finish(cursor, 'a signer')
  const signedAttributes = signed === undefined ? [] : readAttributes(signed)
  const unsignedAttributes = unsigned === undefined ? [] : readAttributes(unsigned)
  const stamps = unsignedAttributes.filter(({ oid }) => oid === OID.signatureTimestamp)
  return {
    version,
    sid,
    digestOid,
    digestAlgorithm: digestFromOid(digestOid),
    signatureAlgorithm,
    signature,
    rawSignedAttributes: signed === undefined ? undefined : encode(element(0x31, contentOf(signed))),
    signedAttributes,
    unsignedAttributes,
    ...readSignedFacts(signedAttributes),
    timestampTokens: stamps.flatMap(({ values }) => values),
  }
}

function readSignerIdentifier(found: DerElement): SignerIdentifier {
  if (found.tag === 0x80) return { kind: 'key-id', keyId: toHex(contentOf(found)) }
  if (found.tag !== 0x30) throw new PkiError('structure', 'a signer is named in an unknown way')
  const cursor = enter(found)
  const issuerDer = encodingOf(take(cursor, 0x30, 'an issuer'))
  const serialHex = serialToHex(take(cursor, 0x02, 'a serial number'))
  finish(cursor, 'a signer identifier')
  return { kind: 'issuer-serial', issuerDer, serialHex }
}

function readSignedFacts(attributes: readonly CmsAttribute[]) {
  const type = singleValue(attributes, OID.contentType)
  const messageDigest = singleValue(attributes, OID.messageDigest)
  const time = singleValue(attributes, OID.signingTime)
  const essV2 = singleValue(attributes, OID.signingCertificateV2)
  const essV1 = singleValue(attributes, OID.signingCertificate)
  const ess = essV2 ?? essV1
  return {
    ...(type === undefined ? {} : { contentType: readOid(readOnly(type, 0x06, 'content type')) }),
    ...(messageDigest === undefined
      ? {}
      : { messageDigest: contentOf(readOnly(messageDigest, 0x04, 'message digest')) }),
    ...(time === undefined ? {} : { signingTime: readTime(readOnly(time, time[0] ?? 0, 'signing time')) }),
    ...(ess === undefined ? {} : { signingCertificate: readEss(ess, essV2 === undefined ? 1 : 2) }),
  }
}

function readEss(der: Uint8Array, version: 1 | 2) {
  const list = take(enter(readOnly(der, 0x30, 'signing certificate')), 0x30, 'certificate hashes')
  const ids = childrenOf(list).map((entry): EssCertId => {
    const cursor = enter(entry)
    const named =
      version === 2 && peek(cursor) === 0x30 ? digestFromOid(readAlgorithmOid(next(cursor))) : undefined
    const withDefault = entry.source[entry.content] === 0x04
    const fallback = version === 1 ? 'sha1' : 'sha256'
    const hash = contentOf(take(cursor, 0x04, 'a certificate hash'))
    const place = atEnd(cursor) ? {} : readIssuerSerial(take(cursor, 0x30, 'an issuer and serial number'))
    return { algorithm: withDefault ? fallback : named, hash, ...place }
  })
  return { version, ids }
}

function readIssuerSerial(found: DerElement) {
  const cursor = enter(found)
  const names = childrenOf(take(cursor, 0x30, 'an issuer'))
  const serialHex = serialToHex(take(cursor, 0x02, 'a serial number'))
  const directory = names.find(({ tag }) => tag === 0xa4)
  return directory === undefined ? { serialHex } : { serialHex, issuerDer: contentOf(directory) }
}
