/** The reading side of OCSP (RFC 6960 §4). */
import {
  type DigestAlgorithm,
  digestFromOid,
  readAlgorithmOid,
  readSignatureScheme,
  type SignatureScheme,
} from './algorithms.ts'
import { equalBytes } from './bytes.ts'
import { type Certificate, parseCertificate, serialToHex } from './certificate.ts'
import { reasonByCode, type RevocationReason } from './crl.ts'
import { digest } from './crypto.ts'
import {
  childrenOf,
  contentOf,
  type DerElement,
  encodingOf,
  enter,
  finish,
  next,
  peek,
  readBitString,
  readOid,
  readOnly,
  readSmallInteger,
  readTime,
  take,
  takeOptional,
} from './der-read.ts'
import { PkiError } from './errors.ts'
import { type Extension, publicKeyBits, readExtensions } from './extensions.ts'
import { OID } from './oids.ts'

/** Which certificate is meant: its issuer by two digests, and its serial number. */
export interface OcspCertId {
  readonly der: Uint8Array
  /** Undefined for a digest this package does not know. */
  readonly algorithm: DigestAlgorithm | undefined
  readonly issuerNameHash: Uint8Array
  readonly issuerKeyHash: Uint8Array
  readonly serialHex: string
}

function readCertId(found: DerElement): OcspCertId {
  const cursor = enter(found)
  const algorithm = digestFromOid(readAlgorithmOid(take(cursor, 0x30, 'a digest algorithm')))
  const issuerNameHash = contentOf(take(cursor, 0x04, 'a name digest'))
  const issuerKeyHash = contentOf(take(cursor, 0x04, 'a key digest'))
  const serialHex = serialToHex(take(cursor, 0x02, 'a serial number'))
  finish(cursor, 'a certificate identifier')
  return { der: encodingOf(found), algorithm, issuerNameHash, issuerKeyHash, serialHex }
}

/** Digest of a certificate's key bits; undefined when its key is none. */
export function keyHashOf(algorithm: DigestAlgorithm, certificate: Certificate): Uint8Array | undefined {
  try {
    return digest(algorithm, publicKeyBits(certificate.spki))
  } catch (error) {
    if (error instanceof PkiError) return undefined
    throw error
  }
}

/** Whether the identifier names certificates of this issuer. */
export function certIdIsOf(id: OcspCertId, issuer: Certificate): boolean {
  if (id.algorithm === undefined) return false
  const keyHash = keyHashOf(id.algorithm, issuer)
  const sameIssuer = equalBytes(digest(id.algorithm, issuer.subjectDer), id.issuerNameHash)
  return sameIssuer && keyHash !== undefined && equalBytes(keyHash, id.issuerKeyHash)
}

function extensionsIn(wrapper: DerElement | undefined): Extension[] {
  return wrapper === undefined ? [] : readExtensions(take(enter(wrapper), 0x30, 'extensions'))
}

/** The nonce; the oldest responders put it there without an OCTET STRING around it. */
function nonceIn(extensions: readonly Extension[]): Uint8Array | undefined {
  const found = extensions.find(({ oid }) => oid === OID.ocspNonce)
  if (found === undefined) return undefined
  try {
    return contentOf(readOnly(found.value, 0x04, 'nonce'))
  } catch (error) {
    if (error instanceof PkiError) return found.value
    throw error
  }
}

export interface OcspRequest {
  readonly certIds: readonly OcspCertId[]
  readonly nonce?: Uint8Array
  /** Whether it demands something this package does not know. */
  readonly unknownCriticalExtension: boolean
}

