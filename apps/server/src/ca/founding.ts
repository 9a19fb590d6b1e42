import { randomBytes } from 'node:crypto'
import {
  type Certificate,
  issueCertificate,
  type NameAttributes,
  parseCertificate,
  type Signer,
} from '@yinxin/pki'
import type { Clock } from '#src/clock.ts'
import type { Kms } from '#src/kms/kms.ts'
import { refuse } from './errors.ts'
import type { AuthorityRow, CaStore } from './store.ts'
import type { AuthorityCertificateName } from './tables.ts'

/** The authority: its certificates and the handles of their keys. */
export type Authority = Record<AuthorityCertificateName, { certificate: Certificate; signer: Signer }> & {
  isDevelopment: boolean
}

/** Order of founding, each with the years it lasts: every issuer outlives what it issues (shell model). */
const plan = [
  { name: 'root', key: 'ca-root', issuer: 'root', profile: 'root-ca', years: 30 },
  { name: 'issuing', key: 'ca-issuing', issuer: 'root', profile: 'issuing-ca', years: 20 },
  { name: 'tsa', key: 'tsa', issuer: 'issuing', profile: 'timestamping', years: 15 },
  { name: 'platform', key: 'platform-seal', issuer: 'issuing', profile: 'document-signing', years: 10 },
] as const

const titles: Record<AuthorityCertificateName, { en: string; zh: string }> = {
  root: { en: 'Root CA', zh: '根证书' },
  issuing: { en: 'Issuing CA', zh: '签发证书' },
  tsa: { en: 'Timestamp Authority', zh: '时间戳' },
  platform: { en: 'Platform Seal', zh: '平台签章' },
}

/** P-256 throughout: every validator knows it, and a signature costs some ten microseconds. */
const algorithm = 'ecdsa-p256-sha256'

export interface FoundingOptions {
  kms: Kms
  store: CaStore
  clock: Clock
  /** Without an organisation it is a development CA, and says so in every name. */
  organization?: string
  crlUrl: string
  caIssuerUrl: string
}

/** Opens the authority, founding it when the register is empty. Fails when keys and certificates do not fit. */
export async function openAuthority(options: FoundingOptions): Promise<Authority> {
  const { kms, store, organization } = options
  const signers = {
    root: await kms.signingKey('ca-root', algorithm),
    issuing: await kms.signingKey('ca-issuing', algorithm),
    tsa: await kms.signingKey('tsa', algorithm),
    platform: await kms.signingKey('platform-seal', algorithm),
  }
  let rows = await store.authorityCertificates()
  if (rows.length === 0) {
    await store.insertAuthorityCertificates(found(options, signers))
    // Read back: another process may have been first.
    rows = await store.authorityCertificates()
  }
  const isDevelopment = rows.every((row) => row.development)
  const foundedBy = rows.map((row) => parseCertificate(row.certificate).subject)[0]
  const keptOrganization = foundedBy?.attributes.find((one) => one.type === 'O')?.value ?? ''
  if (keptOrganization !== organizationName(organization)) {
    throw refuse('ca_was_founded_otherwise', { existing: keptOrganization })
  }
  const member = (name: AuthorityCertificateName) => {
    const row = rows.find((one) => one.name === name)
    if (row === undefined) throw new Error(`the register lacks the certificate ${name}`)
    const certificate = parseCertificate(row.certificate)
    const signer = signers[name]
    if (!Buffer.from(certificate.spki).equals(signer.spki)) throw refuse('ca_keys_do_not_fit', { name })
    return { certificate, signer }
  }
  return {
    isDevelopment,
    root: member('root'),
    issuing: member('issuing'),
    tsa: member('tsa'),
    platform: member('platform'),
  }
}

function found(options: FoundingOptions, signers: Record<AuthorityCertificateName, Signer>): AuthorityRow[] {
  const now = options.clock.now()
  // From a day before, for validators whose clocks are behind.
  const notBefore = new Date(now.getTime() - 24 * 60 * 60_000)
  notBefore.setUTCMilliseconds(0)
  const made = new Map<AuthorityCertificateName, Certificate>()
  return plan.map(({ name, issuer, profile, years }) => {
    const isRoot = name === 'root'
    const issuerCertificate = made.get(issuer)
    if (!isRoot && issuerCertificate === undefined)
      throw new Error(`${issuer} must be founded before ${name}`)
    const certificate = Buffer.from(
      issueCertificate(
        {
          issuer: issuerCertificate ?? 'self',
          subject: subjectOf(name, options.organization),
          spki: signers[name].spki,
          serial: newSerial(),
          notBefore,
          notAfter: addYears(notBefore, years),
          profile,
          // Only the issuing CA keeps a revocation list; its own revocation would mean a new root.
          ...(issuer === 'issuing' ? { crlUrls: [options.crlUrl], caIssuerUrls: [options.caIssuerUrl] } : {}),
        },
        signers[issuer],
      ),
    )
    made.set(name, parseCertificate(certificate))
    return { name, certificate, development: options.organization === undefined, created_at: now }
  })
}

function subjectOf(name: AuthorityCertificateName, organization: string | undefined): NameAttributes {
  const { en, zh } = titles[name]
  // A common name has 64 characters at most (RFC 5280 appendix A.1); the organisation stands in full beside it.
  const short = [...(organization ?? '')].slice(0, 64 - en.length - 1).join('')
  const commonName =
    organization === undefined ? `Yinxin Development ${en}（开发测试${zh}）` : `${short} ${en}`
  return [
    ['C', 'CN'],
    ['O', organizationName(organization)],
    ['CN', commonName],
  ]
}

const organizationName = (organization: string | undefined) =>
  organization ?? 'Yinxin Development（开发测试）'

/** 127 random bits: unpredictable, unique, and positive in every encoding (RFC 5280 §4.1.2.2). */
export function newSerial(): Buffer {
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x7f) | 0x40
  return serial
}

export function addYears(from: Date, years: number): Date {
  const to = new Date(from)
  to.setUTCFullYear(to.getUTCFullYear() + years)
  return to
}
