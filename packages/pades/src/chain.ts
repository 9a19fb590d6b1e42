import {
  type Certificate,
  type Crl,
  type PathPurpose,
  type PkiProblem,
  type Sm2Identity,
  validatePath,
} from '@yinxin/pki'
import { fromPki } from './judge.ts'
import type { Problem } from './report.ts'
import type { SubIndication } from './validate.ts'

/** What chains are judged by. */
export interface TrustStore {
  readonly anchors: readonly Certificate[]
  readonly intermediates: readonly Certificate[]
  readonly crls: readonly Crl[]
  /** OCSP responses, DER. */
  readonly ocsps: readonly Uint8Array[]
  readonly requireRevocation: boolean
  readonly sm2: { readonly sm2Identity?: Sm2Identity }
}

export interface ChainBlock {
  readonly ok: boolean
  readonly subIndication?: SubIndication
  readonly problems: readonly Problem[]
  readonly revokedAt?: Date
}

/** Judges a chain at one moment, with revocation by lists and by OCSP responses (EN 319 102-1 §5.2.6). */
export function judgeChain(
  leaf: Certificate,
  more: readonly Certificate[],
  purpose: PathPurpose,
  at: Date,
  trust: TrustStore,
): ChainBlock {
  const { anchors, crls, ocsps } = trust
  const path = validatePath({
    leaf,
    intermediates: [...more, ...trust.intermediates],
    anchors,
    at,
    purpose,
    crls,
    ocsps,
    ...trust.sm2,
  })
  const errors = path.problems.filter(({ severity }) => severity === 'error')
  let revoked: { at: Date; isCa: boolean } | undefined
  let unknown = false
  path.revocation.forEach((status, i) => {
    if (status.status === 'revoked') revoked ??= { at: status.at, isCa: i > 0 }
    if (status.status === 'unknown') unknown = true
  })
  const problems = errors.map(fromPki)
  if (revoked) {
    const subIndication = revoked.isCa ? 'REVOKED_CA_NO_POE' : 'REVOKED_NO_POE'
    return { ok: false, subIndication, problems, revokedAt: revoked.at }
  }
  if (errors.length > 0) return { ok: false, subIndication: subIndicationOf(errors), problems }
  if (unknown && trust.requireRevocation) {
    const warnings = path.problems.filter(({ code }) => code === 'revocation-unknown')
    return { ok: false, subIndication: 'TRY_LATER', problems: warnings.map(fromPki) }
  }
  return { ok: true, problems: [] }
}

function subIndicationOf(errors: readonly PkiProblem[]): SubIndication {
  const has = (...codes: PkiProblem['code'][]) => errors.some(({ code }) => codes.includes(code))
  if (has('untrusted')) return 'NO_CERTIFICATE_CHAIN_FOUND'
  if (has('chain-signature', 'chain-too-complex')) return 'CERTIFICATE_CHAIN_GENERAL_FAILURE'
  if (has('expired', 'not-yet-valid')) return 'OUT_OF_BOUNDS_NO_POE'
  if (has('weak-digest', 'weak-key')) return 'CRYPTO_CONSTRAINTS_FAILURE'
  return 'CHAIN_CONSTRAINTS_FAILURE'
}
