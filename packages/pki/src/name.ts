/** Distinguished names and general names (RFC 5280 §4.1.2.4, §4.2.1.6). */
import { equalBytes, toHex } from './bytes.ts'
import {
  atEnd,
  contentOf,
  type DerElement,
  encodingOf,
  enter,
  finish,
  isText,
  next,
  readOid,
  readOnly,
  readText,
  take,
} from './der-read.ts'
import {
  type Der,
  element,
  encode,
  ia5Bytes,
  ia5String,
  implicit,
  oid,
  printableString,
  sequence,
  set,
  utf8String,
} from './der-write.ts'
import { PkiError } from './errors.ts'

const attributeOids = {
  C: '2.5.4.6',
  ST: '2.5.4.8',
  L: '2.5.4.7',
  street: '2.5.4.9',
  postalCode: '2.5.4.17',
  O: '2.5.4.10',
  organizationIdentifier: '2.5.4.97',
  OU: '2.5.4.11',
  title: '2.5.4.12',
  CN: '2.5.4.3',
  serialNumber: '2.5.4.5',
  GN: '2.5.4.42',
  SN: '2.5.4.4',
  pseudonym: '2.5.4.65',
  emailAddress: '1.2.840.113549.1.9.1',
  UID: '0.9.2342.19200300.100.1.1',
  DC: '0.9.2342.19200300.100.1.25',
} as const

/** Attribute types that names are written with. GN is the given name, SN the surname. */
export type NameAttributeType = keyof typeof attributeOids

/**
 * A name to be written: attributes in the order of its keys, or as pairs when a type repeats. C and serialNumber
 * become PrintableString, emailAddress and DC IA5String, all others UTF8String.
 */
export type NameAttributes =
  | Readonly<Partial<Record<NameAttributeType, string>>>
  | readonly (readonly [type: NameAttributeType, value: string])[]

export interface NameAttribute {
  readonly oid: string
  /** Short name such as `CN`, or the object identifier when it has none. */
  readonly type: string
  readonly value: string
}

/** A distinguished name as read. */
export interface Name {
  readonly attributes: readonly NameAttribute[]
  /** `C=CN, O=…, CN=…`, in the order of the encoding. For display. */
  readonly text: string
}

const typeByOid = new Map<string, string>(
  Object.entries(attributeOids).map(([type, dotted]) => [dotted, type]),
)
const oidDer = Object.fromEntries(
  Object.entries(attributeOids).map(([type, dotted]) => [type, oid(dotted)]),
) as Record<NameAttributeType, Uint8Array>

/** First value of an attribute in a name, such as `nameValue(certificate.subject, 'CN')`. */
export function nameValue(name: Name, type: NameAttributeType): string | undefined {
  return name.attributes.find((attribute) => attribute.type === type)?.value
}

function encodeValue(type: NameAttributeType, value: string): Der {
  if (type === 'C' || type === 'serialNumber') return printableString(value)
  if (type === 'emailAddress' || type === 'DC') return ia5String(value)
  return utf8String(value)
}

/** DER of a name. @throws PkiError `argument` for an unknown type or a value its string type cannot hold */
export function encodeName(attributes: NameAttributes): Uint8Array {
  const pairs = Array.isArray(attributes) ? attributes : Object.entries(attributes)
  const relative = (pairs as [NameAttributeType, string][]).map(([type, value]) => {
    const dotted = oidDer[type]
    if (dotted === undefined) throw new PkiError('argument', `unknown name attribute "${type}"`)
    return set(sequence(dotted, encodeValue(type, value)))
  })
  return encode(sequence(...relative))
}

/** Reads a name from its DER. */
export function readName(found: DerElement): Name {
  const attributes: NameAttribute[] = []
  let text = ''
  const names = enter(found)
  while (!atEnd(names)) {
    const relative = enter(take(names, 0x31, 'a relative name'))
    let first = true
    do {
      const pair = enter(take(relative, 0x30, 'a name attribute'))
      const dotted = readOid(take(pair, 0x06, 'an attribute type'))
      const raw = next(pair)
      finish(pair, 'a name attribute')
      const type = typeByOid.get(dotted) ?? dotted
      // Attributes of other types (a bit string identifier) are shown as hexadecimal, as RFC 4514 §2.4 does.
      const value = isText(raw.tag) ? readText(raw) : `#${toHex(encodingOf(raw))}`
      attributes.push({ oid: dotted, type, value })
      text += `${text === '' ? '' : first ? ', ' : '+'}${type}=${escapeValue(value)}`
      first = false
    } while (!atEnd(relative))
  }
  return { attributes, text }
}

