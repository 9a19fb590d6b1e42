/** What the promise counts although no request of its own passes the edge: certificates, and seals that sign freely. */
import { latencyLimitMs, type Outcome } from '@yinxin/sla'
import type { Ca, CertificateIntent } from '#src/ca/ca.ts'
import { Refusal } from '#src/errors.ts'
import type { Meter } from './meter.ts'

/** Refusals are the caller's affair, but for what is out of order on our side. */
const isCallers = (error: unknown) => error instanceof Refusal && error.kind !== 'unavailable'

/** Counts a signature that is made in the background. */
export function watchSigning<T>(meter: Meter, tenantId: string, work: () => Promise<T>): Promise<T> {
  return meter.watch('signing', tenantId, latencyLimitMs('signing'), isCallers, work)
}

/** The certificate authority with its acts counted, from the intent to the certificate. */
export function watchCertificates(meter: Meter, ca: Ca): Ca {
  const begun = new WeakMap<CertificateIntent, { minute: number; startMs: number }>()
  const begin = () => ({ minute: meter.minute(), startMs: performance.now() })
  const count = (minute: number, tenantId: string, outcome: Outcome) =>
    meter.count({
      service: 'certificate',
      tenantId,
      minute,
      outcome: meter.isTagged(tenantId) ? 'excluded' : outcome,
    })
  return {
    ...ca,
    async intend(tx, request) {
      const began = begin()
      try {
        const intent = await ca.intend(tx, request)
        begun.set(intent, began)
        return intent
      } catch (error) {
        count(began.minute, request.tenantId, isCallers(error) ? 'excluded' : 'error')
        throw error
      }
    },
    issue(intent) {
      // An intent that an earlier process left begins anew.
      const { minute, startMs } = begun.get(intent) ?? begin()
      const { tenantId } = intent.request
      try {
        const issued = ca.issue(intent)
        const inTime = performance.now() - startMs <= latencyLimitMs('certificate')
        count(minute, tenantId, inTime ? 'ok' : 'slow')
        return issued
      } catch (error) {
        count(minute, tenantId, isCallers(error) ? 'excluded' : 'error')
        throw error
      }
    },
  }
}
