/** Certificate profiles: the fixed part of what Yinxin issues, and what lint holds it to. */
import { OID } from './oids.ts'
import type { KeyUsage } from './extensions.ts'

export type CertificateProfile =
  | 'root-ca'
  | 'issuing-ca'
  | 'event-signing'
  | 'document-signing'
  | 'timestamping'
  | 'ocsp-responder'

export interface ProfileRules {
  readonly isCa: boolean
  readonly pathLength?: number
  readonly selfIssued: boolean
  readonly keyUsage: readonly KeyUsage[]
  readonly extendedKeyUsage: readonly string[]
  /** RFC 3161 §2.3 wants the purpose of a timestamping certificate critical. */
  readonly purposeCritical: boolean
  /** Whether it says that its own revocation need not be looked up (RFC 6960 §4.2.2.2.1). */
  readonly noCheck?: true
}

// Document signing (RFC 9336) is the exact purpose; e-mail protection is what validators without it look for
// (NSS in pdfsig, the default purpose of openssl cms).
const signing = { isCa: false, selfIssued: false, purposeCritical: false } as const
const signer: ProfileRules = {
  ...signing,
  keyUsage: ['digitalSignature', 'nonRepudiation'],
  extendedKeyUsage: [OID.documentSigning, OID.emailProtection],
}
const authority = {
  isCa: true,
  keyUsage: ['keyCertSign', 'cRLSign'],
  extendedKeyUsage: [],
  purposeCritical: false,
} as const

export const profiles: Record<CertificateProfile, ProfileRules> = {
  'root-ca': { ...authority, selfIssued: true },
  'issuing-ca': { ...authority, selfIssued: false, pathLength: 0 },
  'event-signing': signer,
  'document-signing': signer,
  timestamping: {
    ...signing,
    keyUsage: ['digitalSignature'],
    extendedKeyUsage: [OID.timeStamping],
    purposeCritical: true,
  },
  'ocsp-responder': {
    ...signing,
    keyUsage: ['digitalSignature'],
    extendedKeyUsage: [OID.ocspSigning],
    noCheck: true,
  },
}
