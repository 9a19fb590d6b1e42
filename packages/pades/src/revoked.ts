/** Revocation by what the file itself carries: lists and responses in its store and in its signatures. */
import {
  type Certificate,
  type Crl,
  type OcspResponse,
  type PathPurpose,
  PkiError,
  parseCrl,
  parseOcspResponse,
  type Sm2Identity,
  validatePath,
} from '@yinxin/pki'
import type { ValidationData } from './dss.ts'
import { readable } from './needs.ts'
import { type Problem, pdfProblem } from './report.ts'

/** What the store of a file holds, as far as it can be read. */
export interface CarriedEvidence {
  readonly certificates: readonly Certificate[]
  readonly crls: readonly Crl[]
  readonly ocsps: readonly OcspResponse[]
}

export const NO_EVIDENCE: CarriedEvidence = { certificates: [], crls: [], ocsps: [] }

/** Entries that cannot be read say nothing. */
export function evidenceOf({ certificates, crls, ocsps }: ValidationData): CarriedEvidence {
  return {
    certificates: readable(certificates),
    crls: readableCrls(crls),
    ocsps: ocsps.flatMap((der) => readOr(() => [parseOcspResponse(der)])),
  }
}

/** The lists among these that can be read. */
export const readableCrls = (ders: readonly Uint8Array[]): Crl[] =>
  ders.flatMap((der) => readOr(() => [parseCrl(der)]))

function readOr<T>(read: () => T[]): T[] {
  try {
    return read()
  } catch (error) {
    if (error instanceof PkiError) return []
    throw error
  }
}

export interface RevocationQuestion {
  readonly leaf: Certificate
  readonly more: readonly Certificate[]
  readonly anchors: readonly Certificate[]
  readonly purpose: PathPurpose
  readonly evidence: CarriedEvidence
  /** The moment at which what was signed is known to have existed; undefined when only the signer says so. */
  readonly proven: Date | undefined
  readonly sm2: { readonly sm2Identity?: Sm2Identity }
}

/**
 * A problem if the evidence says that a certificate of the chain was revoked at the proven time, or at any time
 * when nothing proves one: whoever holds a revoked key can claim to have signed before (EN 319 102-1 §5.2.6.4).
 */
export function revocationProblem(question: RevocationQuestion): Problem | undefined {
  const { leaf, more, anchors, purpose, evidence, proven, sm2 } = question
  const { crls, ocsps } = evidence
  // Nearly always nothing is revoked, and then no chain has to be built for it.
  if (crls.every(({ revoked }) => revoked.size === 0) && ocsps.every(namesNone)) return undefined
  const times = [...crls.map(({ thisUpdate }) => thisUpdate), ...ocsps.flatMap(timesOf)]
  const at = proven ?? new Date(Math.max(...times.map((time) => time.getTime())))
  const { chain, revocation } = validatePath({
    leaf,
    intermediates: [...more, ...evidence.certificates],
    anchors,
    at,
    purpose,
    crls,
    ocsps,
    ...sm2,
  })
  for (const [index, status] of revocation.entries()) {
    if (status.status !== 'revoked') continue
    const particulars = `${chain[index]?.subject.text ?? ''}, ${status.at.toISOString()}`
    return pdfProblem(proven ? 'revoked' : 'revoked_unproven', 'error', particulars)
  }
  return undefined
}

const namesNone = ({ singles }: OcspResponse): boolean => singles.every(({ status }) => status !== 'revoked')
const timesOf = ({ singles }: OcspResponse): Date[] => singles.map(({ thisUpdate }) => thisUpdate)
