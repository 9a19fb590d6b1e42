/** A small test PKI, and certificates that the package would refuse to issue. For tests only. */
import { signatureIdentifier } from '../src/algorithms.ts'
import {
  bitString,
  certificateTime,
  type Der,
  encode,
  explicit,
  integer,
  sequence,
  unsignedInteger,
} from '../src/der-write.ts'
import {
  encodeAuthorityKeyId,
  encodeBasicConstraints,
  encodeExtendedKeyUsage,
  encodeKeyId,
  encodeKeyUsage,
  publicKeyBits,
} from '../src/extensions.ts'
import {
  type Certificate,
  type CertificateProfile,
  digest,
  encodeName,
  generateSigner,
  issueCertificate,
  type NameAttributes,
  OID,
  parseCertificate,
  type SignatureAlgorithm,
  type Signer,
} from '../src/pki.ts'

/** Noon of the first day; all test certificates are valid around it. */
export const noon = new Date('2026-03-01T12:00:00Z')
const dayMs = 86_400_000
export const daysFromNoon = (days: number): Date => new Date(noon.getTime() + days * dayMs)

/** Seconds since 1970, as `openssl -attime` wants them. */
export const attime = (at: Date): string[] => ['-attime', String(Math.floor(at.getTime() / 1000))]

export interface Party {
  readonly signer: Signer
  readonly certificate: Certificate
}

let lastSerial = 0
/** Serial numbers of 16 octets that never repeat within a test file. */
export function nextSerial(): Uint8Array {
  lastSerial += 1
  const serial = new Uint8Array(16).fill(0x5a)
  serial.set([lastSerial >> 8, lastSerial & 0xff], 14)
  return serial
}

const keyIdOf = (spki: Uint8Array): Uint8Array => digest('sha256', publicKeyBits(spki)).subarray(0, 20)

export function makeRoot(
  algorithm: SignatureAlgorithm = 'ecdsa-p384-sha384',
  commonName = 'Test root',
): Party {
  const { signer } = generateSigner(algorithm)
  const der = issueCertificate(
    {
      issuer: 'self',
      profile: 'root-ca',
      subject: { C: 'CN', O: '印信测试', CN: commonName },
      spki: signer.spki,
      serial: nextSerial(),
      notBefore: daysFromNoon(-1000),
      notAfter: daysFromNoon(5000),
    },
    signer,
  )
  return { signer, certificate: parseCertificate(der) }
}

export function makeChild(
  issuer: Party,
  profile: Exclude<CertificateProfile, 'root-ca'>,
  algorithm: SignatureAlgorithm = 'ecdsa-p256-sha256',
  subject: NameAttributes = { C: 'CN', O: '印信测试', CN: `${profile} 张三` },
): Party {
  const { signer } = generateSigner(algorithm)
  const der = issueCertificate(
    {
      issuer: issuer.certificate,
      profile,
      subject,
      spki: signer.spki,
      serial: nextSerial(),
      notBefore: daysFromNoon(-100),
      notAfter: daysFromNoon(1000),
    },
    issuer.signer,
  )
  return { signer, certificate: parseCertificate(der) }
}

export interface OddFields {
  readonly subject?: NameAttributes
  readonly issuerDer?: Uint8Array
  /** `undefined` leaves the version out, which means 1. */
  readonly version?: number | undefined
  readonly serial?: Uint8Array
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly spki?: Uint8Array
  readonly signer?: Signer
  /** Each an encoded Extension; the default set of a signer otherwise. */
  readonly extensions?: readonly Der[]
}

/** The signed part of a certificate with anything in it. */
export function oddBody(issuer: Party | 'self', own: Signer, fields: OddFields = {}): Uint8Array {
  const signingKey = issuer === 'self' ? own : issuer.signer
  const subject = encodeName(fields.subject ?? { C: 'CN', CN: 'odd' })
  const version = 'version' in fields ? fields.version : 2
  const issuerDer = fields.issuerDer ?? (issuer === 'self' ? subject : issuer.certificate.subjectDer)
  const parts: Der[] = version === undefined ? [] : [explicit(0, integer(version))]
  parts.push(
    unsignedInteger(fields.serial ?? nextSerial()),
    signatureIdentifier(signingKey.algorithm),
    issuerDer,
    sequence(
      certificateTime(fields.notBefore ?? daysFromNoon(-10)),
      certificateTime(fields.notAfter ?? daysFromNoon(100)),
    ),
    subject,
    fields.spki ?? own.spki,
  )
  const extensions = fields.extensions ?? signerExtensions(issuer, own)
  if (extensions.length > 0) parts.push(explicit(3, sequence(...extensions)))
  return encode(sequence(...parts))
}

/** A certificate of any content, signed for real. */
export function oddCertificate(issuer: Party | 'self', fields: OddFields = {}): Party {
  const own = fields.signer ?? generateSigner('ecdsa-p256-sha256').signer
  const signingKey = issuer === 'self' ? own : issuer.signer
  const tbs = oddBody(issuer, own, fields)
  const der = encode(
    sequence(tbs, signatureIdentifier(signingKey.algorithm), bitString(signingKey.sign(tbs))),
  )
  return { signer: own, certificate: parseCertificate(der) }
}

/** Extensions that make a good event-signing certificate, to be changed one by one. */
export function signerExtensions(issuer: Party | 'self', own: Signer): Uint8Array[] {
  const keyId = keyIdOf(issuer === 'self' ? own.spki : issuer.certificate.spki)
  return [
    encodeBasicConstraints(false),
    encodeKeyUsage(['digitalSignature', 'nonRepudiation']),
    encodeExtendedKeyUsage([OID.documentSigning, OID.emailProtection], false),
    encodeAuthorityKeyId(keyId),
    encodeKeyId(keyIdOf(own.spki)),
  ]
}

/** Extensions of a CA, with more added. */
export function caExtensions(pathLength?: number, ...more: readonly Der[]): Der[] {
  return [encodeBasicConstraints(true, pathLength), encodeKeyUsage(['keyCertSign', 'cRLSign']), ...more]
}
