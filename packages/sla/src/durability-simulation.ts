/** A Monte-Carlo check of the durability formula: disks that fail and are made again, and objects lost meanwhile. */
import { durability } from './durability.ts'

export interface DurabilityExperiment {
  disks: number
  /** Replicas of an object, each on another disk. */
  replicas: number
  /** λ: failures of one disk per hour; far above reality, so that losses are seen at all. */
  failuresPerHour: number
  /** T: detection and making the copies again, fixed. */
  repairHours: number
  /** H: the service period. */
  periodHours: number
  periods: number
  /** `copysets`: disks in fixed groups, one object each. A number: so many objects, each on disks by chance. */
  placement: 'copysets' | number
  seed: number
}

export interface DurabilityResult {
  /** The mean of distinct other disks that a disk shares objects with. */
  w: number
  /** Share of disk-periods in which the disk took part in the loss of an object. */
  perDiskLoss: number
  perObjectLoss: number
  /** The formula at this w (rounded to a whole number), with u = 1 − e^(−λH). */
  formula: number
  /** 3λ³T²H and its kin: n·λⁿ·T^(n−1)·H, exact for a fixed repair time when failures are rare. */
  exactPerObject: number
  objectsLost: number
}

/** Runs the experiment; the same seed gives the same result. @throws RangeError */
export function simulateDurability(experiment: DurabilityExperiment): DurabilityResult {
  const { disks, replicas, failuresPerHour, repairHours, periodHours, periods } = experiment
  if (replicas < 1 || disks < replicas) throw new RangeError('an object needs as many disks as replicas')
  if (!(failuresPerHour > 0) || !(repairHours >= 0) || !(periodHours > 0) || !(periods > 0)) {
    throw new RangeError('rates, hours and periods are positive')
  }
  const random = seededRandom(experiment.seed)
  const objects = place(experiment, random)
  const objectsOf: number[][] = Array.from({ length: disks }, () => [])
  for (const [index, holders] of objects.entries()) for (const disk of holders) objectsOf[disk]!.push(index)

  const downUntil = new Float64Array(disks)
  const diskLosses = new Set<string>()
  let objectsLost = 0
  const end = periods * periodHours
  // Failures of all disks are one Poisson stream; those that hit a disk already down change nothing.
  for (
    let now = wait(random, disks * failuresPerHour);
    now < end;
    now += wait(random, disks * failuresPerHour)
  ) {
    const disk = Math.floor(random() * disks)
    if (downUntil[disk]! > now) continue
    downUntil[disk] = now + repairHours
    const period = Math.floor(now / periodHours)
    for (const index of objectsOf[disk]!) {
      const holders = objects[index]!
      if (!holders.every((holder) => downUntil[holder]! > now)) continue
      objectsLost += 1
      for (const holder of holders) diskLosses.add(`${holder}/${period}`)
    }
  }

  const w = scatterWidth(objects, disks)
  return {
    w,
    perDiskLoss: diskLosses.size / (disks * periods),
    perObjectLoss: objectsLost / (objects.length * periods),
    formula: durability({
      u: -Math.expm1(-failuresPerHour * periodHours),
      uPrime: -Math.expm1(-failuresPerHour * repairHours),
      w: Math.round(w),
      n: replicas,
    }).loss,
    exactPerObject: replicas * failuresPerHour ** replicas * repairHours ** (replicas - 1) * periodHours,
    objectsLost,
  }
}

const wait = (random: () => number, rate: number) => -Math.log1p(-random()) / rate

function place({ disks, replicas, placement }: DurabilityExperiment, random: () => number): number[][] {
  if (placement === 'copysets') {
    const groups = Math.floor(disks / replicas)
    return Array.from({ length: groups }, (_, group) =>
      Array.from({ length: replicas }, (_, index) => group * replicas + index),
    )
  }
  return Array.from({ length: placement }, () => {
    const holders = new Set<number>()
    while (holders.size < replicas) holders.add(Math.floor(random() * disks))
    return [...holders]
  })
}

/** The mean, over disks that hold anything, of the distinct other disks that hold a replica of the same object. */
export function scatterWidth(objects: readonly (readonly number[])[], disks: number): number {
  const peers: Set<number>[] = Array.from({ length: disks }, () => new Set())
  for (const holders of objects) {
    for (const disk of holders) for (const other of holders) if (other !== disk) peers[disk]!.add(other)
  }
  const used = peers.filter(({ size }) => size > 0)
  return used.length === 0 ? 0 : used.reduce((sum, { size }) => sum + size, 0) / used.length
}

/** sfc32, seeded from one number: small, fast and good enough for counting failures; nothing secret. */
function seededRandom(seed: number): () => number {
  let a = 0x9e3779b9 ^ seed
  let b = 0x243f6a88 ^ Math.floor(seed / 2 ** 32)
  let c = 0xb7e15162
  let counter = 1
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    c |= 0
    return (sum >>> 0) / 2 ** 32
  }
  for (let round = 0; round < 16; round += 1) next()
  return next
}
