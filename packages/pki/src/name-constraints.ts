/** Name constraints (RFC 5280 §4.2.1.10). */
import { equalBytes } from './bytes.ts'
import type { Certificate } from './certificate.ts'
import {
  childrenOf,
  contentOf,
  type DerElement,
  enter,
  finish,
  next,
  readOnly,
  takeOptional,
} from './der-read.ts'
import { type GeneralName, nameStartsWith, readGeneralName } from './name.ts'
import { PkiError } from './errors.ts'
import { OID } from './oids.ts'

interface Constraints {
  readonly permitted: readonly GeneralName[]
  readonly excluded: readonly GeneralName[]
}

function readConstraints(value: Uint8Array): Constraints {
  const cursor = enter(readOnly(value, 0x30, 'name constraints'))
  const permitted = takeOptional(cursor, 0xa0)
  const excluded = takeOptional(cursor, 0xa1)
  finish(cursor, 'name constraints')
  const basesOf = (list: typeof permitted) => (list === undefined ? [] : childrenOf(list).map(readBase))
  return { permitted: basesOf(permitted), excluded: basesOf(excluded) }
}

/** RFC 5280 §4.2.1.10: the minimum is zero, which DER leaves out, and there is no maximum: the base alone counts. */
function readBase(subtree: DerElement): GeneralName {
  const cursor = enter(subtree)
  const base = readGeneralName(next(cursor))
  const minimum = takeOptional(cursor, 0x80)
  finish(cursor, 'a subtree')
  if (minimum !== undefined && contentOf(minimum).some((octet) => octet !== 0))
    throw new PkiError('structure', 'a subtree with a minimum')
  if (base.type === 'ip' && base.bytes.length !== 8 && base.bytes.length !== 32)
    throw new PkiError('structure', 'an address range of a strange length')
  return base
}

/** Every name a certificate claims, the subject and e-mail addresses inside it included. */
function namesOf(certificate: Certificate): GeneralName[] {
  const { subject, subjectDer, subjectAltNames } = certificate
  const names: GeneralName[] = [...subjectAltNames]
  if (subject.attributes.length > 0) names.push({ type: 'directory', nameDer: subjectDer, name: subject })
  for (const { type, value } of subject.attributes)
    if (type === 'emailAddress') names.push({ type: 'email', value })
  return names
}

const kindOf = (name: GeneralName): string => (name.type === 'other' ? `other ${name.tag}` : name.type)

/**
 * The first name of the certificate that the CA may not certify, as text; undefined when all are within.
 * @throws PkiError when the constraints cannot be read
 */
export function violatedNameConstraint(authority: Certificate, certificate: Certificate): string | undefined {
  const extension = authority.extensions.find(({ oid }) => oid === OID.nameConstraints)
  if (extension === undefined) return undefined
  const { permitted, excluded } = readConstraints(extension.value)
  for (const name of namesOf(certificate)) {
    const kind = kindOf(name)
    const allowed = permitted.filter((base) => kindOf(base) === kind)
    const forbidden = excluded.filter((base) => kindOf(base) === kind)
    // A kind that cannot be compared counts as outside as soon as it is constrained at all.
    const outside = allowed.length > 0 && !allowed.some((base) => isWithin(name, base))
    if (outside || forbidden.some((base) => !isComparable(name) || isWithin(name, base)))
      return describe(name)
  }
  return undefined
}

/** What cannot be compared counts as inside whatever is excluded, and outside whatever is permitted. */
function isComparable(name: GeneralName): boolean {
  if (name.type === 'uri') return hostOf(name.value) !== undefined
  if (name.type === 'email') return name.value.includes('@')
  return name.type !== 'other'
}

function describe(name: GeneralName): string {
  if (name.type === 'directory') return name.name.text
  return name.type === 'ip' ? name.bytes.join('.') : name.type === 'other' ? kindOf(name) : name.value
}

function isWithin(name: GeneralName, base: GeneralName): boolean {
  if (name.type === 'directory' && base.type === 'directory')
    return nameStartsWith(name.nameDer, base.nameDer)
  if (name.type === 'email' && base.type === 'email') return emailWithin(name.value, base.value)
  if (name.type === 'dns' && base.type === 'dns') return hostWithin(name.value, base.value)
  if (name.type === 'uri' && base.type === 'uri') return uriWithin(name.value, base.value)
  if (name.type === 'ip' && base.type === 'ip') return ipWithin(name.bytes, base.bytes)
  return false
}

/** Lower case, without the dot of the root. */
const plainHost = (host: string): string => host.toLowerCase().replace(/\.$/, '')

/** A DNS constraint covers the host and everything below it; with a leading dot, as many write it, only what is below. */
function hostWithin(host: string, base: string): boolean {
  const [left, right] = [plainHost(host), plainHost(base)]
  if (right.startsWith('.')) return left.endsWith(right)
  return right === '' || left === right || left.endsWith(`.${right}`)
}

/** A leading dot means hosts below, without it exactly this host. */
function hostMatches(host: string, base: string): boolean {
  const [left, right] = [plainHost(host), plainHost(base)]
  return right.startsWith('.') ? left.endsWith(right) : left === right
}

function emailWithin(address: string, base: string): boolean {
  const at = address.lastIndexOf('@')
  if (base.includes('@')) {
    const [local, host] = [address.slice(0, at), address.slice(at + 1)]
    const baseAt = base.lastIndexOf('@')
    return local === base.slice(0, baseAt) && host.toLowerCase() === base.slice(baseAt + 1).toLowerCase()
  }
  return hostMatches(address.slice(at + 1), base)
}

/** The host of an address; undefined when it has none or is named by number (RFC 5280 §4.2.1.10 wants a name). */
function hostOf(uri: string): string | undefined {
  const host = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:@[\]]+)(?::\d*)?(?:[/?#]|$)/i.exec(uri)?.[1]
  return host === undefined || /^[\d.]+$/.test(host) ? undefined : host
}

function uriWithin(uri: string, base: string): boolean {
  const host = hostOf(uri)
  return host !== undefined && hostMatches(host, base)
}

function ipWithin(address: Uint8Array, base: Uint8Array): boolean {
  if (base.length !== address.length * 2) return false
  const mask = base.subarray(address.length)
  const masked = (bytes: Uint8Array) => bytes.map((octet, index) => octet & mask[index]!)
  return equalBytes(masked(address), masked(base.subarray(0, address.length)))
}
