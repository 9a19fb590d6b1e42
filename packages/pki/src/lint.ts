/**
 * Lint: reads a certificate back from its bytes and holds it to its profile, before a real key signs it. Reading
 * back, instead of trusting the builder, is what lets it find the builder's mistakes.
 */
import { type Certificate, type CertificateBody, parseCertificateBody } from './certificate.ts'
import { keyFacts } from './public-key.ts'
import type { Finding } from './errors.ts'
import type { Extension } from './extensions.ts'
import { sameAttributes, sameName } from './name.ts'
import { OID } from './oids.ts'
import { type CertificateProfile, type ProfileRules, profiles } from './profiles.ts'

/** What the rules about a subject look at. */
export type SubjectFacts = Pick<
  CertificateBody,
  'serialHex' | 'subject' | 'issuer' | 'issuerDer' | 'notBefore' | 'notAfter' | 'spki'
>

interface Context<Facts> {
  readonly body: Facts
  readonly rules: ProfileRules
  readonly issuer: Certificate | undefined
}

interface Rule<Facts> {
  readonly rule: string
  readonly source: string
  /** What is wrong, or undefined. */
  check(context: Context<Facts>): string | undefined
}

const extensionOf = (body: CertificateBody, oid: string): Extension | undefined =>
  body.extensions.find((found) => found.oid === oid)

const allowedExtensions = new Set<string>([
  OID.subjectKeyIdentifier,
  OID.authorityKeyIdentifier,
  OID.keyUsage,
  OID.basicConstraints,
  OID.extendedKeyUsage,
  OID.certificatePolicies,
  OID.subjectAltName,
  OID.crlDistributionPoints,
  OID.authorityInfoAccess,
  OID.ocspNoCheck,
])

/** Upper bounds of RFC 5280 appendix A.1, in characters. */
const upperBounds: Record<string, number> = {
  CN: 64,
  O: 64,
  OU: 64,
  serialNumber: 64,
  L: 128,
  ST: 128,
  title: 64,
  emailAddress: 255,
}

/** Whether the found values are exactly the expected ones, in any order, each once. */
function isExactly(found: Iterable<string>, expected: readonly string[]): boolean {
  const list = [...found]
  return list.length === expected.length && expected.every((value) => list.includes(value))
}

/** What differs from one certificate of a template to the next. */
const subjectRules: readonly Rule<SubjectFacts>[] = [
  {
    rule: 'serial-positive-20-octets',
    source: 'RFC 5280 §4.1.2.2',
    check({ body: { serialHex } }) {
      if (/^0+$/.test(serialHex)) return 'the serial number is zero'
      // A sign octet belongs to the count: 20 octets with the high bit set make 21.
      const octets = serialHex.length / 2 + (Number.parseInt(serialHex.slice(0, 2), 16) >= 0x80 ? 1 : 0)
      return octets > 20 ? `the serial number has ${octets} octets` : undefined
    },
  },
  {
    rule: 'subject-named',
    source: 'RFC 5280 §4.1.2.6',
    check: ({ body }) => (body.subject.attributes.length > 0 ? undefined : 'the subject is empty'),
  },
  {
    rule: 'country-code',
    source: 'RFC 5280 appendix A.1, ISO 3166-1',
    check({ body }) {
      const bad = body.subject.attributes.find(({ type, value }) => type === 'C' && !/^[A-Z]{2}$/.test(value))
      return bad && `"${bad.value}" is no country code`
    },
  },
  {
    rule: 'attribute-length',
    source: 'RFC 5280 appendix A.1',
    check({ body }) {
      const bad = body.subject.attributes.find(({ type, value }) => {
        const bound = upperBounds[type] ?? 255
        // Characters are never more than the units they are stored in, so that most need no counting.
        return value.length === 0 || (value.length > bound && [...value].length > bound)
      })
      return bad && `${bad.type} has ${[...bad.value].length} characters`
    },
  },
  {
    rule: 'validity-order',
    source: 'RFC 5280 §4.1.2.5',
    check: ({ body }) => (body.notBefore < body.notAfter ? undefined : 'the validity ends before it begins'),
  },
  {
    rule: 'validity-inside-issuer',
    source: 'X.509 §8 (shell model)',
    check({ body, issuer }) {
      if (issuer === undefined) return undefined
      const inside = body.notBefore >= issuer.notBefore && body.notAfter <= issuer.notAfter
      return inside ? undefined : 'the validity reaches outside that of the issuer'
    },
  },
  {
    rule: 'issuer-chains',
    source: 'RFC 5280 §6.1.3',
    check({ body, issuer, rules }) {
      if (rules.selfIssued)
        return sameAttributes(body.subject, body.issuer) ? undefined : 'a root must be its own issuer'
      if (sameAttributes(body.subject, body.issuer)) return 'only a root may be its own issuer'
      return issuer === undefined || sameName(body.issuerDer, issuer.subjectDer)
        ? undefined
        : 'the issuer has another name'
    },
  },
  {
    rule: 'key-strength',
    source: 'ETSI TS 119 312 §6',
    check({ body }) {
      const key = keyFacts(body.spki)
      if (key?.wellFormed !== true) return 'the public key is no key of a known kind'
      if (key.type === 'ed25519') return undefined
      if (key.type === 'ec') return key.bits >= 256 ? undefined : `curve ${key.curve}`
      if (key.bits < 2048) return `an RSA key of ${key.bits} bits`
      return key.publicExponent !== undefined && key.publicExponent < 65537n
        ? 'a small RSA exponent'
        : undefined
    },
  },
]

