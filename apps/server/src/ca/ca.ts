import { createHash } from 'node:crypto'
import { issueCrl, type NameAttributes, PkiError, prepareIssuer, type Signer } from '@yinxin/pki'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Kms } from '#src/kms/kms.ts'
import { refuse } from './errors.ts'
import { type EventIdentity, eventSubject } from './event-subject.ts'
import { addYears, newSerial, openAuthority } from './founding.ts'
import { createCaStore, insertIntent, insertIssued } from './store.ts'
import type { CertificateRevocationReason } from './tables.ts'

export type { EventIdentity } from './event-subject.ts'
export type { CertificateRevocationReason } from './tables.ts'

export interface EventCertificateRequest {
  actId: string
  taskId: string
  /** Owner of the task. */
  tenantId: string
  identity: EventIdentity
  /** Public half of the key made for this act (`kms.eventSigner`). */
  spki: Uint8Array
  /** The time of the act; the certificate is good from a minute before it. */
  at: Date
}

/** A certificate that may be issued. */
export interface CertificateIntent {
  request: EventCertificateRequest
  subject: NameAttributes
  serial: Uint8Array
}

export interface EventCertificate {
  certificateDer: Uint8Array
  /** The issuing CA and the root. */
  chain: Uint8Array[]
  serialHex: string
  /** SHA-256 of the certificate, hex. */
  fingerprintSha256: string
}

/** A key of the platform together with its certificate. */
export interface CertifiedSigner {
  signer: Signer
  certificateDer: Uint8Array
  chain: Uint8Array[]
}

export interface Ca {
  /** True for the CA that is founded when no organisation is configured; screens and reports must say so. */
  readonly isDevelopment: boolean
  anchors(): { rootDer: Uint8Array; issuingDer: Uint8Array; tsaDer: Uint8Array }
  /** The issuing CA and the root. */
  chain(): Uint8Array[]
  /** Writes into the caller's transaction what is going to be certified for one act. */
  intend(tx: Tx, request: EventCertificateRequest): Promise<CertificateIntent>
  /**
   * Builds, lints and signs. To be called once the intent has committed, so that the register knows of every
   * certificate that can exist.
   * @throws Refusal `certificate_name_unfit`
   */
  issue(intent: CertificateIntent): EventCertificate
  /** Enters a certificate into the register, in the transaction that makes its act true. */
  recordIssued(tx: Tx, issued: EventCertificate): Promise<void>
  /** @throws Refusal `certificate_not_found` */
  revoke(serialHex: string, reason: CertificateRevocationReason): Promise<void>
  /** The current revocation list of the issuing CA, DER; the same until something is revoked or a day has passed. */
  crl(): Promise<Uint8Array>
  /** What the timestamp authority signs with. */
  timestampSigner(): CertifiedSigner
  /** What the platform seals its own documents with. */
  platformSigner(): CertifiedSigner
  /** When each certificate of the authority ends. */
  expiries(): { name: string; notAfter: Date }[]
}

export interface CaDeps {
  db: Db
  clock: Clock
  kms: Kms
  /** Where the world reaches this server; revocation list and issuer are fetched below it. */
  baseUrl: string
  /** Name of the operator's CA; without it, a development CA is founded. */
  organization?: string
}

/**
 * How long an event certificate can be validated with tools that look at today instead of at the
 * timestamp. Its key is gone when the act is over, so a long validity lets nobody sign later.
 */
const eventYears = 5
const crlRenewMs = 24 * 60 * 60_000
const crlValidMs = 7 * 24 * 60 * 60_000