const special = /[,+"\\<>;=]/
const escapeValue = (value: string): string =>
  special.test(value) ? value.replace(/[,+"\\<>;=]/g, '\\$&') : value

/** Reads a name from its own DER bytes. */
export const parseName = (der: Uint8Array): Name => readName(readOnly(der, 0x30, 'name'))

/** Caseless, with inner spaces folded: the parts of RFC 4518 that decide about real names. */
export function normalForm(value: string): string {
  let composed = true
  let cased = false
  let spaced = false
  let before = 0x20
  for (let index = 0; index < value.length; index += 1) {
    const code = value.charCodeAt(index)
    if (code <= 0x20) spaced ||= code !== 0x20 || before === 0x20
    else if (code <= 0x7f) cased ||= code >= 0x41 && code <= 0x5a
    else if (code < 0x4e00 || code > 0x9fff) composed = false
    before = code
  }
  // Neither ASCII nor the unified ideographs have another form under NFKC, and names are mostly made of these.
  if (!composed) return value.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ')
  const lower = cased ? value.toLowerCase() : value
  return spaced || before <= 0x20 ? lower.trim().replace(/\s+/g, ' ') : lower
}

/**
 * Whether two encoded names are the same (RFC 5280 §7.1): same bytes, or same text in other string types.
 * @throws PkiError `der` when they differ and one of them is no name
 */
export function sameName(left: Uint8Array, right: Uint8Array): boolean {
  if (equalBytes(left, right)) return true
  return nameStartsWith(left, right, true)
}

/** Whether two parsed names say the same, attribute by attribute; stops at the first difference. */
export function sameAttributes(left: Name, right: Name): boolean {
  if (left.attributes.length !== right.attributes.length) return false
  if (!left.attributes.every(({ oid: dotted }, index) => dotted === right.attributes[index]!.oid))
    return false
  return left.attributes.every(({ value }, index) => {
    const other = right.attributes[index]!.value
    return value === other || normalForm(value) === normalForm(other)
  })
}

/** Whether `whole` begins with the attributes of `prefix`; with `exact`, whether it has no more. */
export function nameStartsWith(whole: Uint8Array, prefix: Uint8Array, exact = false): boolean {
  const one = relativeNames(whole)
  const other = relativeNames(prefix)
  if (exact ? one.length !== other.length : one.length < other.length) return false
  return other.every((relative, index) => relative === one[index])
}

function relativeNames(der: Uint8Array): string[] {
  const list: string[] = []
  const names = enter(readOnly(der, 0x30, 'name'))
  while (!atEnd(names)) {
    const inner = encode(sequence(encodingOf(take(names, 0x31, 'a relative name'))))
    const pairs = parseName(inner).attributes.map(
      ({ oid: dotted, value }) => `${dotted}=${normalForm(value)}`,
    )
    list.push(pairs.sort().join('\0'))
  }
  return list
}

/** A subject alternative name or an address inside an extension. */
export type GeneralName =
  | { readonly type: 'email' | 'dns' | 'uri'; readonly value: string }
  | { readonly type: 'ip'; readonly bytes: Uint8Array }
  | { readonly type: 'directory'; readonly nameDer: Uint8Array; readonly name: Name }
  | { readonly type: 'other'; readonly tag: number; readonly bytes: Uint8Array }

/** Names that can be written into a subject alternative name. */
export type SubjectAltName = { readonly type: 'email' | 'dns' | 'uri'; readonly value: string }

const textTags = { email: 1, dns: 2, uri: 6 } as const

export function encodeGeneralName(name: SubjectAltName): Uint8Array {
  return encode(implicit(textTags[name.type], ia5Bytes(name.value)))
}

/** GeneralName of the kind directoryName. */
export const directoryName = (nameDer: Uint8Array): Uint8Array => encode(element(0xa4, nameDer))

export function readGeneralName(found: DerElement): GeneralName {
  const asText = () => readText({ ...found, tag: 0x16 })
  switch (found.tag) {
    case 0x81:
      return { type: 'email', value: asText() }
    case 0x82:
      return { type: 'dns', value: asText() }
    case 0x86:
      return { type: 'uri', value: asText() }
    case 0x87:
      return { type: 'ip', bytes: contentOf(found) }
    case 0xa4: {
      const cursor = enter(found)
      const inner = take(cursor, 0x30, 'a directory name')
      finish(cursor, 'a directory name')
      return { type: 'directory', nameDer: encodingOf(inner), name: readName(inner) }
    }
    default:
      return { type: 'other', tag: found.tag, bytes: contentOf(found) }
  }
}
