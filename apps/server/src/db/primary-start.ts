/** Starts the instance that the lease names as the primary, or refuses where another than that would take writes. */
import { join } from 'node:path'
import { isPromotable } from './base-copy.ts'
import { identityOf, promoteInstance } from './cluster-questions.ts'
import type { ClusterOptions } from './cluster-members.ts'
import type { CopyPlan } from './copies.ts'
import { type Lease, readLease, writeLease } from './lease.ts'
import { type ManagedPostgres, startPostgres } from './postgres.ts'
import { findPlace } from './postgres-place.ts'
import { asking, copySettings } from './standby.ts'

type OnEvent = (event: string, detail?: Record<string, unknown>) => void

export interface StartedPrimary {
  copy: CopyPlan
  postgres: ManagedPostgres
  lease: Lease
}

/** A new installation gets its first lease here. */
export async function startByLease(options: ClusterOptions, onEvent: OnEvent): Promise<StartedPrimary> {
  const { plan } = options
  const found = await readLease(plan.leaseFolders, plan.cluster)
  const name = found?.primary ?? plan.copies[0].name
  const copy = plan.copies.find((one) => one.name === name)
  if (copy === undefined) {
    throw new Error(
      `the primary of the ${plan.cluster} database is ${name}, which YINXIN_DB_COPIES does not foresee: set it as it was, or promote another copy first`,
    )
  }
  const place = await findPlace(copy.home)
  const isHalfPromoted = found !== undefined && (await isPromotable(join(place.folder, 'data')))
  const postgres = isHalfPromoted
    ? await finishPromotion(options, copy, onEvent)
    : await startPrimary(options, copy, found !== undefined, onEvent)
  try {
    return { copy, postgres, lease: await claim(options, copy, postgres, found) }
  } catch (error) {
    await postgres.stop()
    throw error
  }
}

const instanceOf = (options: ClusterOptions, copy: CopyPlan, onEvent: OnEvent) => ({
  dataDir: copy.home,
  durable: options.durable ?? true,
  binDir: options.binDir,
  restartDelayMs: options.restartDelayMs ?? 0,
  settings: () => ({ ...options.settings, ...copySettings(copy.name) }),
  onEvent: (event: string, detail: Record<string, unknown>) => onEvent(event, { copy: copy.name, ...detail }),
})

/** `isKnown`: its cluster must be there already. */
export async function startPrimary(
  options: ClusterOptions,
  copy: CopyPlan,
  isKnown: boolean,
  onEvent: OnEvent,
): Promise<ManagedPostgres> {
  const { cluster } = options.plan
  return await startPostgres({ ...instanceOf(options, copy, onEvent), existing: isKnown }).catch(
    (cause: unknown) => {
      if (!isKnown || /in use by another/.test(String(cause))) throw cause
      throw new Error(
        `the primary ${copy.name} of the ${cluster} database does not start (${cause instanceof Error ? cause.message : cause}). If it is lost, \`yinxin db promote --stopped --cluster ${cluster}\` makes the most advanced copy the primary`,
        { cause },
      )
    },
  )
}

/** The lease was written and the promotion did not come to its end. */
async function finishPromotion(
  options: ClusterOptions,
  copy: CopyPlan,
  onEvent: OnEvent,
): Promise<ManagedPostgres> {
  let isStandby = true
  const postgres = await startPostgres({
    ...instanceOf(options, copy, onEvent),
    existing: true,
    standby: () => isStandby,
  })
  isStandby = false
  try {
    await promoteInstance(postgres)
  } catch (error) {
    await postgres.stop()
    throw error
  }
  onEvent('database.promotion-finished', { copy: copy.name })
  return postgres
}

/** Who it is and on which timeline: a primary older than its lease is a copy of the past. */
async function claim(
  { plan, clock }: ClusterOptions,
  copy: CopyPlan,
  postgres: ManagedPostgres,
  found: Lease | undefined,
): Promise<Lease> {
  return await asking(postgres, async (client) => {
    await client.query(`alter system set synchronous_standby_names = ''`)
    await client.query('select pg_reload_conf()')
    const { systemIdentifier, timeline } = await identityOf(client)
    if (found && found.systemIdentifier !== systemIdentifier) {
      throw new Error(`${copy.home} holds another database than the one the lease names`)
    }
    if (found && timeline < found.timeline) {
      throw new Error(
        `${copy.home} holds the ${plan.cluster} database as it was before a promotion (timeline ${timeline}, the lease says ${found.timeline})`,
      )
    }
    const next: Lease = found
      ? { ...found, timeline }
      : {
          cluster: plan.cluster,
          term: 1,
          primary: copy.name,
          systemIdentifier,
          timeline,
          since: clock.now().toISOString(),
          reason: 'first start',
        }
    await writeLease(plan.leaseFolders, next)
    return next
  })
}
