/** How grave an incident is (SLA 3.10): whatever touches many, or what must never happen, is severe. */
export type IncidentClass = 'general' | 'severe'

export interface IncidentFacts {
  /** The longest stretch of bad minutes of any service. */
  badMinutes: number
  /** Tenants with at least one failed request. */
  affectedTenants: number
  /** Tenants with any request in the same time. */
  activeTenants: number
  /** Contracts, keys, the transparency log or somebody's security are touched. */
  integrity: boolean
  /** Of signing and certificates together, in the fifteen worst minutes. */
  signingBelow99: boolean
}

export type ClassReason = 'service_bad' | 'tenants_affected' | 'integrity_touched' | 'signing_failing'

/** Every reason that makes an incident severe; none leaves it general. */
export function classifyIncident(facts: IncidentFacts): { class: IncidentClass; reasons: ClassReason[] } {
  const { badMinutes, affectedTenants, activeTenants, integrity, signingBelow99 } = facts
  const reasons: ClassReason[] = []
  if (badMinutes >= 2) reasons.push('service_bad')
  // At least three, and at least one in twenty.
  if (affectedTenants >= 3 && affectedTenants * 20 >= activeTenants) reasons.push('tenants_affected')
  if (integrity) reasons.push('integrity_touched')
  if (signingBelow99) reasons.push('signing_failing')
  return { class: reasons.length > 0 ? 'severe' : 'general', reasons }
}
