/** What is asked of a provider, by the number of facts that must agree. */
export type IdentityClaims =
  | { method: 'person-2'; name: string; idNumber: string }
  | { method: 'person-3'; name: string; idNumber: string; mobile: string }
  | { method: 'corp-3'; name: string; creditCode: string; legalRepresentative: string }

export type IdentityMethod = IdentityClaims['method']

export interface IdentityAnswer {
  result: 'passed' | 'failed'
  /** The provider's number of this check, for disputes. */
  reference: string
  /** Why it failed, in words without personal data; null when it passed. */
  reason: string | null
}

/** Somebody who can say whether name and number belong together. Throws a `GatewayFailure` when it gives no answer. */
export interface IdentityProvider {
  readonly name: string
  /** True when the answers are made up; shown wherever the result is shown. */
  readonly simulated: boolean
  check(checkId: string, claims: IdentityClaims): Promise<IdentityAnswer>
}
