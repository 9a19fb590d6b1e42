import type { Clock } from '#src/clock.ts'
import type { Catalogue } from './catalogue.ts'
import type { Counters } from './counters.ts'
import type { ReplicaSet } from './replica-set.ts'

/**
 * Keeps the quarantine of domains on record outside of the disks themselves, so that it survives a restart and is
 * shared by all processes.
 */
export function createQuarantines(deps: {
  catalogue: Catalogue<unknown>
  clock: Clock
  replicas: ReplicaSet
  counters: Counters
}) {
  const { catalogue, clock, replicas, counters } = deps
  /** Domains whose quarantine is on record as far as this process knows. */
  const recorded = new Set<string>()
  let opened: Promise<void> | undefined
  let last: Promise<unknown> = Promise.resolve()

  /** One after the other: a record that was read before another call wrote to it says nothing about what that one did. */
  function inTurn<R>(work: () => Promise<R>): Promise<R> {
    const mine = last.then(work)
    last = mine.catch(() => undefined)
    return mine
  }

  /** Makes this process and the record agree: what failed here is recorded, what was readmitted there is taken back. */
  const agree = () => inTurn(compare)

  async function compare(): Promise<void> {
    const onRecord = new Map((await catalogue.quarantines()).map((one) => [one.domain, one.reason]))
    for (const domain of replicas.domains) {
      const { state, reason } = domain.status()
      const stands = onRecord.get(domain.name)
      if (state === 'ready' && stands !== undefined) {
        domain.quarantine(stands)
        recorded.add(domain.name)
      } else if (state === 'quarantined' && stands !== undefined) recorded.add(domain.name)
      else if (state === 'quarantined' && recorded.has(domain.name)) {
        await domain.readmit()
        recorded.delete(domain.name)
      } else if (state === 'quarantined') {
        await catalogue.quarantine(domain.name, reason ?? 'unknown', clock.now())
        recorded.add(domain.name)
        counters.add('domainsQuarantined')
      }
    }
  }

  return {
    agree,
    /** Once, before the first write: what an earlier process found out about the disks. */
    open(): Promise<void> {
      opened ??= agree().catch((error: unknown) => {
        opened = undefined
        throw error
      })
      return opened
    },
    /** Whether a domain failed here and nobody was told yet. */
    isNews: () =>
      replicas.domains.some((one) => one.status().state === 'quarantined' && !recorded.has(one.name)),
    /** Takes writes again. */
    readmit: (name: string): Promise<void> =>
      inTurn(async () => {
        await replicas.domain(name)?.readmit()
        await catalogue.readmit(name, clock.now())
        recorded.delete(name)
      }),
  }
}
