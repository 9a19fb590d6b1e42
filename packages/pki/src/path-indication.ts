/** What a path's problems mean in the words of ETSI EN 319 102-1 (§5.2.6, X.509 certificate validation). */
import type { PathResult } from './path.ts'
import type { ProblemCode } from './problems.ts'

/** Sub-indications of §5.1.3 that a path can lead to, before proof of existence is considered. */
export type PathIndication =
  | 'NO_CERTIFICATE_CHAIN_FOUND'
  | 'CERTIFICATE_CHAIN_GENERAL_FAILURE'
  | 'CHAIN_CONSTRAINTS_FAILURE'
  | 'REVOKED_NO_POE'
  | 'REVOKED_CA_NO_POE'
  | 'OUT_OF_BOUNDS_NO_POE'
  | 'NOT_YET_VALID'
  | 'TRY_LATER'

const indications: Partial<Record<ProblemCode, PathIndication>> = {
  untrusted: 'NO_CERTIFICATE_CHAIN_FOUND',
  'chain-signature': 'CERTIFICATE_CHAIN_GENERAL_FAILURE',
  'chain-too-complex': 'CERTIFICATE_CHAIN_GENERAL_FAILURE',
  'extension-malformed': 'CERTIFICATE_CHAIN_GENERAL_FAILURE',
  'critical-extension': 'CERTIFICATE_CHAIN_GENERAL_FAILURE',
  'not-a-ca': 'CHAIN_CONSTRAINTS_FAILURE',
  'key-usage': 'CHAIN_CONSTRAINTS_FAILURE',
  'extended-key-usage': 'CHAIN_CONSTRAINTS_FAILURE',
  'path-length': 'CHAIN_CONSTRAINTS_FAILURE',
  'name-constraints': 'CHAIN_CONSTRAINTS_FAILURE',
  policy: 'CHAIN_CONSTRAINTS_FAILURE',
  revoked: 'REVOKED_NO_POE',
  expired: 'OUT_OF_BOUNDS_NO_POE',
  'not-yet-valid': 'NOT_YET_VALID',
  'revocation-unknown': 'TRY_LATER',
}

/** Worst first: what no later proof can mend stands before what one might. */
const order: readonly PathIndication[] = [
  'NO_CERTIFICATE_CHAIN_FOUND',
  'CERTIFICATE_CHAIN_GENERAL_FAILURE',
  'CHAIN_CONSTRAINTS_FAILURE',
  'REVOKED_CA_NO_POE',
  'REVOKED_NO_POE',
  'NOT_YET_VALID',
  'OUT_OF_BOUNDS_NO_POE',
  'TRY_LATER',
]

/** The sub-indication that a path's errors amount to, or undefined when it is ok. */
export function pathIndication(result: PathResult): PathIndication | undefined {
  if (result.ok) return undefined
  const leaf = result.chain[0]?.fingerprintSha256
  const found = new Set(
    result.problems.flatMap(({ code, severity, certificate }) => {
      if (severity !== 'error') return []
      if (code === 'revoked' && certificate !== leaf) return ['REVOKED_CA_NO_POE' as const]
      return [indications[code] ?? ('CERTIFICATE_CHAIN_GENERAL_FAILURE' as const)]
    }),
  )
  return order.find((indication) => found.has(indication))
}
