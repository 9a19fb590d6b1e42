/**
 * Measured figures, each against unavoidable work in the same run: `npm run bench [-- PREFIX…] [--json]`.
 * npm puts a banner before the output of `npm run bench -- --json`; `npm run -s bench -- --json` has none.
 * With prefixes only the figures that start so are measured and shown. With --json one object of figure
 * names to numbers is all that standard output gets. What cannot be measured here is left out and said
 * on standard error, never invented.
 */
import { parseArgs } from 'node:util'

type Figures = Record<string, number>

interface Suite {
  /** Figures of this suite start with one of these. */
  prefixes: string[]
  run(): Promise<Figures>
}

const suites: Suite[] = [
  {
    prefixes: ['engine.rsa2048', 'engine.p256-event', 'engine.fifty', 'engine.verify', 'engine.memory'],
    run: async () => (await import('../packages/pades/bench.ts')).benchEngine(400),
  },
  { prefixes: ['engine.vsLibpdf'], run: async () => (await import('./bench/peers.ts')).benchLibpdf() },
  { prefixes: ['engine.vsPyhanko'], run: async () => (await import('./bench/peers.ts')).benchPyhanko() },
  { prefixes: ['platform'], run: async () => (await import('./bench/platform.ts')).benchPlatform() },
  {
    prefixes: ['custody', 'kms', 'ca', 'timestamps'],
    run: async () => (await import('../apps/server/bench.ts')).benchCustody(),
  },
  {
    prefixes: ['portability'],
    run: async () => (await import('./bench/portability.ts')).benchPortability(),
  },
]

/** Whether a suite may hold a figure that starts with the wish, or the other way round. */
function isWished(prefix: string, wishes: readonly string[]): boolean {
  return wishes.length === 0 || wishes.some((wish) => prefix.startsWith(wish) || wish.startsWith(prefix))
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false } },
})
const figures: Figures = {}
for (const suite of suites) {
  if (!suite.prefixes.some((prefix) => isWished(prefix, positionals))) continue
  try {
    Object.assign(figures, await suite.run())
  } catch (error) {
    process.stderr.write(`${suite.prefixes.join(', ')}: not measured here: ${String(error)}\n`)
    process.exitCode = 1
  }
}
const shown = Object.entries(figures).filter(
  ([name]) => positionals.length === 0 || positionals.some((wish) => name.startsWith(wish)),
)
// `npm run bench --json` keeps the option for itself, and then prints no banner of its own.
if (values.json || process.env.npm_config_json === 'true')
  process.stdout.write(`${JSON.stringify(Object.fromEntries(shown))}\n`)
else for (const [name, value] of shown) process.stdout.write(`${name.padEnd(40)} ${format(value)}\n`)

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
