import type { IdentityAnswer, IdentityClaims, IdentityProvider } from './provider.ts'

/**
 * Answers identity checks without asking anybody, and says so (`simulated`). The rule, for tests and demos:
 *
 * - a person fails when the mobile number ends in 9999, or the first 17 digits of the identity number do;
 * - a company fails when the name of its legal representative ends in 不符;
 * - everything else passes.
 *
 * The check digits of numbers are verified before any provider is asked, here as everywhere.
 */
export function createIdentitySimulator(): IdentityProvider {
  return {
    name: 'identity-simulator',
    simulated: true,
    check: async (checkId, claims) => simulateCheck(checkId, claims),
  }
}

export function simulateCheck(checkId: string, claims: IdentityClaims): IdentityAnswer {
  const reason = mismatch(claims)
  return { result: reason === null ? 'passed' : 'failed', reference: `simulated-${checkId}`, reason }
}

function mismatch(claims: IdentityClaims): string | null {
  if (claims.method === 'corp-3')
    return claims.legalRepresentative.endsWith('不符') ? 'legal_representative_mismatch' : null
  if (claims.idNumber.slice(0, 17).endsWith('9999')) return 'id_number_mismatch'
  return claims.method === 'person-3' && claims.mobile.endsWith('9999') ? 'mobile_mismatch' : null
}
