/**
 * The storage of the server in a simulated world: `npm run simulate -- [--seed N] [--seeds K] [--steps M] [--trace]`.
 * A seed decides everything; one that fails prints the command that shows it again.
 */
import { parseArgs } from 'node:util'
import { simulate, SimulationFailed } from '../testing/simulate/simulate.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    steps: { type: 'string', default: '2000' },
    trace: { type: 'boolean', default: false },
  },
})
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
    console.log(`again: npm run simulate -- --seed ${seed} --steps ${error.step} --trace`)
  }
}
console.log(`${total} steps, ${failed} of ${values.seeds} seeds failed, ${seconds()} s`)
process.exitCode = failed > 0 ? 1 : 0
