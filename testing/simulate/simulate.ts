import { begin, type Work } from './actions.ts'
import { type Fault, strike } from './faults.ts'
import { Broken } from './ledger.ts'
import { requireReadable, requireWhole } from './rest.ts'
import { createStage, type Stage } from './stage.ts'

export interface SimulationOptions {
  seed: number
  steps: number
  /** Two: one that serves and one that does the upkeep besides. */
  processes?: 1 | 2
  onTrace?: (line: string) => void
}

export interface SimulationSummary {
  seed: number
  steps: number
  written: number
  destroyed: number
  counts: Record<string, number>
  simulatedMs: number
}

/** A breach, at a step of a seed: the same seed and steps show it again. */
export class SimulationFailed extends Error {
  override readonly name = 'SimulationFailed'
  readonly seed: number
  readonly step: number

  constructor(seed: number, step: number, cause: unknown) {
    super(`seed ${seed}, step ${step}: ${cause instanceof Broken ? cause.message : (cause as Error).stack}`, {
      cause,
    })
    this.seed = seed
    this.step = step
  }
}

type Weights<T extends string> = readonly (readonly [T, number])[]

const works: Weights<Work> = [
  ['put', 40],
  ['read', 12],
  ['stream', 8],
  ['destroy', 6],
  ['repair', 5],
  ['removal', 4],
  ['scrub', 1.5],
  ['antiEntropy', 1],
  ['reconcile', 1],
  ['compact', 2],
  ['readmit', 2],
  ['sweep', 0.3],
]

const faults: Weights<Fault> = [
  ['kill', 4],
  ['powerLoss', 6],
  ['powerLossOfOne', 1],
  ['rot', 4],
  ['loseDisk', 1],
  ['loseSite', 0.3],
  ['deleteFolder', 1],
  ['replaceDisks', 3],
  ['failSync', 2],
  ['fill', 1],
  ['partition', 1],
  ['hang', 1],
  ['slow', 1],
  ['readErrors', 1],
  ['databaseErrors', 1],
  ['resend', 1],
]

const minuteMs = 60_000
/** Upkeep of a kind runs alone, as in the schedule of the server. */
const oneAtATime: ReadonlySet<string> = new Set([
  'scrub',
  'antiEntropy',
  'reconcile',
  'compact',
  'readmit',
  'sweep',
])
const underWayAtMost = 12

/** One run: a step is one operation begun, one fault, or time that passes. @throws SimulationFailed */
export async function simulate({
  seed,
  steps,
  processes,
  onTrace,
}: SimulationOptions): Promise<SimulationSummary> {
  const stage = createStage({
    seed,
    ...(processes === undefined ? {} : { processes }),
    tell: (line) => onTrace?.(`${new Date(stage?.world.nowMs() ?? 0).toISOString()} ${line}`),
  })
  const { chance } = stage.world
  const beganMs = stage.world.nowMs()
  const counts: Record<string, number> = {}
  // Every seed has weather of its own: some storms, some calm, some of one kind only.
  const faultShare = chance.pick([0.02, 0.05, 0.1, 0.2])
  const temper = faults.map(([fault, weight]) => [fault, weight * chance.pick([0, 1, 1, 3])] as const)
  // What passes by itself passes in every world, or nothing would ever be acknowledged.
  const mending = 0.4 * temper.reduce((sum, [, weight]) => sum + weight, 0)
  const bustle = works.map(
    ([work, weight]) => [work, weight * chance.pick(work === 'put' ? [1, 2] : [0.3, 1, 1, 3])] as const,
  )
  let step = 0
  try {
    for (step = 1; step <= steps; step += 1) {
      const did = await oneStep(stage, { faultShare, temper: [...temper, ['mend', mending]], bustle })
      counts[did] = (counts[did] ?? 0) + 1
      if (stage.broken) throw stage.broken
      if (step % 500 === 0) await requireReadable(stage)
      if (stage.broken) throw stage.broken
    }
    await requireWhole(stage)
    if (stage.broken) throw stage.broken
  } catch (error) {
    throw new SimulationFailed(seed, Math.min(step, steps), error)
  }
  const objects = Array.from(stage.model)
  return {
    seed,
    steps,
    written: objects.filter((one) => one.id !== undefined).length,
    destroyed: objects.filter((one) => one.state === 'destroyed').length,
    counts,
    simulatedMs: stage.world.nowMs() - beganMs,
  }
}

interface Weather {
  faultShare: number
  temper: Weights<Fault>
  bustle: Weights<Work>
}

async function oneStep(stage: Stage, { faultShare, temper, bustle }: Weather): Promise<string> {
  const { chance } = stage.world
  const fate = chance.next()
  let did: string
  if (fate < faultShare) {
    did = draw(stage, temper)
    await strike(stage, did as Fault)
  } else if (fate > 0.97) {
    did = 'time'
    await stage.world.pass(
      chance.pick([minuteMs, 5 * minuteMs, 70 * minuteMs, 30 * 60 * minuteMs]) * chance.next(),
    )
  } else {
    did = draw(stage, bustle)
    const isBusy = Array.from(stage.underWay.values()).filter((one) => one.work === did).length
    // A full house waits for somebody to leave.
    for (let n = 0; n < 1_000 && stage.underWay.size >= underWayAtMost; n += 1) await stage.world.step()
    if (stage.underWay.size < underWayAtMost && !(isBusy > 0 && oneAtATime.has(did))) {
      void begin(stage, did as Work)
      await stage.world.settle()
    }
  }
  // Some steps follow each other at once, others let what was begun come to rest.
  const events = chance.hits(0.1) ? 400 : chance.below(chance.pick([1, 10, 60]))
  for (let n = 0; n < events && stage.underWay.size > 0; n += 1) {
    if (!(await stage.world.step())) break
    if (stage.isPowerFailing) await strike(stage, 'powerLoss')
  }
  return did
}

function draw<T extends string>({ world: { chance } }: Stage, weights: Weights<T>): T {
  let left = chance.next() * weights.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [what, weight] of weights) {
    left -= weight
    if (left < 0) return what
  }
  return weights[0]![0]
}