export async function createCa({ db, clock, kms, baseUrl, organization }: CaDeps): Promise<Ca> {
  const store = createCaStore(db)
  const urls = { crlUrl: `${baseUrl}/ca/issuing.crl`, caIssuerUrl: `${baseUrl}/ca/issuing.cer` }
  const authority = await openAuthority({
    kms,
    store,
    clock,
    ...urls,
    ...(organization === undefined ? {} : { organization }),
  })
  const { root, issuing, tsa, platform } = authority
  const issuer = prepareIssuer(issuing.certificate, issuing.signer, {
    crlUrls: [urls.crlUrl],
    caIssuerUrls: [urls.caIssuerUrl],
  })
  const chain = [issuing.certificate.der, root.certificate.der]

  async function intend(tx: Tx, request: EventCertificateRequest): Promise<CertificateIntent> {
    const subject = eventSubject(request.identity)
    const serial = newSerial()
    await insertIntent(tx, {
      serial: serial.toString('hex'),
      act_id: request.actId,
      task_id: request.taskId,
      tenant_id: request.tenantId,
      subject: (subject as readonly (readonly [string, string])[])
        .map(([type, value]) => `${type}=${value}`)
        .join(', '),
      spki_sha256: createHash('sha256').update(request.spki).digest(),
      intended_at: clock.now(),
    })
    return { request, subject, serial }
  }

  function issue({ request, subject, serial }: CertificateIntent): EventCertificate {
    const notBefore = later(new Date(request.at.getTime() - 60_000), issuing.certificate.notBefore)
    notBefore.setUTCMilliseconds(0)
    const notAfter = earlier(addYears(notBefore, eventYears), issuing.certificate.notAfter)
    let certificateDer: Uint8Array
    try {
      certificateDer = issuer.issue({
        subject,
        spki: request.spki,
        serial,
        notBefore,
        notAfter,
        profile: 'event-signing',
      })
    } catch (error) {
      throw nameRefusal(error)
    }
    const fingerprintSha256 = createHash('sha256').update(certificateDer).digest('hex')
    const serialHex = Buffer.from(serial).toString('hex')
    return { certificateDer, chain, serialHex, fingerprintSha256 }
  }

  async function crl(): Promise<Uint8Array> {
    const fresh = (thisUpdate: Date) => clock.now().getTime() - thisUpdate.getTime() < crlRenewMs
    const { newest, revokedCount } = await store.newestCrl()
    if (newest !== undefined && newest.revoked_count === revokedCount && fresh(newest.this_update))
      return newest.crl
    const renewed = await store.renewCrl((last, revoked) => {
      if (last !== undefined && last.revoked_count === revoked.length && fresh(last.this_update))
        return undefined
      const number = (last?.number ?? 0) + 1
      const thisUpdate = clock.now()
      const nextUpdate = new Date(thisUpdate.getTime() + crlValidMs)
      const der = issueCrl(
        {
          issuer: issuing.certificate,
          number,
          thisUpdate,
          nextUpdate,
          revoked: revoked.map((one) => ({
            serial: Buffer.from(one.serial, 'hex'),
            at: one.revoked_at,
            reason: one.reason,
          })),
        },
        issuing.signer,
      )
      return {
        number,
        crl: Buffer.from(der),
        revoked_count: revoked.length,
        this_update: thisUpdate,
        next_update: nextUpdate,
      }
    })
    if (renewed === undefined) throw new Error('the register lost its revocation list')
    return renewed.crl
  }

  const certified = (member: typeof tsa): CertifiedSigner => ({
    signer: member.signer,
    certificateDer: member.certificate.der,
    chain,
  })

  return {
    isDevelopment: authority.isDevelopment,
    expiries: () =>
      Object.entries({ root, issuing, tsa, platform }).map(([name, { certificate }]) => ({
        name,
        notAfter: certificate.notAfter,
      })),
    anchors: () => ({
      rootDer: root.certificate.der,
      issuingDer: issuing.certificate.der,
      tsaDer: tsa.certificate.der,
    }),
    chain: () => [...chain],
    intend,
    issue,
    recordIssued: (tx, { serialHex, certificateDer }) =>
      insertIssued(tx, {
        serial: serialHex,
        certificate: Buffer.from(certificateDer),
        issued_at: clock.now(),
      }),
    async revoke(serialHex, reason) {
      const serial = serialHex.toLowerCase()
      if (!(await store.revoke(serial, reason, clock.now())))
        throw refuse('certificate_not_found', { serial })
    },
    crl,
    timestampSigner: () => certified(tsa),
    platformSigner: () => certified(platform),
  }
}

/** A name that breaks the rules for names is the caller's to mend; any other lint finding is a bug. */
function nameRefusal(error: unknown): unknown {
  if (!(error instanceof PkiError)) return error
  const findings = error.findings ?? []
  const aboutNames = findings.length > 0 && findings.every((finding) => finding.rule === 'attribute-length')
  if (!aboutNames && error.code !== 'argument') return error
  return refuse(
    'certificate_name_unfit',
    { reason: findings.map((finding) => finding.message).join('; ') || error.message },
    error,
  )
}

const later = (one: Date, other: Date) => new Date(Math.max(one.getTime(), other.getTime()))
const earlier = (one: Date, other: Date) => new Date(Math.min(one.getTime(), other.getTime()))
