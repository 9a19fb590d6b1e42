/**
 * Certificate policies along a path, as sets: which policies hold for the whole path (RFC 5280 §6.1.3 d–f, §6.1.4
 * a–b, §6.1.5). The tree of the standard also records qualifiers, which nobody here asks for.
 */
import { type Certificate, isSelfIssued } from './certificate.ts'
import {
  childrenOf,
  contentOf,
  enter,
  readOid,
  readOnly,
  readSmallInteger,
  take,
  takeOptional,
} from './der-read.ts'
import { implicit, encode } from './der-write.ts'
import { OID } from './oids.ts'

export interface PolicyResult {
  readonly ok: boolean
  /** Policies that hold for the whole path; `any` when none was narrowed. */
  readonly policies: readonly string[] | 'any'
}

const extensionOf = (certificate: Certificate, oid: string) =>
  certificate.extensions.find((found) => found.oid === oid)

function readPolicyConstraints(value: Uint8Array): {
  explicit: number | undefined
  mapping: number | undefined
} {
  const cursor = enter(readOnly(value, 0x30, 'policy constraints'))
  const number = (tag: number) => {
    const field = takeOptional(cursor, tag)
    return (
      field &&
      readSmallInteger(readOnly(withIntegerTag(contentOf(field)), 0x02, 'number'), 'a policy constraint')
    )
  }
  return { explicit: number(0x80), mapping: number(0x81) }
}

/** An IMPLICIT integer under its own tag again. */
function withIntegerTag(content: Uint8Array): Uint8Array {
  const bytes = encode(implicit(0, content))
  bytes[0] = 0x02
  return bytes
}

function readMappings(value: Uint8Array): [issuer: string, subject: string][] {
  return childrenOf(readOnly(value, 0x30, 'policy mappings')).map((pair) => {
    const cursor = enter(pair)
    return [readOid(take(cursor, 0x06, 'a policy')), readOid(take(cursor, 0x06, 'a policy'))]
  })
}

/**
 * Follows the policies from the anchor to the leaf.
 * @param path from the leaf to the anchor; the anchor's own policies are not looked at (§6.1)
 * @throws PkiError when a policy extension cannot be read
 */
export function followPolicies(path: readonly Certificate[]): PolicyResult {
  let valid: Set<string> | 'any' = 'any'
  let [explicit, inhibitAny, mappingAllowed] = [Infinity, Infinity, Infinity]
  let ok = true
  for (let index = path.length - 2; index >= 0; index -= 1) {
    const certificate = path[index]!
    const selfIssued = isSelfIssued(certificate)
    const stated = extensionOf(certificate, OID.certificatePolicies) === undefined ? [] : certificate.policies
    const anyCounts = stated.includes(OID.anyPolicy) && (inhibitAny > 0 || (index > 0 && selfIssued))
    if (!anyCounts) {
      const named = stated.filter((policy) => policy !== OID.anyPolicy)
      valid = narrow(valid, named)
    }
    if (explicit <= 0 && valid !== 'any' && valid.size === 0) ok = false
    const constraints = extensionOf(certificate, OID.policyConstraints)
    const limits = constraints && readPolicyConstraints(constraints.value)
    if (index === 0) {
      explicit -= 1
      if (limits?.explicit === 0) explicit = 0
      break
    }
    const mappings = extensionOf(certificate, OID.policyMappings)
    if (mappings !== undefined) valid = mapPolicies(valid, readMappings(mappings.value), mappingAllowed > 0)
    if (!selfIssued) {
      explicit -= 1
      inhibitAny -= 1
      mappingAllowed -= 1
    }
    explicit = Math.min(explicit, limits?.explicit ?? Infinity)
    mappingAllowed = Math.min(mappingAllowed, limits?.mapping ?? Infinity)
    const skip = extensionOf(certificate, OID.inhibitAnyPolicy)
    if (skip !== undefined)
      inhibitAny = Math.min(
        inhibitAny,
        readSmallInteger(readOnly(skip.value, 0x02, 'skip count'), 'a skip count'),
      )
  }
  if (explicit <= 0 && valid !== 'any' && valid.size === 0) ok = false
  return { ok, policies: valid === 'any' ? 'any' : [...valid] }
}

function narrow(valid: Set<string> | 'any', named: readonly string[]): Set<string> {
  return new Set(valid === 'any' ? named : named.filter((policy) => valid.has(policy)))
}

function mapPolicies(
  valid: Set<string> | 'any',
  mappings: [string, string][],
  allowed: boolean,
): Set<string> | 'any' {
  if (valid === 'any') return valid
  const mapped = new Set(valid)
  for (const [issuer] of mappings) mapped.delete(issuer)
  if (allowed) for (const [issuer, subject] of mappings) if (valid.has(issuer)) mapped.add(subject)
  return mapped
}
