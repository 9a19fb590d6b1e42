/** Certificate extensions: read into facts, written from fields (RFC 5280 §4.2). */
import { toHex } from './bytes.ts'
import {
  atEnd,
  childrenOf,
  contentOf,
  type DerElement,
  enter,
  finish,
  next,
  peek,
  readBoolean,
  readBitString,
  readNamedBits,
  readOid,
  readOnly,
  readSmallInteger,
  take,
  takeOptional,
} from './der-read.ts'
import {
  boolean,
  type Der,
  element,
  encode,
  explicit,
  ia5Bytes,
  implicit,
  integer,
  namedBits,
  nullValue,
  octetString,
  oid,
  sequence,
} from './der-write.ts'
import { encodeGeneralName, type GeneralName, readGeneralName, type SubjectAltName } from './name.ts'
import { OID } from './oids.ts'

export interface Extension {
  readonly oid: string
  readonly critical: boolean
  /** DER inside the OCTET STRING. */
  readonly value: Uint8Array
}

/** Names of the key usage bits, in bit order. */
export const keyUsageNames = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const
export type KeyUsage = (typeof keyUsageNames)[number]

/** What the known extensions of a certificate say. */
export interface ExtensionFacts {
  /** Subject key identifier, hexadecimal. */
  keyId?: string
  authorityKeyId?: string
  isCa: boolean
  pathLength?: number
  /** Empty when there is no key usage extension. */
  keyUsage: Set<KeyUsage>
  extendedKeyUsage: string[]
  policies: string[]
  subjectAltNames: GeneralName[]
  crlUrls: string[]
  ocspUrls: string[]
  caIssuerUrls: string[]
  /** Object identifiers of known extensions whose content could not be read. */
  malformedExtensions: string[]
}

/** Reads an Extensions list. Repetition is not refused here: lint and path validation judge it. */
export function readExtensions(list: DerElement): Extension[] {
  const found: Extension[] = []
  const cursor = enter(list)
  while (!atEnd(cursor)) {
    const parts = enter(take(cursor, 0x30, 'an extension'))
    const dotted = readOid(take(parts, 0x06, 'an extension identifier'))
    const flag = takeOptional(parts, 0x01)
    const value = contentOf(take(parts, 0x04, 'an extension value'))
    finish(parts, 'an extension')
    found.push({ oid: dotted, critical: flag !== undefined && readBoolean(flag), value })
  }
  return found
}

const readers: Record<string, (value: Uint8Array, facts: ExtensionFacts) => void> = {
  [OID.subjectKeyIdentifier]: (value, facts) => {
    facts.keyId = toHex(contentOf(readOnly(value, 0x04, 'subject key identifier')))
  },
  [OID.authorityKeyIdentifier]: (value, facts) => {
    const key = takeOptional(enter(readOnly(value, 0x30, 'authority key identifier')), 0x80)
    if (key !== undefined) facts.authorityKeyId = toHex(contentOf(key))
  },
  [OID.basicConstraints]: (value, facts) => {
    const cursor = enter(readOnly(value, 0x30, 'basic constraints'))
    const flag = takeOptional(cursor, 0x01)
    const length = takeOptional(cursor, 0x02)
    finish(cursor, 'basic constraints')
    facts.isCa = flag !== undefined && readBoolean(flag)
    if (length !== undefined) facts.pathLength = readSmallInteger(length, 'the path length')
  },
  [OID.keyUsage]: (value, facts) => {
    for (const bit of readNamedBits(readOnly(value, 0x03, 'key usage'))) {
      const name = keyUsageNames[bit]
      if (name !== undefined) facts.keyUsage.add(name)
    }
  },
  [OID.extendedKeyUsage]: (value, facts) => {
    facts.extendedKeyUsage = childrenOf(readOnly(value, 0x30, 'extended key usage')).map(readOid)
  },
  [OID.certificatePolicies]: (value, facts) => {
    facts.policies = childrenOf(readOnly(value, 0x30, 'policies')).map((policy) =>
      readOid(take(enter(policy), 0x06, 'a policy')),
    )
  },
  [OID.subjectAltName]: (value, facts) => {
    facts.subjectAltNames = childrenOf(readOnly(value, 0x30, 'alternative names')).map(readGeneralName)
  },
  [OID.crlDistributionPoints]: (value, facts) => {
    for (const point of childrenOf(readOnly(value, 0x30, 'distribution points'))) {
      const name = takeOptional(enter(point), 0xa0)
      if (name !== undefined) facts.crlUrls.push(...urlsInDistributionPointName(name))
    }
  },
  [OID.authorityInfoAccess]: (value, facts) => {
    for (const access of childrenOf(readOnly(value, 0x30, 'authority information'))) {
      const cursor = enter(access)
      const method = readOid(take(cursor, 0x06, 'an access method'))
      const location = readGeneralName(next(cursor))
      if (location.type !== 'uri') continue
      if (method === OID.ocsp) facts.ocspUrls.push(location.value)
      if (method === OID.caIssuers) facts.caIssuerUrls.push(location.value)
    }
  },
}

