/**
 * Certificate policies along a path: which hold for the whole of it (RFC 5280 §6.1.3 d–f, §6.1.4 a–b, §6.1.5 g). The
 * tree of the standard is kept level by level: for each policy expected next, the policies of the anchor's own domain
 * that it goes back to. Qualifiers, which the tree also records, are not looked at.
 */
import { type Certificate, isSelfIssued } from './certificate.ts'
import {
  childrenOf,
  contentOf,
  enter,
  finish,
  readOid,
  readOnly,
  readSmallInteger,
  take,
  takeOptional,
} from './der-read.ts'
import { encode, implicit } from './der-write.ts'
import { PkiError } from './errors.ts'
import { OID } from './oids.ts'

/** The inputs of RFC 5280 §6.1.1 c and e–g. */
export interface PolicyOptions {
  /** Policies acceptable to the caller, in the anchor's domain; any unless told otherwise. */
  readonly acceptablePolicies?: readonly string[]
  /** Whether one of them must hold for the whole path, even when no certificate demands it. */
  readonly requireExplicitPolicy?: boolean
  readonly inhibitPolicyMapping?: boolean
  readonly inhibitAnyPolicy?: boolean
}

export interface PolicyResult {
  readonly ok: boolean
  /** Policies of the leaf that hold for the whole path and are acceptable; `any` when none was narrowed. */
  readonly policies: readonly string[] | 'any'
}

/** The leaves of the tree: what the next certificate may state, each with its roots, and whether it may state any. */
interface Level {
  readonly expected: ReadonlyMap<string, ReadonlySet<string>>
  readonly any: boolean
}
const nothing: Level = { expected: new Map(), any: false }

/** More policies than any certificate states: hostile ones cost no more than this. */
const maximumPolicies = 256

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
  const limits = { explicit: number(0x80), mapping: number(0x81) }
  finish(cursor, 'policy constraints')
  return limits
}

/** An IMPLICIT integer under its own tag again. */
function withIntegerTag(content: Uint8Array): Uint8Array {
  const bytes = encode(implicit(0, content))
  bytes[0] = 0x02
  return bytes
}

function readMappings(value: Uint8Array): Map<string, string[]> {
  const mappings = new Map<string, string[]>()
  const pairs = childrenOf(readOnly(value, 0x30, 'policy mappings'))
  if (pairs.length > maximumPolicies) throw new PkiError('structure', 'too many policy mappings')
  for (const pair of pairs) {
    const cursor = enter(pair)
    const issuer = readOid(take(cursor, 0x06, 'a policy'))
    const subject = readOid(take(cursor, 0x06, 'a policy'))
    finish(cursor, 'a policy mapping')
    // §6.1.4 a: nothing may be mapped to or from anyPolicy.
    if (issuer === OID.anyPolicy || subject === OID.anyPolicy)
      throw new PkiError('structure', 'a policy mapping of any policy')
    mappings.set(issuer, [...(mappings.get(issuer) ?? []), subject])
  }
  return mappings
}

/**
 * Follows the policies from the anchor to the leaf.
 * @param path from the leaf to the anchor; the anchor's own policies are not looked at (§6.1)
 * @throws PkiError when a policy extension cannot be read
 */
export function followPolicies(path: readonly Certificate[], options: PolicyOptions = {}): PolicyResult {
  let level: Level = { expected: new Map(), any: true }
  let explicit = options.requireExplicitPolicy === true ? 0 : Infinity
  let inhibitAny = options.inhibitAnyPolicy === true ? 0 : Infinity
  let mappingAllowed = options.inhibitPolicyMapping === true ? 0 : Infinity
  let ok = true
  for (let index = path.length - 2; index >= 0; index -= 1) {
    const certificate = path[index]!
    const selfIssued = isSelfIssued(certificate)
    level = stateOf(certificate, level, inhibitAny > 0 || (index > 0 && selfIssued))
    if (explicit <= 0 && isEmpty(level)) ok = false
    const constraints = extensionOf(certificate, OID.policyConstraints)
    const limits = constraints && readPolicyConstraints(constraints.value)
    if (index === 0) {
      explicit -= 1
      if (limits?.explicit === 0) explicit = 0
      break
    }
    const mappings = extensionOf(certificate, OID.policyMappings)
    if (mappings !== undefined) level = mapped(level, readMappings(mappings.value), mappingAllowed > 0)
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
  const policies = acceptable(level, options.acceptablePolicies)
  if (explicit <= 0 && policies !== 'any' && policies.length === 0) ok = false
  return { ok, policies }
}

const isEmpty = ({ expected, any }: Level): boolean => expected.size === 0 && !any

/** §6.1.3 d and e: what the certificate states of what was expected. */
function stateOf(certificate: Certificate, before: Level, anyCounts: boolean): Level {
  if (extensionOf(certificate, OID.certificatePolicies) === undefined) return nothing
  const stated = certificate.policies
  if (stated.length > maximumPolicies) throw new PkiError('structure', 'too many certificate policies')
  const expected = new Map<string, ReadonlySet<string>>()
  for (const policy of stated) {
    if (policy === OID.anyPolicy) continue
    const roots = before.expected.get(policy)
    if (roots !== undefined) expected.set(policy, roots)
    // Under anyPolicy it begins a branch of its own.
    else if (before.any) expected.set(policy, new Set([policy]))
  }
  const any = anyCounts && stated.includes(OID.anyPolicy)
  if (any)
    for (const [policy, roots] of before.expected) if (!expected.has(policy)) expected.set(policy, roots)
  return { expected, any: any && before.any }
}

/** §6.1.4 b: policies of the issuer's domain become those of the subject's. */
function mapped(level: Level, mappings: ReadonlyMap<string, readonly string[]>, allowed: boolean): Level {
  const expected = new Map(level.expected)
  for (const issuer of mappings.keys()) expected.delete(issuer)
  if (!allowed) return { expected, any: level.any }
  for (const [issuer, subjects] of mappings) {
    const roots = level.expected.get(issuer) ?? (level.any ? new Set([issuer]) : undefined)
    if (roots === undefined) continue
    for (const subject of subjects)
      expected.set(subject, new Set([...(expected.get(subject) ?? []), ...roots]))
  }
  return { expected, any: level.any }
}

/** §6.1.5 g: what is left of it for the caller. */
function acceptable(
  { expected, any }: Level,
  wanted: readonly string[] | undefined,
): readonly string[] | 'any' {
  if (wanted === undefined || wanted.includes(OID.anyPolicy)) return any ? 'any' : [...expected.keys()]
  const kept = [...expected].filter(([, roots]) => wanted.some((policy) => roots.has(policy)))
  const rooted = new Set([...expected.values()].flatMap((roots) => [...roots]))
  const throughAny = any ? wanted.filter((policy) => !rooted.has(policy)) : []
  return [...new Set([...kept.map(([policy]) => policy), ...throughAny])]
}
