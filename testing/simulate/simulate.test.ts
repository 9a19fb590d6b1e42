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

  test('keeps them with a process that serves and one that does the upkeep, each killed by itself', async () => {
    const failures: string[] = []
    const busy = { api: 0, worker: 0 }
    for (let seed = 2001; seed <= 2008; seed += 1) {
      try {
        await simulate({
          seed,
          steps: 300,
          processes: 2,
          onTrace: (line) => {
            if (line.includes(' api: ')) busy.api += 1
            if (line.includes(' worker: ')) busy.worker += 1
          },
        })
      } catch (error) {
        if (!(error instanceof SimulationFailed)) throw error
        const { message, step } = error
        failures.push(`${message}\nnpm run simulate -- --seed ${seed} --steps ${step} --processes 2 --trace`)
      }
    }
    expect(failures).toEqual([])
    // Both met trouble of their own.
    expect(Math.min(busy.api, busy.worker)).toBeGreaterThan(0)
  }, 180_000)

  test.each([1, 2] as const)(
    'a seed lives the same life twice, to the last line of its trace, with %i process(es)',
    async (processes) => {
      const lives = await Promise.all(
        [1, 2].map(async () => {
          const lines: string[] = []
          await simulate({ seed: 77, steps: 200, processes, onTrace: (line) => lines.push(line) })
          return lines
        }),
      )
      expect(lives[0]!.length).toBeGreaterThan(200)
      expect(lives[0]).toEqual(lives[1])
    },
    60_000,
  )
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
