import type { Clock } from '#src/clock.ts'
import type { Log } from '#src/log.ts'
import type { Catalogue, Finding, FindingClass, OpenFinding, Wanted } from './catalogue.ts'
import type { Domain } from './domain.ts'
import type { createInventory, InventorySummary } from './inventory.ts'
import { replicasPerSite } from './placement.ts'
import type { ReplicaSet } from './replica-set.ts'

/** Which of these scopes have a key that opens. */
export type KeyPresent = (scopeIds: readonly string[]) => Promise<ReadonlySet<string>>

/** Which of these scopes had a key that was destroyed; a key that never was, or is merely missing, is not among them. */
export type KeyDestroyed = (scopeIds: readonly string[]) => Promise<ReadonlySet<string>>

export interface ReconcileSummary {
  inventories: InventorySummary[]
  /** Domains that did not answer; nothing was decided about them. */
  unanswered: { domain: string; reason: string }[]
  findings: OpenFinding[]
}

/** What an object needs to come to its full number, and what a key needs to be destroyed after its objects. */
const graceMs = 60 * 60_000
const orphanKeptMs = 30 * 24 * 60 * 60_000
const listedAtMost = 1000
const pageSize = 500

/** The daily comparison of the database with the objects and the keys, in the six classes of the specification. */
export function createReconcile(deps: {
  catalogue: Catalogue<unknown>
  clock: Clock
  log: Pick<Log, 'error' | 'warn'>
  replicas: ReplicaSet
  inventory: ReturnType<typeof createInventory>
  keyPresent?: KeyPresent
  keyDestroyed?: KeyDestroyed
  destroy: (objectIds: readonly string[], reason: string) => Promise<void>
}) {
  const { catalogue, clock, log, replicas, inventory } = deps

  async function reconcile(
    options: { signal?: AbortSignal; onDomain?: (summary: InventorySummary) => void } = {},
  ): Promise<ReconcileSummary> {
    const startedAt = clock.now()
    const summary: ReconcileSummary = { inventories: [], unanswered: [], findings: [] }
    const findings: Finding[] = []
    // 0. What was destroyed after the moment to which the database was restored is destroyed here too.
    if (deps.keyDestroyed !== undefined) findings.push(...(await followDestroyedKeys(deps.keyDestroyed)))
    // 1. Every domain: (b) and (c), and bad replicas to be repaired.
    for (const domain of replicas.domains) {
      if (options.signal?.aborted) return summary
      try {
        const taken = await inventory.take(domain, options)
        summary.inventories.push(taken)
        findings.push(...taken.findings)
        options.onDomain?.(taken)
        await removeOldOrphans(domain)
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        summary.unanswered.push({ domain: domain.name, reason })
        log.warn({ err: error, domain: domain.name }, 'a failure domain could not be walked')
      }
    }
    if (options.signal?.aborted) return summary
    // 2. Every object: (a) and (d).
    await giveUpFormerDomains()
    findings.push(...(await findEndangered()))
    // 3. Every key: (e) and (f).
    const classes: FindingClass[] = [
      'a_object_lost',
      'b_without_row',
      'c_destroyed_but_there',
      'd_too_few_replicas',
    ]
    if (deps.keyPresent !== undefined) {
      findings.push(...(await findKeys(deps.keyPresent)))
      classes.push('e_key_missing', 'f_destroyed_but_key')
    }
    // 4. On record. What a domain that did not answer would have shown stays open.
    for (let at = 0; at < findings.length; at += pageSize)
      await catalogue.noteFindings(findings.slice(at, at + pageSize), clock.now())
    const settled = classes.filter(
      (one) => summary.unanswered.length === 0 || !['b_without_row', 'c_destroyed_but_there'].includes(one),
    )
    await catalogue.resolveFindings(settled, startedAt, clock.now())
    summary.findings = await catalogue.openFindings()
    for (const one of summary.findings) {
      if (one.severity === 'critical') log.error({ finding: one }, 'storage and database disagree')
    }
    return summary
  }

  /** Replicas in domains that no setting names any more are as good as lost: they are made again elsewhere. */
  async function giveUpFormerDomains(): Promise<void> {
    const named = new Set(replicas.domains.map((domain) => domain.name))
    const occurring = new Set((await catalogue.occurringSets()).flatMap((set) => set.domains))
    for (const domain of occurring) {
      if (named.has(domain)) continue
      for (let after: string | undefined; ; ) {
        const page = await catalogue.replicasIn(domain, {
          limit: pageSize,
          ...(after === undefined ? {} : { after }),
        })
        for (const { objectId, state } of page)
          if (state === 'good') await catalogue.markBad(objectId, [domain], clock.now())
        if (page.length < pageSize) break
        after = page.at(-1)?.objectId
      }
    }
  }

  async function findEndangered(): Promise<Finding[]> {
    const inSite = (site: Domain['site']) => {
      const domains = replicas.domains.filter((domain) => domain.site === site).map((domain) => domain.name)
      return { domains, replicas: Math.min(domains.length, replicasPerSite) }
    }
    const wanted = { primary: inSite('primary'), recovery: inSite('recovery') }
    const now = clock.now()
    const old = new Date(now.getTime() - graceMs)
    const endangered = await catalogue.endangered(wanted, old, listedAtMost)
    for (const { objectId, domains } of endangered) {
      const missing = lacking(domains, replicas.targets(objectId), replicas.domains)
      await catalogue.orderReplicas(
        missing.map((domain) => ({ objectId, domain: domain.name, dueAt: now })),
        now,
      )
    }
    return endangered.map(({ objectId, good }) =>
      good.length === 0
        ? finding('a_object_lost', 'critical', objectId, 'no replica is good: the content is lost')
        : finding('d_too_few_replicas', 'failure', objectId, howMany(good, wanted)),
    )
  }

  /**
   * Keys are never restored to an earlier moment, so their register knows of destructions that this database has
   * forgotten. The objects follow: nothing opens them, and what a site that was away still holds goes as well.
   */
  async function followDestroyedKeys(keyDestroyed: KeyDestroyed): Promise<Finding[]> {
    const found: Finding[] = []
    for (let after: string | undefined; ; ) {
      const page = await catalogue.scopes(after, pageSize)
      const living = page.filter((scope) => scope.living > 0).map((scope) => scope.scopeId)
      const dead = await keyDestroyed(living)
      for (const scopeId of living) {
        if (!dead.has(scopeId)) continue
        const ids = new Set((await catalogue.replicaFacts({ scopeId })).map((one) => one.objectId))
        if (ids.size === 0) continue
        try {
          await deps.destroy([...ids], 'its key was destroyed')
        } catch (error) {
          // A legal hold that only the restored database still believes in; class e tells of the key.
          log.warn({ err: error, scopeId }, 'objects whose key was destroyed could not be destroyed')
          continue
        }
        const detail = `${ids.size} objects were on record as living though their key was destroyed; destroyed here too`
        found.push(finding('c_destroyed_but_there', 'warning', scopeId, detail))
      }
      if (page.length < pageSize) return found
      after = page.at(-1)?.scopeId
    }
  }

  async function findKeys(keyPresent: KeyPresent): Promise<Finding[]> {
    const found: Finding[] = []
    const longAgo = clock.now().getTime() - graceMs
    for (let after: string | undefined; ; ) {
      const page = await catalogue.scopes(after, pageSize)
      const present = await keyPresent(page.map((scope) => scope.scopeId))
      for (const { scopeId, living, destroyed, lastDestroyedAt } of page) {
        const has = present.has(scopeId)
        if (living > 0 && !has)
          found.push(
            finding('e_key_missing', 'critical', scopeId, `the key of ${living} living objects is gone`),
          )
        if (living === 0 && has && lastDestroyedAt !== undefined && lastDestroyedAt.getTime() < longAgo)
          found.push(
            finding(
              'f_destroyed_but_key',
              'failure',
              scopeId,
              `all ${destroyed} objects are destroyed, their key is not`,
            ),
          )
      }
      if (page.length < pageSize) return found
      after = page.at(-1)?.scopeId
    }
  }

  async function removeOldOrphans(domain: Domain): Promise<void> {
    const before = new Date(clock.now().getTime() - orphanKeptMs)
    for (;;) {
      const orphans = await catalogue.orphansFoundBefore(domain.name, before, pageSize)
      if (orphans.length === 0) return
      const ids = orphans.map((one) => one.objectId)
      // A restored database may know them again.
      const known = await catalogue.lookup(domain.name, ids)
      for (const { objectId, placement } of orphans)
        if (!known.has(objectId)) await domain.remove(objectId, placement)
      await catalogue.forgetOrphans(domain.name, ids)
    }
  }

  return { reconcile }
}

/** The domains that are still to hold an object, so that each site comes to its number and no further. */
function lacking(holding: readonly string[], targets: readonly Domain[], all: readonly Domain[]): Domain[] {
  const held = new Set(holding)
  // What is given up elsewhere is on order already.
  if (holding.some((name) => !all.some((domain) => domain.name === name))) return []
  return (['primary', 'recovery'] as const).flatMap((site) => {
    const has = all.filter((domain) => domain.site === site && held.has(domain.name)).length
    return targets
      .filter((domain) => domain.site === site && !held.has(domain.name))
      .slice(0, Math.max(0, replicasPerSite - has))
  })
}

function howMany(good: readonly string[], wanted: Wanted): string {
  const parts = (['primary', 'recovery'] as const).map((site) => {
    const { domains, replicas } = wanted[site]
    return `${good.filter((one) => domains.includes(one)).length} of ${replicas} in the ${site} site`
  })
  return `good replicas: ${parts.join(', ')}`
}

const finding = (name: FindingClass, severity: Finding['severity'], subjectId: string, detail: string) => ({
  class: name,
  severity,
  subjectId,
  domain: '',
  detail,
})
