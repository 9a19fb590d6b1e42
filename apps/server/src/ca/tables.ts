export type AuthorityCertificateName = 'root' | 'issuing' | 'tsa' | 'platform'

/** Why a certificate is revoked (RFC 5280 §5.3.1); those that fit a certificate whose key is already gone. */
export type CertificateRevocationReason =
  | 'unspecified'
  | 'keyCompromise'
  | 'affiliationChanged'
  | 'superseded'
  | 'cessationOfOperation'
  | 'privilegeWithdrawn'

export interface CaTables {
  ca_certificates: {
    name: AuthorityCertificateName
    certificate: Buffer
    development: boolean
    created_at: Date
  }
  certificate_intents: {
    serial: string
    act_id: string
    task_id: string
    tenant_id: string
    subject: string
    spki_sha256: Buffer
    intended_at: Date
  }
  certificates_issued: { serial: string; certificate: Buffer; issued_at: Date }
  certificate_revocations: { serial: string; reason: CertificateRevocationReason; revoked_at: Date }
  ca_crls: { number: number; crl: Buffer; revoked_count: number; this_update: Date; next_update: Date }
}
