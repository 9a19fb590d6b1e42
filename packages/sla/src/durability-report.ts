/**
 * The durability report: from what was measured in a month to the figures of clause 3.1, a verdict, and what keeps it
 * from being better. Pure; the same measurements give the same report anywhere.
 */
import { type DeviceRecord, estimateAfr, type FailureEstimate } from './device-failures.ts'
import { durability, monthlyFailure, monthlyLossTargets, windowFailure } from './durability.ts'
import { type DurabilityReason, reasonsOf } from './durability-reasons.ts'

/** Replicas of one site, where they were verified to lie. */
export interface SitePlacement {
  site: 'primary' | 'recovery'
  /** Physical devices or bucket regions that hold replicas; those with one name fail together. */
  devices: string[]
  /** The largest number of other devices of this site that one device shares objects with. */
  w: number
  /** The smallest number of devices of this site that hold a good, verified replica of an object. */
  n: number
}

export interface DurabilityMeasurements {
  /** `YYYY-MM`, in `Asia/Shanghai`. */
  month: string
  /** What was looked at: from the begin of the month to its end, or to now. ISO 8601. */
  from: string
  to: string
  /** False while the month runs, or when the platform was not there from its first minute: no service period then. */
  wholeMonth: boolean
  /** Looks at the placement, hourly; without any, nothing is proven. */
  samples: number
  devices: DeviceRecord
  /** Replicas made again: from being noticed to being durable. */
  repairs: { count: number; p99Hours: number | null; maxHours: number | null; waiting: number }
  /** How long a lost device can go unnoticed: the time between two comparisons of what lies there. */
  detectHours: number
  /** The longest time for which a good replica had not been read and verified; null without replicas. */
  unverifiedHours: number | null
  sites: SitePlacement[]
  /** Whether the sites stand in two places: seen (regions, devices), said by the operator, or not known. */
  sitesApart: 'seen' | 'declared' | 'unknown'
  /** Hours of objects altogether, and of those with good replicas in one site alone. */
  exposure: { objectHours: number; oneSiteHours: number }
  /** Copies of the key store that have everything; null where they cannot be seen. */
  keyCopies: { name: string; site: string; device: string | null }[] | null
  /** Copies of the root key as the operator says; 1 where nothing was said. */
  rootKeyCopies: { copies: number; declared: boolean }
  objects: {
    /** Held from the first to the last minute: the only ones that count. */
    heldWholePeriod: number
    held: number
    lost: number
    /** When everything was last compared with the database completely; null if never in the period. */
    comparedAt: string | null
  }
}

/** What cannot be measured here and is assumed instead; stands in every report. */
export interface DurabilityAssumptions {
  /** Failures per device and year while the count is too small. */
  afr: number
  /** Silent damage of a replica per year, taken equal to the failure rate of devices. */
  latentAfr: number
  /** The shortest repair time that is believed before a hundred repairs were measured. */
  repairHours: number
  /** That a site is lost for good, per year. */
  siteLossPerYear: number
}

export interface DurabilityLine {
  /** Loss per month that this line allows. */
  limit: number
  met: boolean
}

export interface DurabilityFigures {
  u: number
  /** Repair window of a lost device in hours, and u′ in it. */
  windowHours: number
  uPrime: number
  /** The window of silent damage: half the verification interval and the repair. */
  latentWindowHours: number
  latentUPrime: number
  /** By the formula of clause 3.1 for each site standing alone; `w` and `n` as they went in. */
  bySite: { site: string; devices: number; w: number; n: number; loss: number; nines: number | null }[]
  disk: number
  latent: number
  site: number
  key: number
  rootKey: number
  /** All of them together; at most 1. */
  model: number
  nines: number | null
  /** Lost objects / objects held for the whole period; null without any. */
  actual: number | null
}

export interface DurabilityReport {
  format: 'yinxin.durability-report/1'
  measurements: DurabilityMeasurements
  assumptions: DurabilityAssumptions
  failures: FailureEstimate
  figures: DurabilityFigures
  /** 1e-11 a month: what the platform is built for (eleven nines, the clause's first number). */
  design: DurabilityLine
  /** 1e-10 a month: one in ten thousand million contracts (the clause's second number). */
  contract: DurabilityLine
  /** Met only when the design line is, nothing was lost, and everything that it rests on was measured. */
  verdict: 'met' | 'not_met'
  /** Why not, each with what would meet it. */
  reasons: DurabilityReason[]
}

export const durabilityAssumptions = {
  repairHours: 1,
  siteLossPerYear: 1e-3,
} as const

