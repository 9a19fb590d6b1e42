/**
 * The storage of the server in a simulated world: `npm run simulate -- [--seed N] [--seeds K] [--steps M] [--processes 2]
 * [--trace]`.
 * A seed decides everything; one that fails prints the command that shows it again. With `--mutants` every sync call
 * of the storage room is taken out in its turn, and the simulation has to notice.
 */
import { simulate, SimulationFailed } from '../testing/simulate/simulate.ts'
import { readCount, readOptions } from './options.ts'

const usage = 'npm run simulate -- [--seed N] [--seeds K] [--steps M] [--processes 1|2] [--trace] | --mutants'
const { values } = readOptions(
  {
    options: {
      seed: { type: 'string', default: '1' },
      seeds: { type: 'string', default: '1' },
      steps: { type: 'string', default: '2000' },
      processes: { type: 'string', default: '1' },
      trace: { type: 'boolean', default: false },
      mutants: { type: 'boolean', default: false },
    },
  },
  usage,
)
const first = readCount('seed', values.seed, 0, usage)
const seeds = readCount('seeds', values.seeds, 1, usage)
const steps = readCount('steps', values.steps, 1, usage)
const processes = readCount('processes', values.processes, 1, usage, 2)

async function simulateSeeds(): Promise<boolean> {
  const startedMs = performance.now()
  const seconds = () => ((performance.now() - startedMs) / 1000).toFixed(1)
  let failed = 0
  let total = 0
  for (let seed = first; seed < first + seeds; seed += 1) {
    try {
      const summary = await simulate({
        seed,
        steps,
        processes: processes === 2 ? 2 : 1,
        ...(values.trace ? { onTrace: (line: string) => console.log(line) } : {}),
      })
      total += summary.steps
      const days = (summary.simulatedMs / 86_400_000).toFixed(0)
      console.log(
        `seed ${seed}: ${summary.steps} steps, ${summary.written} objects, ${summary.destroyed} destroyed, ${days} days, at ${seconds()} s`,
      )
    } catch (error) {
      if (!(error instanceof SimulationFailed)) throw error
      failed += 1
      console.log(`FAILED ${error.message}`)
      console.log(
        `again: npm run simulate -- --seed ${seed} --steps ${error.step}${processes === 2 ? ' --processes 2' : ''} --trace`,
      )
    }
  }
  console.log(`${total} steps, ${failed} of ${seeds} seeds failed, ${seconds()} s`)
  return failed === 0
}

async function tryMutants(): Promise<boolean> {
  const { outsideSites, simulatedSites, tryMutant } = await import('../testing/simulate/mutants.ts')
  const nameOf = ({ file, line, text }: { file: string; line: number; text: string }) =>
    `${file}:${line} ${text}`
  let survivors = 0
  for (const site of simulatedSites()) {
    const { killedBy } = await tryMutant(site, { seeds: 120, steps: 300 })
    if (killedBy === null) survivors += 1
    console.log(
      killedBy === null
        ? `SURVIVED ${nameOf(site)}`
        : `killed   ${nameOf(site)}\n         by seed ${killedBy.seed}: ${killedBy.message}`,
    )
  }
  for (const site of outsideSites())
    console.log(`outside  ${nameOf(site)}: the machine itself, which no simulation stands on`)
  console.log(`${survivors} survived`)
  return survivors === 0
}

const isGood = values.mutants ? await tryMutants() : await simulateSeeds()
// The parser of the call sites keeps threads of its own.
process.exit(isGood ? 0 : 1)
