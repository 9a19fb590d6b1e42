import { readObject } from './actions.ts'
import { mend, replaceDisks } from './faults.ts'
import { Broken } from './ledger.ts'
import { contentOf, filesBelow } from './media.ts'
import type { Stage } from './stage.ts'

const hourMs = 60 * 60_000
const dayMs = 24 * hourMs

/** Runs one piece of upkeep that must succeed now. */
async function must<T>(stage: Stage, what: string, work: Promise<T>): Promise<T> {
  let outcome: { value: T } | { error: unknown } | undefined
  work.then(
    (value) => {
      outcome = { value }
    },
    (error: unknown) => {
      outcome = { error }
    },
  )
  await stage.world.settle()
  await stage.world.until(() => outcome !== undefined, what)
  if (stage.broken) throw stage.broken
  if (outcome !== undefined && 'value' in outcome) return outcome.value
  const { error } = outcome as { error: unknown }
  const inner = error instanceof AggregateError ? ` ${error.errors.map(String).join('; ')}` : ''
  throw new Broken(`in a world without faults, ${what} failed: ${String(error)}${inner}`)
}

/**
 * The faults end, the work goes on. What was lost stays lost: every object that was acknowledged must be readable with
 * what is left, before anything is repaired.
 */
export async function requireReadable(stage: Stage): Promise<void> {
  mend(stage)
  for (const volume of stage.volumes.values()) {
    if (stage.processes().some(({ life }) => volume.strandedLives.has(life))) await stage.kill()
  }
  await stage.world.until(() => stage.underWay.size === 0, 'what was under way')
  for (const object of stage.model) {
    if (object.id === undefined || object.state === 'refused') continue
    await must(stage, `reading ${object.id}`, readObject(stage, object, 'read'))
  }
}

/**
 * Everything that failed is replaced, the upkeep has its time, and then nothing may be left of what happened: three
 * good replicas in each site, no difference between database and media, no byte of what was destroyed.
 */
export async function requireWhole(stage: Stage): Promise<void> {
  await requireReadable(stage)
  replaceDisks(stage)
  const core = stage.core()
  // 1. Disks that failed an fsync come back once they were read; all processes say first what failed under them.
  for (const one of stage.processes()) await must(stage, 'repair', one.core.repairDue({ hasten: true }))
  await must(stage, 'scrub', core.scrub({ fresh: true }))
  for (const { name, state } of core.status().domains) {
    if (state === 'quarantined') await must(stage, `readmission of ${name}`, core.readmit(name))
  }
  // 2. A day of upkeep, and the month after which what nobody refers to goes.
  for (const ms of [3 * hourMs, 25 * hourMs, 31 * dayMs, 3 * hourMs]) {
    await must(stage, 'repair', core.repairDue({ hasten: true }))
    await must(stage, 'removal', core.removeDue({ hasten: true }))
    await must(stage, 'anti-entropy', core.antiEntropy())
    await must(stage, 'reconcile', core.reconcile())
    await must(stage, 'scrub', core.scrub({ fresh: true }))
    await must(stage, 'compaction', core.compact())
    await must(stage, 'sweep', stage.sweep())
    await stage.world.pass(ms)
  }
  // 3. Nothing is left to do.
  const different = await must(stage, 'anti-entropy', core.antiEntropy())
  const summary = await must(stage, 'reconcile', core.reconcile())
  const waiting = await must(stage, 'waiting', core.waiting())
  const bad = summary.inventories.filter((one) => one.bad + one.undead + one.orphans + one.differing > 0)
  if (summary.findings.length > 0 || bad.length > 0 || summary.unanswered.length > 0)
    throw new Broken(
      `the comparison is not clean: ${JSON.stringify(summary.findings[0] ?? bad[0] ?? summary.unanswered[0])}`,
    )
  // Second copies stay until their segment is worth a compaction; everything else would be a difference.
  const unlike = different.find((one) => one.bad + one.adopted + one.undead + one.orphans + one.differing > 0)
  if (unlike !== undefined) throw new Broken(`the inventory differs: ${JSON.stringify(unlike)}`)
  if (waiting.repairs + waiting.removals > 0) {
    const pending = [...(await pendingRepairs(stage)), ...(await pendingRemovals(stage))]
    throw new Broken(`still waiting: ${JSON.stringify(waiting)} ${JSON.stringify(pending)}`)
  }
  // 4. And all of it is on the media, not in some cache.
  await stage.losePower()
  await requireReplicas(stage)
  requireNoRemains(stage)
  stage.ledger.requireAll()
  for (const object of stage.model) {
    if (object.id !== undefined && object.state !== 'refused')
      await must(stage, `reading ${object.id}`, readObject(stage, object, 'stream'))
  }
}

/** For the report: what is still ordered, and for when. */
async function pendingRepairs(stage: Stage) {
  const pending = []
  for (const { objectId, domain, attempts } of await stage.tables.claimRepairs(
    new Date(8e15),
    new Date(8e15),
    5,
    {},
  )) {
    const replicas = (await stage.tables.findObject(objectId))?.replicas.map((one) => one.domain)
    pending.push({ objectId, domain, attempts, replicas })
  }
  return pending
}

async function pendingRemovals(stage: Stage) {
  const pending = []
  for (const { id } of stage.model) {
    const found = id === undefined ? undefined : await stage.tables.destruction(id)
    if (found?.domains.some((one) => one.state === 'pending')) pending.push(found)
  }
  return pending
}

async function requireReplicas(stage: Stage): Promise<void> {
  for (const { id, state } of stage.model) {
    if (id === undefined || state !== 'living') continue
    const found = await stage.tables.findObject(id)
    const good = (found?.replicas ?? []).filter((one) => stage.ledger.isGood(id, one))
    for (const site of ['primary', 'recovery']) {
      const count = good.filter((one) => one.domain.startsWith(site)).length
      if (count < 3)
        throw new Broken(
          `${id} has ${count} good replicas in the ${site} site: ${(found?.replicas ?? []).map((one) => `${one.domain}/${one.holder}@${one.position}${stage.ledger.isGood(id, one) ? '' : '!'}`).join(' ')}`,
        )
    }
  }
}

/** Destroyed, or never acknowledged and long forgotten: no medium may have kept a piece of it. */
function requireNoRemains(stage: Stage): void {
  const gone = Array.from(stage.model).filter(
    ({ state, probe }) => probe !== undefined && (state === 'destroyed' || state === 'refused'),
  )
  for (const volume of stage.volumes.values()) {
    for (const [path, file] of filesBelow(volume.root)) {
      const content = contentOf(file)
      const left = gone.find(({ probe }) => content.includes(probe!))
      if (left !== undefined)
        throw new Broken(`${left.id} is ${left.state}, and ${volume.name}/${path} has bytes of it`)
    }
  }
}