/** Parses an OCSPRequest. A signature of the asker is passed over. @throws PkiError `der` or `structure` */
export function parseOcspRequest(der: Uint8Array): OcspRequest {
  const outer = enter(readOnly(der, 0x30, 'OCSP request'))
  const cursor = enter(take(outer, 0x30, 'a request body'))
  takeOptional(outer, 0xa0)
  finish(outer, 'the OCSP request')
  const version = takeOptional(cursor, 0xa0)
  if (version !== undefined && readSmallInteger(next(enter(version)), 'the version') !== 0)
    throw new PkiError('structure', 'an OCSP request of an unknown version')
  takeOptional(cursor, 0xa1)
  const perCertificate: Extension[] = []
  const certIds = childrenOf(take(cursor, 0x30, 'a list of requests')).map((entry) => {
    const parts = enter(entry)
    const id = readCertId(take(parts, 0x30, 'a certificate identifier'))
    perCertificate.push(...extensionsIn(takeOptional(parts, 0xa0)))
    finish(parts, 'a request')
    return id
  })
  if (certIds.length === 0) throw new PkiError('structure', 'an OCSP request about nothing')
  const extensions = extensionsIn(takeOptional(cursor, 0xa2))
  finish(cursor, 'the request body')
  const nonce = nonceIn(extensions)
  const unknownCriticalExtension = [...extensions, ...perCertificate].some(
    ({ oid, critical }) => critical && oid !== OID.ocspNonce,
  )
  return { certIds, unknownCriticalExtension, ...(nonce === undefined ? {} : { nonce }) }
}

/** One answer inside a response. */
export interface OcspSingle {
  readonly certId: OcspCertId
  readonly status: 'good' | 'revoked' | 'unknown'
  readonly revokedAt?: Date
  readonly reason?: RevocationReason
  readonly thisUpdate: Date
  readonly nextUpdate?: Date
  /** Revocations are still known of certificates that expired after this (RFC 6960 §4.4.4). */
  readonly archiveCutoff?: Date
  readonly unknownCriticalExtension: boolean
}

/** A response that was given: status successful. */
export interface OcspResponse {
  readonly der: Uint8Array
  readonly tbsDer: Uint8Array
  /** Who answered: by name, or by the SHA-1 of the key. */
  readonly responder: { readonly nameDer: Uint8Array } | { readonly keyHash: Uint8Array }
  readonly producedAt: Date
  readonly singles: readonly OcspSingle[]
  readonly nonce?: Uint8Array
  readonly unknownCriticalExtension: boolean
  readonly certificates: readonly Certificate[]
  readonly signatureAlgorithm: SignatureScheme
  readonly signature: Uint8Array
}

const statusNames: Record<number, string> = {
  1: 'malformedRequest',
  2: 'internalError',
  3: 'tryLater',
  5: 'sigRequired',
  6: 'unauthorized',
}

/** A refusal inside an OCSPResponse, read without throwing for it. */
export type OcspReply = { readonly refusal: string } | { readonly response: OcspResponse }

function readEnumerated(found: DerElement): number {
  const bytes = contentOf(found)
  if (bytes.length !== 1) throw new PkiError('der', `a bad enumeration at offset ${found.start}`)
  return bytes[0]!
}

/** Parses an OCSPResponse, refusals included. @throws PkiError `der`, `structure` or `unsupported` */
export function parseOcspReply(der: Uint8Array): OcspReply {
  const outer = enter(readOnly(der, 0x30, 'OCSP response'))
  const status = readEnumerated(take(outer, 0x0a, 'a status'))
  const wrapped = takeOptional(outer, 0xa0)
  finish(outer, 'the OCSP response')
  if (status !== 0) return { refusal: statusNames[status] ?? `status ${status}` }
  if (wrapped === undefined) throw new PkiError('structure', 'a successful OCSP response without an answer')
  const bytes = enter(take(enter(wrapped), 0x30, 'an answer'))
  const type = readOid(take(bytes, 0x06, 'an answer type'))
  if (type !== OID.ocspBasic) throw new PkiError('unsupported', `an OCSP answer of type ${type}`)
  const basic = contentOf(take(bytes, 0x04, 'an answer'))
  finish(bytes, 'the answer')
  return { response: readBasic(basic, der) }
}

/** Parses a successful OCSPResponse. @throws PkiError `structure` when it is a refusal, `der` or `unsupported` */
export function parseOcspResponse(der: Uint8Array): OcspResponse {
  const reply = parseOcspReply(der)
  if ('refusal' in reply) throw new PkiError('structure', `the responder refused: ${reply.refusal}`)
  return reply.response
}