/** So many repairs say something of their 99th percentile. */
const repairsTelling = 100
const hoursPerMonth = 730

/** @throws RangeError, DurabilityError for measurements that cannot be */
export function durabilityReport(measurements: DurabilityMeasurements): DurabilityReport {
  const failures = estimateAfr(measurements.devices)
  const assumptions: DurabilityAssumptions = {
    ...durabilityAssumptions,
    afr: failures.assumed,
    latentAfr: failures.afr,
  }
  const figures = figuresOf(measurements, failures, assumptions)
  const { objects, samples } = measurements
  // Without a look at the placement and a full comparison there is nothing that the figure could rest on.
  const isMeasured = samples > 0 && objects.comparedAt !== null
  const line = (limit: number): DurabilityLine => ({
    limit,
    met: isMeasured && objects.lost === 0 && figures.model <= limit,
  })
  const design = line(monthlyLossTargets.design)
  const contract = line(monthlyLossTargets.contract)
  return {
    format: 'yinxin.durability-report/1',
    measurements,
    assumptions,
    failures,
    figures,
    design,
    contract,
    verdict: design.met ? 'met' : 'not_met',
    reasons: design.met ? [] : reasonsOf(measurements, figures, assumptions),
  }
}

function figuresOf(
  measured: DurabilityMeasurements,
  failures: FailureEstimate,
  assumptions: DurabilityAssumptions,
): DurabilityFigures {
  const u = Math.min(1, monthlyFailure(failures.afr))
  const windowHours = measured.detectHours + repairHours(measured, assumptions)
  const uPrime = windowFailure(failures.afr, windowHours)
  // Damage comes at any time between two readings of a replica, half an interval before the next on average.
  const latentWindowHours = (measured.unverifiedHours ?? hoursPerMonth) / 2 + windowHours
  const latentU = Math.min(1, monthlyFailure(assumptions.latentAfr))
  const latentUPrime = windowFailure(assumptions.latentAfr, latentWindowHours)

  // Each site is weighed as if it stood alone: the other one insures against the loss of a site, and both share the
  // software and its operators, so that counting six would promise more than is known.
  const bySite = measured.sites.map((place) => ({
    site: place.site,
    devices: place.devices.length,
    ...formulaInputs(place),
    ...siteLoss(place, u, uPrime),
  }))
  const worst = (losses: number[]) => (losses.length === 0 ? 1 : Math.max(...losses))
  const disk = worst(bySite.map(({ loss }) => loss))
  const latent = worst(measured.sites.map((place) => siteLoss(place, latentU, latentUPrime).loss))

  const { objectHours, oneSiteHours } = measured.exposure
  const f =
    measured.sitesApart === 'unknown' || objectHours === 0 ? 1 : Math.min(1, oneSiteHours / objectHours)
  const site = (assumptions.siteLossPerYear / 12) * f

  // Copies on devices that cannot be seen may all lie on the same one.
  const keyDevices = new Set((measured.keyCopies ?? []).map(({ device }) => device ?? '?')).size
  const key = keyDevices === 0 ? u : durability({ u, uPrime, w: keyDevices - 1, n: keyDevices }).loss
  // Copies in safes are not watched: what happens to one within the month is not noticed within the month.
  const rootKey = u ** measured.rootKeyCopies.copies

  const model = Math.min(1, disk + latent + site + key + rootKey)
  const { heldWholePeriod, lost } = measured.objects
  return {
    u,
    windowHours,
    uPrime,
    latentWindowHours,
    latentUPrime,
    bySite,
    disk,
    latent,
    site,
    key,
    rootKey,
    model,
    nines: model === 0 ? null : -Math.log10(model) + 0,
    actual: heldWholePeriod === 0 ? null : lost / heldWholePeriod,
  }
}

function repairHours({ repairs }: DurabilityMeasurements, assumptions: DurabilityAssumptions): number {
  if (repairs.p99Hours !== null && repairs.count >= repairsTelling) return repairs.p99Hours
  return Math.max(assumptions.repairHours, repairs.maxHours ?? 0)
}

/** An object cannot lie on more devices of a site than share objects, whatever the count says. */
function formulaInputs({ w, n }: SitePlacement): { w: number; n: number } {
  return { w: Math.max(w, n - 1, 0), n: Math.max(n, 0) }
}

function siteLoss(place: SitePlacement, u: number, uPrime: number): { loss: number; nines: number | null } {
  const { w, n } = formulaInputs(place)
  // No verified replica in a site at all: nothing is promised by it.
  return n === 0 ? { loss: 1, nines: 0 } : durability({ u, uPrime, w, n })
}