/** What certificates with the same version, algorithm, issuer and extensions have in common. */
const templateRules: readonly Rule<CertificateBody>[] = [
  {
    rule: 'version-3',
    source: 'RFC 5280 §4.1.2.1',
    check: ({ body }) => (body.version === 3 ? undefined : `version ${body.version}`),
  },
  {
    rule: 'issuer-named',
    source: 'RFC 5280 §4.1.2.4',
    check: ({ body }) => (body.issuer.attributes.length > 0 ? undefined : 'the issuer is empty'),
  },
  {
    rule: 'extensions-known-once',
    source: 'RFC 5280 §4.2',
    check({ body }) {
      const seen = new Set<string>()
      for (const { oid } of body.extensions) {
        if (seen.has(oid)) return `${oid} appears twice`
        if (!allowedExtensions.has(oid)) return `${oid} is not part of any profile`
        seen.add(oid)
      }
      return body.malformedExtensions.length === 0
        ? undefined
        : `${body.malformedExtensions[0]} cannot be read`
    },
  },
  {
    rule: 'basic-constraints',
    source: 'RFC 5280 §4.2.1.9',
    check({ body, rules }) {
      const found = extensionOf(body, OID.basicConstraints)
      if (found?.critical !== true) return 'basic constraints are missing or not critical'
      if (body.isCa !== rules.isCa) return rules.isCa ? 'it is no CA' : 'it is a CA'
      return body.pathLength === rules.pathLength
        ? undefined
        : `path length ${body.pathLength ?? 'unlimited'}`
    },
  },
  {
    rule: 'key-usage-exact',
    source: 'RFC 5280 §4.2.1.3',
    check({ body, rules }) {
      if (extensionOf(body, OID.keyUsage)?.critical !== true) return 'key usage is missing or not critical'
      return isExactly(body.keyUsage, rules.keyUsage)
        ? undefined
        : `key usage is ${[...body.keyUsage].join(', ')}`
    },
  },
  {
    rule: 'extended-key-usage-exact',
    source: 'RFC 5280 §4.2.1.12, RFC 3161 §2.3, RFC 9336',
    check({ body, rules }) {
      if (!isExactly(body.extendedKeyUsage, rules.extendedKeyUsage))
        return `purposes are ${body.extendedKeyUsage.join(', ')}`
      const critical = extensionOf(body, OID.extendedKeyUsage)?.critical ?? false
      return critical === rules.purposeCritical ? undefined : 'the criticality of the purposes is wrong'
    },
  },
  {
    rule: 'no-check-exact',
    source: 'RFC 6960 §4.2.2.2.1',
    check({ body, rules }) {
      const found = extensionOf(body, OID.ocspNoCheck)
      if ((found !== undefined) === (rules.noCheck === true)) return undefined
      return found === undefined ? 'the no-check extension is missing' : 'only a responder may go unchecked'
    },
  },
  {
    rule: 'key-identifiers',
    source: 'RFC 5280 §4.2.1.1, §4.2.1.2',
    check({ body, rules, issuer }) {
      if (body.keyId === undefined) return 'the subject key identifier is missing'
      if (rules.selfIssued) return undefined
      if (body.authorityKeyId === undefined) return 'the authority key identifier is missing'
      const expected = issuer?.keyId
      return expected === undefined || expected === body.authorityKeyId
        ? undefined
        : 'the authority key identifier is not the issuer’s'
    },
  },
  {
    rule: 'urls',
    source: 'RFC 5280 §4.2.1.13, §4.2.2.1',
    check({ body }) {
      const bad = [...body.crlUrls, ...body.caIssuerUrls, ...body.ocspUrls].find(
        (url) => !/^https?:\/\/[^\s/]+/.test(url),
      )
      return bad === undefined ? undefined : `"${bad}" is no http address`
    },
  },
]

/**
 * Holds a certificate, or one that is still unsigned, to its profile.
 * @param issuer when given, names, key identifiers and validity are compared with it too
 * @returns the rules it breaks; empty when it is good
 * @throws PkiError `der` or `structure` when it cannot be read at all
 */
export function lintCertificate(
  tbsOrDer: Uint8Array,
  profile: CertificateProfile,
  issuer?: Certificate,
): Finding[] {
  const body = parseCertificateBody(tbsOrDer)
  const context = { body, rules: profiles[profile], issuer }
  return [...broken(subjectRules, context), ...broken(templateRules, context)]
}

/** The rules about the subject alone, for a certificate whose other parts have been judged before. */
export function lintSubject(
  body: SubjectFacts,
  profile: CertificateProfile,
  issuer: Certificate | undefined,
): Finding[] {
  return broken(subjectRules, { body, rules: profiles[profile], issuer })
}

function broken<Facts>(rules: readonly Rule<Facts>[], context: Context<Facts>): Finding[] {
  const findings: Finding[] = []
  for (const { rule, source, check } of rules) {
    const message = check(context)
    if (message !== undefined) findings.push({ rule, source, message })
  }
  return findings
}
