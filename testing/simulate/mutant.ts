/**
 * Child of `npm run simulate -- --mutants`: simulates the storage room without one of its calls, seed after seed, until
 * one fails. Arguments: the site as JSON, the first seed, how many, and their steps. Prints one line of JSON.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type SyncSite, storageRoom, withoutCall } from './sync-sites.ts'

const [site, first, count, steps] = process.argv.slice(2).map((one) => JSON.parse(one)) as [
  SyncSite,
  number,
  number,
  number,
]
const mutated = pathToFileURL(join(storageRoom, site.file)).href
let isLoaded = false
registerHooks({
  load(url, context, next) {
    if (url !== mutated) return next(url, context)
    isLoaded = true
    const source = withoutCall(readFileSync(new URL(url), 'utf8'), site)
    return { format: 'module-typescript', source, shortCircuit: true }
  },
})

const { simulate, SimulationFailed } = await import('./simulate.ts')
if (!isLoaded) throw new Error(`${site.file} is not part of the simulation`)

async function firstFailure(): Promise<{ seed: number; step: number; message: string } | null> {
  for (let seed = first; seed < first + count; seed += 1) {
    try {
      await simulate({ seed, steps })
    } catch (error) {
      if (!(error instanceof SimulationFailed)) throw error
      return { seed, step: error.step, message: error.message }
    }
  }
  return null
}

process.stdout.write(`${JSON.stringify(await firstFailure())}\n`)
// The parser of the sync sites keeps threads of its own.
process.exit(0)