/** URLs of a DistributionPointName's fullName. */
export function urlsInDistributionPointName(name: DerElement): string[] {
  const cursor = enter(name)
  if (peek(cursor) !== 0xa0) return []
  const names = childrenOf(next(cursor)).map(readGeneralName)
  return names.flatMap((found) => (found.type === 'uri' ? [found.value] : []))
}

/** Facts of a list of extensions. An unreadable one is listed, so that the judge may decide what it is worth. */
export function interpretExtensions(extensions: readonly Extension[]): ExtensionFacts {
  const facts: ExtensionFacts = {
    isCa: false,
    keyUsage: new Set(),
    extendedKeyUsage: [],
    policies: [],
    subjectAltNames: [],
    crlUrls: [],
    ocspUrls: [],
    caIssuerUrls: [],
    malformedExtensions: [],
  }
  for (const { oid: dotted, value } of extensions) {
    try {
      readers[dotted]?.(value, facts)
    } catch {
      facts.malformedExtensions.push(dotted)
    }
  }
  return facts
}

/** Content of the key's BIT STRING, over which key identifiers are computed. */
export function publicKeyBits(spki: Uint8Array): Uint8Array {
  const cursor = enter(readOnly(spki, 0x30, 'public key'))
  take(cursor, 0x30, 'a key algorithm')
  return readBitString(take(cursor, 0x03, 'the key bits'))
}

/** One Extension. The DEFAULT FALSE of `critical` is left out, as DER demands. */
export function encodeExtension(dotted: string, critical: boolean, value: Der): Uint8Array {
  const parts: Der[] = [oid(dotted)]
  if (critical) parts.push(boolean(true))
  return encode(sequence(...parts, octetString(value)))
}

export function encodeBasicConstraints(isCa: boolean, pathLength?: number): Uint8Array {
  const parts: Der[] = isCa ? [boolean(true)] : []
  if (pathLength !== undefined) parts.push(integer(pathLength))
  return encodeExtension(OID.basicConstraints, true, sequence(...parts))
}

export function encodeKeyUsage(usages: readonly KeyUsage[]): Uint8Array {
  return encodeExtension(OID.keyUsage, true, namedBits(usages.map((usage) => keyUsageNames.indexOf(usage))))
}

export function encodeExtendedKeyUsage(purposes: readonly string[], critical: boolean): Uint8Array {
  return encodeExtension(OID.extendedKeyUsage, critical, sequence(...purposes.map(oid)))
}

export function encodePolicies(policies: readonly string[]): Uint8Array {
  return encodeExtension(
    OID.certificatePolicies,
    false,
    sequence(...policies.map((policy) => sequence(oid(policy)))),
  )
}

const uri = (url: string): Der => implicit(6, ia5Bytes(url))

/** One distribution point per URL: they are alternatives of equal content. */
export function encodeCrlUrls(urls: readonly string[]): Uint8Array {
  const points = urls.map((url) => sequence(explicit(0, element(0xa0, uri(url)))))
  return encodeExtension(OID.crlDistributionPoints, false, sequence(...points))
}

/** Where the issuer's certificate is and where its status can be asked (RFC 5280 §4.2.2.1). */
export function encodeAuthorityInfo(
  caIssuerUrls: readonly string[],
  ocspUrls: readonly string[],
): Uint8Array {
  const entries = [
    ...ocspUrls.map((url) => sequence(oid(OID.ocsp), uri(url))),
    ...caIssuerUrls.map((url) => sequence(oid(OID.caIssuers), uri(url))),
  ]
  return encodeExtension(OID.authorityInfoAccess, false, sequence(...entries))
}

/** A responder whose own revocation need not be asked for (RFC 6960 §4.2.2.2.1). */
export function encodeNoCheck(): Uint8Array {
  return encodeExtension(OID.ocspNoCheck, false, nullValue)
}

export function encodeSubjectAltNames(names: readonly SubjectAltName[]): Uint8Array {
  return encodeExtension(OID.subjectAltName, false, sequence(...names.map(encodeGeneralName)))
}

export function encodeKeyId(keyId: Uint8Array): Uint8Array {
  return encodeExtension(OID.subjectKeyIdentifier, false, octetString(keyId))
}

export function encodeAuthorityKeyId(keyId: Uint8Array): Uint8Array {
  return encodeExtension(OID.authorityKeyIdentifier, false, sequence(implicit(0, keyId)))
}
