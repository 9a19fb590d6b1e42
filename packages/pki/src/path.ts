/** Building and validating a certification path (RFC 5280 §6). Reports, never throws on bad certificates. */
import { equalBytes } from './bytes.ts'
import { type Certificate, verifyCertificateSignature } from './certificate.ts'
import { type Crl, parseCrl } from './crl.ts'
import type { Sm2Options } from './crypto.ts'
import { PkiError } from './errors.ts'
import { sameName } from './name.ts'
import { checkPath, type PathPurpose } from './path-checks.ts'
import { type OcspResponse, parseOcspResponse } from './ocsp-parse.ts'
import type { PolicyOptions } from './policies.ts'
import { hasError, type PkiProblem, type ProblemCode, problem } from './problems.ts'
import type { RevocationStatus } from './revocation.ts'

export interface PathOptions extends Sm2Options, PolicyOptions {
  readonly leaf: Certificate
  /** Certificates that may stand between, in any order; others do no harm. */
  readonly intermediates: readonly Certificate[]
  /** Certificates trusted by the caller. Their validity and constraints count too. */
  readonly anchors: readonly Certificate[]
  /** The time the path has to be good at. */
  readonly at: Date
  readonly crls?: readonly (Crl | Uint8Array)[]
  readonly ocsps?: readonly (OcspResponse | Uint8Array)[]
  /** What the leaf is used for; `any` unless told otherwise. */
  readonly purpose?: PathPurpose
  /** Whether a certificate without usable revocation information is an error; a warning unless told otherwise. */
  readonly requireRevocation?: boolean
  /** The oldest list or response to accept as evidence that a certificate was good, counted back from `at`. */
  readonly revocationMaximumAgeMs?: number
}

export interface PathResult {
  readonly ok: boolean
  /** From the leaf to the anchor; as far as it could be built when not ok. */
  readonly chain: readonly Certificate[]
  readonly problems: readonly PkiProblem[]
  /** Policies that hold for the whole path. */
  readonly policies: readonly string[] | 'any'
  /** One per certificate of the chain, without the anchor. */
  readonly revocation: readonly RevocationStatus[]
}

const maximumLength = 10
/** Signature checks one validation may spend. Hostile sets of cross-certificates cost no more than this. */
const maximumChecks = 100

/**
 * Finds a path from the leaf to an anchor and validates it at a time. Of several paths the first good one is
 * reported, or else the one with the fewest errors.
 * @throws PkiError `argument` when `at` is no date; never because of a certificate
 */
export function validatePath(options: PathOptions): PathResult {
  // An invalid date compares as false with everything and would pass for a valid time.
  if (Number.isNaN(options.at.getTime())) throw new PkiError('argument', 'the time to validate at is no date')
  const crls = readEach(options.crls ?? [], parseCrl, 'crl-unreadable')
  const ocsps = readEach(options.ocsps ?? [], parseOcspResponse, 'ocsp-unreadable')
  const unreadable = [...crls.problems, ...ocsps.problems]
  const checks = {
    ...options,
    evidence: { crls: crls.read, ocsps: ocsps.read },
    evidenceGiven: options.crls !== undefined || options.ocsps !== undefined,
  }
  const search = findPaths(options)
  let best: PathResult | undefined
  for (const chain of search.paths()) {
    const checked = checkPath(chain, checks)
    const problems = [...checked.problems, ...unreadable]
    const result = { ...checked, ok: !hasError(problems), chain, problems }
    if (result.ok) return result
    if (best === undefined || errorsIn(result) < errorsIn(best)) best = result
  }
  if (best !== undefined) return best
  // No anchor was reached: report on what there is, so that people see more than "untrusted".
  const chain = search.longest()
  const checked = checkPath(chain, checks)
  const problems = [
    problem('untrusted', 'error', chain.at(-1)!.issuer.text, chain.at(-1)!),
    ...search.problems,
    ...checked.problems,
    ...unreadable,
  ]
  return { ...checked, ok: false, chain, problems }
}

const errorsIn = (result: PathResult): number =>
  result.problems.filter(({ severity }) => severity === 'error').length

/** Parses what is still bytes. An unreadable one leaves its place empty and is warned of. */
function readEach<Parsed extends object>(
  given: readonly (Parsed | Uint8Array)[],
  parse: (der: Uint8Array) => Parsed,
  code: ProblemCode,
): { read: (Parsed | undefined)[]; problems: PkiProblem[] } {
  const problems: PkiProblem[] = []
  const read = given.map((one) => {
    try {
      return one instanceof Uint8Array ? parse(one) : one
    } catch (error) {
      if (!(error instanceof PkiError)) throw error
      problems.push(problem(code, 'warning', error.message))
      return undefined
    }
  })
  return { read, problems }
}

const isSame = (left: Certificate, right: Certificate): boolean => equalBytes(left.der, right.der)

function findPaths(options: PathOptions) {
  const { leaf, intermediates, anchors } = options
  const problems: PkiProblem[] = []
  let longest: readonly Certificate[] = [leaf]
  let checksLeft = maximumChecks
  let exhausted = false

  function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
    if (!sameName(certificate.issuerDer, issuer.subjectDer)) return false
    if (checksLeft === 0) {
      if (!exhausted) problems.push(problem('chain-too-complex', 'error'))
      exhausted = true
      return false
    }
    checksLeft -= 1
    if (verifyCertificateSignature(certificate, issuer, options)) return true
    problems.push(
      problem(
        'chain-signature',
        'error',
        `${certificate.subject.text} by ${issuer.subject.text}`,
        certificate,
      ),
    )
    return false
  }

  /** Issuers whose key identifier agrees come first: the others are tried all the same (RFC 4158 §3.5.12). */
  function ordered(certificate: Certificate, candidates: readonly Certificate[]): Certificate[] {
    const fits = (one: Certificate) => one.keyId !== undefined && one.keyId === certificate.authorityKeyId
    return [...candidates].sort((left, right) => Number(fits(right)) - Number(fits(left)))
  }

  function* extend(chain: readonly Certificate[]): Generator<readonly Certificate[]> {
    if (chain.length > longest.length) longest = chain
    const last = chain.at(-1)!
    if (anchors.some((anchor) => isSame(anchor, last))) {
      yield chain
      return
    }
    if (chain.length >= maximumLength) return
    for (const anchor of ordered(last, anchors)) if (isIssuedBy(last, anchor)) yield [...chain, anchor]
    for (const issuer of ordered(last, intermediates)) {
      if (exhausted) return
      const repeats = chain.some((one) => isSame(one, issuer)) || anchors.some((one) => isSame(one, issuer))
      if (!repeats && isIssuedBy(last, issuer)) yield* extend([...chain, issuer])
    }
  }

  return { paths: () => extend([leaf]), longest: () => longest, problems }
}
