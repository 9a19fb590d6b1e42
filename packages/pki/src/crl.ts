/** Certificate revocation lists: issue, parse, verify (RFC 5280 §5). */
import { readSignatureScheme, signatureIdentifier, type SignatureScheme } from './algorithms.ts'
import { equalBytes, fromHex } from './bytes.ts'
import { type Certificate, serialToHex } from './certificate.ts'
import { checkSignature, type Signer, type Sm2Options } from './crypto.ts'
import {
  atEnd,
  contentOf,
  encodingOf,
  enter,
  finish,
  next,
  peek,
  readBitString,
  readBoolean,
  readInteger,
  readOnly,
  readSmallInteger,
  readTime,
  take,
  takeOptional,
} from './der-read.ts'
import {
  bitString,
  certificateTime,
  type Der,
  elementOf,
  encode,
  explicit,
  integer,
  sequence,
  unsignedInteger,
} from './der-write.ts'
import { PkiError } from './errors.ts'
import {
  encodeAuthorityKeyId,
  encodeExtension,
  type Extension,
  interpretExtensions,
  readExtensions,
} from './extensions.ts'
import { type Name, readName } from './name.ts'
import { OID } from './oids.ts'

export const reasonCodes = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  removeFromCRL: 8,
  privilegeWithdrawn: 9,
  aACompromise: 10,
} as const
export type RevocationReason = keyof typeof reasonCodes
/** Entry extensions with each reason, encoded once: long lists repeat them. */
const reasonExtensions = Object.fromEntries(
  Object.entries(reasonCodes).map(([name, code]) => [
    name,
    encode(sequence(encodeExtension(OID.reasonCode, false, Uint8Array.of(0x0a, 0x01, code)))),
  ]),
) as Record<RevocationReason, Uint8Array>
export const reasonByCode = new Map<number, RevocationReason>(
  Object.entries(reasonCodes).map(([name, code]) => [code, name as RevocationReason]),
)

export interface CrlFields {
  readonly issuer: Certificate
  /** Rises with every list of the issuer (RFC 5280 §5.2.3). */
  readonly number: number | bigint
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  readonly revoked: readonly {
    readonly serial: Uint8Array
    readonly at: Date
    readonly reason?: RevocationReason
  }[]
}

/**
 * Issues a complete CRL, version 2.
 * @throws PkiError `key-mismatch` when the signer is not the issuer's key, `argument` when it may not sign CRLs
 */
export function issueCrl(fields: CrlFields, signer: Signer): Uint8Array {
  const { issuer } = fields
  if (!equalBytes(issuer.spki, signer.spki))
    throw new PkiError('key-mismatch', 'the signer is not the key of the issuer')
  if (!issuer.keyUsage.has('cRLSign'))
    throw new PkiError('argument', 'the issuer may not sign revocation lists')
  if (fields.nextUpdate <= fields.thisUpdate)
    throw new PkiError('argument', 'the next update must follow this one')
  if (issuer.keyId === undefined) throw new PkiError('argument', 'the issuer has no key identifier')
  const algorithm = signatureIdentifier(signer.algorithm)
  const entries = fields.revoked.map(({ serial, at, reason }) => {
    const parts: Der[] = [unsignedInteger(serial), certificateTime(at)]
    // RFC 5280 §5.3.1: `unspecified` is said by leaving the reason out.
    if (reason !== undefined && reason !== 'unspecified') parts.push(reasonExtensions[reason])
    return sequence(...parts)
  })
  const extensions = [
    encodeAuthorityKeyId(fromHex(issuer.keyId)),
    encodeExtension(OID.crlNumber, false, integer(fields.number)),
  ]
  const parts: Der[] = [
    integer(1),
    algorithm,
    issuer.subjectDer,
    certificateTime(fields.thisUpdate),
    certificateTime(fields.nextUpdate),
  ]
  // An empty list of entries must be absent (RFC 5280 §5.1.2.6).
  if (entries.length > 0) parts.push(elementOf(0x30, entries))
  parts.push(explicit(0, sequence(...extensions)))
  const tbs = encode(sequence(...parts))
  return encode(sequence(tbs, algorithm, bitString(signer.sign(tbs))))
}

export interface RevokedEntry {
  readonly serialHex: string
  readonly at: Date
  readonly reason?: RevocationReason
}

/** Which certificates a list speaks about (RFC 5280 §5.2.5). */
export interface CrlScope {
  readonly onlyUserCertificates: boolean
  readonly onlyCaCertificates: boolean
  /** Delta, indirect, attribute-only, reason-limited or otherwise not judged here. */
  readonly unsupported: boolean
  /** Why it is not judged. */
  readonly refusal?: 'delta-crl' | 'indirect-crl' | 'scope' | 'critical-extension'
}

export interface Crl {
  readonly der: Uint8Array
  readonly tbsDer: Uint8Array
  readonly issuer: Name
  readonly issuerDer: Uint8Array
  readonly thisUpdate: Date
  readonly nextUpdate?: Date
  readonly number?: bigint
  readonly authorityKeyId?: string
  readonly revoked: ReadonlyMap<string, RevokedEntry>
  readonly scope: CrlScope
  readonly extensions: readonly Extension[]
  readonly signatureAlgorithm: SignatureScheme
  readonly signature: Uint8Array
}

