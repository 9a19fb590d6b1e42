/** Issuing: build the signed part, lint it, sign it. */
import { signatureIdentifier } from './algorithms.ts'
import { concatBytes, equalBytes, fromHex } from './bytes.ts'
import type { Certificate } from './certificate.ts'
import { digest, type Signer } from './crypto.ts'
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
import { type Finding, PkiError } from './errors.ts'
import {
  encodeAuthorityInfo,
  encodeAuthorityKeyId,
  encodeBasicConstraints,
  encodeCrlUrls,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  encodeNoCheck,
  encodePolicies,
  encodeSubjectAltNames,
  publicKeyBits,
} from './extensions.ts'
import { createTemplateLint, keyIdHeader, keyIdOctets } from './lint-template.ts'
import { encodeName, type NameAttributes, type SubjectAltName } from './name.ts'
import { type CertificateProfile, profiles } from './profiles.ts'

/** What distinguishes one certificate from the next of the same issuer. */
export interface SubjectFields {
  readonly subject: NameAttributes
  /** SubjectPublicKeyInfo of the subject's key, DER. */
  readonly spki: Uint8Array
  /** Serial number, unsigned big-endian, 1 to 20 octets; the caller's randomness. */
  readonly serial: Uint8Array
  readonly notBefore: Date
  readonly notAfter: Date
  readonly profile: CertificateProfile
  readonly subjectAltNames?: readonly SubjectAltName[]
}

/** What all certificates of one issuer share. */
export interface IssuerFields {
  readonly crlUrls?: readonly string[]
  readonly caIssuerUrls?: readonly string[]
  readonly ocspUrls?: readonly string[]
  readonly policyOids?: readonly string[]
}

export interface CertificateRequestFields extends SubjectFields, IssuerFields {
  readonly issuer: Certificate | 'self'
}

/** An issuer whose unchanging encodings were made once. */
export interface PreparedIssuer {
  /** Builds, lints and signs one certificate. @throws PkiError `lint` with its findings, before the key is used */
  issue(fields: SubjectFields): Uint8Array
}

/** What all certificates of one issuer and profile share. */
interface Template {
  /** All extensions but those of the subject, one after the other. */
  readonly extensions: Uint8Array
  lint(tbs: Uint8Array): Finding[]
}

/** RFC 7093 §2 method 1: the leftmost 160 bits of SHA-256 over the key bits. */
const keyIdOf = (spki: Uint8Array): Uint8Array =>
  digest('sha256', publicKeyBits(spki)).subarray(0, keyIdOctets)

/** Version 3, as the first field of every certificate. */
const version3 = encode(explicit(0, integer(2)))

/**
 * Encodes once what all certificates of this issuer share.
 * @throws PkiError `key-mismatch` when the signer is not the issuer's key, `argument` when the issuer may not issue
 */
export function prepareIssuer(
  issuer: Certificate,
  signer: Signer,
  fields: IssuerFields = {},
): PreparedIssuer {
  if (!equalBytes(issuer.spki, signer.spki))
    throw new PkiError('key-mismatch', 'the signer is not the key of the issuer')
  if (!issuer.isCa || !issuer.keyUsage.has('keyCertSign'))
    throw new PkiError('argument', 'the issuer is no CA')
  const keyId = issuer.keyId !== undefined ? fromHex(issuer.keyId) : keyIdOf(issuer.spki)
  return issuerOver(issuer, issuer.subjectDer, encodeAuthorityKeyId(keyId), signer, fields)
}

function issuerOver(
  issuer: Certificate | undefined,
  issuerDer: Uint8Array | undefined,
  authorityKeyId: Uint8Array | undefined,
  signer: Signer,
  shared: IssuerFields,
): PreparedIssuer {
  const algorithm = signatureIdentifier(signer.algorithm)
  const templates = new Map<CertificateProfile, Template>()

  function templateOf(profile: CertificateProfile): Template {
    const known = templates.get(profile)
    if (known !== undefined) return known
    const rules = profiles[profile]
    const { policyOids = [], crlUrls = [], caIssuerUrls = [], ocspUrls = [] } = shared
    const extensions = [encodeBasicConstraints(rules.isCa, rules.pathLength), encodeKeyUsage(rules.keyUsage)]
    if (rules.extendedKeyUsage.length > 0)
      extensions.push(encodeExtendedKeyUsage(rules.extendedKeyUsage, rules.purposeCritical))
    if (authorityKeyId !== undefined) extensions.push(authorityKeyId)
    if (policyOids.length > 0) extensions.push(encodePolicies(policyOids))
    if (crlUrls.length > 0) extensions.push(encodeCrlUrls(crlUrls))
    if (caIssuerUrls.length + ocspUrls.length > 0)
      extensions.push(encodeAuthorityInfo(caIssuerUrls, ocspUrls))
    if (rules.noCheck === true) extensions.push(encodeNoCheck())
    const template = { extensions: concatBytes(extensions), lint: createTemplateLint(profile, issuer) }
    templates.set(profile, template)
    return template
  }

  function issue(fields: SubjectFields): Uint8Array {
    // 1. Build the part that will be signed.
    const subject = encodeName(fields.subject)
    const template = templateOf(fields.profile)
    const names = fields.subjectAltNames ?? []
    const extensions: Der[] = [template.extensions, keyIdHeader, keyIdOf(fields.spki)]
    if (names.length > 0) extensions.push(encodeSubjectAltNames(names))
    const tbs = encode(
      sequence(
        version3,
        unsignedInteger(fields.serial),
        algorithm,
        issuerDer ?? subject,
        sequence(certificateTime(fields.notBefore), certificateTime(fields.notAfter)),
        subject,
        fields.spki,
        explicit(3, elementOf(0x30, extensions)),
      ),
    )
    // 2. Read it back and hold it to its profile.
    const findings = template.lint(tbs)
    if (findings.length > 0) {
      const list = findings.map(({ rule, message }) => `${rule}: ${message}`).join('; ')
      throw new PkiError('lint', `the certificate breaks the profile ${fields.profile}: ${list}`, findings)
    }
    // 3. Only now the key is used.
    return encode(sequence(tbs, algorithm, bitString(signer.sign(tbs))))
  }

  return { issue }
}

/**
 * Issues one certificate: build, lint, sign.
 * @param issuerSigner the key of `fields.issuer`, or of the subject itself for `self`
 * @returns the certificate in DER
 * @throws PkiError `lint` with findings before the key is used; `key-mismatch`
 */
export function issueCertificate(fields: CertificateRequestFields, issuerSigner: Signer): Uint8Array {
  if (fields.issuer !== 'self') return prepareIssuer(fields.issuer, issuerSigner, fields).issue(fields)
  if (!equalBytes(fields.spki, issuerSigner.spki))
    throw new PkiError('key-mismatch', 'a self-signed certificate is signed by its own key')
  return issuerOver(undefined, undefined, undefined, issuerSigner, fields).issue(fields)
}
