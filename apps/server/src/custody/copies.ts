/**
 * The right to know (clause 3.5): where the copies of a contract, or of everything a subject owns, were last seen to
 * be. What was not verified for long is said to be stale, and what differs from the promise is named.
 */
import type { Clock } from '#src/clock.ts'
import type { DbCopy } from '#src/db/db.ts'
import type { DomainShare, Storage, StorageMeasures } from '#src/storage/storage.ts'
import { type Drift, driftOf, promised, staleAfterMs } from './drift.ts'

/** `fresh` verified in time; `new` written so lately that its first verification is still to come; `bad` found damaged. */
export type Freshness = 'fresh' | 'new' | 'stale' | 'bad'

/** One failure domain and what lies there. */
export interface PlaceCopies {
  name: string
  /** Physical device or bucket region; places with the same one fail together. */
  device: string | null
  replicas: number
  good: number
  sizeBytes: number
  /** The least recent last verification of all replicas here; null while one was never verified. */
  verifiedAt: string | null
  freshness: Freshness
}

export interface SiteCopies {
  site: 'primary' | 'recovery'
  /** Good copies of the object that has the fewest here. */
  copies: number
  devices: number
  sizeBytes: number
  places: PlaceCopies[]
}

export interface DatabaseCopy {
  cluster: 'main' | 'keys'
  name: string
  site: DbCopy['site']
  role: 'primary' | 'standby'
  state: DbCopy['state']
  lagBytes: number | null
  replayedAt: string | null
  device: string | null
}

export interface Copies {
  objects: number
  /** Objects that were destroyed on request; nothing of them lies anywhere. */
  destroyed: number
  sites: SiteCopies[]
  /** Null where the databases are run by somebody else and cannot be seen from here. */
  database: DatabaseCopy[] | null
  drift: Drift[]
  measuredAt: string
}

export interface CopiesDeps {
  clock: Clock
  storage: Pick<Storage, 'places' | 'replicasOf'>
  measures: Pick<StorageMeasures, 'sharesOf' | 'objectsOf' | 'scrubbedPlaces'>
  dbCopies: () => Promise<DbCopy[]>
}

/** A failure domain as the last scrub saw it; one that none has seen yet, as it is now. */
interface SeenPlace {
  name: string
  site: 'primary' | 'recovery'
  deviceId?: string
  periodMs: number
}

/** Asking four databases for every page that is looked at would be a burden. */
const copiesKeptMs = 5000

