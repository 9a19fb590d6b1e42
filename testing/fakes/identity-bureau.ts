import { type FakeGateway, type GatewayAnswer, startFakeGateway } from './gateway.ts'

/** What the bureau knows: everything else is a mismatch. */
export interface BureauRegister {
  people: { name: string; idNumber: string; mobile?: string }[]
  companies: { name: string; creditCode: string; legalRepresentative: string }[]
}

export interface FakeIdentityBureau extends FakeGateway {
  /** Gives this answer to the next check, or none at all, instead of looking it up. */
  answerNext(answer: GatewayAnswer | 'hang'): void
}

/** An identity bureau with a small register, speaking docs/reference/identity-provider.md. */
export async function startFakeIdentityBureau(
  access: { keyId: string; secret: string },
  register: BureauRegister,
): Promise<FakeIdentityBureau> {
  const answers: (GatewayAnswer | 'hang')[] = []
  let count = 0
  const gateway = await startFakeGateway(access, (payload) => {
    const next = answers.shift()
    if (next !== undefined) return next
    const claims = payload.claims as Record<string, string>
    const reason = lookUp(register, String(payload.method), claims)
    if (payload.version !== 1 || reason === 'unknown_method')
      return { status: 400, body: { error: 'unknown version or method' } }
    count += 1
    return {
      status: 200,
      body: {
        checkId: payload.checkId,
        reference: `bureau-${count}`,
        ...(reason === null ? { result: 'match' } : { result: 'mismatch', reason }),
      },
    }
  })
  return Object.assign(gateway, { answerNext: (answer: GatewayAnswer | 'hang') => void answers.push(answer) })
}

function lookUp(register: BureauRegister, method: string, claims: Record<string, string>): string | null {
  if (method === 'corp-3') {
    const company = register.companies.find((known) => known.creditCode === claims.creditCode)
    if (company === undefined) return 'not_found'
    if (company.name !== claims.name) return 'name_mismatch'
    return company.legalRepresentative === claims.legalRepresentative ? null : 'legal_representative_mismatch'
  }
  if (method !== 'person-2' && method !== 'person-3') return 'unknown_method'
  const person = register.people.find((known) => known.idNumber === claims.idNumber)
  if (person === undefined) return 'not_found'
  if (person.name !== claims.name) return 'name_mismatch'
  return method === 'person-2' || person.mobile === claims.mobile ? null : 'mobile_mismatch'
}