function readBasic(basic: Uint8Array, der: Uint8Array): OcspResponse {
  const outer = enter(readOnly(basic, 0x30, 'OCSP answer'))
  const tbs = take(outer, 0x30, 'answer data')
  const signatureAlgorithm = readSignatureScheme(take(outer, 0x30, 'a signature algorithm'))
  const signature = readBitString(take(outer, 0x03, 'a signature'))
  const carried = takeOptional(outer, 0xa0)
  finish(outer, 'the OCSP answer')
  const cursor = enter(tbs)
  const version = takeOptional(cursor, 0xa0)
  if (version !== undefined && readSmallInteger(next(enter(version)), 'the version') !== 0)
    throw new PkiError('structure', 'an OCSP answer of an unknown version')
  const responder = readResponder(next(cursor))
  const producedAt = readTime(take(cursor, 0x18, 'a time of production'))
  const singles = childrenOf(take(cursor, 0x30, 'answers')).map(readSingle)
  const extensions = extensionsIn(takeOptional(cursor, 0xa1))
  finish(cursor, 'the answer data')
  const nonce = nonceIn(extensions)
  return {
    der,
    tbsDer: encodingOf(tbs),
    responder,
    producedAt,
    singles,
    unknownCriticalExtension: extensions.some(({ oid, critical }) => critical && oid !== OID.ocspNonce),
    certificates: carried === undefined ? [] : certificatesIn(carried),
    signatureAlgorithm,
    signature,
    ...(nonce === undefined ? {} : { nonce }),
  }
}

function certificatesIn(wrapper: DerElement): Certificate[] {
  const list: Certificate[] = []
  for (const entry of childrenOf(take(enter(wrapper), 0x30, 'certificates')))
    try {
      list.push(parseCertificate(encodingOf(entry)))
    } catch (error) {
      // One that cannot be read cannot be the responder's; the others may be.
      if (!(error instanceof PkiError)) throw error
    }
  return list
}

function readResponder(found: DerElement): OcspResponse['responder'] {
  const inner = next(enter(found))
  if (found.tag === 0xa1 && inner.tag === 0x30) return { nameDer: encodingOf(inner) }
  if (found.tag === 0xa2 && inner.tag === 0x04) return { keyHash: contentOf(inner) }
  throw new PkiError('structure', 'an OCSP responder is named in an unknown way')
}

function readSingle(entry: DerElement): OcspSingle {
  const cursor = enter(entry)
  const certId = readCertId(take(cursor, 0x30, 'a certificate identifier'))
  const status = readStatus(next(cursor))
  const thisUpdate = readTime(take(cursor, 0x18, 'a time'))
  const until = takeOptional(cursor, 0xa0)
  const extensions = extensionsIn(takeOptional(cursor, 0xa1))
  finish(cursor, 'an answer')
  const cutoff = extensions.find(({ oid }) => oid === OID.ocspArchiveCutoff)
  return {
    certId,
    ...status,
    thisUpdate,
    unknownCriticalExtension: extensions.some(({ critical }) => critical),
    ...(until === undefined ? {} : { nextUpdate: readTime(take(enter(until), 0x18, 'a time')) }),
    ...(cutoff === undefined ? {} : { archiveCutoff: readTime(readOnly(cutoff.value, 0x18, 'a time')) }),
  }
}

function readStatus(found: DerElement): Pick<OcspSingle, 'status' | 'revokedAt' | 'reason'> {
  if (found.tag === 0x80) return { status: 'good' }
  if (found.tag === 0x82) return { status: 'unknown' }
  if (found.tag !== 0xa1) throw new PkiError('structure', 'an OCSP status of an unknown kind')
  const cursor = enter(found)
  const revokedAt = readTime(take(cursor, 0x18, 'a time of revocation'))
  const wrapped = takeOptional(cursor, 0xa0)
  finish(cursor, 'a revocation')
  if (wrapped === undefined || peek(enter(wrapped)) !== 0x0a) return { status: 'revoked', revokedAt }
  const reason = reasonByCode.get(readEnumerated(next(enter(wrapped))))
  return { status: 'revoked', revokedAt, ...(reason === undefined ? {} : { reason }) }
}
