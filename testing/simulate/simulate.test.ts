import { describe, expect, test } from 'vitest'
import { simulatedSites, tryMutant } from './mutants.ts'
import { simulate, SimulationFailed } from './simulate.ts'

describe('storage in a simulated world', () => {
  test('keeps every promise through a dozen worlds', async () => {
    const failures: string[] = []
    let written = 0
    for (let seed = 1001; seed <= 1012; seed += 1) {
      try {
        written += (await simulate({ seed, steps: 300 })).written
      } catch (error) {
        if (!(error instanceof SimulationFailed)) throw error
        failures.push(`${error.message}\nnpm run simulate -- --seed ${seed} --steps ${error.step} --trace`)
      }
    }
    expect(failures).toEqual([])
    expect(written).toBeGreaterThan(300)
  }, 180_000)

  test('a seed lives the same life twice, to the last line of its trace', async () => {
    const lives = await Promise.all(
      [1, 2].map(async () => {
        const lines: string[] = []
        await simulate({ seed: 77, steps: 200, onTrace: (line) => lines.push(line) })
        return lines
      }),
    )
    expect(lives[0]!.length).toBeGreaterThan(200)
    expect(lives[0]).toEqual(lives[1])
  }, 60_000)
})

describe('without one of its sync calls', () => {
  const sites = simulatedSites()

  test('there are calls to take out', () => {
    expect(new Set(sites.map((site) => site.file))).toEqual(new Set(['folder-domain.ts', 'journal.ts']))
    expect(sites.length).toBeGreaterThanOrEqual(12)
  })

  test.each(sites.map((site) => [`${site.file}:${site.line} ${site.text}`, site] as const))(
    '%s, the simulation fails',
    async (_, site) => {
      const { killedBy } = await tryMutant(site, { seeds: 120, steps: 300 })
      expect(killedBy, 'nobody noticed that the call is gone').not.toBeNull()
    },
    300_000,
  )
})
