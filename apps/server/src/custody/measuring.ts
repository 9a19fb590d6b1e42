/** From looks and records to what goes into a durability report. */
import type { DurabilityMeasurements, SitePlacement } from '@yinxin/sla'
import type { Db } from '#src/db/db.ts'
import type { DomainStatus, Storage, StorageMeasures } from '#src/storage/storage.ts'
import { deviceOf } from './sampling.ts'
import { type Sample, sampledUntil, samplesOf } from './store.ts'

export interface MeasuringDeps {
  db: Db
  storage: Pick<Storage, 'places' | 'waiting'>
  measures: Pick<StorageMeasures, 'holdings' | 'repairs' | 'comparedAt' | 'quarantines'>
  /** Every replica is read within this time, so no shorter interval is claimed from a young platform. */
  scrubPeriodMs: number
  /** What the operator says of what cannot be seen. */
  declared: { sitesApart: boolean; rootKeyCopies: number | undefined }
  /** Buckets name their region; folders say nothing of where they are. */
  storageKind: 'folders' | 'buckets'
}

export interface Period {
  month: string
  from: Date
  to: Date
}

const hourMs = 3_600_000
const hoursPerMonth = 730
/** Both sites are compared every hour, which is when a device that nobody writes to is missed at last. */
const comparedEveryHours = 1
/** A look is late at most by this at the begin of a month that counts as whole. */
const lookGraceMs = 2 * hourMs

export function createMeasuring(deps: MeasuringDeps) {
  const { db, storage, measures, declared } = deps

  return async function measure(period: Period, isMonth: boolean): Promise<DurabilityMeasurements> {
    const { from, to } = period
    const [samples, seen] = await db.work(async (tx) => [
      await samplesOf(tx, from, to),
      await sampledUntil(tx, to),
    ])
    const domains = await storage.places()
    const [quarantined, repairs, waiting, objects, comparedAt] = [
      await measures.quarantines(new Date(0), to),
      await measures.repairs(from, to),
      await storage.waiting(),
      await measures.holdings(from, to),
      await measures.comparedAt(
        domains.map(({ name }) => name),
        from,
        to,
      ),
    ]
    const alias = aliases()
    const sites = mergeSites(samples).map((place) => ({ ...place, devices: place.devices.map(alias) }))
    return {
      month: period.month,
      from: from.toISOString(),
      to: to.toISOString(),
      wholeMonth: isMonth && seen.first !== undefined && seen.first.getTime() <= from.getTime() + lookGraceMs,
      samples: samples.length,
      devices: {
        failures: failedDevices(quarantined, domains),
        deviceMonths: seen.deviceHours / hoursPerMonth,
      },
      repairs: { ...repairs, waiting: waiting.repairs },
      detectHours: Math.max(comparedEveryHours, longestGapHours(samples, to)),
      unverifiedHours: Math.max(
        deps.scrubPeriodMs / hourMs,
        ...samples.map(({ unverifiedHours }) => unverifiedHours ?? 0),
      ),
      sites,
      sitesApart: apart(sites, deps.storageKind, declared.sitesApart),
      exposure: {
        objectHours: sum(samples, (one) => one.objectHours),
        oneSiteHours: sum(samples, (one) => one.oneSiteHours),
      },
      keyCopies:
        fewestKeyCopies(samples)?.map((copy) => ({
          ...copy,
          device: copy.device === null ? null : alias(copy.device),
        })) ?? null,
      rootKeyCopies: {
        copies: declared.rootKeyCopies ?? 1,
        declared: declared.rootKeyCopies !== undefined,
      },
      objects: { ...objects, comparedAt: comparedAt?.toISOString() ?? null },
    }
  }
}

/** The report is public; what devices are called here is nobody's business, which of them are the same is. */
function aliases(): (device: string) => string {
  const known = new Map<string, string>()
  return (device) => {
    const alias = known.get(device) ?? `d${known.size + 1}`
    known.set(device, alias)
    return alias
  }
}

/** The worst of each figure over all looks at a platform that held something; of an empty one, the last look. */
export function mergeSites(samples: readonly Sample[]): SitePlacement[] {
  const holding = samples.filter(({ objects }) => objects > 0)
  const looks = holding.length > 0 ? holding : samples.slice(-1)
  return (['primary', 'recovery'] as const).flatMap((site) => {
    const places = looks.flatMap(({ sites }) => sites.filter((one) => one.site === site))
    if (places.length === 0) return []
    return [
      {
        site,
        devices: [...new Set(places.flatMap(({ devices }) => devices))].sort(),
        w: Math.max(...places.map(({ w }) => w)),
        n: Math.min(...places.map(({ n }) => n)),
      },
    ]
  })
}

function fewestKeyCopies(samples: readonly Sample[]) {
  const devices = (sample: Sample) => new Set(sample.keyCopies?.map(({ device }) => device ?? '?')).size
  if (samples.length === 0 || samples.some(({ keyCopies }) => keyCopies === null)) return null
  return samples.reduce((fewest, one) => (devices(one) < devices(fewest) ? one : fewest)).keyCopies
}

/** Failed devices, not failed folders: several domains of one device that go on one day are one failure. */
export function failedDevices(
  quarantined: readonly { domain: string; since: Date }[],
  domains: readonly DomainStatus[],
): number {
  const failures = quarantined.map(({ domain, since }) => {
    const place = domains.find(({ name }) => name === domain)
    // Of a domain that is no longer among the settings.
    const device = place === undefined ? `? ${domain}` : deviceOf(place)
    return `${device} ${since.toISOString().slice(0, 10)}`
  })
  return new Set(failures).size
}

/** Two sites with a device in common are one, whatever anybody says. */
function apart(
  sites: readonly SitePlacement[],
  kind: 'folders' | 'buckets',
  isDeclared: boolean,
): DurabilityMeasurements['sitesApart'] {
  const [primary, recovery] = sites
  if (primary === undefined || recovery === undefined) return 'unknown'
  if (primary.devices.some((device) => recovery.devices.includes(device))) return 'unknown'
  if (kind === 'buckets') return 'seen'
  return isDeclared ? 'declared' : 'unknown'
}

/** While nobody looked, nobody compared either: the longest time without a look, the one to the end included. */
function longestGapHours(samples: readonly Sample[], to: Date): number {
  const last = samples.at(-1)
  const gaps = samples.map(({ at, since }) => at.getTime() - since.getTime())
  return Math.max(0, ...gaps, last === undefined ? 0 : to.getTime() - last.at.getTime()) / hourMs
}

const sum = (samples: readonly Sample[], of: (sample: Sample) => number) =>
  samples.reduce((all, one) => all + of(one), 0)
