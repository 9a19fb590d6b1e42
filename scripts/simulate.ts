/**
 * The storage of the server in a simulated world: `npm run simulate -- [--seed N] [--seeds K] [--steps M] [--processes 2]
 * [--trace]`.
 * A seed decides everything; one that fails prints the command that shows it again. With `--mutants` every sync call
 * of the storage room is taken out in its turn, and the simulation has to notice.
 */
import { parseArgs } from 'node:util'
import { simulate, SimulationFailed } from '../testing/simulate/simulate.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    steps: { type: 'string', default: '2000' },
    processes: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
  },
})
async function simulateSeeds(): Promise<boolean> {
  const first = Number(values.seed)
  const steps = Number(values.steps)
  const startedMs = performance.now()
  const seconds = () => ((performance.now() - startedMs) / 1000).toFixed(1)
  let failed = 0
  let total = 0
  for (let seed = first; seed < first + Number(values.seeds); seed += 1) {
    try {
      const summary = await simulate({
        seed,
        steps,
        processes: values.processes === '2' ? 2 : 1,
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
        `again: npm run simulate -- --seed ${seed} --steps ${error.step}${values.processes === '2' ? ' --processes 2' : ''} --trace`,
      )
    }
  }
  console.log(`${total} steps, ${failed} of ${values.seeds} seeds failed, ${seconds()} s`)
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
