import { z } from 'zod'
import type { Breaker } from '#src/breakers/breakers.ts'
import type { Clock } from '#src/clock.ts'
import { Refusal } from '#src/errors.ts'
import { callGateway, type GatewayAccess, GatewayFailure } from '#src/notifications/notifications.ts'
import type { IdentityProvider } from './provider.ts'

const answerShape = z.object({
  checkId: z.string(),
  result: z.enum(['match', 'mismatch']),
  reference: z.string().min(1).max(200),
  reason: z
    .string()
    .regex(/^[a-z_]{1,60}$/)
    .optional(),
})

/** Asks an identity bureau over the HTTP protocol of docs/reference/identity-provider.md. */
export function createIdentityBureau(
  access: GatewayAccess,
  clock: Clock,
  name = 'identity-bureau',
): IdentityProvider {
  return {
    name,
    simulated: false,
    async check(checkId, claims) {
      const { method, ...facts } = claims
      const answer = answerShape.safeParse(
        await callGateway(access, clock.now(), { version: 1, checkId, method, claims: facts }),
      )
      // An answer to another question must never pass for the answer to this one.
      if (!answer.success || answer.data.checkId !== checkId)
        throw new GatewayFailure('the answer of the identity bureau has an unknown shape', false)
      const { result, reference, reason } = answer.data
      return result === 'match'
        ? { result: 'passed', reference, reason: null }
        : { result: 'failed', reference, reason: reason ?? 'mismatch' }
    },
  }
}

/** Behind a circuit breaker. While it is open the bureau counts as one that gives no answer. */
export function guardProvider(provider: IdentityProvider, breaker: Breaker): IdentityProvider {
  return {
    ...provider,
    async check(checkId, claims) {
      try {
        return await breaker.run(() => provider.check(checkId, claims))
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        throw new GatewayFailure('the identity bureau is left alone after failures', true, error)
      }
    },
  }
}