export function createCopies(deps: CopiesDeps) {
  const { clock, storage, measures } = deps
  let asked: { at: number; answer: Promise<DbCopy[]> } | undefined

  async function databaseCopies(): Promise<DatabaseCopy[] | null> {
    const now = clock.now().getTime()
    if (asked === undefined || now - asked.at > copiesKeptMs) asked = { at: now, answer: deps.dbCopies() }
    const mine = asked
    const copies = await mine.answer.catch((error: unknown) => {
      if (asked === mine) asked = undefined
      throw error
    })
    if (copies.length === 0) return null
    return copies.map(({ cluster, name, site, role, state, lagBytes, replayedAt, deviceId }) => ({
      cluster,
      name,
      site,
      role,
      state,
      lagBytes,
      replayedAt: replayedAt?.toISOString() ?? null,
      device: deviceId,
    }))
  }

  async function seenPlaces(): Promise<SeenPlace[]> {
    const seen = await measures.scrubbedPlaces()
    const unseen = (await storage.places()).filter(({ name }) => !seen.some((one) => one.name === name))
    return [
      ...seen,
      ...unseen.map(({ name, site, deviceId }) => ({
        name,
        site,
        ...(deviceId === undefined ? {} : { deviceId }),
        periodMs: promised.verifiedWithinMs.small,
      })),
    ].sort((one, other) => (one.name < other.name ? -1 : 1))
  }

  async function report(
    places: readonly SeenPlace[],
    shares: readonly DomainShare[],
    counts: { living: number; destroyed: number },
    fewestIn: (domains: readonly string[]) => number,
  ): Promise<Copies> {
    const now = clock.now()
    const sites = (['primary', 'recovery'] as const).map((site): SiteCopies => {
      const here = places.filter((place) => place.site === site)
      const held = here.flatMap(({ name, deviceId, periodMs }) => {
        const share = shares.find(({ domain }) => domain === name)
        const staleBefore = new Date(now.getTime() - staleAfterMs(periodMs))
        return share === undefined ? [] : [placeOf(share, deviceId ?? null, staleBefore)]
      })
      return {
        site,
        copies: fewestIn(here.map(({ name }) => name)),
        devices: new Set(held.map(({ device }) => device ?? '?')).size,
        sizeBytes: held.reduce((all, { sizeBytes }) => all + sizeBytes, 0),
        places: held,
      }
    })
    const database = await databaseCopies()
    return {
      objects: counts.living,
      destroyed: counts.destroyed,
      sites,
      database,
      drift: counts.living === 0 ? [] : driftOf(sites, database),
      measuredAt: now.toISOString(),
    }
  }

  return {
    /** Of one contract. Whether the caller may know is decided before. */
    async ofContract(taskId: string): Promise<Copies> {
      const [replicas, counts] = [
        await storage.replicasOf({ scopeId: taskId }),
        await measures.objectsOf(taskId),
      ]
      const shares = new Map<string, DomainShare>()
      const goodIn = new Map<string, Set<string>>()
      for (const one of replicas) {
        const isGood = one.state === 'good' && (one.lastVerdict ?? 'good') === 'good'
        if (isGood) goodIn.set(one.objectId, (goodIn.get(one.objectId) ?? new Set()).add(one.domain))
        shares.set(one.domain, addReplica(shares.get(one.domain), one, isGood))
      }
      return await report(await seenPlaces(), [...shares.values()], counts, (domains) => {
        // An object of which no good replica is known anywhere counts with none.
        if (counts.living === 0 || goodIn.size < counts.living) return 0
        const counted = [...goodIn.values()].map((good) => domains.filter((name) => good.has(name)).length)
        return Math.min(...counted)
      })
    },

    /** Of everything that a subject owns. */
    async ofSubject(subjectId: string): Promise<Copies> {
      const places = await seenPlaces()
      const { objects, destroyed, shares, fewest } = await measures.sharesOf(subjectId, places)
      return await report(places, shares, { living: objects, destroyed }, (domains) => {
        const site = places.find(({ name }) => domains.includes(name))?.site
        return site === undefined ? 0 : fewest[site]
      })
    },
  }
}

function addReplica(
  share: DomainShare | undefined,
  one: { domain: string; bytes: number; writtenAt: Date; lastVerifiedAt?: Date },
  isGood: boolean,
): DomainShare {
  const { domain, replicas, good, bytes, verified, oldestVerifiedAt, newestVerifiedAt, oldestUnverifiedAt } =
    share ?? { domain: one.domain, replicas: 0, good: 0, bytes: 0, verified: 0 }
  const at = one.lastVerifiedAt
  const oldest = earliest(oldestVerifiedAt, at)
  const newest =
    at !== undefined && (newestVerifiedAt === undefined || at > newestVerifiedAt) ? at : newestVerifiedAt
  const unverified = at === undefined ? earliest(oldestUnverifiedAt, one.writtenAt) : oldestUnverifiedAt
  return {
    domain,
    replicas: replicas + 1,
    good: good + (isGood ? 1 : 0),
    bytes: bytes + one.bytes,
    verified: verified + (at === undefined ? 0 : 1),
    ...(oldest === undefined ? {} : { oldestVerifiedAt: oldest }),
    ...(newest === undefined ? {} : { newestVerifiedAt: newest }),
    ...(unverified === undefined ? {} : { oldestUnverifiedAt: unverified }),
  }
}

function earliest(one: Date | undefined, other: Date | undefined): Date | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return one < other ? one : other
}

function placeOf(share: DomainShare, device: string | null, staleBefore: Date): PlaceCopies {
  return {
    name: share.domain,
    device,
    replicas: share.replicas,
    good: share.good,
    sizeBytes: share.bytes,
    verifiedAt: share.verified === share.replicas ? (share.oldestVerifiedAt?.toISOString() ?? null) : null,
    freshness: freshnessOf(share, staleBefore),
  }
}

function freshnessOf(share: DomainShare, staleBefore: Date): Freshness {
  if (share.good < share.replicas) return 'bad'
  const { oldestVerifiedAt, oldestUnverifiedAt } = share
  if ([oldestVerifiedAt, oldestUnverifiedAt].some((at) => at !== undefined && at < staleBefore))
    return 'stale'
  return share.verified < share.replicas ? 'new' : 'fresh'
}