/** Parses a CRL. @throws PkiError `der` or `structure` */
export function parseCrl(der: Uint8Array): Crl {
  const outer = enter(readOnly(der, 0x30, 'revocation list'))
  const tbs = take(outer, 0x30, 'a list body')
  const algorithm = take(outer, 0x30, 'a signature algorithm')
  const signature = readBitString(take(outer, 0x03, 'a signature'))
  finish(outer, 'the revocation list')
  const cursor = enter(tbs)
  const version = takeOptional(cursor, 0x02)
  if (version !== undefined && readSmallInteger(version, 'the version') !== 1)
    throw new PkiError('structure', 'a revocation list of an unknown version')
  if (!equalBytes(encodingOf(take(cursor, 0x30, 'a signature algorithm')), encodingOf(algorithm)))
    throw new PkiError('structure', 'the signature algorithm differs inside and outside the signed part')
  const issuer = take(cursor, 0x30, 'an issuer')
  const thisUpdate = readTime(next(cursor))
  const hasNext = peek(cursor) === 0x17 || peek(cursor) === 0x18
  const nextUpdate = hasNext ? readTime(next(cursor)) : undefined
  const { revoked, unknownCriticalEntry } = readEntries(takeOptional(cursor, 0x30))
  const wrapped = takeOptional(cursor, 0xa0)
  finish(cursor, 'the list body')
  const extensions = wrapped === undefined ? [] : readExtensions(take(enter(wrapped), 0x30, 'extensions'))
  const number = extensions.find(({ oid }) => oid === OID.crlNumber)
  const { authorityKeyId } = interpretExtensions(
    extensions.filter(({ oid }) => oid === OID.authorityKeyIdentifier),
  )
  return {
    der,
    tbsDer: encodingOf(tbs),
    issuer: readName(issuer),
    issuerDer: encodingOf(issuer),
    thisUpdate,
    revoked,
    scope: readScope(extensions, unknownCriticalEntry),
    extensions,
    signatureAlgorithm: readSignatureScheme(algorithm),
    signature,
    ...(nextUpdate === undefined ? {} : { nextUpdate }),
    ...(number === undefined ? {} : { number: readInteger(readOnly(number.value, 0x02, 'CRL number')) }),
    ...(authorityKeyId === undefined ? {} : { authorityKeyId }),
  }
}

function readEntries(list: ReturnType<typeof takeOptional>) {
  const revoked = new Map<string, RevokedEntry>()
  let unknownCriticalEntry = false
  if (list === undefined) return { revoked, unknownCriticalEntry }
  for (const cursor = enter(list); !atEnd(cursor); ) {
    const entry = enter(take(cursor, 0x30, 'an entry'))
    const serialHex = serialToHex(take(entry, 0x02, 'a serial number'))
    const at = readTime(next(entry))
    const wrapped = takeOptional(entry, 0x30)
    finish(entry, 'an entry')
    let reason: RevocationReason | undefined
    for (const { oid, critical, value } of wrapped === undefined ? [] : readExtensions(wrapped)) {
      if (oid === OID.reasonCode)
        reason = reasonByCode.get(contentOf(readOnly(value, 0x0a, 'reason'))[0] ?? -1)
      else if (critical) unknownCriticalEntry = true
    }
    revoked.set(serialHex, { serialHex, at, ...(reason === undefined ? {} : { reason }) })
  }
  return { revoked, unknownCriticalEntry }
}

function readScope(extensions: readonly Extension[], unknownCriticalEntry: boolean): CrlScope {
  let [onlyUserCertificates, onlyCaCertificates] = [false, false]
  let refusal: CrlScope['refusal'] = unknownCriticalEntry ? 'critical-extension' : undefined
  for (const { oid, critical, value } of extensions) {
    // A delta list is critical by rule (RFC 5280 §5.2.4); one that forgets to say so is a delta list all the same.
    if (oid === OID.deltaCrlIndicator) refusal = 'delta-crl'
    if (oid !== OID.issuingDistributionPoint) {
      if (critical) refusal ??= 'critical-extension'
      continue
    }
    for (const cursor = enter(readOnly(value, 0x30, 'issuing distribution point')); !atEnd(cursor); ) {
      const field = next(cursor)
      // [0] is where the list is published; [1] and [2] narrow it; [3], [4] and [5] change its meaning.
      if (field.tag === 0x81) onlyUserCertificates = readBoolean(field)
      else if (field.tag === 0x82) onlyCaCertificates = readBoolean(field)
      else if (field.tag === 0x84 && readBoolean(field)) refusal ??= 'indirect-crl'
      else if (field.tag === 0x83 || (field.tag === 0x85 && readBoolean(field))) refusal ??= 'scope'
      else if (field.tag < 0xa0 && field.tag !== 0x84 && field.tag !== 0x85) refusal ??= 'critical-extension'
    }
  }
  const unsupported = refusal !== undefined
  return {
    onlyUserCertificates,
    onlyCaCertificates,
    unsupported,
    ...(refusal === undefined ? {} : { refusal }),
  }
}

/** Whether the issuer's key made the list's signature. */
export function verifyCrl(crl: Crl, issuer: Certificate, options: Sm2Options = {}): boolean {
  return checkSignature(crl.signatureAlgorithm, issuer.spki, crl.tbsDer, crl.signature, options) === 'good'
}
