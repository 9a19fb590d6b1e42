/**
 * So many calls within so long, counted in the database: several processes behind one address share one limit.
 * Without the database each process counts for itself, so that the limit loosens and never falls away.
 */
import { createHash } from 'node:crypto'
import type { FastifyRateLimitStore, FastifyRateLimitStoreCtor } from '@fastify/rate-limit'
import { sql } from 'kysely'
import type { Clock } from '#src/clock.ts'
import { type Db, hereOnly } from '#src/db/db.ts'
import type { Log } from '#src/log.ts'
import type { HttpTables } from './tables.ts'

export interface Pace {
  /** Counts a call; `key` names who calls what. The window begins with the first call in it. */
  count(key: string, perMs: number): Promise<{ calls: number; leftMs: number }>
  prune(): Promise<void>
}

/** Whoever fills this many keys meanwhile begins anew; it only matters while the database is away. */
const OWN_KEYS_MAX = 50_000

export function createPace({ db, clock, log }: { db: Db; clock: Clock; log: Log }): Pace {
  const own = createOwnCount(clock)
  let isAlone = false

  async function countTogether(key: string, perMs: number) {
    const nowMs = clock.now().getTime()
    const [now, until] = [new Date(nowMs), new Date(nowMs + perMs)]
    const { rows } = await db.work(async (tx) => {
      await hereOnly(tx)
      return await sql<{ calls: number; until: Date }>`
        insert into call_pace as p (key, calls, until)
        values (${createHash('sha256').update(key).digest().subarray(0, 16)}, 1, ${until})
        on conflict (key) do update set
          calls = case when p.until <= ${now} then 1 else p.calls + 1 end,
          until = case when p.until <= ${now} then excluded.until else p.until end
        returning calls, until`.execute(tx)
    })
    const [row] = rows
    if (row === undefined) throw new Error('the pace was not counted')
    return { calls: row.calls, leftMs: Math.max(0, row.until.getTime() - nowMs) }
  }

  return {
    async count(key, perMs) {
      try {
        const counted = await countTogether(key, perMs)
        if (isAlone) log.info('limits are counted over all processes again')
        isAlone = false
        return counted
      } catch (error) {
        if (!isAlone) log.warn({ err: error }, 'limits are counted by this process alone')
        isAlone = true
        return own(key, perMs)
      }
    },
    async prune() {
      await db.work((tx) =>
        tx.withTables<HttpTables>().deleteFrom('call_pace').where('until', '<', clock.now()).execute(),
      )
    },
  }
}

function createOwnCount(clock: Clock) {
  const counts = new Map<string, { calls: number; untilMs: number }>()
  return (key: string, perMs: number) => {
    const nowMs = clock.now().getTime()
    const known = counts.get(key)
    const current =
      known !== undefined && known.untilMs > nowMs ? known : { calls: 0, untilMs: nowMs + perMs }
    current.calls += 1
    if (counts.size >= OWN_KEYS_MAX) counts.clear()
    counts.set(key, current)
    return { calls: current.calls, leftMs: current.untilMs - nowMs }
  }
}

/** The same for the limits of routes; each route counts apart. */
export function paceStore(pace: Pace): FastifyRateLimitStoreCtor {
  const storeFor = (route: string): FastifyRateLimitStore => ({
    incr(address, callback, timeWindow) {
      pace.count(`${route} ${address}`, timeWindow).then(
        ({ calls, leftMs }) => callback(null, { current: calls, ttl: leftMs }),
        (error: Error) => callback(error),
      )
    },
    // What arrives holds the route under a name that the types do not tell.
    child(merged) {
      const { method, url } = (merged as unknown as { routeInfo: { method: unknown; url: string } }).routeInfo
      return storeFor(`${String(method)} ${url}`)
    },
  })
  return function PaceStore() {
    return storeFor('all')
  } as unknown as FastifyRateLimitStoreCtor
}
