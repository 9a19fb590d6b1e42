/** The hourly look: where everything lies, for how long things lay in one site alone, how complete the key copies are. */
import type { Clock } from '#src/clock.ts'
import type { Db, DbCopy } from '#src/db/db.ts'
import type { DomainStatus, Storage, StorageMeasures } from '#src/storage/storage.ts'
import { insertSample, type Sample, sampledUntil } from './store.ts'
import type { KeyCopy } from './tables.ts'

export interface SamplingDeps {
  db: Db
  clock: Clock
  storage: Pick<Storage, 'places'>
  measures: Pick<StorageMeasures, 'placement'>
  dbCopies: () => Promise<DbCopy[]>
}

const hourMs = 3_600_000
/** A replica that nobody read for so long does not count as one. */
const verifiedWithinMs = 31 * 24 * hourMs
/** A replica that was ordered within this time counts: it is the repair window that u′ speaks of. */
const repairWindowMs = hourMs
/** Devices count as in service for no longer than this between two looks: nobody saw them meanwhile. */
const unseenMaxHours = 3

export function createSampling({ db, clock, storage, measures, dbCopies }: SamplingDeps) {
  return async function look(): Promise<Sample> {
    const at = clock.now()
    const { last } = await db.ask((tx) => sampledUntil(tx, at))
    const since = last ?? new Date(at.getTime() - hourMs)
    const domains = await storage.places()
    const placement = await measures.placement({
      places: Object.fromEntries(
        domains.map(({ name, site, deviceId }) => [
          name,
          { site, ...(deviceId === undefined ? {} : { deviceId }) },
        ]),
      ),
      at,
      since,
      verifiedSince: new Date(at.getTime() - verifiedWithinMs),
      orderedSince: new Date(at.getTime() - repairWindowMs),
    })
    const hours = (at.getTime() - since.getTime()) / hourMs
    const devices = new Set(domains.map(deviceOf)).size
    const sample: Sample = {
      at,
      since,
      objects: placement.objects,
      objectHours: placement.objectHours,
      oneSiteHours: placement.oneSiteHours,
      unverifiedHours:
        placement.oldestVerifiedAt === undefined
          ? null
          : (at.getTime() - placement.oldestVerifiedAt.getTime()) / hourMs,
      // Of an empty platform: where the next object would lie.
      sites: placement.objects === 0 ? emptySites(domains) : placement.sites,
      deviceHours: last === undefined ? 0 : devices * Math.min(hours, unseenMaxHours),
      keyCopies: completeKeyCopies(await dbCopies()),
    }
    await db.work((tx) => insertSample(tx, sample))
    return sample
  }
}

/** Devices that nobody can tell may all be the same one. */
export const deviceOf = ({ deviceId }: Pick<DomainStatus, 'deviceId'>): string => deviceId ?? '?'

function emptySites(domains: readonly DomainStatus[]) {
  return (['primary', 'recovery'] as const).map((site) => {
    const devices = [
      ...new Set(domains.filter((one) => one.site === site && one.state === 'ready').map(deviceOf)),
    ].sort()
    const n = Math.min(3, devices.length)
    return { site, devices, w: Math.max(0, n - 1), n }
  })
}

/** Those that have everything that was committed: the primary, and standbys with nothing left to write. */
function completeKeyCopies(copies: readonly DbCopy[]): KeyCopy[] | null {
  const keys = copies.filter((copy) => copy.cluster === 'keys')
  if (keys.length === 0) return null
  return keys
    .filter(
      (copy) =>
        (copy.role === 'primary' && copy.state === 'running') ||
        (copy.state === 'streaming' && (copy.sync || copy.flushLagBytes === 0)),
    )
    .map(({ name, site, deviceId }) => ({ name, site, device: deviceId }))
}
