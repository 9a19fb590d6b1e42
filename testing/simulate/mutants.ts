import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findSyncSites, type SyncSite } from './sync-sites.ts'

const run = promisify(execFile)

/** The thin layer over the machine's own calls: the simulated disk stands in its place. */
const machineLayer = new Set(['node-disk.ts'])

export interface MutantFate {
  site: SyncSite
  /** The seed and step at which its absence showed; null when it never did. */
  killedBy: { seed: number; step: number; message: string } | null
}

/** The sites that the simulation answers for. */
export const simulatedSites = () => findSyncSites().filter(({ file }) => !machineLayer.has(file))
export const outsideSites = () => findSyncSites().filter(({ file }) => machineLayer.has(file))

/** Lives through up to `seeds` worlds without one call. */
export async function tryMutant(
  site: SyncSite,
  { seeds, steps }: { seeds: number; steps: number },
): Promise<MutantFate> {
  const { stdout } = await run(
    process.execPath,
    [join(import.meta.dirname, 'mutant.ts'), JSON.stringify(site), '1', String(seeds), String(steps)],
    { maxBuffer: 16 << 20 },
  )
  return { site, killedBy: JSON.parse(stdout) as MutantFate['killedBy'] }
}
